"""The IDX format of MNIST and its kin: two zeros, a type, a number of dimensions, their lengths, the values.

Described by Y. LeCun, C. Cortes and C. Burges at http://yann.lecun.com/exdb/mnist/.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from zehn.datasets._checksums import REMEDY
from zehn.errors import DataError

_UNSIGNED_BYTE = 0x08
_GZIP_MAGIC = b"\x1f\x8b"


def read_content(path: Path, most_bytes: int) -> bytes:
    """Return the content of a file, decompressed where it is compressed with gzip.

    Raises:
        DataError: the file cannot be read, is damaged, or holds more than ``most_bytes``.

    """
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == _GZIP_MAGIC
        with gzip.open(path) if compressed else path.open("rb") as content:
            data = content.read(most_bytes + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged or cut short: {error}; {REMEDY}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; make it readable, or name another") from error
    if len(data) > most_bytes:
        raise DataError(f"{path} holds more than the expected {most_bytes:,} bytes, so it is another file; {REMEDY}")
    return data


def parse(data: bytes, path: Path) -> UInt8[np.ndarray, "..."]:
    """Return the array of bytes that an IDX file holds.

    Raises:
        DataError: another format, another type than unsigned bytes, or another length than its header promises.

    """
    if len(data) < 4 or data[:2] != b"\x00\x00":
        raise DataError(f"{path}: expected an IDX file, came one that begins with {data[:4]!r}; {REMEDY}")
    kind, n_dimensions = data[2], data[3]
    if kind != _UNSIGNED_BYTE:
        raise DataError(f"{path}: expected unsigned bytes (type 0x08), came type 0x{kind:02x}; {REMEDY}")
    start = 4 + 4 * n_dimensions
    if len(data) < start:
        raise DataError(f"{path} is cut short: its header needs {start} bytes, there are {len(data)}; {REMEDY}")
    shape = struct.unpack(f">{n_dimensions}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise DataError(
            f"{path}: expected {math.prod(shape):,} values for the shape {shape}, came {len(data) - start:,}; {REMEDY}"
        )
    try:
        return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
    except ValueError as error:  # nothing at all, in a shape beyond NumPy's
        raise DataError(f"{path} holds no values: its shape is said to be {shape}; {REMEDY}") from error
