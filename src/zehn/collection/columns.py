"""What a file of a collection's records holds, column by column and some rows at a time, and what a row may be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from zehn.engines import NewRecord

NUMBERS = ("id", "size", "mtime_ns", "width", "height")
"""What is a whole number of every image."""

_HASH_BYTES = 32
_ZERO = b"\0"


@dataclass(frozen=True, eq=False)
class Columns:
    """Some rows, one after the other as they were exported."""

    paths: Sequence[bytes]
    labels: Sequence[str | None]
    hashes: Sequence[bytes]
    """SHA-256, 32 bytes each, or none."""
    sizes: Int64[np.ndarray, " n"]
    widths: Int64[np.ndarray, " n"]
    heights: Int64[np.ndarray, " n"]
    codes: Float32[np.ndarray, "n d"]


def printable(text: str) -> str:
    """Return text that is UTF-8, whatever bytes it was made from."""
    return text.encode("utf-8", "backslashreplace").decode()


def new_records(columns: Columns) -> list[NewRecord]:
    """Return rows as records of images that nobody has read here.

    Their time of change is 0, so that an update reads those files that are there.

    Raises:
        ValueError: what no image can have, such as a negative size, a path with a zero byte or one with ``..`` in it.

    """
    for name, values in (("size", columns.sizes), ("width", columns.widths), ("height", columns.heights)):
        if values.min(initial=0) < 0:
            raise ValueError(f"expected no negative {name}, came {values.min()}")
    for path in columns.paths:
        if not os.path.isabs(path) or _ZERO in path:  # noqa: PTH117 – bytes
            raise ValueError(f"expected absolute paths without zero bytes, came {path!r}")
        if path != os.path.normpath(path):  # two names of one file would be two images, and .. leads out of a folder
            raise ValueError(f"expected paths without . and .. or a slash too many, came {path!r}")
    for digest in columns.hashes:
        if len(digest) not in (0, _HASH_BYTES):
            raise ValueError(f"expected hashes of {_HASH_BYTES} bytes, came one of {len(digest)}")
    for label in columns.labels:
        if label is not None and "\0" in label:
            raise ValueError(f"expected labels without zero bytes, came {label!r}")
    numbers = zip(columns.sizes.tolist(), columns.widths.tolist(), columns.heights.tolist(), strict=True)
    rows = zip(columns.paths, columns.hashes, columns.labels, numbers, strict=True)
    return [
        NewRecord(path, size, 0, digest, width, height, label) for path, digest, label, (size, width, height) in rows
    ]
