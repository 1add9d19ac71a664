"""Images made ready to be sent: no larger than asked for, as files that every browser shows."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from jaxtyping import UInt8

JPEG, PNG = "image/jpeg", "image/png"
_LOSSLESS_SIDE = 128
"""Images up to that side are sent as they are, pixel by pixel."""
_QUALITY = 88


def shrunk(image: UInt8[np.ndarray, "h w 3"], max_side: int | None) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Return an image whose longer side has at most so many pixels."""
    if max_side is None or max(image.shape[:2]) <= max_side:
        return image
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((max_side, max_side), reducing_gap=3.0)
    return np.array(picture)


def as_file(image: UInt8[np.ndarray, "h w 3"]) -> tuple[bytes, str]:
    """Return an image as PNG where it is small, else as JPEG, and its media type."""
    from PIL import Image

    buffer, picture = BytesIO(), Image.fromarray(image)
    if max(image.shape[:2]) <= _LOSSLESS_SIDE:
        picture.save(buffer, "PNG")
        return buffer.getvalue(), PNG
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue(), JPEG
