"""Published checksums, compared before a file is opened."""

from __future__ import annotations

import hashlib
from pathlib import Path

from zehn.errors import ChecksumError, DataError

REMEDY = "delete it and fetch it again"
"""What to do about a file of a published data set that is not what it should be."""


def read_verified(path: Path, md5: str) -> bytes:
    """Return the bytes of a small file whose MD5 is the published one.

    Raises:
        DataError: the file is missing or cannot be read.
        ChecksumError: its MD5 is another.

    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; make it readable, or name another") from error
    compare(path, md5_of(data), md5)
    return data


def verify_file(path: Path, md5: str, n_bytes: int) -> None:
    """Check a large file without holding it in memory.

    Raises:
        DataError: the file is missing or cannot be read.
        ChecksumError: it is shorter than published, or its MD5 is another.

    """
    try:
        size = path.stat().st_size
        if size < n_bytes:
            raise ChecksumError(f"{path} is cut short: expected {n_bytes:,} bytes, came {size:,}; {REMEDY}")
        with path.open("rb") as file:
            came = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; make it readable, or name another") from error
    compare(path, came, md5)


def md5_of(data: bytes) -> str:
    """Return the MD5 of bytes as 32 hexadecimal digits."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def compare(path: Path, came: str, expected: str) -> None:
    """Refuse a file whose MD5 is not the published one.

    Raises:
        ChecksumError: it is another.

    """
    if came != expected:
        raise ChecksumError(f"{path} is damaged or is another file: expected MD5 {expected}, came {came}; {REMEDY}")
