"""Image files, through the one door: sniffed, decoded, turned upright, resized."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np

from zehn import images
from zehn.collection import decoding
from zehn.errors import ImageError

TOKENS = (
    b"IHDR", b"IDAT", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"zTXt", b"\xff\xda", b"\xff\xc2",
    b"\xff\xe1", b"Exif\0\0", b"VP8X", b"VP8L", b"ALPH", b"ANIM", b"GIF89a", b"\x21\xf9\x04", b"II*\0", b"MM\0*",
    b"II+\0", b"BM",
)  # fmt: skip
_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_PIXELS = 2_000_000
"""Fewer than are allowed, so that memory tells of decoders, not of that limit."""
_SIDE, _THUMBNAIL = 32, 16


def seeds() -> Mapping[str, bytes]:
    """Return small images of every format and of many modes."""
    grey = np.arange(9 * 7, dtype=np.uint8).reshape(7, 9) * 4
    colour = np.stack([grey, grey.T.reshape(7, 9), 255 - grey], axis=-1)
    modes: dict[str, Any] = {
        "l": grey,
        "rgb": colour,
        "rgba": np.dstack([colour, grey]),
        "i16": grey.astype("<u2") * 257,
    }
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    return {
        **{f"{mode}.png": _saved(modes[mode], "PNG") for mode in modes},
        **{f"{mode}.tif": _saved(modes[mode], "TIFF") for mode in modes},
        **{f"{mode}.webp": _saved(modes[mode], "WEBP") for mode in ("rgb", "rgba")},
        "lossless.webp": _saved(modes["rgba"], "WEBP", lossless=True),
        "l.bmp": _saved(grey, "BMP"),
        "rgb.bmp": _saved(colour, "BMP"),
        "l.gif": _saved(grey, "GIF"),
        "frames.gif": _saved(colour, "GIF", save_all=True, append_images=[_picture(255 - colour)]),
        "frames.webp": _saved(colour, "WEBP", save_all=True, append_images=[_picture(255 - colour)]),
        "frames.png": _saved(colour, "PNG", save_all=True, append_images=[_picture(255 - colour)]),
        "palette.png": _saved(_picture(colour).quantize(8), "PNG", transparency=0),
        "bilevel.png": _saved(_picture(grey).convert("1"), "PNG"),
        "f.tif": _saved(grey.astype(np.float32), "TIFF"),
        "deflate.tif": _saved(colour, "TIFF", compression="tiff_adobe_deflate"),
        "lzw.tif": _saved(grey, "TIFF", compression="tiff_lzw"),
        "g4.tif": _saved(_picture(grey).convert("1"), "TIFF", compression="group4"),
        "jpeg.tif": _saved(colour, "TIFF", compression="jpeg"),
        "rgb.jpg": _saved(colour, "JPEG", exif=exif),
        "l.jpg": _saved(grey, "JPEG"),
        "progressive.jpg": _saved(np.repeat(np.repeat(colour, 4, 0), 4, 1), "JPEG", progressive=True),
        "cmyk.jpg": _saved(_picture(colour).convert("CMYK"), "JPEG"),
    }


def check(data: bytes) -> None:
    """Read an image in each of the ways in which Zehn reads one."""
    fit = images.FITS[len(data) % len(images.FITS)]
    try:
        image = images.read_image(data, max_pixels=_MOST_PIXELS, least_side=(None, 2 * _SIDE)[len(data) % 2])
    except ImageError:
        return
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise AssertionError(f"expected uint8 (h, w, 3), came {image.dtype} {image.shape}")
    if images.resize(image, _SIDE, fit).shape != (_SIDE, _SIDE, 3):
        raise AssertionError("expected a square")
    if min(images.upright_size(data)) < 1:
        raise AssertionError("expected an image that has pixels")
    decoding.thumbnail_of(image, _THUMBNAIL)


def mend(data: bytes) -> bytes:
    """Make the checksums of a PNG's parts right, and the length of a WebP's."""
    if data.startswith(b"RIFF"):
        return data[:4] + struct.pack("<I", max(0, len(data) - 8)) + data[8:]
    if not data.startswith(_PNG):
        return data
    content, at = bytearray(data), len(_PNG)
    while at + 12 <= len(content):
        (n_bytes,) = struct.unpack_from(">I", content, at)
        if at + 12 + n_bytes > len(content):
            break
        struct.pack_into(">I", content, at + 8 + n_bytes, zlib.crc32(content[at + 4 : at + 8 + n_bytes]))
        at += 12 + n_bytes
    return bytes(content)


def _picture(pixels: Any) -> Any:
    from PIL import Image

    return Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels


def _saved(pixels: Any, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    _picture(pixels).save(buffer, kind, **options)
    return buffer.getvalue()
