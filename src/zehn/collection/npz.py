"""A collection's records and codes as NPZ, written and read some rows at a time.

Texts have any length, so a column of them is two arrays: all bytes one after the other, and n + 1 offsets into them.
The path of row i is ``path_bytes[path_offsets[i] : path_offsets[i + 1]]``. Each array grows in a nameless file of its
own first, for its shape stands before its values.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from zehn.codes.files import FINGERPRINT
from zehn.collection.columns import NUMBERS, Columns, printable
from zehn.engines import N_BATCH, Engine, Record

_TEXTS = ("path", "label_name")
_OFFSETS, _BYTES = "_offsets", "_bytes"
_HASH_BYTES = 32
_ROWS: Mapping[str, np.dtype[Any]] = {
    **dict.fromkeys(NUMBERS, np.dtype("<i8")),
    **dict.fromkeys((f"{name}{_OFFSETS}" for name in _TEXTS), np.dtype("<i8")),
    **dict.fromkeys((f"{name}{_BYTES}" for name in _TEXTS), np.dtype("u1")),
    "has_label": np.dtype("?"),
    "sha256": np.dtype(("u1", (_HASH_BYTES,))),
    "has_sha256": np.dtype("?"),
    "added": np.dtype("S20"),
}
"""The arrays beside the codes, and what a row of each is."""
_UNREAD = ("id", "mtime_ns", "added")
_KINDS = {"i": "iu", "u": "u", "b": "b", "f": "f", "U": "U"}
"""Which kinds of numpy types stand for which, where another program wrote the file."""
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_LONGEST = 1_000
"""Characters of a fingerprint at most."""


def write(engine: Engine, path: Path, fingerprint: str) -> int:
    """Write a store's records and codes to a file, and return how many."""
    n_rows, rows = 0, dict(_ROWS) | {"codes": np.dtype(("<f4", (engine.n_components,)))}
    with ExitStack() as stack:
        files = {name: stack.enter_context(TemporaryFile(dir=path.parent)) for name in rows}
        ends = dict.fromkeys(_TEXTS, 0)
        for name in _TEXTS:
            files[f"{name}{_OFFSETS}"].write(bytes(rows[f"{name}{_OFFSETS}"].itemsize))
        for records, codes in engine.walk_codes():
            columns = _columns(records, ends) | {"codes": codes}
            for name, values in columns.items():
                files[name].write(np.ascontiguousarray(values, rows[name].base).tobytes())
            n_rows += len(records)
        with zipfile.ZipFile(path, "w") as archive:
            for name, row in rows.items():
                _pack(archive, name, files[name], row)
            with archive.open(f"{FINGERPRINT}.npy", "w") as entry:
                np.lib.format.write_array(entry, np.array(fingerprint), allow_pickle=False)
    return n_rows


def fingerprint_of(path: Path) -> str | None:
    """Return whose codes a file holds, or None where no collection was exported to it."""
    with zipfile.ZipFile(path) as archive, ExitStack() as stack:
        if f"path{_OFFSETS}.npy" not in archive.namelist():
            return None
        array = _Array(archive, FINGERPRINT, np.dtype("U"), stack)
        if array.shape != () or array.row.itemsize > np.dtype(f"U{_LONGEST}").itemsize:
            raise ValueError(f"expected one text as the {FINGERPRINT}, came {array.shape} of {array.row}")
        return str(array.take_bytes(array.row.itemsize, array.row)[0])


def read(path: Path) -> Iterator[Columns]:
    """Yield the rows of a file.

    Raises:
        damage.OF_ARRAYS: it is damaged, or holds something else.

    """
    with zipfile.ZipFile(path) as archive, ExitStack() as stack:
        rows = {name: row for name, row in _ROWS.items() if name not in _UNREAD} | {"codes": np.dtype("<f4")}
        arrays = {name: _Array(archive, name, row, stack) for name, row in rows.items()}
        n_rows = _check_shapes(arrays)
        texts = {name: _Texts(arrays[f"{name}{_OFFSETS}"], arrays[f"{name}{_BYTES}"]) for name in _TEXTS}
        for start in range(0, n_rows, N_BATCH):
            yield _taken(arrays, texts, min(N_BATCH, n_rows - start))
        for column in texts.values():
            column.check_end()


def _columns(records: Sequence[Record], ends: dict[str, int]) -> dict[str, Any]:
    """Return records as arrays; offsets go on from the ends, which move on."""
    columns: dict[str, Any] = {name: [getattr(one, name) for one in records] for name in NUMBERS}
    columns["has_label"] = [one.label is not None for one in records]
    columns["has_sha256"] = [one.sha256 != b"" for one in records]
    hashes = b"".join(one.sha256[:_HASH_BYTES].ljust(_HASH_BYTES, b"\0") for one in records)
    columns["sha256"] = np.frombuffer(hashes, np.uint8)
    columns["added"] = [one.added.encode() for one in records]
    texts = {
        "path": [one.path for one in records],
        "label_name": [printable(one.label or "").encode() for one in records],
    }
    for name, column in texts.items():
        offsets = ends[name] + np.cumsum([len(text) for text in column], dtype=np.int64)
        columns |= {f"{name}{_OFFSETS}": offsets, f"{name}{_BYTES}": np.frombuffer(b"".join(column), np.uint8)}
        ends[name] = int(offsets[-1])
    return columns


