"""Files into a collection: told apart from what is there already, decoded, encoded and put down, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
from jaxtyping import Float32

from zehn import codes, store
from zehn.collection import decoding
from zehn.collection.decoding import Decoded, How, Task
from zehn.collection.files import Found, said
from zehn.datasets import Skipped
from zehn.engines import Engine, NewRecord, Record
from zehn.progress import Progress

N_LOOKED_UP = 10_000
"""Paths that are looked up at once."""
N_COMMITTED = 512
"""Images that are put down at once: what a kill loses at most."""
_N_ENCODED = 64


@dataclass(frozen=True)
class Changes:
    """What adding or updating did to a collection."""

    n_added: int = 0
    n_changed: int = 0
    """Images encoded anew under their old ids: their files had other content than before, or had never been read here,
    as after an import."""
    n_unchanged: int = 0
    n_removed: int = 0
    """Images whose files had vanished."""
    skipped: tuple[Skipped, ...] = ()
    """Files and folders that could not be used, and why."""


@dataclass
class Tally:
    """Counts what happens on the way to :class:`Changes`."""

    n_added: int = 0
    n_changed: int = 0
    n_unchanged: int = 0
    skipped: list[Skipped] = field(default_factory=list)

    def skip(self, path: bytes, reason: str) -> None:
        """Note a file or folder that cannot be used."""
        self.skipped.append(Skipped(said(path), reason))

    def changes(self, n_removed: int = 0) -> Changes:
        """Return what was counted."""
        return Changes(self.n_added, self.n_changed, self.n_unchanged, n_removed, tuple(self.skipped))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that is new, or whose size or time is another than the collection knows."""

    found: Found
    known: Record | None


def sort_out(engine: Engine, found: Sequence[Found], tally: Tally, *, thorough: bool = False) -> list[Candidate]:
    """Return the files that have to be read; ``thorough`` reads all, whatever their sizes and times say."""
    candidates: list[Candidate] = []
    for batch in _batches(found, N_LOOKED_UP):
        known = engine.find([one.path for one in batch])
        relabelled = []
        for one in batch:
            record = known.get(one.path)
            if record is None or thorough or not _looks_same(one, record):
                candidates.append(Candidate(one, record))
                continue
            tally.n_unchanged += 1
            if one.label not in (None, record.label):
                relabelled.append(replace(record, label=one.label))
        if relabelled:
            engine.touch(relabelled)
    return candidates


def bring_in(
    engine: Engine,
    model: store.Model,
    candidates: Sequence[Candidate],
    tally: Tally,
    n_workers: int,
    progress: Progress | None,
) -> None:
    """Read, encode and put down files; each batch is one transaction."""
    how = decoding.how_of(engine.facts(), model.image_size)
    tasks = [Task(one.found.path, _known_hash(engine, one.known, how)) for one in candidates]
    batch = _Batch(engine, model, tally)
    answers = (answer for part in decoding.decode_all(tasks, how, n_workers) for answer in part)
    for n_done, (candidate, (_, decoded)) in enumerate(zip(candidates, answers, strict=True), start=1):
        if decoded.reason:
            tally.skip(candidate.found.path, decoded.reason)
        else:
            batch.take(candidate, decoded)
        if progress and (n_done % _N_ENCODED == 0 or n_done == len(candidates)):
            progress("adding images", n_done, len(candidates))
    batch.commit()


class _Batch:
    """Images on their way into the engine: encoded a few at a time, so that decoders go on, put down many at a time."""

    def __init__(self, engine: Engine, model: store.Model, tally: Tally) -> None:
        self._engine, self._model, self._tally = engine, model, tally
        self._taken: list[tuple[Candidate, Decoded]] = []
        self._touched: list[Record] = []
        self._codes: list[Float32[np.ndarray, "_ d"]] = []
        self._n_encoded = 0

    def take(self, candidate: Candidate, decoded: Decoded) -> None:
        if decoded.square is None and candidate.known is not None:
            self._touched.append(_touched(candidate.found, candidate.known))
        else:
            self._taken.append((candidate, decoded))
        if len(self._taken) - self._n_encoded >= _N_ENCODED:
            self._encode()
        if len(self._taken) >= N_COMMITTED or len(self._touched) >= N_LOOKED_UP:
            self.commit()

    def commit(self) -> None:
        if len(self._taken) > self._n_encoded:
            self._encode()
        if self._taken:
            records = [_new_record(candidate, decoded) for candidate, decoded in self._taken]
            thumbnails = [decoded.thumbnail for _, decoded in self._taken]
            self._engine.add(records, np.concatenate(self._codes), thumbnails, fingerprint=self._model.fingerprint)
        if self._touched:
            self._engine.touch(self._touched)
        n_changed = sum(candidate.known is not None for candidate, _ in self._taken)
        self._tally.n_changed += n_changed
        self._tally.n_added += len(self._taken) - n_changed
        self._tally.n_unchanged += len(self._touched)
        self._taken, self._touched, self._codes, self._n_encoded = [], [], [], 0

    def _encode(self) -> None:
        squares: Any = [decoded.square for _, decoded in self._taken[self._n_encoded :]]
        self._codes.append(codes.encode(self._model, np.stack(squares)))
        self._taken[self._n_encoded :] = [
            (candidate, replace(decoded, square=None)) for candidate, decoded in self._taken[self._n_encoded :]
        ]
        self._n_encoded = len(self._taken)


def _looks_same(found: Found, record: Record) -> bool:
    # without a hash nobody has read the file: an import of what zehn encode wrote
    return (found.size, found.mtime_ns) == (record.size, record.mtime_ns) and record.sha256 != b""


def _known_hash(engine: Engine, known: Record | None, how: How) -> bytes:
    """Return the hash of a file that need not be read anew if it still has it."""
    if known is None or known.sha256 == b"":
        return b""
    # an import brings hashes but no thumbnails
    is_whole = how.thumbnail_size < 1 or engine.thumbnail(known.id) is not None
    return known.sha256 if is_whole else b""


def _touched(found: Found, known: Record) -> Record:
    label = known.label if found.label is None else found.label
    return replace(known, size=found.size, mtime_ns=found.mtime_ns, label=label)


def _new_record(candidate: Candidate, decoded: Decoded) -> NewRecord:
    found, known = candidate.found, candidate.known
    label = known.label if known and found.label is None else found.label
    return NewRecord(found.path, found.size, found.mtime_ns, decoded.sha256, *decoded.size, label=label)


def _batches(found: Sequence[Found], size: int) -> Iterator[list[Found]]:
    remaining = iter(found)
    while batch := list(islice(remaining, size)):
        yield batch
