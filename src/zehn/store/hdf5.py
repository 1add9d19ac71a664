"""HDF5 files from outside, read as data: nothing that lies elsewhere, and no more than the file itself holds.

HDF5 lets a data set be a link into another file, a view of other files or raw bytes of any file on disk, and lets a
small file claim data sets of any size. Zehn writes none of that: every data set lies in the file once, as it is,
uncompressed. So that is what is read, and together the data sets may not be larger than the file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

NUMBERS = "biuf"
"""Kinds of numpy types that are numbers (and truth values)."""

_LEAST_ENTRY = 32
"""Bytes that an entry takes in a file at the very least, so that a small one cannot hold endless entries."""


class Hdf5Reader:
    """Reads entries of one file until together they are larger than the file. All it refuses is a ``ValueError``."""

    def __init__(self, file: h5py.File, n_bytes: int, kinds: str) -> None:
        self._file, self._n_left, self._kinds = file, n_bytes, kinds

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
        found = ((name, self.attribute(name)) for name in self._file.attrs)
        return {name: value for name, value in found if value is not None}

    def get(self, name: str) -> NDArray[Any] | str | None:
        """Return a data set of the file's root, or nothing where there is none of that name."""
        return self._dataset(self._file, name, name) if self._file.id.links.exists(name.encode()) else None

    def datasets(self) -> Iterator[tuple[str, NDArray[Any] | str]]:
        """Yield every data set by its path; there may be one level of groups."""
        for name in self._file:
            self._check_link(self._file, name, name)
            entry = self._file[name]
            if isinstance(entry, h5py.Group):
                for below in entry:
                    yield f"{name}/{below}", self._dataset(entry, below, f"{name}/{below}")
            else:
                yield name, self._dataset(self._file, name, name)

    def _dataset(self, group: h5py.Group, name: str, path: str) -> NDArray[Any] | str:
        self._check_link(group, name, path)
        entry = group[name]
        if not isinstance(entry, h5py.Dataset):
            raise ValueError(f"{path} is no data set")
        if entry.external or entry.is_virtual or entry.chunks:
            raise ValueError(f"{path} is not stored in the file as it is")
        return self._taken(path, entry.dtype, entry.nbytes, lambda: entry[()], is_single=entry.shape == ())

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
    with h5py.File(io.BytesIO(data), "r") as file:
        yield Hdf5Reader(file, len(data), kinds)