def _pack(archive: zipfile.ZipFile, name: str, file: IO[bytes], row: np.dtype[Any]) -> None:
    """Put an array into the archive, header first."""
    shape = (file.tell() // row.itemsize if row.itemsize else 0, *row.shape)
    header = {"descr": np.lib.format.dtype_to_descr(row.base), "fortran_order": False, "shape": shape}
    file.seek(0)
    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
        np.lib.format.write_array_header_1_0(entry, header)
        copyfileobj(file, entry)


class _Array:
    """One array of a file, read from its beginning to its end."""

    def __init__(self, archive: zipfile.ZipFile, name: str, expected: np.dtype[Any], stack: ExitStack) -> None:
        entry = archive.getinfo(f"{name}.npy")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name} is compressed, and Zehn compresses nothing")
        self._stream = stack.enter_context(archive.open(entry))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers in the manner of Python 2
            version = np.lib.format.read_magic(self._stream)
            if version not in _HEADERS:
                raise ValueError(f"{name} is an array of version {version}, expected 1.0 or 2.0")
            self.shape, is_fortran, self.row = _HEADERS[version](self._stream)
        if self.row.kind not in _KINDS[expected.base.kind]:
            raise TypeError(f"expected {name} as {expected.base}, came {self.row}")
        n_bytes = entry.file_size - self._stream.tell()
        if is_fortran or any(side < 0 for side in self.shape) or n_bytes != _n_bytes(self.shape, self.row):
            raise ValueError(f"{name} is not as large as it says, {self.shape}")

    def take(self, n_rows: int, dtype: type[Any]) -> NDArray[Any]:
        """Return the next rows."""
        shape = (n_rows, *self.shape[1:])
        return self.take_bytes(_n_bytes(shape, self.row), self.row).reshape(shape).astype(dtype)

    def take_bytes(self, n_bytes: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        return np.frombuffer(self._stream.read(n_bytes), dtype)


class _Texts:
    """A column of texts: bytes and the offsets into them."""

    def __init__(self, offsets: _Array, data: _Array) -> None:
        self._offsets, self._data = offsets, data
        self._end = int(offsets.take(1, np.int64)[0])
        if self._end != 0:
            raise ValueError(f"expected offsets from 0 on, came {self._end}")

    def take(self, n_rows: int) -> list[bytes]:
        """Return the next texts."""
        start, ends = self._end, self._offsets.take(n_rows, np.int64)
        starts = np.concatenate([[start], ends[:-1]])
        if (ends < starts).any() or ends[-1] > self._data.shape[0]:
            raise ValueError(f"expected offsets that ascend to {self._data.shape[0]}")
        self._end = int(ends[-1])
        data = self._data.take(self._end - start, np.uint8).tobytes()
        return [data[one:two] for one, two in zip((starts - start).tolist(), (ends - start).tolist(), strict=True)]

    def check_end(self) -> None:
        """Refuse bytes that belong to no text."""
        if self._end != self._data.shape[0]:
            raise ValueError(f"expected offsets that ascend to {self._data.shape[0]}, came {self._end} at the end")


def _n_bytes(shape: Sequence[int], row: np.dtype[Any]) -> int:
    n_bytes = row.itemsize
    for side in shape:
        n_bytes *= side
    return n_bytes


def _check_shapes(arrays: Mapping[str, _Array]) -> int:
    """Return how many rows there are, the same in every array."""
    shape = arrays["codes"].shape
    if len(shape) != 2:
        raise ValueError(f"expected codes (n, d), came {shape}")
    for name, array in arrays.items():
        n_rows = shape[0] + name.endswith(_OFFSETS)
        expected = (n_rows, *_ROWS[name].shape) if name in _ROWS else shape
        if array.shape != expected and not (name.endswith(_BYTES) and len(array.shape) == 1):
            raise ValueError(f"expected {name} of shape {expected}, came {array.shape}")
    return shape[0]


def _taken(arrays: Mapping[str, _Array], texts: Mapping[str, _Texts], n_rows: int) -> Columns:
    has_label, has_hash = (arrays[name].take(n_rows, np.bool_).tolist() for name in ("has_label", "has_sha256"))
    labels = zip(texts["label_name"].take(n_rows), has_label, strict=True)
    hashes = zip(arrays["sha256"].take(n_rows, np.uint8), has_hash, strict=True)
    with np.errstate(over="ignore"):  # what overflows is infinite then, and refused
        codes = arrays["codes"].take(n_rows, np.float32)
    return Columns(
        paths=texts["path"].take(n_rows),
        labels=[text.decode() if there else None for text, there in labels],
        hashes=[digest.tobytes() if there else b"" for digest, there in hashes],
        sizes=arrays["size"].take(n_rows, np.int64),
        widths=arrays["width"].take(n_rows, np.int64),
        heights=arrays["height"].take(n_rows, np.int64),
        codes=codes,
    )
