"""Part files into a collection, whatever its engine; what is in it already is passed over, so that it goes on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from zehn import plugins
from zehn.collection import Collection
from zehn.engines import N_BATCH, Engine, NewRecord, Record, check_codes
from zehn.errors import CollectionError, DataError, InputError
from zehn.progress import Progress
from zehn.scale.encoding import parts, storage
from zehn.scale.encoding.job import MANIFEST, read_manifest
from zehn.scale.encoding.parts import Row
from zehn.scale.encoding.storage import Folder

Batch = tuple[list[Row], Float32[np.ndarray, "n d"]]

_WHAT = "loading images"
_HASH_BYTES = 32
_PART_NAME = re.compile(rf"{parts.PREFIX}\w+{re.escape(parts.SUFFIX)}")
_ZERO = b"\0"
_DAMAGED = (OSError, KeyError, ValueError, TypeError, AttributeError, OverflowError)


def load(out: str | Path, collection: Collection, *, progress: Progress | None = None) -> int:
    """Add the images of a finished bulk encoding to a collection, and return how many were not there yet as they are.

    Images are added some ten thousand at a time, each time committed; what was interrupted goes on with the same call.
    They come with hash, size and time of change, so that ``zehn index update`` passes over files that did not change;
    they have no thumbnails.

    Args:
        out: The folder that :func:`encode` wrote, a path or a URL.
        collection: Where to; its model must be the one that made the codes.
        progress: Told how many images are done and how many there are.

    Raises:
        DataError: there is no finished encoding, or a part file is damaged.
        CollectionError: the codes are those of another model, or images were fitted in another way.

    """
    folder = Folder(storage.resolved(str(out)))
    known = _finished(folder)
    _check_match(known, collection, folder)
    n_all, names = _contents(known, folder)
    n_done = n_new = 0
    for rows, codes in _batches(folder, names, collection.engine.n_components):
        n_new += _add(collection.engine, rows, codes, str(known["fingerprint"]))
        n_done += len(rows)
        if progress:
            progress(_WHAT, n_done, n_all)
    return n_new


def _finished(folder: Folder) -> dict[str, Any]:
    known = read_manifest(folder)
    if known is None:
        raise DataError(f"there is no {MANIFEST} in {folder.address}; make it with zehn encode")
    if not known.get("is_complete"):
        raise DataError(f"the encoding in {folder.address} is not finished; give the same zehn encode again")
    return known


def _contents(known: dict[str, Any], folder: Folder) -> tuple[int, list[str]]:
    """Return how many images there are, and in which part files.

    Raises:
        DataError: the manifest says nothing of the kind.

    """
    try:
        n_images, names = int(known["n_images"]), [str(part["name"]) for part in known["parts"]]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{folder.path_of(MANIFEST)} is damaged ({error!r}); give the same zehn encode again"
        ) from error
    wrong = next((name for name in names if not _PART_NAME.fullmatch(name)), None)
    if wrong is not None:
        raise DataError(f"{folder.path_of(MANIFEST)} is damaged (what is {wrong!r}?); give the same zehn encode again")
    return n_images, names


def _check_match(known: dict[str, Any], collection: Collection, folder: Folder) -> None:
    fit = collection.engine.facts()["fit"]
    for name, own in (("fingerprint", collection.model.fingerprint), ("fit", fit)):
        if known.get(name) != own:
            raise CollectionError(
                f"{folder.address} holds codes made with {name} {known.get(name)}, but those of {collection.name} have "
                f"{own}; encode with what the collection was made with, or load into another collection"
            )


def _batches(folder: Folder, names: Sequence[str], n_components: int) -> Iterator[Batch]:
    """Yield what part files hold, some ten thousand rows at a time: small parts together, large ones in pieces."""
    rows: list[Row] = []
    values: list[Float32[np.ndarray, "_ d"]] = []
    for of_piece, codes in (piece for name in names for piece in _pieces(*_read(folder, name, n_components))):
        if rows and len(rows) + len(of_piece) > N_BATCH:
            yield rows, np.concatenate(values)
            rows, values = [], []
        rows += of_piece
        values.append(codes)
    if rows:
        yield rows, np.concatenate(values)


def _pieces(rows: list[Row], codes: Float32[np.ndarray, "n d"]) -> Iterator[Batch]:
    for start in range(0, len(rows), N_BATCH):
        yield rows[start : start + N_BATCH], codes[start : start + N_BATCH]


def _read(folder: Folder, name: str, n_components: int) -> Batch:
    arrow_error = plugins.require("pyarrow", "parquet").ArrowException
    try:
        rows, codes = parts.read_rows(folder, name)
        check_codes(codes, "codes", n_components)
        for row in rows:
            _check(row)
    except (*_DAMAGED, InputError, arrow_error) as error:
        raise DataError(
            f"{folder.path_of(name)} is damaged ({error}); remove it and give the same zehn encode again"
        ) from error
    return rows, codes


def _check(row: Row) -> None:
    """Refuse what no worker writes."""
    if not row.path or _ZERO in row.path or len(row.sha256) != _HASH_BYTES:
        raise ValueError(f"expected a path and a hash of {_HASH_BYTES} bytes, came {row.path!r} and {row.sha256!r}")
    is_plain = storage.is_url(os.fsdecode(row.path)) or row.path == os.path.normpath(row.path)
    if not is_plain or min(row.size, row.mtime_ns, row.width, row.height) < 0:
        raise ValueError(f"expected a plain path and no negative number, came {row.path!r}")


def _add(engine: Engine, rows: Sequence[Row], codes: Float32[np.ndarray, "n d"], fingerprint: str) -> int:
    """Add the rows that are not there with the same content, and return how many; thumbnails of others are dropped."""
    known = engine.find([row.path for row in rows])
    new = [number for number, row in enumerate(rows) if row.path not in known or known[row.path].sha256 != row.sha256]
    if new:
        records = [
            NewRecord(row.path, row.size, row.mtime_ns, row.sha256, row.width, row.height, _label(known.get(row.path)))
            for row in (rows[number] for number in new)
        ]
        engine.add(records, codes[new], [None] * len(new), fingerprint=fingerprint)
    return len(new)


def _label(known: Record | None) -> str | None:
    return None if known is None else known.label
