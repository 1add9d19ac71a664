"""A collection's codes and records as one file, Parquet or NPZ, and back.

Columns: ``id``, ``path_bytes``, ``label_name``, ``size``, ``mtime_ns``, ``sha256``, ``width``, ``height``, ``added``,
and the code, one column a number in Parquet (``code_0`` …), an array (n, d) in NPZ; the model's fingerprint beside
them. Parquet has the ``path`` as text too, in which bytes that are no UTF-8 are shown as such.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from zehn import codes, damage, store
from zehn.collection import npz, parquet
from zehn.collection.columns import Columns, new_records
from zehn.engines import N_BATCH, Engine, NewRecord, check_codes
from zehn.errors import CollectionError, DataError, UnknownNameError

_DAMAGED = (*damage.OF_ARRAYS, MemoryError)
_KEY_BYTES = 16

Batch = tuple[list[NewRecord], Float32[np.ndarray, "n d"]]


@dataclass(frozen=True)
class _Kind:
    """How one kind of file is written and read."""

    write: Callable[[Engine, Path, str], int]
    fingerprint_of: Callable[[Path], str | None]
    read: Callable[[Path], Iterator[Columns]]
    failures: Callable[[], tuple[type[Exception], ...]]


_KINDS: Mapping[str, _Kind] = {
    ".npz": _Kind(npz.write, npz.fingerprint_of, npz.read, tuple),
    ".parquet": _Kind(parquet.write, parquet.fingerprint_of, parquet.read, parquet.failures),
}
"""By the ending of a file's name."""


def write(engine: Engine, path: Path, fingerprint: str) -> int:
    """Write a store's records and codes to a file, whole or not at all, and return how many.

    Raises:
        UnknownNameError: an ending other than .parquet and .npz.
        RunError: the disk is full, or the place cannot be written to.
        MissingExtraError: Parquet is asked for, and pyarrow is not installed.

    """
    kind = _kind_of(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    with store.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            n_rows = kind.write(engine, beside, fingerprint)
            with beside.open("rb") as written:
                os.fsync(written.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    return n_rows


def bring_in(engine: Engine, path: Path, fingerprint: str) -> int:
    """Add what :func:`write` or ``zehn encode`` wrote, and return how many; see :meth:`Collection.import_codes`.

    A thumbnail that is there already stays, but not where the hash says that the image is another one.
    """
    n_images = 0
    for records, values in read(path, fingerprint, engine.n_components):
        known = engine.find([record.path for record in records])
        kept = [
            engine.thumbnail(known[record.path].id)
            if record.path in known and record.sha256 in (b"", known[record.path].sha256)
            else None
            for record in records
        ]
        engine.add(records, values, kept, fingerprint=fingerprint)
        n_images += len(records)
    return n_images


def read(path: Path, fingerprint: str, n_components: int) -> Iterator[Batch]:
    """Return what :func:`write` or ``zehn encode`` wrote, as batches of records and codes; all of it is checked first.

    Raises:
        UnknownNameError: an ending other than .parquet and .npz.
        DataError: no such file, or one that is damaged or holds something else, such as codes without paths.
        CollectionError: the codes are those of another model.
        MissingExtraError: it is a Parquet file, and pyarrow is not installed.

    """
    kind = _kind_of(path)
    if not path.is_file():
        raise DataError(f"there is no file {path}; make one with zehn index export, or with zehn encode")
    with _told(path, kind):
        came, of_codes = kind.fingerprint_of(path), None
        if came is None:
            of_codes = codes.read(path)
            came = of_codes.fingerprint
    if came != fingerprint:
        raise CollectionError(
            f"{path} holds codes of model {came}, but the collection's are of model {fingerprint}; "
            "import them into a collection that was made with that model"
        )

    def batches() -> Iterator[Batch]:
        with _told(path, kind):
            for columns in kind.read(path) if of_codes is None else _columns_of(of_codes):
                check_codes(columns.codes, "codes", n_components)
                yield new_records(columns), columns.codes

    with _told(path, kind):
        _check_paths(record.path for records, _ in batches() for record in records)
    return batches()


def _kind_of(path: Path) -> _Kind:
    ending = path.suffix.lower()
    if ending not in _KINDS:
        raise UnknownNameError("ending of an exported file", ending, _KINDS)
    return _KINDS[ending]


@contextmanager
def _told(path: Path, kind: _Kind) -> Iterator[None]:
    """Turn what comes of a damaged file into an error that names it."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, _DAMAGED + kind.failures()):
            raise
        raise DataError(f"{path} is damaged or holds no codes ({error}); export it again") from error


def _check_paths(paths: Iterator[bytes]) -> None:
    """Refuse a path that is there twice; of each path 16 bytes of its hash are kept."""
    keys = bytearray()
    for path in paths:
        keys += blake2b(path, digest_size=_KEY_BYTES).digest()
    halves = np.frombuffer(keys, np.uint64).reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    again = np.flatnonzero((halves[order[1:]] == halves[order[:-1]]).all(axis=1))
    if len(again):
        one, two = sorted((int(order[again[0]]), int(order[again[0] + 1])))
        raise ValueError(f"rows {one} and {two} have one path")


def _columns_of(content: codes.Codes) -> Iterator[Columns]:
    """Yield what ``zehn encode`` wrote; nobody has hashed its images."""
    if content.paths is None:
        raise ValueError("codes without the paths of their images; encode a folder of images")
    labels = [None] * len(content.paths) if content.labels is None else [str(one) for one in content.labels.tolist()]
    unknown = np.zeros(N_BATCH, np.int64)
    for start in range(0, len(content.paths), N_BATCH):
        rows = slice(start, start + N_BATCH)
        paths = [_absolute(os.fsencode(path)) for path in content.paths[rows]]
        none = unknown[: len(paths)]
        yield Columns(paths, labels[rows], [b""] * len(paths), none, none, none, content.codes[rows])


def _absolute(path: bytes) -> bytes:
    # some Pythons cut a path at a zero byte
    return path if b"\0" in path else os.path.abspath(path)  # noqa: PTH100 – bytes
