"""HDF5 files from outside, read as data: nothing that lies elsewhere, and no more than the file itself holds.

HDF5 lets a data set be a link into another file, a view of other files or raw bytes of any file on disk, and lets a
small file claim data sets of any size. Zehn writes none of that: every data set lies in the file once, as it is,
uncompressed. So that is what is read, and together the data sets may not be larger than the file.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

NUMBERS = "biuf"
"""Kinds of numpy types that are numbers (and truth values)."""

_WIDTHS = b"\x08\x08"
"""Of addresses and of lengths in a file, as HDF5 writes them unless it is told otherwise."""
_AT_WIDTHS = {0: 13, 1: 13, 2: 9, 3: 9}
"""Where that is said, by the version of a file's first block."""
_AT_VERSION = 8
_HEAP = b"GCOL\x01"
"""How a heap of texts begins; three bytes that HDF5 does not look at and its length follow, then its objects."""
_HEAP_HEADER, _OBJECT_HEADER = struct.Struct("<8xQ"), struct.Struct("<H6xQ")
_NAMES = b"HEAP\0"
"""How a heap of a group's names begins; after three such bytes its length, its first free place, and where it lies."""
_NAMES_HEADER, _ADDRESS, _NO_MORE = struct.Struct("<8xQQQ"), struct.Struct("<Q"), 1
_MOST_HEAPS = 100
"""Zehn writes about a dozen texts, of which several go into one, and four groups."""
_TEXT_ATTRIBUTE = re.compile(
    re.escape(bytes.fromhex("19010100 10000000 10000000 01000000 00000800")) + rb".{4}\x01\x00.{6}", re.DOTALL
)
"""How an attribute that is a single text ends before the text's length: what type it has, and of what shape it is."""
_LENGTH_BYTES = 4
_LEAST_ENTRY = 32
"""Bytes that an entry takes in a file at the very least, so that a small one cannot hold endless entries."""


class Hdf5Reader:
    """Reads entries of one file until together they are larger than the file. All it refuses is a ``ValueError``."""

    def __init__(self, file: h5py.File, data: bytes, kinds: str) -> None:
        self._file, self._data, self._kinds = file, data, kinds
        self._n_left = len(data)

    def attribute(self, name: str) -> NDArray[Any] | str | None:
        """Return an attribute of the file, a number or text, or nothing where there is none of that name."""
        if name not in self._file.attrs:
            return None
        kept = self._file.attrs.get_id(name)
        if kept.shape != ():
            raise ValueError(f"attribute {name} is no single value")
        return self._taken(name, kept.dtype, kept.dtype.itemsize, lambda: self._file.attrs[name])

    def attributes(self) -> dict[str, NDArray[Any] | str]:
        """Return all attributes of the file."""
        names = self._names(partial(h5py.h5a.iterate, self._file.id))
        found = ((name, self.attribute(name)) for name in names)
        return {name: value for name, value in found if value is not None}

    def get(self, name: str) -> NDArray[Any] | str | None:
        """Return a data set of the file's root, or nothing where there is none of that name."""
        return self._dataset(self._file, name, name) if self._file.id.links.exists(name.encode()) else None

    def datasets(self) -> Iterator[tuple[str, NDArray[Any] | str]]:
        """Yield every data set by its path; there may be one level of groups."""
        for name in self._names(self._file.id.links.iterate):
            self._check_link(self._file, name, name)
            entry = self._file[name]
            if isinstance(entry, h5py.Group):
                for below in self._names(entry.id.links.iterate):
                    yield f"{name}/{below}", self._dataset(entry, below, f"{name}/{below}")
            else:
                yield name, self._dataset(self._file, name, name)

    def _names(self, iterate: Callable[..., Any]) -> list[str]:
        """Return the names that HDF5 goes through: in a damaged file it may go round and round."""
        names: list[bytes] = []

        def take(name: bytes) -> bool | None:
            names.append(name)
            return True if len(names) * _LEAST_ENTRY > len(self._data) else None

        iterate(take, order=h5py.h5.ITER_NATIVE)  # in any other, it first gathers all of them
        if len(names) * _LEAST_ENTRY > len(self._data):
            raise ValueError("it names more entries than there is room for")
        return sorted(name.decode() for name in names)

    def _dataset(self, group: h5py.Group, name: str, path: str) -> NDArray[Any] | str:
        self._check_link(group, name, path)
        entry = group[name]
        if not isinstance(entry, h5py.Dataset):
            raise ValueError(f"{path} is no data set")
        if entry.external or entry.is_virtual or entry.chunks:
            raise ValueError(f"{path} is not stored in the file as it is")
        if h5py.check_string_dtype(entry.dtype) is not None and entry.shape == ():
            _check_length(self._data, self._place_of(entry, path))
        return self._taken(path, entry.dtype, entry.nbytes, lambda: entry[()], is_single=entry.shape == ())

    def _place_of(self, entry: h5py.Dataset, path: str) -> int:
        place = entry.id.get_offset()
        if place is None:
            raise ValueError(f"{path} is not stored in the file as it is")
        return int(place)

    def _check_link(self, group: h5py.Group, name: str, path: str) -> None:
        self._spend(path, _LEAST_ENTRY)
        # asked of the link itself: whatever else h5py has for it opens the other file first
        if group.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            raise ValueError(f"{path} is a link")

    def _taken(self, path: str, dtype: Any, n_bytes: int, read: Any, *, is_single: bool = True) -> NDArray[Any] | str:
        """Read a value whose type and size are known, if they are what Zehn writes."""
        self._spend(path, n_bytes)
        if not is_single or h5py.check_string_dtype(dtype) is None:
            if dtype.kind not in self._kinds:
                raise ValueError(f"{path} holds neither numbers nor a text but {dtype}")
            return np.asarray(read())
        value = read()
        text = value.decode() if isinstance(value, bytes) else str(value)
        # its size is known only now: a text lies in the file's heap, where any number of entries may point at it
        self._spend(path, len(text))
        return text

    def _spend(self, path: str, n_bytes: int) -> None:
        self._n_left -= n_bytes
        if self._n_left < 0:
            raise ValueError(f"{path} is not stored in the file: its entries together are larger than the file")


