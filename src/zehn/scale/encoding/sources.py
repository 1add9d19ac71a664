"""What there is to encode: files found in a folder, by a pattern or in an object store, and divided into units of work.

Where the source is as it was, so are the units. A unit of image files ends where the hash of a path says so, or where
it is full, so that a new file changes the unit that it falls into and not all that follow.
"""

from __future__ import annotations

import glob
import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zehn import images, plugins
from zehn.collection import files
from zehn.errors import DataError
from zehn.scale.encoding import storage

Note = Callable[[str, str], None]
"""Told the path of what cannot be used, and why."""

IMAGES, SHARD, TABLE = "images", "shard", "table"
"""The kinds of units: image files, a tar shard, rows of a Parquet file."""

_SUFFIXES = {
    SHARD: (".tar", ".tar.gz", ".tgz"),
    TABLE: (".parquet", ".pq"),
    IMAGES: tuple(images.SUFFIXES),
}
_SUFFIXES_SAID = f"images ({', '.join(sorted(images.SUFFIXES))}), tar shards or Parquet files"
_COLUMNS = ("image", "images", "img", "jpg", "jpeg", "png", "webp", "bytes", "image_bytes", "data", "content")
"""What a column of image bytes is called where there are several that hold bytes."""
_STAMPS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "updated", "created")
"""What file systems say of a file that changes with it, the most telling first."""
_MOST_BYTES = 256 * 1024**2
"""Bytes of image files in a unit, more only where one file has more."""
_PER_BOUNDARY = 2
_LEAST = 4
_N_HASH = 24


@dataclass(frozen=True, slots=True)
class File:
    """A file, not opened yet."""

    path: str
    """An absolute path of this machine (bytes that are no UTF-8 as Python's paths have them), or a URL."""
    size: int
    stamp: str
    """The time of change in nanoseconds of a file of this machine; whatever changes with it of any other."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What one worker encodes at a time and puts into one part file."""

    kind: str
    files: tuple[File, ...]
    """Several of images, otherwise one."""
    row_groups: tuple[int, ...] = ()
    """Of a Parquet file."""
    column: str = ""
    """Of a Parquet file: which one holds the images, as ``image`` or, of a column with parts, ``image.bytes``."""
    n_images: int | None = None
    """None where only reading tells, as of a tar shard."""
    share: float = 1.0
    """How much of the file it is."""

    @property
    def n_bytes(self) -> int:
        """How much there is to read, for progress."""
        return int(sum(file.size for file in self.files) * self.share)


def name_of(unit: Unit, *made_with: str) -> str:
    """Return a name that changes with anything that would change the codes: files, their sizes and times, the model."""
    digest = hashlib.sha256(repr((made_with, unit.kind, unit.row_groups, unit.column)).encode())
    for file in unit.files:
        digest.update(repr((os.fsencode(file.path), file.size, file.stamp)).encode())
    return digest.hexdigest()[:_N_HASH]


def find(source: str, note: Note, *, apart_from: str = "") -> list[File]:
    """Return the images, tar shards and Parquet files of a source, in an order that stays.

    Args:
        source: A folder with all below it, a pattern such as ``shards/*.tar``, one file, or a URL of these.
        note: Told what cannot be looked into.
        apart_from: What lies in this folder is left out: the codes themselves may go below the source.

    Raises:
        DataError: there is nothing of that kind.
        UnknownNameError: a URL of a protocol that fsspec does not know.
        ConfigError: the package that speaks the protocol is not installed.
        MissingExtraError: it is a URL, and fsspec is not installed.

    """
    address = storage.path_of(source.removeprefix("folder:"))
    found = list(_elsewhere(address) if storage.is_url(address) else _here(address, note))
    inside = f"{storage.listed_as(apart_from).rstrip('/')}/"
    kept = [file for file in found if not apart_from or not file.path.startswith(inside)]
    if not kept:
        raise DataError(f"nothing to encode in {source}: expected {_SUFFIXES_SAID}; name a folder, a pattern or a URL")
    return kept


def divide(found: Iterable[File], batch: int, note: Note, *, column: str = "") -> Iterator[Unit]:
    """Divide files into units of at most so many images, as far as what is in them can be known beforehand.

    A tar shard is one unit: it can only be read from its beginning.
    """
    pictures: list[File] = []
    for file in found:
        kind = _kind_of(file.path)
        if kind == SHARD:
            yield Unit(SHARD, (file,))
        elif kind == TABLE:
            yield from _tables(file, batch, column, note)
        else:
            pictures.append(file)
    for part in _parts(pictures, batch):
        yield Unit(IMAGES, tuple(part), n_images=len(part))


def _kind_of(path: str) -> str | None:
    low = path.lower()
    return next((kind for kind, suffixes in _SUFFIXES.items() if low.endswith(suffixes)), None)


def _here(address: str, note: Note) -> Iterator[File]:
    absolute = os.path.abspath(os.path.expanduser(address))  # noqa: PTH100, PTH111 – bytes that are no UTF-8 may be in it
    if os.path.lexists(absolute):
        roots = [absolute]
    elif glob.has_magic(address):
        matched = sorted(glob.glob(absolute, recursive=True))  # noqa: PTH207 – as the shell does it
        roots = [path for path in matched if os.path.isdir(path) or _kind_of(path)]  # noqa: PTH112 – as it came
    else:
        raise DataError(
            f"there is no file or folder {address}; name a folder of images, a pattern or a URL (the codes of a data "
            "set go into a file: --out codes.parquet)"
        )
    known = [files.Source(os.fsencode(root)) for root in roots]
    pictures = files.find(known, lambda path, reason: note(files.said(path), reason))
    seen: set[str] = set()
    for root in roots:
        for path in _archives(root):
            if path in seen:  # a pattern may name a folder and what is in it
                continue
            status = os.stat(path)  # noqa: PTH116 – as it came
            seen.add(path)
            yield File(path, status.st_size, str(status.st_mtime_ns))
    for one in pictures:
        path = os.fsdecode(one.path)
        if path not in seen:  # a shard named outright is no image
            yield File(path, one.size, str(one.mtime_ns))


