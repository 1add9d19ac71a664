"""A collection copied from one engine to another, batch by batch, and compared with its origin in the end.

A copy remembers, among its facts, what it is a copy of and how far it came. Where it came to the end and yet differs,
because the origin changed meanwhile or since, what differs is copied again: so a copy can also be brought up to date.
Ids are the copy's own, in the order of the origin's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from zehn import engines
from zehn.collection import creation, keeping, places
from zehn.engines import Engine, NewRecord, Record
from zehn.errors import CollectionError
from zehn.progress import Progress

_FACT = "copy"
_N_BATCH = 2_000
"""Images that are held at a time, with their thumbnails."""
_HASH_BYTES = 16
_KNOWN = tuple(field.name for field in fields(NewRecord))


@dataclass(frozen=True)
class Copied:
    """A copy that is done."""

    address: str
    n_images: int
    checksum: str
    """Over what is known of every image, its code and its thumbnail, in any order."""


@dataclass(frozen=True)
class _Mark:
    """How far a copy came."""

    origin: str
    """What tells the origin from other collections."""
    after_id: int = -1
    """The last of the origin's ids that is there."""
    is_complete: bool = False


def copy(origin: str | Path, target: str | Path, *, progress: Progress | None = None) -> Copied:
    """Copy a collection to a place where none is, or go on with a copy, or bring it up to date.

    Each batch is committed by itself; what was interrupted goes on with the same call.

    Args:
        origin: A collection's name, path or URL.
        target: Likewise; it is made with the origin's model and settings.
        progress: Told how many images are done and how many there are.

    Raises:
        CollectionError: there is no origin; the target is no copy of it, or of what it was before its model changed; or
            the copy differs from the origin once it is done, because the origin changed meanwhile.
        ConfigError: a name that is none.

    """
    source, _ = creation.connect(origin, read_only=True)
    with source:
        sink, address = _opened(source, target)
        with sink:
            mark = _mark_of(sink)
            if not mark.is_complete:
                mark = _go_on(source, sink, mark, progress)
                checksum = _compared(source, sink, progress)
            else:
                checksum = None
            if checksum is None:
                _bring_up_to_date(source, sink, progress)
                checksum = _compared(source, sink, progress)
            if checksum is None:
                raise CollectionError(
                    f"{places.name_of(address)} differs from {engines.masked(str(origin))}, which changed while it was "
                    "copied; give the same command again when nobody writes to it"
                )
            return Copied(places.name_of(address), len(sink), checksum)


def _opened(source: Engine, target: str | Path) -> tuple[Engine, str]:
    """Make the copy, or open it where it was begun."""
    address = places.address_of(target)
    origin = _origin_of(source)
    if not engines.exists(address):
        data = source.attachment(keeping.ATTACHMENT)
        facts = {**source.facts(), _FACT: json.dumps(asdict(_Mark(origin)))}
        attachments = {} if data is None else {keeping.ATTACHMENT: data}
        return creation.made(address, source.n_components, facts, attachments), address
    sink, _ = creation.connect(target, read_only=False)
    written = sink.facts().get(_FACT)
    if written is None or _read(written).origin != origin:
        sink.close()
        raise CollectionError(
            f"there is a collection at {places.name_of(address)} already, which is no copy of this one as it is now "
            "(its model may have been another one); choose another name, or remove it first"
        )
    return sink, address


def _origin_of(source: Engine) -> str:
    facts = source.facts()
    # not the address: the same collection may be reached by several, and moved
    return f"{facts.get('created', '')} {facts.get('fingerprint', '')}"


def _mark_of(sink: Engine) -> _Mark:
    return _read(sink.facts()[_FACT])


def _read(written: str) -> _Mark:
    try:
        return _Mark(**json.loads(written))
    except (ValueError, TypeError, RecursionError) as error:
        raise CollectionError(
            f"what a copy of a collection says of itself is damaged ({error}); remove it and copy it again"
        ) from error


def _put_mark(sink: Engine, mark: _Mark) -> None:
    sink.set_facts({_FACT: json.dumps(asdict(mark))})


