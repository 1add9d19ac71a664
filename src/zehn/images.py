"""The one door for image bytes: sniff, decode, orient, resize; arrays of images in, checked arrays out.

An image is uint8 RGB of shape (H, W, 3), a batch (n, H, W, 3); inside a model float32 in [0, 1], NCHW. Whatever a file
holds (greyscale, palette, transparency, 16 bits, CMYK, several frames, a camera held sideways) comes out as such an
image, or as one :class:`~zehn.errors.ImageError` that says why not. Colour profiles are not applied.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32, Shaped, UInt8

from zehn.errors import ImageError, InputError, UnknownNameError

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 1024**3 // 4 // 3
"""The most pixels a file may hold (89 million), the limit from which Pillow itself suspects a decompression bomb."""
MAX_BYTES = 512 * 1024**2
"""The largest file that is read at all."""
FITS = ("crop", "stretch", "pad")
"""How an oblong image becomes a square one: its middle, squeezed, or whole on white ground."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
"""File names that promise an image, in lower case. What the file holds decides; the name only invites a look."""

_MAX_SCANS = 100
"""Of a JPEG: programs write one or about ten, and each is a pass over all pixels, however few bytes it has."""
_JPEG = b"\xff\xd8"
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
"""In a JPEG: where a segment begins, or the picture ends; neither a byte 0xff of a scan nor a restart within one."""
_BARE, _END, _SCAN = (0x01, 0xD8), 0xD9, 0xDA
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
_FORMATS_SAID = "JPEG, PNG, WebP, BMP, TIFF or GIF"
_ORIENTATION_TAG = 0x0112
_ON_ITS_SIDE = (5, 6, 7, 8)
"""Orientations in EXIF that swap width and height."""
_WHITE = (255, 255, 255)
_OVERSAMPLING = 2
_REDUCING_GAP = 3.0
_ROUNDING_SLACK = 1e-3