def _archives(root: str) -> Iterator[str]:
    """Yield the tar shards and Parquet files at a path or below it, in the order of their names."""
    if os.path.isfile(root):  # noqa: PTH113 – as it came
        yield from [root] if _kind_of(root) in (SHARD, TABLE) else []
        return
    for folder, names, inside in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(inside):
            path = f"{folder.rstrip(os.sep)}{os.sep}{name}"
            if not name.startswith(".") and _kind_of(name) in (SHARD, TABLE) and os.path.isfile(path):  # noqa: PTH113
                yield path


def _elsewhere(url: str) -> Iterator[File]:
    system, place = storage.system_of(url)
    try:
        if glob.has_magic(place):
            listed = system.glob(place, detail=True)
        else:
            about = system.info(place)
            listed = system.find(place, detail=True) if about["type"] == "directory" else {place: about}
    except FileNotFoundError as error:
        raise DataError(f"there is nothing at {url}; name a folder of images, a pattern or a file") from error
    except Exception as error:  # each store has its own
        raise DataError(f"{url} cannot be listed: {storage.told(error)}; check address and credentials") from error
    for path, about in sorted(listed.items()):
        below = path.removeprefix(place).strip("/")
        is_hidden = any(part.startswith(".") for part in below.split("/"))
        if about["type"] == "file" and not is_hidden and _kind_of(path):
            yield File(str(system.unstrip_protocol(path)), int(about["size"] or 0), _stamp(about))


def _stamp(about: Mapping[str, Any]) -> str:
    return next((str(about[name]) for name in _STAMPS if about.get(name)), "")


def _parts(pictures: Sequence[File], batch: int) -> Iterator[list[File]]:
    def ends_before(file: File, n: int) -> bool:
        return n * _LEAST >= batch and _checksum(file.path) % max(batch // _PER_BOUNDARY, 1) == 0

    return bounded(pictures, batch, _MOST_BYTES, ends_before)


def bounded(
    found: Iterable[File],
    n_most: int,
    most_bytes: int,
    ends_before: Callable[[File, int], bool] = lambda *_: False,
) -> Iterator[list[File]]:
    """Divide files into parts of so many files and bytes at most, or of one file that has more."""
    part: list[File] = []
    n_bytes = 0
    for file in found:
        is_full = len(part) >= n_most or n_bytes + file.size > most_bytes
        if part and (is_full or ends_before(file, len(part))):
            yield part
            part, n_bytes = [], 0
        part.append(file)
        n_bytes += file.size
    if part:
        yield part


def _checksum(path: str) -> int:
    return zlib.crc32(os.fsencode(path))


def _tables(file: File, batch: int, column: str, note: Note) -> Iterator[Unit]:
    parquet = plugins.require("pyarrow.parquet", "parquet")
    arrow = plugins.require("pyarrow", "parquet")
    try:
        with storage.open_file(file.path) as opened, parquet.ParquetFile(opened) as table:
            wanted = _image_column(table.schema_arrow, column)
            n_rows = [table.metadata.row_group(number).num_rows for number in range(table.num_row_groups)]
    except (OSError, ValueError, arrow.ArrowException, DataError) as error:
        note(file.path, f"the Parquet file cannot be used: {error}")
        return
    groups: list[int] = []
    for number, n in enumerate(n_rows):
        if groups and sum(n_rows[one] for one in groups) + n > batch:
            yield _of_groups(file, groups, wanted, n_rows)
            groups = []
        groups.append(number)
    if groups:
        yield _of_groups(file, groups, wanted, n_rows)


def _of_groups(file: File, groups: Sequence[int], column: str, n_rows: Sequence[int]) -> Unit:
    n_images = sum(n_rows[number] for number in groups)
    return Unit(TABLE, (file,), tuple(groups), column, n_images, n_images / max(sum(n_rows), 1))


def _image_column(schema: Any, wanted: str) -> str:
    """Return which column holds images: bytes, or a column with a part ``bytes`` as of Hugging Face's data sets."""
    types = plugins.require("pyarrow", "parquet").types
    found: list[str] = []
    for field in schema:
        is_binary = types.is_binary(field.type) or types.is_large_binary(field.type)
        has_bytes = types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
        found += [field.name] if is_binary else [f"{field.name}.bytes"] if has_bytes else []
    named = [name for name in found if name.partition(".")[0] == wanted] if wanted else found
    if len(named) > 1:
        named = sorted(
            (name for name in named if _plain(name) in _COLUMNS), key=lambda name: _COLUMNS.index(_plain(name))
        )
    if not named:
        held = f"those that hold bytes are: {', '.join(found)}" if found else "none holds bytes"
        raise DataError(
            f"expected a column of image bytes{f' called {wanted}' if wanted else ''}, {held}; see --column"
        )
    return named[0]


def _plain(name: str) -> str:
    return name.partition(".")[0].lower()