def _go_on(source: Engine, sink: Engine, mark: _Mark, progress: Progress | None) -> _Mark:
    n_all, n_done = len(source), len(sink)
    for records, codes in source.walk_codes(after_id=mark.after_id, n_batch=_N_BATCH):
        _put(source, sink, records, codes)
        mark = replace(mark, after_id=records[-1].id)
        _put_mark(sink, mark)
        n_done += len(records)
        if progress is not None:
            progress("copying images", min(n_done, n_all), n_all)
    mark = replace(mark, is_complete=True)
    _put_mark(sink, mark)
    return mark


def _put(source: Engine, sink: Engine, records: list[Record], codes: Float32[np.ndarray, "n d"]) -> None:
    new = [NewRecord(**{name: getattr(record, name) for name in _KNOWN}) for record in records]
    thumbnails = source.thumbnails([record.id for record in records])
    sink.add(new, codes, thumbnails, fingerprint=source.facts().get("fingerprint"))


def _bring_up_to_date(source: Engine, sink: Engine, progress: Progress | None) -> None:
    """Copy again what differs, and take away what the origin has no longer."""
    n_all, n_done = len(source), 0
    for records, codes in source.walk_codes(n_batch=_N_BATCH):
        wanted = _hashes(source, records, codes)
        found = list(sink.find([record.path for record in records]).values())
        there = dict(zip((record.path for record in found), _hashes(sink, found, _codes(sink, found)), strict=True))
        differing = [row for row, record in enumerate(records) if there.get(record.path) != wanted[row]]
        if differing:
            _put(source, sink, [records[row] for row in differing], codes[differing])
        n_done += len(records)
        if progress is not None:
            progress("comparing images", min(n_done, n_all), n_all)
    for batch in sink.walk(n_batch=_N_BATCH):
        known = source.find([record.path for record in batch])
        gone = [record.id for record in batch if record.path not in known]
        if gone:
            sink.remove(gone)
    facts, own = source.facts(), sink.facts()
    changed: Mapping[str, str | None] = {name: facts.get(name) for name in {*facts, *own} if name != _FACT}
    sink.set_facts(changed)


def _codes(engine: Engine, records: list[Record]) -> Float32[np.ndarray, "n d"]:
    return engine.codes([record.id for record in records])


def _compared(source: Engine, sink: Engine, progress: Progress | None) -> str | None:
    """Return the checksum of both where it is one, or None."""
    if len(source) != len(sink):
        return None
    first, second = (_checksum(engine, progress) for engine in (source, sink))
    return first if first == second else None


def _checksum(engine: Engine, progress: Progress | None) -> str:
    total, n_done, n_all = 0, 0, len(engine)
    for records, codes in engine.walk_codes(n_batch=_N_BATCH):
        # a sum does not depend on the order, and a pair of equal rows does not cancel itself
        total += sum(int.from_bytes(digest) for digest in _hashes(engine, records, codes))
        n_done += len(records)
        if progress is not None:
            progress("checking images", min(n_done, n_all), n_all)
    return f"{total % 2 ** (8 * _HASH_BYTES):032x}"


def _hashes(engine: Engine, records: list[Record], codes: Float32[np.ndarray, "n d"]) -> list[bytes]:
    """Return a hash of all that is known of each image: its record but for the id and the time of adding."""
    thumbnails = engine.thumbnails([record.id for record in records])
    rows = zip(records, np.ascontiguousarray(codes, "<f4"), thumbnails, strict=True)
    return [_hash(record, code.tobytes(), thumbnail) for record, code, thumbnail in rows]


def _hash(record: Record, code: bytes, thumbnail: bytes | None) -> bytes:
    digest = blake2b(digest_size=_HASH_BYTES)
    for name in _KNOWN:
        part = getattr(record, name)
        known = part if isinstance(part, bytes) else repr(part).encode("utf-8", "surrogateescape")
        # lengths first: no two records run into each other
        digest.update(len(known).to_bytes(8) + known)
    digest.update(code)
    digest.update(b"" if thumbnail is None else b"+" + thumbnail)
    return digest.digest()
