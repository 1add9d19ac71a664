"""Files of codes, as NPZ, HDF5 or Parquet by the name's ending: codes, ids, labels, paths, the model's fingerprint."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float32, Int64
from numpy.typing import NDArray

from zehn import damage, plugins
from zehn.errors import DataError, InputError, UnknownNameError
from zehn.store import NUMBERS, open_hdf5, write_atomically

FINGERPRINT = "fingerprint"
"""Under what every file of codes names the model that made them."""
CODE = "code_"
"""How the columns of a table of codes begin, before their number."""

_TEXTS = "S"
_UNDECODED = "surrogateescape"
"""What becomes of the bytes of a file's name that are no UTF-8, as in Python's own paths."""
_KINDS_OF = {"codes": "f", "ids": "iu", "labels": "iu", "paths": "US", FINGERPRINT: "U"}
"""What a file of codes may hold, and as which kinds of numpy types."""
_DAMAGED = (*damage.OF_ARRAYS, MemoryError)


@dataclass(frozen=True, eq=False)
class Codes:
    """Codes and what they are the codes of."""

    codes: Float32[np.ndarray, "n d"]
    ids: Int64[np.ndarray, " n"]
    labels: Int64[np.ndarray, " n"] | None
    fingerprint: str
    """Of the model that made the codes."""
    paths: tuple[str, ...] | None = None
    """Of the image files, where there are any."""


def write(
    path: str | Path,
    codes: Any,
    ids: Any,
    labels: Any | None,
    fingerprint: str,
    *,
    paths: Sequence[str] | None = None,
) -> Path:
    """Write a file of codes, whole or not at all; the path's ending (.npz, .h5, .parquet) says which kind.

    Parquet gets a column per number: ``id``, ``label``, ``path``, ``code_0`` and so on, with the fingerprint in the
    schema's metadata; the others get the arrays ``codes``, ``ids``, ``labels``, ``paths`` and ``fingerprint``.

    Args:
        path: Where to.
        codes: (n, d).
        ids: (n,), whole numbers.
        labels: (n,) or (n, 1), whole numbers, or nothing.
        fingerprint: Of the model that made the codes.
        paths: Of the n image files, or nothing.

    Raises:
        InputError: arrays of different lengths.
        UnknownNameError: another ending.
        RunError: the disk is full, or the place cannot be written to.
        MissingExtraError: Parquet is asked for, and pyarrow is not installed.

    """
    as_bytes, _ = _KINDS[check_ending(path)]
    arrays = {"codes": codes, "ids": ids} | ({} if labels is None else {"labels": np.reshape(labels, -1)})
    return write_atomically(path, as_bytes(_from_arrays(arrays, fingerprint, paths)))


def read(path: str | Path) -> Codes:
    """Read a file of codes that :func:`write` wrote.

    Raises:
        DataError: no such file, or one that is damaged or holds something else.
        UnknownNameError: an ending other than .npz, .h5 and .parquet.
        MissingExtraError: it is a Parquet file, and pyarrow is not installed.

    """
    _, from_bytes = _KINDS[check_ending(path)]
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the codes {path}: {error.strerror}; make them with zehn encode") from error
    try:
        return from_bytes(data)
    except _DAMAGED as error:
        raise DataError(f"{path} is damaged or holds no codes ({error}); make it again with zehn encode") from error


def check_ending(path: str | Path) -> str:
    """Return the ending of a file of codes, in lower case, so that a wrong one is told before the long work.

    Raises:
        UnknownNameError: an ending other than .npz, .h5 and .parquet.

    """
    ending = Path(path).suffix.lower()
    if ending not in _KINDS:
        raise UnknownNameError("ending of a file of codes", ending, _KINDS)
    return ending


def _arrays(content: Codes) -> dict[str, NDArray[Any]]:
    arrays = {"codes": content.codes, "ids": content.ids}
    return arrays | ({} if content.labels is None else {"labels": content.labels})


def _from_arrays(arrays: Mapping[str, Any], fingerprint: str, paths: Sequence[str] | None) -> Codes:
    columns = {"ids": arrays["ids"], "labels": arrays.get("labels"), "paths": paths}
    for name, column in columns.items():
        if column is not None and len(column) != len(arrays["codes"]):
            raise InputError(f"expected as many {name} as codes, {len(arrays['codes'])}, came {len(column)}")
    return Codes(
        codes=np.ascontiguousarray(arrays["codes"], np.float32),
        ids=np.asarray(arrays["ids"], np.int64),
        labels=np.asarray(arrays["labels"], np.int64) if "labels" in arrays else None,
        fingerprint=fingerprint,
        paths=None if paths is None else tuple(map(str, paths)),
    )


def _to_npz(content: Codes) -> bytes:
    arrays = {**_arrays(content), FINGERPRINT: np.array(content.fingerprint)}
    if content.paths is not None:
        arrays["paths"] = np.array(content.paths, np.str_)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _from_npz(data: bytes) -> Codes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        _check_entries(archive, len(data))
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = _checked({name: file[name] for name in file.files})
    return _from_arrays(arrays, str(arrays[FINGERPRINT]), arrays["paths"].tolist() if "paths" in arrays else None)


def _check_entries(archive: zipfile.ZipFile, n_bytes: int) -> None:
    """Refuse other entries than :func:`write` writes, and compressed ones, before anything of them is read."""
    entries = archive.infolist()
    strangers = sorted({entry.filename.removesuffix(".npy") for entry in entries} - set(_KINDS_OF))
    if strangers:
        raise ValueError(f"{strangers[0]!r} is none of {', '.join(_KINDS_OF)}")
    if sum(entry.file_size for entry in entries) > n_bytes:
        raise ValueError("its arrays together are larger than the file, and Zehn compresses none")


def _checked(arrays: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    for name, values in arrays.items():
        if values.dtype.kind not in _KINDS_OF[name] or values.dtype.itemsize == 0:
            raise ValueError(f"{name} came as {values.dtype}")
    return arrays


def _to_hdf5(content: Codes) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs[FINGERPRINT] = content.fingerprint
        for name, values in _arrays(content).items():
            file[name] = values
        if content.paths is not None:
            # as wide as the longest: texts of any length lie elsewhere in an HDF5 file, out of a reader's sight
            encoded = [path.encode(errors=_UNDECODED) for path in content.paths]
            width = max(map(len, encoded), default=0)
            file["paths"] = np.array(encoded, h5py.string_dtype(length=max(1, width)))
    return buffer.getvalue()


def _from_hdf5(data: bytes) -> Codes:
    with open_hdf5(data, NUMBERS + _TEXTS) as reader:
        fingerprint = reader.attribute(FINGERPRINT)
        found = {name: reader.get(name) for name in ("codes", "ids", "labels", "paths")}
    if not isinstance(fingerprint, str):
        raise TypeError(f"expected the {FINGERPRINT} of a model, came {fingerprint}")
    arrays = _checked({name: np.asarray(values) for name, values in found.items() if values is not None})
    paths = [path.decode(errors=_UNDECODED) for path in arrays["paths"].tolist()] if "paths" in arrays else None
    return _from_arrays(arrays, fingerprint, paths)


def _to_parquet(content: Codes) -> bytes:
    pyarrow, parquet = plugins.require("pyarrow", "parquet"), plugins.require("pyarrow.parquet", "parquet")
    columns: dict[str, Any] = {"id": content.ids}
    columns |= {} if content.labels is None else {"label": content.labels}
    columns |= {} if content.paths is None else {"path": list(content.paths)}
    columns |= {f"{CODE}{number}": column for number, column in enumerate(content.codes.T)}
    table = pyarrow.table(columns).replace_schema_metadata({FINGERPRINT: content.fingerprint})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()


def _from_parquet(data: bytes) -> Codes:
    # not read_table: a thread of Arrow's that still holds the bytes when Python ends takes it down (apache/arrow#50482)
    table = plugins.require("pyarrow.parquet", "parquet").ParquetFile(io.BytesIO(data)).read(use_threads=False)
    names = [name for name in table.column_names if name.startswith(CODE)]
    arrays = {"codes": np.stack([table[name].to_numpy() for name in names], axis=1), "ids": table["id"].to_numpy()}
    if "label" in table.column_names:
        arrays["labels"] = table["label"].to_numpy()
    paths = table["path"].to_pylist() if "path" in table.column_names else None
    return _from_arrays(arrays, table.schema.metadata[FINGERPRINT.encode()].decode(), paths)


_KINDS: Mapping[str, tuple[Callable[[Codes], bytes], Callable[[bytes], Codes]]] = {
    ".npz": (_to_npz, _from_npz),
    ".h5": (_to_hdf5, _from_hdf5),
    ".parquet": (_to_parquet, _from_parquet),
}
"""How each kind of file is made and read, by the ending of its name."""
