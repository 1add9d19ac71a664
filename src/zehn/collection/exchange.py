"""A collection's codes and records as one file, Parquet or NPZ, and back.

Columns: ``id``, ``path`` (text; bytes that are no UTF-8 shown as such), ``path_bytes`` (the true ones), ``label_name``,
``size``, ``mtime_ns``, ``sha256``, ``width``, ``height``, ``added``, and the code, one column a number in Parquet
(``code_0`` …), an array (n, d) in NPZ; the model's fingerprint beside them.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from zehn import codes, plugins, store
from zehn.collection.files import said, status_of
from zehn.engines import N_BATCH, Engine, NewRecord, Record
from zehn.errors import CollectionError, DataError, UnknownNameError

_FINGERPRINT = "fingerprint"
_CODE = "code_"
_NUMBERS = ("id", "size", "mtime_ns", "width", "height")
_BYTES = ("path_bytes", "sha256")
_TEXTS = ("path", "label_name", "added")
_DAMAGED = (
    OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, EOFError, MemoryError, OverflowError,
    zipfile.BadZipFile,
)  # fmt: skip

Batch = tuple[Sequence[Record], Float32[np.ndarray, "n d"]]


def write(engine: Engine, path: Path, fingerprint: str) -> int:
    """Write a store's records and codes to a file, whole or not at all, and return how many.

    Raises:
        UnknownNameError: an ending other than .parquet and .npz.
        RunError: the disk is full, or the place cannot be written to.
        MissingExtraError: Parquet is asked for, and pyarrow is not installed.

    """
    return _kind(path)[0](engine, path, fingerprint)


def read(path: Path, fingerprint: str) -> Iterator[tuple[list[NewRecord], Float32[np.ndarray, "n d"]]]:
    """Return what :func:`write` or ``zehn encode`` wrote, as batches of records and codes.

    Raises:
        UnknownNameError: an ending other than .parquet and .npz.
        DataError: no such file, or one that is damaged or holds something else, such as codes without paths.
        CollectionError: the codes are those of another model.
        MissingExtraError: it is a Parquet file, and pyarrow is not installed.

    """
    reader = _kind(path)[1]
    if not path.is_file():
        raise DataError(f"there is no file {path}; make one with zehn index export, or with zehn encode")
    try:
        columns = reader(path)
    except _DAMAGED as error:
        raise DataError(f"{path} is damaged or holds no codes ({error}); export it again") from error
    if columns is None:
        columns = _from_codes(codes.read(path), path)
    if columns[_FINGERPRINT] != fingerprint:
        raise CollectionError(
            f"{path} holds codes of model {columns[_FINGERPRINT]}, but the collection's are of model {fingerprint}; "
            "import them into a collection that was made with that model"
        )
    return _batches(columns)


def check_ending(path: Path) -> None:
    """Refuse an ending that is none, before the long work.

    Raises:
        UnknownNameError: an ending other than .parquet and .npz.

    """
    _kind(path)


def _kind(path: Path) -> tuple[Callable[[Engine, Path, str], int], Callable[[Path], dict[str, Any] | None]]:
    ending = path.suffix.lower()
    if ending not in _KINDS:
        raise UnknownNameError("ending of an exported file", ending, _KINDS)
    return _KINDS[ending]


def _columns(records: Sequence[Record]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [getattr(one, name) for one in records] for name in _NUMBERS}
    columns["path"] = [said(one.path) for one in records]
    columns["path_bytes"] = [one.path for one in records]
    columns["label_name"] = [one.label for one in records]
    columns["sha256"] = [one.sha256 for one in records]
    columns["added"] = [one.added for one in records]
    return columns


def _batches(columns: Mapping[str, Any]) -> Iterator[tuple[list[NewRecord], Float32[np.ndarray, "n d"]]]:
    values = columns["codes"]
    for start in range(0, len(values), N_BATCH):
        rows = range(start, min(start + N_BATCH, len(values)))
        yield [_new_record(columns, row) for row in rows], np.asarray(values[start : start + N_BATCH], np.float32)


def _new_record(columns: Mapping[str, Any], row: int) -> NewRecord:
    label = columns["label_name"][row]
    return NewRecord(
        path=bytes(columns["path_bytes"][row]),
        size=int(columns["size"][row]),
        mtime_ns=int(columns["mtime_ns"][row]),
        sha256=bytes(columns["sha256"][row]),
        width=int(columns["width"][row]),
        height=int(columns["height"][row]),
        label=None if label is None else str(label),
    )


def _from_codes(content: codes.Codes, path: Path) -> dict[str, Any]:
    """Return the columns of a file that ``zehn encode`` wrote; nobody has hashed its images."""
    if content.paths is None:
        raise DataError(f"{path} holds codes without the paths of their images; encode a folder of images instead")
    paths = [os.path.abspath(os.fsencode(one)) for one in content.paths]  # noqa: PTH100 – bytes
    statuses = [status_of(one) or (0, 0) for one in paths]
    n = len(paths)
    return {
        "codes": content.codes, _FINGERPRINT: content.fingerprint, "path_bytes": paths,
        "size": [size for size, _ in statuses], "mtime_ns": [time for _, time in statuses], "sha256": [b""] * n,
        "width": [0] * n, "height": [0] * n,
        "label_name": [None if content.labels is None else str(label) for label in _or_none(content.labels, n)],
    }  # fmt: skip


def _or_none(labels: NDArray[np.int64] | None, n: int) -> list[int | None]:
    return [None] * n if labels is None else labels.tolist()


def _write_parquet(engine: Engine, path: Path, fingerprint: str) -> int:
    pyarrow, parquet = plugins.require("pyarrow", "parquet"), plugins.require("pyarrow.parquet", "parquet")
    fields = [(name, pyarrow.int64()) for name in _NUMBERS]
    fields += [(name, pyarrow.string()) for name in _TEXTS] + [(name, pyarrow.binary()) for name in _BYTES]
    fields += [(f"{_CODE}{number}", pyarrow.float32()) for number in range(engine.n_components)]
    schema = pyarrow.schema(fields).with_metadata({_FINGERPRINT: fingerprint})
    n_rows, beside = 0, path.with_name(f".{path.name}.{os.getpid()}.part")
    with store.writing(path):
        try:
            with parquet.ParquetWriter(beside, schema) as writer:
                for records, values in engine.walk_codes():
                    numbered = {f"{_CODE}{number}": column for number, column in enumerate(values.T)}
                    writer.write_table(pyarrow.table(_columns(records) | numbered, schema=schema))
                    n_rows += len(records)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    return n_rows


def _read_parquet(path: Path) -> dict[str, Any] | None:
    table = plugins.require("pyarrow.parquet", "parquet").read_table(path)
    if "path_bytes" not in table.column_names:
        return None
    names = [name for name in table.column_names if name.startswith(_CODE)]
    ordered = sorted(names, key=lambda name: int(name.removeprefix(_CODE)))
    columns = {name: table[name].to_pylist() for name in (*_NUMBERS, *_BYTES, "label_name")}
    columns["codes"] = np.stack([table[name].to_numpy() for name in ordered], axis=1)
    return columns | {_FINGERPRINT: table.schema.metadata[_FINGERPRINT.encode()].decode()}


def _write_npz(engine: Engine, path: Path, fingerprint: str) -> int:
    parts = list(engine.walk_codes())
    records = [record for batch, _ in parts for record in batch]
    columns = _columns(records)
    arrays = {name: np.array(columns[name], np.int64) for name in _NUMBERS}
    arrays |= {name: np.array([text or "" for text in columns[name]], np.str_) for name in _TEXTS}
    # void, not bytes: numpy drops zeros from the end of those
    arrays |= {name: _as_void(columns[name]) for name in _BYTES}
    arrays["has_label"] = np.array([record.label is not None for record in records], np.bool_)
    arrays["n_path_bytes"] = np.array([len(record.path) for record in records], np.int64)
    arrays["has_sha256"] = np.array([record.sha256 != b"" for record in records], np.bool_)
    values = np.concatenate([codes for _, codes in parts]) if parts else np.empty((0, engine.n_components), np.float32)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, codes=values, fingerprint=np.array(fingerprint), **arrays)
    store.write_atomically(path, buffer.getvalue())
    return len(records)


def _as_void(values: Sequence[bytes]) -> NDArray[Any]:
    width = max(map(len, values), default=0) or 1
    return np.frombuffer(b"".join(value.ljust(width, b"\0") for value in values), f"V{width}")


def _read_npz(path: Path) -> dict[str, Any] | None:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if "path_bytes.npy" not in {entry.filename for entry in entries}:
            return None
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise ValueError("its arrays together are larger than the file, and Zehn compresses none")
    with np.load(path, allow_pickle=False) as file:
        columns: dict[str, Any] = {name: file[name] for name in (*_NUMBERS, "codes")}
        lengths, has_hash = file["n_path_bytes"].tolist(), file["has_sha256"].tolist()
        columns["path_bytes"] = [
            value.tobytes()[:length] for value, length in zip(file["path_bytes"], lengths, strict=True)
        ]
        columns["sha256"] = [
            value.tobytes() if there else b"" for value, there in zip(file["sha256"], has_hash, strict=True)
        ]
        names = zip(file["label_name"].tolist(), file["has_label"].tolist(), strict=True)
        columns["label_name"] = [name if there else None for name, there in names]
        return columns | {_FINGERPRINT: str(file[_FINGERPRINT])}


_KINDS: Mapping[str, tuple[Callable[[Engine, Path, str], int], Callable[[Path], dict[str, Any] | None]]] = {
    ".npz": (_write_npz, _read_npz),
    ".parquet": (_write_parquet, _read_parquet),
}
"""How each kind of file is written and read, by the ending of its name."""
