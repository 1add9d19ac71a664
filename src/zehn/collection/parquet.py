"""A collection's records and codes as Parquet: a column per number of a code, read and written some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zehn import plugins
from zehn.codes.files import CODE, FINGERPRINT
from zehn.collection.columns import NUMBERS, Columns, printable
from zehn.collection.files import said
from zehn.engines import N_BATCH, Engine, Record

_TEXTS = ("path", "label_name", "added")
_BYTES = ("path_bytes", "sha256")
_READ = ("path_bytes", "label_name", "sha256", "size", "width", "height")


def write(engine: Engine, path: Path, fingerprint: str) -> int:
    """Write a store's records and codes to a file, and return how many."""
    pyarrow, parquet = plugins.require("pyarrow", "parquet"), plugins.require("pyarrow.parquet", "parquet")
    fields = [(name, pyarrow.int64()) for name in NUMBERS]
    fields += [(name, pyarrow.string()) for name in _TEXTS] + [(name, pyarrow.binary()) for name in _BYTES]
    fields += [(f"{CODE}{number}", pyarrow.float32()) for number in range(engine.n_components)]
    schema, n_rows = pyarrow.schema(fields).with_metadata({FINGERPRINT: fingerprint}), 0
    with parquet.ParquetWriter(path, schema, write_page_checksum=True) as writer:
        for records, values in engine.walk_codes():
            numbered = {f"{CODE}{number}": column for number, column in enumerate(values.T)}
            writer.write_table(pyarrow.table(_columns(records) | numbered, schema=schema))
            n_rows += len(records)
    return n_rows


def fingerprint_of(path: Path) -> str | None:
    """Return whose codes a file holds, or None where no collection was exported to it."""
    with _opened(path) as file:
        if not {*_BYTES, "label_name"}.intersection(file.schema_arrow.names):
            return None
        return (file.schema_arrow.metadata or {})[FINGERPRINT.encode()].decode()


def read(path: Path) -> Iterator[Columns]:
    """Yield the rows of a file.

    Raises:
        ValueError, TypeError, KeyError, OSError, pyarrow.ArrowException: it is damaged, or holds something else.

    """
    with _opened(path) as file:
        names = _code_names(file.schema_arrow.names)
        _check_types(file.schema_arrow, names)
        n_rows = 0
        for batch in file.iter_batches(N_BATCH, columns=[*_READ, *names]):
            yield _as_columns({name: batch.column(name) for name in batch.schema.names}, names)
            n_rows += len(batch)
        if n_rows != file.metadata.num_rows:
            raise ValueError(f"expected {file.metadata.num_rows:,} rows, came {n_rows:,}")


def failures() -> tuple[type[Exception], ...]:
    """Return what else may be raised over a damaged file."""
    return (plugins.require("pyarrow", "parquet").ArrowException,)


def _opened(path: Path) -> Any:
    return plugins.require("pyarrow.parquet", "parquet").ParquetFile(path, page_checksum_verification=True)


def _columns(records: Sequence[Record]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [getattr(one, name) for one in records] for name in (*NUMBERS, "sha256")}
    columns["path"] = [said(one.path) for one in records]
    columns["path_bytes"] = [one.path for one in records]
    columns["label_name"] = [None if one.label is None else printable(one.label) for one in records]
    columns["added"] = [one.added for one in records]
    return columns


def _code_names(names: Sequence[str]) -> list[str]:
    """Return the names of a code's columns, in their order."""
    found = [name for name in names if name.startswith(CODE)]
    expected = [f"{CODE}{number}" for number in range(len(found))]
    if not found or sorted(found) != sorted(expected):
        raise ValueError(f"expected the columns {CODE}0, {CODE}1 and so on, came {', '.join(found) or 'none'}")
    twice = [name for name in _READ if names.count(name) != 1]
    if twice:
        raise ValueError(f"expected one column {twice[0]}, came {names.count(twice[0])}")
    return expected


def _check_types(schema: Any, code_names: Sequence[str]) -> None:
    """Refuse columns of other kinds than are written, be it by another program and in another width."""
    types = plugins.require("pyarrow", "parquet").types
    kinds = {
        **dict.fromkeys(("size", "width", "height"), ("whole numbers", (types.is_integer,))),
        **dict.fromkeys(_BYTES, ("bytes", (types.is_binary, types.is_large_binary, types.is_fixed_size_binary))),
        "label_name": ("text", (types.is_string, types.is_large_string, types.is_null)),
        **dict.fromkeys(code_names, ("fractions", (types.is_floating,))),
    }
    for name, (expected, checks) in kinds.items():
        came = schema.field(name).type
        if not any(check(came) for check in checks):
            raise TypeError(f"expected {expected} in the column {name}, came {came}")


def _as_columns(batch: Mapping[str, Any], code_names: Sequence[str]) -> Columns:
    pyarrow = plugins.require("pyarrow", "parquet")
    for name, column in batch.items():
        if column.null_count and name != "label_name":
            raise ValueError(f"expected a value in every row of {name}, came none in {column.null_count}")
    with np.errstate(over="ignore"):  # what overflows is infinite then, and refused
        codes = [batch[name].to_numpy(zero_copy_only=False).astype(np.float32) for name in code_names]
    sizes, widths, heights = (
        batch[name].cast(pyarrow.int64()).to_numpy(zero_copy_only=False) for name in ("size", "width", "height")
    )
    return Columns(
        paths=batch["path_bytes"].to_pylist(),
        labels=batch["label_name"].to_pylist(),
        hashes=batch["sha256"].to_pylist(),
        sizes=sizes,
        widths=widths,
        heights=heights,
        codes=np.stack(codes, axis=1),
    )
