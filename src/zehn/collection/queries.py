"""What may be asked about: paths, bytes of files, arrays and Pillow's images, made squares of the model's size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from zehn import images
from zehn.errors import InputError

_SAVED_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I", "F", "I;16")


def squares_of(given: Any, size: int, fit: str) -> UInt8[np.ndarray, "q s s 3"]:
    """Return one or many images as squares.

    Args:
        given: A path (text or Path), the bytes of a file, an array (H, W, 3), a Pillow image, a sequence of these, or
            an array (n, H, W, 3); arrays are uint8, or floating point in [0, 1].
        size: Side of the squares.
        fit: How oblong images become squares.

    Raises:
        ImageError: a file that cannot be read as an image.
        InputError: something else, or nothing at all.

    """
    if isinstance(given, np.ndarray) and given.ndim == 4:
        return images.resize_all(images.check_images(given), size, fit)
    many = given if _is_many(given) else [given]
    if not len(many):
        raise InputError("expected at least one image to ask about, came none")
    return np.stack([_square_of(one, size, fit) for one in many])


def _is_many(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str | bytes | bytearray)


def _square_of(one: Any, size: int, fit: str) -> UInt8[np.ndarray, "s s 3"]:
    if isinstance(one, str | Path):
        # not Path.expanduser, which raises where no user is called ~tmp.jpg
        return images.read_square(Path(os.path.expanduser(one)), size, fit)  # noqa: PTH111
    if isinstance(one, bytes | bytearray | memoryview):
        return images.read_square(bytes(one), size, fit)
    if isinstance(one, os.PathLike):
        return images.read_square(Path(os.fsdecode(one)), size, fit)
    if isinstance(one, np.ndarray):
        return images.resize(images.check_images(one[None])[0], size, fit)
    if hasattr(one, "convert") and hasattr(one, "save"):
        return images.read_square(_file_of(one), size, fit)
    raise InputError(
        f"expected a path, a file's bytes, an array (H, W, 3) or a Pillow image, came {type(one).__name__}; "
        "give one of these"
    )


def _file_of(picture: Any) -> bytes:
    """Return a Pillow image as a file, so that every kind of pixel goes through the one door."""
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(picture)
    buffer = BytesIO()
    (upright if upright.mode in _SAVED_MODES else upright.convert("RGB")).save(buffer, "TIFF")
    return buffer.getvalue()