def read_image(
    source: Path | str | bytes, *, max_pixels: int = MAX_PIXELS, least_side: int | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """Read one image file as RGB, upright, its first frame, transparency on white ground.

    Of 16-bit channels the high byte is kept; of wider or floating-point ones see ``_narrowed``. ``least_side`` allows
    a JPEG to be decoded at a half, a quarter or an eighth of its size as long as both sides keep at least that many
    pixels, which is several times faster for photographs that are about to be made small.

    Args:
        source: A path, or the bytes of a file.
        max_pixels: Images with more pixels are refused before they are decoded.
        least_side: Sides may shrink to this many pixels while decoding; by default the full size is decoded.

    Raises:
        ImageError: no such file, no image, a format other than JPEG, PNG, WebP, BMP, TIFF and GIF, damaged or cut
            short, or too many pixels; the message begins with the path (if there is one) and says which.

    """
    where = "" if isinstance(source, bytes) else f"{source}: "
    try:
        return _decoded(source if isinstance(source, bytes) else read_bytes(Path(source)), max_pixels, least_side)
    except ImageError as error:
        raise ImageError(f"{where}{error}") from error.__cause__


def read_bytes(path: Path) -> bytes:
    """Read an image file's bytes, unless it is larger than ``MAX_BYTES`` or no file but a pipe, a device or the like.

    Raises:
        ImageError: no such file, not readable, no regular file or too large; the message does not repeat the path.

    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            n_bytes = status.st_size
            if not stat.S_ISREG(status.st_mode):
                raise ImageError("expected a file, came a pipe, a device or the like; name an image file")
            if n_bytes > MAX_BYTES:
                raise ImageError(
                    f"the file has {n_bytes:,} bytes, more than the {MAX_BYTES:,} allowed; make it smaller"
                )
            # a byte more than it had: if the file is growing, never more than that
            return file.read(n_bytes + 1)
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror or error}") from error


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting, as a pipe nobody writes to would make us, and never as our terminal."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))


def upright_size(data: bytes) -> tuple[int, int]:
    """Return width and height of an image that :func:`read_image` has read, as they are once it is upright."""
    from PIL import Image

    with Image.open(BytesIO(data)) as picture:
        width, height = picture.size
        return (height, width) if _orientation(picture) in _ON_ITS_SIDE else (width, height)


def read_square(
    source: Path | str | bytes, size: int, fit: str = "crop", *, max_pixels: int = MAX_PIXELS
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Read one image file and make it a square of ``size`` pixels a side; see ``read_image`` and ``resize``.

    Raises:
        ImageError: the file cannot be read as an image.
        UnknownNameError: ``fit`` is none of ``FITS``.

    """
    return resize(read_image(source, max_pixels=max_pixels, least_side=_OVERSAMPLING * size), size, fit)


def resize(image: UInt8[np.ndarray, "h w 3"], size: int, fit: str = "crop") -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Make an image a square of ``size`` pixels a side, antialiased (Pillow's bicubic convolution).

    ``fit`` says what becomes of an oblong one: ``crop`` keeps the middle, ``stretch`` squeezes it, ``pad`` sets the
    whole of it on white ground.

    Raises:
        UnknownNameError: ``fit`` is none of ``FITS``.

    """
    if fit not in FITS:
        raise UnknownNameError("fit", fit, FITS)
    height, width = image.shape[:2]
    if height == width == size:
        return image
    if fit == "pad":
        return _padded(image, size)
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side) if fit == "crop" else None
    return _scaled(image, (size, size), box)


def resize_all(
    images: UInt8[np.ndarray, "n h w 3"], size: int, fit: str = "crop"
) -> UInt8[np.ndarray, "n {size} {size} 3"]:
    """Resize a batch, one image at a time, so that nothing but the result takes memory; see ``resize``.

    Raises:
        UnknownNameError: ``fit`` is none of ``FITS``.

    """
    if images.shape[1:3] == (size, size):
        return np.ascontiguousarray(images)
    resized = np.empty((len(images), size, size, 3), np.uint8)
    for position, image in enumerate(images):
        resized[position] = resize(image, size, fit)
    return resized


def as_float(images: UInt8[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Turn 0 … 255 into float32 in [0, 1]."""
    return np.divide(images, np.float32(255), dtype=np.float32)


def as_uint8(images: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Turn [0, 1] into 0 … 255, rounded to the nearest; the inverse of ``as_float``.

    Raises:
        InputError: a value that is no number, or that lies outside [0, 1] by more than rounding.

    """
    _check_range(images, _ROUNDING_SLACK)
    scaled = np.clip(images, 0, 1)
    scaled *= 255
    return np.rint(scaled, out=scaled).astype(np.uint8)


def check_images(images: Any) -> UInt8[np.ndarray, "n h w 3"]:
    """Return a batch of images as uint8, whether it came as uint8 or as floating point in [0, 1].

    Args:
        images: Anything that numpy takes for an array of shape (n, H, W, 3).

    Raises:
        InputError: another shape or type, a value outside the range, or no image at all.

    """
    try:
        batch = np.asarray(images)
    except ValueError as error:
        raise InputError(
            f"expected images of one size as an array (n, H, W, 3), came several sizes: {error}"
        ) from error
    _check_shape(batch)
    if batch.dtype == np.uint8:
        return batch
    if not np.issubdtype(batch.dtype, np.floating):
        raise InputError(f"expected images as uint8 or as floating point in [0, 1], came {batch.dtype}; {_cure(batch)}")
    return as_uint8(batch)


def _check_shape(batch: Shaped[np.ndarray, "..."]) -> None:
    expected = f"expected images of shape (n, H, W, 3), came {batch.shape}"
    if batch.ndim == 3 and batch.shape[-1] == 3 and batch.shape[0] > 3:
        raise InputError(f"{expected}; put a single image into a batch with image[None]")
    if batch.ndim == 3 or (batch.ndim == 4 and batch.shape[-1] == 1):
        raise InputError(f"{expected}; repeat the one channel with images.reshape(n, H, W, 1).repeat(3, -1)")
    if batch.ndim == 4 and batch.shape[1] == 3 and batch.shape[-1] != 3:
        raise InputError(f"{expected}; put the channels last with images.transpose(0, 2, 3, 1)")
    if batch.ndim == 4 and batch.shape[-1] == 4:
        raise InputError(f"{expected}; drop the transparency with images[..., :3]")
    if batch.ndim != 4 or batch.shape[-1] != 3:
        raise InputError(expected)
    if 0 in batch.shape:
        raise InputError(f"{expected}, which holds no pixel; give at least one image")


def _cure(batch: Shaped[np.ndarray, "..."]) -> str:
    if batch.dtype == np.uint16:
        return "turn 16 bits into 8 with (images // 256).astype('uint8')"
    return "convert them, for instance with images.astype('uint8') where they lie in 0 … 255"


def _check_range(values: Float[np.ndarray, "..."], slack: float) -> None:
    if values.size == 0:
        return
    low, high = float(values.min()), float(values.max())
    if np.isnan(low):
        raise InputError(
            "expected floating-point images in [0, 1], came values that are no numbers (NaN); mend such images or "
            "leave them out"
        )
    if low < -slack or high > 1 + slack:
        raise InputError(
            f"expected floating-point images in [0, 1], came values from {low:.3g} to {high:.3g}; "
            "give 0 … 255 as uint8, and scale anything else to [0, 1]"
        )


def _decoded(data: bytes, max_pixels: int, least_side: int | None) -> UInt8[np.ndarray, "h w 3"]:
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise ImageError("the file is empty")
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as picture:
            _check_pixels(picture.size, max_pixels)
            _check_scans(data)
            if least_side is not None:
                picture.draft(None, (least_side, least_side))
            picture.load()
            return _upright(_as_rgb(picture), _orientation(picture))
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"expected {_FORMATS_SAID}, came a file that begins with {data[:8]!r}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"it has too many pixels (a decompression bomb?): {error}") from error
    except Exception as error:  # a decoder fed with damaged bytes may raise anything
        raise ImageError(f"the image is damaged or cut short ({error})") from error


def _check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ImageError(
            f"it has {width:,} × {height:,} pixels, more than the {max_pixels:,} allowed (a decompression bomb?); "
            "make it smaller, or raise max_pixels"
        )


def _check_scans(data: bytes) -> None:
    """Refuse a JPEG of a few bytes that takes hours, as it goes over its pixels again and again."""
    if not data.startswith(_JPEG):
        return
    n_scans, at = 0, len(_JPEG)
    while n_scans <= _MAX_SCANS and (found := _MARKER.search(data, at)) and (kind := found[1][0]) != _END:
        n_scans += kind == _SCAN
        at = found.end()
        if kind not in _BARE:  # what a segment holds may look like anything
            at += int.from_bytes(data[at : at + 2], "big")
    if n_scans > _MAX_SCANS:
        raise ImageError(f"it has more than {_MAX_SCANS} scans (a decompression bomb?); save it anew as a plain JPEG")


def _as_rgb(picture: Image) -> UInt8[np.ndarray, "h w 3"]:
    from PIL import Image

    if picture.mode in {"I", "F"} or picture.mode.startswith("I;16"):
        grey = _narrowed(np.asarray(picture))
        return np.repeat(grey[..., None], 3, axis=-1)
    if picture.has_transparency_data:
        ground = Image.new("RGBA", picture.size, (*_WHITE, 255))
        picture = Image.alpha_composite(ground, picture.convert("RGBA"))
    return np.array(picture.convert("RGB"))


def _narrowed(grey: Shaped[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """Bring one wide channel to 0 … 255.

    Integers up to 65,535 keep their high byte, as Pillow does for 16-bit colour. Floating point in [0, 1] is scaled by
    255 and in [0, 255] rounded. Other values have no agreed range: they are stretched from their least to their most.
    """
    low, high = float(grey.min()), float(grey.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise ImageError("it holds values that are no finite numbers")
    if np.issubdtype(grey.dtype, np.integer) and low >= 0 and high <= 65_535:
        return (grey >> 8).astype(np.uint8)
    if np.issubdtype(grey.dtype, np.floating) and low >= 0 and high <= 255:
        return np.rint(grey * (255 if high <= 1 else 1)).astype(np.uint8)
    return np.rint((grey.astype(np.float64) - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)


def _orientation(picture: Image) -> int:
    """Return the EXIF orientation, 1 (upright) to 8; broken EXIF counts as upright, as in every viewer."""
    try:
        return int(picture.getexif().get(_ORIENTATION_TAG, 1))
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, OverflowError, struct.error):
        return 1


_TURNS: Mapping[int, tuple[bool, Sequence[int]]] = {
    2: (False, (1, -1)), 3: (False, (-1, -1)), 4: (False, (-1, 1)), 5: (True, (1, 1)),
    6: (True, (1, -1)), 7: (True, (-1, -1)), 8: (True, (-1, 1)),
}  # fmt: skip
"""EXIF orientation → whether rows and columns swap, then the steps along rows and columns (-1 mirrors)."""


def _upright(image: UInt8[np.ndarray, "h w 3"], orientation: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    swap, (down, across) = _TURNS.get(orientation, (False, (1, 1)))
    turned = image.swapaxes(0, 1) if swap else image
    return np.ascontiguousarray(turned[::down, ::across])


def _scaled(
    image: UInt8[np.ndarray, "h w 3"], shape: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> UInt8[np.ndarray, "h2 w2 3"]:
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.array(picture.resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=box, reducing_gap=_REDUCING_GAP))


def _padded(image: UInt8[np.ndarray, "h w 3"], size: int) -> UInt8[np.ndarray, "{size} {size} 3"]:
    height, width = image.shape[:2]
    scale = size / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (size - rows) // 2, (size - columns) // 2
    padded = np.full((size, size, 3), _WHITE, np.uint8)
    padded[top : top + rows, left : left + columns] = _scaled(image, (rows, columns))
    return padded
