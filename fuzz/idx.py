"""IDX files, those of Fashion-MNIST, compressed or not; their checksum is left out."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping

from fuzz._folder import placed
from zehn.datasets import _idx
from zehn.errors import DataError

TOKENS = (
    b"\x1f\x8b", b"\0\0\x08\x03", b"\0\0\x08\x01", b"\0\0\x0d\x02",
)  # fmt: skip
_MOST_BYTES = 10_000


def seeds() -> Mapping[str, bytes]:
    """Return images and labels."""
    images = struct.pack(">2xBBIII", 8, 3, 2, 4, 4) + bytes(range(32))
    labels = struct.pack(">2xBBI", 8, 1, 5) + bytes(range(5))
    return {
        "images": images,
        "labels": labels,
        "images.gz": gzip.compress(images, mtime=0),
        "labels.gz": gzip.compress(labels, mtime=0),
        "empty": struct.pack(">2xBBI", 8, 1, 0),
    }


def check(data: bytes) -> None:
    """Read a file and parse what it holds."""
    path = placed("train-images-idx3-ubyte", data)
    try:
        values = _idx.parse(_idx.read_content(path, _MOST_BYTES), path)
    except DataError:
        return
    if values.nbytes > _MOST_BYTES:
        raise AssertionError(f"expected {_MOST_BYTES:,} bytes at most, came {values.nbytes:,}")
