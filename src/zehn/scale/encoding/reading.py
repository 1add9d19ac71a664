"""The images of a unit of work, one after the other as bytes, whatever they lie in."""

from __future__ import annotations

import lzma
import os
import posixpath
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zehn import images, plugins
from zehn.collection.files import said
from zehn.errors import ImageError
from zehn.scale.encoding import sources, storage
from zehn.scale.encoding.sources import File, Unit

_N_AT_ONCE = 64
"""Files that are fetched from an object store at once, and rows of a Parquet file that are in memory at once."""
_BYTES_AT_ONCE = 64 * 1024**2
"""Bytes that are fetched at once, more only where one file has more."""
_BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError, ValueError, TypeError)
"""What comes of a damaged file; the last of a gzip that ends within its header."""
_TOO_LARGE = f"it has more than the {images.MAX_BYTES:,} bytes allowed; make it smaller"


@dataclass(frozen=True, slots=True)
class Item:
    """An image as it lies there, or why there is none."""

    path: bytes
    """Of the image: a file's own; of what lies in a file, that file's with the name inside appended."""
    data: bytes = b""
    mtime_ns: int = 0
    """When the file was changed; 0 where that is not known to the nanosecond."""
    reason: str = ""
    """Why there is no image; empty where there are bytes."""


def read(unit: Unit) -> Iterator[Item]:
    """Yield the images of a unit, always in the same order; what cannot be read says why."""
    if unit.kind == sources.SHARD:
        return _of_shard(unit.files[0])
    if unit.kind == sources.TABLE:
        return _of_table(unit)
    return _of_urls(unit.files) if storage.is_url(unit.files[0].path) else _of_paths(unit.files)


def _of_paths(files: Sequence[File]) -> Iterator[Item]:
    for file in files:
        path = os.fsencode(file.path)
        try:
            yield Item(path, images.read_bytes(Path(file.path)), int(file.stamp))
        except ImageError as error:
            yield Item(path, reason=str(error))


def _of_urls(files: Sequence[File]) -> Iterator[Item]:
    small = [file for file in files if file.size <= images.MAX_BYTES]
    yield from (Item(os.fsencode(file.path), reason=_TOO_LARGE) for file in files if file.size > images.MAX_BYTES)
    for part in sources.bounded(small, _N_AT_ONCE, _BYTES_AT_ONCE):
        system, _ = storage.system_of(part[0].path)
        places = [storage.system_of(file.path)[1] for file in part]
        fetched = system.cat(places, on_error="return")  # many at once where the store can
        for file, place in zip(part, places, strict=True):
            came = fetched.get(place, FileNotFoundError("it is not there any more"))
            path = os.fsencode(file.path)
            yield Item(path, came) if isinstance(came, bytes) else Item(path, reason=f"it cannot be fetched: {came}")


def _of_shard(file: File) -> Iterator[Item]:
    """Read a tar shard from its beginning, as a stream; one that breaks off keeps what came before."""
    n_read, seen = 0, set[bytes]()
    try:
        with storage.open_file(file.path) as opened, tarfile.open(fileobj=opened, mode="r|*") as archive:
            for member in archive:
                if not _is_image(member):
                    continue
                path = os.fsencode(_inside(file.path, member.name))
                if not member.isfile():
                    yield Item(path, reason=f"it is a link to {member.linkname}, which lies elsewhere in the shard")
                elif path in seen:
                    yield Item(path, reason="the shard holds another file of that name before it")
                elif member.size > images.MAX_BYTES:
                    yield Item(path, reason=_TOO_LARGE)
                else:
                    yield Item(path, _bytes_of(archive, member))
                seen.add(path)
                n_read += 1
    except _BROKEN as error:
        yield Item(os.fsencode(file.path), reason=f"the shard breaks off after {n_read:,} images: {error}")


def _bytes_of(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = archive.extractfile(member)
    data = b"" if opened is None else opened.read()
    if len(data) < member.size:
        raise EOFError(f"{member.name} is cut short")
    return data


def _is_image(member: tarfile.TarInfo) -> bool:
    base = posixpath.basename(member.name)
    is_something = member.isfile() or member.islnk() or member.issym()
    return is_something and not base.startswith(".") and base.lower().endswith(tuple(images.SUFFIXES))


def _of_table(unit: Unit) -> Iterator[Item]:
    """Read the rows of some row groups, a few at a time."""
    file, arrow = unit.files[0], plugins.require("pyarrow", "parquet")
    parquet, n_read = plugins.require("pyarrow.parquet", "parquet"), 0
    try:
        with storage.open_file(file.path) as opened, parquet.ParquetFile(opened) as table:
            for group in unit.row_groups:
                row = sum(table.metadata.row_group(before).num_rows for before in range(group))
                wanted = {"row_groups": [group], "columns": [unit.column], "use_threads": False}  # see parts.read_rows
                for batch in table.iter_batches(_N_AT_ONCE, **wanted):
                    for data in _values(batch, unit.column):
                        yield _of_row(file, row, data)
                        row, n_read = row + 1, n_read + 1
    except (*_BROKEN, arrow.ArrowException) as error:
        yield Item(os.fsencode(file.path), reason=f"the Parquet file breaks off after {n_read:,} images: {error}")


def _values(batch: Any, column: str) -> Any:
    values = batch.column(0)
    return (values.field("bytes") if column.endswith(".bytes") and _is_struct(values) else values).to_pylist()


def _is_struct(values: Any) -> bool:
    return bool(plugins.require("pyarrow", "parquet").types.is_struct(values.type))


def _of_row(file: File, row: int, data: bytes | None) -> Item:
    path = os.fsencode(_inside(file.path, str(row)))
    if data is None:
        return Item(path, reason="the row holds no image")
    return Item(path, reason=_TOO_LARGE) if len(data) > images.MAX_BYTES else Item(path, data)


def _inside(path: str, name: str) -> str:
    """Return the path of what lies in a file; a name that climbs out of it is cut down to one that does not."""
    return path + posixpath.normpath(f"/{name}".replace("\0", "")).replace("//", "/")


def shown(path: bytes) -> str:
    """Return a path for people to read."""
    return said(path)
