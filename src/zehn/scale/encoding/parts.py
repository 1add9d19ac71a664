"""Part files: the codes of one unit of work as Parquet, with what could not be read in the file's metadata."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float32

from zehn import plugins
from zehn.codes.files import CODE, FINGERPRINT
from zehn.collection.files import said
from zehn.datasets import Skipped
from zehn.scale.encoding.storage import Folder, open_file

PREFIX, SUFFIX = "part-", ".parquet"
FORMAT = 1
_ABOUT = "zehn"
_TYPES = {
    **dict.fromkeys(("path_bytes", "sha256"), "binary"),
    **dict.fromkeys(("size", "mtime_ns", "width", "height"), "int64"),
}
"""The columns that are read back, in the order of a row's fields, and what arrow calls their types."""
_ID_BYTES = 8
_MOST_ID = 2**63 - 1
_N_READERS = 16


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of an image beside its code."""

    path: bytes
    sha256: bytes
    size: int
    """Bytes of the file."""
    mtime_ns: int
    width: int
    height: int


@dataclass(frozen=True)
class Part:
    """What a part file says of itself."""

    name: str
    """Of the file."""
    n_images: int
    fingerprint: str
    n_components: int
    skipped: tuple[Skipped, ...]
    """What could not be read, and why."""
    node: str
    """Where it was made: the id of a Ray node, or the name of the machine."""
    pid: int
    seconds: float
    """How long that took."""


def file_name(unit_name: str) -> str:
    """Return the name of a unit's part file."""
    return f"{PREFIX}{unit_name}{SUFFIX}"


def id_of(path: bytes) -> int:
    """Return the id of an image: 63 bits of the BLAKE2b hash of its path, the same in every run."""
    digest = hashlib.blake2b(path, digest_size=_ID_BYTES).digest()
    return int.from_bytes(digest, "big") & _MOST_ID


def as_bytes(rows: Sequence[Row], codes: Float32[np.ndarray, "n d"], part: Part) -> bytes:
    """Return a part file: ``id``, ``path``, ``path_bytes``, ``sha256``, ``size`` and so on, then a column a number.

    ``zehn index import`` and ``zehn.codes.read`` read it too.
    """
    arrow, parquet = plugins.require("pyarrow", "parquet"), plugins.require("pyarrow.parquet", "parquet")
    columns = {
        "id": arrow.array([id_of(row.path) for row in rows], arrow.int64()),
        "path": arrow.array([said(row.path) for row in rows], arrow.string()),
        "path_bytes": arrow.array([row.path for row in rows], arrow.binary()),
        "label_name": arrow.nulls(len(rows), arrow.string()),
        "sha256": arrow.array([row.sha256 for row in rows], arrow.binary()),
    }
    for name in ("size", "mtime_ns", "width", "height"):
        columns[name] = arrow.array([getattr(row, name) for row in rows], arrow.int64())
    for number in range(codes.shape[1]):
        columns[f"{CODE}{number}"] = arrow.array(codes[:, number], arrow.float32())
    about = json.dumps({"format": FORMAT, **{key: value for key, value in asdict(part).items() if key != "name"}})
    table = arrow.table(columns).replace_schema_metadata({FINGERPRINT: part.fingerprint, _ABOUT: about})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, write_page_checksum=True)
    return buffer.getvalue()


def read_about(folder: Folder, name: str) -> Part | None:
    """Return what a part file says of itself, or None where it is damaged, of another kind or not there."""
    parquet = plugins.require("pyarrow.parquet", "parquet")
    try:
        with open_file(folder.path_of(name)) as opened:
            about = json.loads(parquet.read_metadata(opened).metadata[_ABOUT.encode()])
        if about.pop("format") != FORMAT:
            return None
        skipped = tuple(Skipped(str(one["path"]), str(one["reason"])) for one in about.pop("skipped"))
        return Part(name=name, skipped=skipped, **about)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RecursionError, _arrow_error()):
        return None


def read_all(folder: Folder, names: Sequence[str]) -> dict[str, Part]:
    """Return the parts of those names that are there and whole."""
    there = folder.names()
    wanted = [name for name in names if name in there]
    with ThreadPoolExecutor(_N_READERS) as pool:
        found = pool.map(lambda name: read_about(folder, name), wanted)
        return {part.name: part for part in found if part is not None}


def read_rows(folder: Folder, name: str) -> tuple[list[Row], Float32[np.ndarray, "n d"]]:
    """Return what a part file holds.

    Raises:
        OSError, KeyError, ValueError, TypeError, pyarrow.ArrowException: it is damaged, or holds something else.

    """
    parquet = plugins.require("pyarrow.parquet", "parquet")
    with open_file(folder.path_of(name)) as opened:
        # one of Arrow's threads that still holds a Python file when the process ends takes it down (apache/arrow#50482)
        table = parquet.ParquetFile(opened, page_checksum_verification=True).read(use_threads=False)
    names = [f"{CODE}{n}" for n in range(sum(field.startswith(CODE) for field in table.column_names))]
    types = {field.name: str(field.type) for field in table.schema}
    for field, expected in {**_TYPES, **dict.fromkeys(names, "float")}.items():
        if types[field] != expected or table[field].null_count:
            raise TypeError(f"expected a {expected} in every row of {field}, came {types[field]}")
    rows = [Row(*values) for values in zip(*(table[field].to_pylist() for field in _TYPES), strict=True)]
    codes = np.stack([table[name].to_numpy() for name in names], axis=1)
    return rows, np.ascontiguousarray(codes, np.float32)


def _arrow_error() -> type[Exception]:
    error: type[Exception] = plugins.require("pyarrow", "parquet").ArrowException
    return error