@contextmanager
def open_hdf5(data: bytes, kinds: str = NUMBERS) -> Iterator[Hdf5Reader]:
    """Open an HDF5 file's bytes for reading.

    Args:
        data: The whole file.
        kinds: Kinds of numpy types (``dtype.kind``) that data sets may have, besides single texts.

    Raises:
        ValueError: in the block, something that Zehn does not write.
        OSError: the bytes are no HDF5 file, or a damaged one.

    """
    _check_heaps(data)
    with h5py.File(io.BytesIO(data), "r") as file:
        yield Hdf5Reader(file, data, kinds)


def _check_heaps(data: bytes) -> None:
    """Refuse what HDF5 would go round in for ever, or take gigabytes for a few letters of."""
    version = data[_AT_VERSION] if len(data) > _AT_VERSION else -1
    at_widths = _AT_WIDTHS.get(version, -len(_WIDTHS))
    if data[at_widths : at_widths + len(_WIDTHS)] != _WIDTHS:
        raise ValueError("its first block is not as HDF5 writes it")
    for start in (*_heaps(data, _HEAP), *_heaps(data, _NAMES)):
        check = _check_heap if data.startswith(_HEAP, start) else _check_names
        check(data, start)
    for found in _TEXT_ATTRIBUTE.finditer(data):
        _check_length(data, found.end())


def _check_length(data: bytes, at: int) -> None:
    """Refuse a text that is said to be longer than the file: HDF5 takes as much memory as it is told."""
    length = int.from_bytes(data[at : at + _LENGTH_BYTES], "little")
    if length > len(data):
        raise ValueError(f"a text in it is said to have {length:,} bytes, and the whole file has {len(data):,}")


def _heaps(data: bytes, beginning: bytes) -> list[int]:
    found = list(islice(_places(data, beginning), _MOST_HEAPS + 1))
    if len(found) > _MOST_HEAPS:
        raise ValueError("it has more texts and groups than Zehn writes")
    return found


def _places(data: bytes, part: bytes) -> Iterator[int]:
    place = data.find(part)
    while place >= 0:
        yield place
        place = data.find(part, place + 1)


def _check_heap(data: bytes, start: int) -> None:
    if start + _HEAP_HEADER.size > len(data):
        return
    at, end = start + _HEAP_HEADER.size, start + _HEAP_HEADER.unpack_from(data, start)[0]
    while at + _OBJECT_HEADER.size <= min(end, len(data)):
        number, n_bytes = _OBJECT_HEADER.unpack_from(data, at)
        # number 0 is what is free, and its length counts its header
        step = n_bytes if number == 0 else _OBJECT_HEADER.size + -(-n_bytes // 8) * 8
        if not _OBJECT_HEADER.size <= step <= end - at:
            raise ValueError("a heap of its texts is damaged")
        at += step


def _check_names(data: bytes, start: int) -> None:
    """Refuse a heap of names whose free places, each of which names the next one, have no end."""
    if start + _NAMES_HEADER.size > len(data):
        return
    n_bytes, free, at = _NAMES_HEADER.unpack_from(data, start)
    n_seen = 0
    while free != _NO_MORE and free < n_bytes and at + free + _ADDRESS.size <= len(data):
        (free,) = _ADDRESS.unpack_from(data, at + free)
        n_seen += 1
        if n_seen > min(n_bytes, len(data)) // _ADDRESS.size:
            raise ValueError("a heap of its names is damaged")
