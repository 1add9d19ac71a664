"""What CIFAR-10-C did to images (Hendrycks and Dietterich, arXiv 1903.12261), for measuring what training never saw.

Ten of its fifteen kinds, with its own constants for images of 32 × 32; lengths in pixels grow with the image's side.
Left out are Gaussian noise, which training sees; frost, which needs photographs of ice; snow and glass blur; and
elastic transforms, whose severities are no scale (their random affine part is strongest at the first). The third and
the fourth motion blur hardly differ, which is CIFAR-10-C's doing too.

How new they are to a model depends on its training: shot and impulse noise are near relatives of Gaussian noise, and
the views of :mod:`zehn.augment` may change brightness and contrast, and blur.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from zehn.distort.batches import Floats, as_came, as_floats, check
from zehn.errors import ConfigError, InputError, UnknownNameError

SEVERITIES = (1, 2, 3, 4, 5)
"""From mild to strong, as CIFAR-10-C counts."""

_STREAM = 66
"""Kept apart from the numbers that :mod:`zehn.measures.streams` draws from the same seed."""
_PIXELS_PER_BLOCK = 262_144
_SIDE = 32
_WIDEST_ANGLE = 45
_LEAST_WEIGHT = 1e-3
_FOG_WIBBLE = 100

Bytes = UInt8[np.ndarray, "n h w 3"]
Maps = Float64[np.ndarray, "n m m"]
Draws = np.random.Generator


def corrupt(images: Any, kind: str, severity: int, *, seed: int = 0) -> Bytes:
    """Return uint8 images (n, H, W, 3) corrupted in one way, of the same shape and type.

    What is drawn follows from the seed, the kind and the place of an image alone: every severity of a kind draws the
    same numbers, and the first images of a batch become what they would become without the others.

    >>> corrupt(np.full((2, 32, 32, 3), 100, np.uint8), "brightness", 5)[0, 0, 0].tolist()
    [177, 177, 177]

    Args:
        images: A batch; it stays as it is.
        kind: One of :data:`CORRUPTIONS`.
        severity: From 1 to 5.
        seed: Decides everything that is drawn.

    Raises:
        UnknownNameError: there is no such corruption; the message suggests the closest name.
        ConfigError: another severity.
        InputError: images of another shape or type, or none.
        ValueError: a negative seed.

    """
    check_corruption(kind, severity)
    check(images)
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        raise InputError(f"expected arrays (n, H, W, 3) of uint8, came {images.dtype}; convert them first")
    made = _KINDS[kind]
    draws = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM, zlib.crc32(kind.encode()))))
    results, step = np.empty_like(images), max(1, _PIXELS_PER_BLOCK // (images.shape[1] * images.shape[2]))
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        corrupted = made.corrupt(as_floats(images[part]), made.constants[severity - 1], draws)
        results[part] = as_came(corrupted.astype(np.float32), images.dtype)
    return results


def check_corruption(kind: str, severity: int) -> None:
    """Refuse a kind or a severity that :func:`corrupt` does not know.

    Raises:
        UnknownNameError: there is no such corruption; the message suggests the closest name.
        ConfigError: another severity than 1 to 5.

    """
    if kind not in _KINDS:
        raise UnknownNameError("corruption", kind, CORRUPTIONS)
    if not isinstance(severity, int) or severity not in SEVERITIES:
        raise ConfigError(f"expected a severity from 1 to {len(SEVERITIES)}, a whole number, came {severity!r}")


def _shot_noise(images: Floats, photons: float, draws: Draws) -> Any:
    """Count photons: as many are expected of a white pixel as the constant says."""
    return draws.poisson(images.astype(np.float64) * photons) / photons


def _impulse_noise(images: Floats, share: float, draws: Draws) -> Any:
    """Set a share of all values to black or white, both equally likely."""
    drawn = draws.random(images.shape)
    return np.where(drawn < share / 2, 0.0, np.where(drawn > 1 - share / 2, 1.0, images))


def _defocus_blur(images: Floats, disk: tuple[float, float], _: Draws) -> Any:
    """Blur by a disk of a radius whose edge is smoothed by a Gaussian window of 3 × 3."""
    from scipy import ndimage

    radius, smoothing = disk[0] * _scale(images), disk[1]
    reach = math.floor(radius) + 1
    x, y = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = (x**2 + y**2 <= radius**2).astype(np.float64)
    kernel = ndimage.gaussian_filter(kernel / kernel.sum(), smoothing, radius=1, mode="constant")
    return ndimage.correlate(images, kernel[None, :, :, None], mode="mirror")


def _motion_blur(images: Floats, blur: tuple[float, float], draws: Draws) -> Any:
    """Smear each image in a direction of its own, up to 45° from the horizontal, half a Gaussian far.

    Source: ImageMagick's MotionBlurImage, with whole pixels and the edge repeated outwards.
    """
    radius, sigma = (length * _scale(images) for length in blur)
    weights = np.exp(-np.square(np.arange(2 * math.ceil(radius) + 1)) / (2 * sigma**2))
    weights = weights[weights > _LEAST_WEIGHT] / weights[weights > _LEAST_WEIGHT].sum()
    angles = np.radians(draws.uniform(-_WIDEST_ANGLE, _WIDEST_ANGLE, len(images)))
    smeared, places = np.zeros_like(images), np.arange(len(images))[:, None, None]
    for step, weight in enumerate(weights):
        rows = _moved(images.shape[1], np.ceil(step * np.sin(angles) - 0.5))
        columns = _moved(images.shape[2], np.ceil(step * np.cos(angles) - 0.5))
        smeared += np.float32(weight) * images[places, rows[:, :, None], columns[:, None]]
    return smeared


def _moved(n_pixels: int, offsets: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, "n p"]:
    return (np.arange(n_pixels) + offsets.astype(np.int64)[:, None]).clip(0, n_pixels - 1)


def _zoom_blur(images: Floats, farthest: float, _: Draws) -> Any:
    """Average the image with its enlargements by 0 %, 1 %, 2 %, … around its centre."""
    factors = np.arange(1, 1 + farthest, 0.01)
    channels = np.moveaxis(images, -1, 1).astype(np.float64)
    total = channels.copy()
    for factor in factors:
        total += _zooming(images.shape[1], factor) @ channels @ _zooming(images.shape[2], factor).T
    return np.moveaxis(total / (len(factors) + 1), 1, -1)


def _zooming(n_pixels: int, factor: float) -> Float64[np.ndarray, "p p"]:
    """Return the matrix that enlarges a line of pixels, as linear as scipy's zoom, and cuts it to its size."""
    from scipy import ndimage

    n_kept = math.ceil(n_pixels / factor)
    first = (n_pixels - n_kept) // 2
    zoomed = ndimage.zoom(np.eye(n_pixels)[first : first + n_kept], (factor, 1), order=1)
    start = (len(zoomed) - n_pixels) // 2
    return zoomed[start : start + n_pixels]


def _fog(images: Floats, fog: tuple[float, float], draws: Draws) -> Any:
    """Lay a plasma fractal over each image, and darken what became brighter than its brightest value."""
    thickness, decay = fog
    brightest = images.max(axis=(1, 2, 3), keepdims=True)
    height, width = images.shape[1:3]
    clouds = _plasma(len(images), 1 << (max(height, width, 2) - 1).bit_length(), decay, draws)
    fogged = images + thickness * clouds[:, :height, :width, None]
    return fogged * brightest / (brightest + thickness)


def _plasma(n_images: int, side: int, decay: float, draws: Draws) -> Maps:
    """Return cloudy maps in [0, 1] by the diamond-square algorithm on a torus; a side is a power of two.

    Each midpoint is the mean of four neighbours plus noise that shrinks from step to step (Fournier, Fussell and
    Carpenter, "Computer rendering of stochastic models", 1982).
    """
    noise = draws.uniform(-1, 1, (n_images, side * side - 1))
    maps, step, wibble, n_used = np.zeros((n_images, side, side)), side, float(_FOG_WIBBLE), 0
    while step >= 2:
        half, n_cells = step // 2, side // step
        fresh = noise[:, n_used : n_used + 3 * n_cells**2].reshape(n_images, 3, n_cells, n_cells) * wibble**2
        corners = maps[:, ::step, ::step]
        below = corners + np.roll(corners, -1, axis=1)
        middles = (below + np.roll(below, -1, axis=2)) / 4 + fresh[:, 0]
        maps[:, half::step, half::step] = middles
        beside = middles + np.roll(middles, 1, axis=1) + corners + np.roll(corners, -1, axis=2)
        maps[:, ::step, half::step] = beside / 4 + fresh[:, 1]
        beneath = middles + np.roll(middles, 1, axis=2) + below
        maps[:, half::step, ::step] = beneath / 4 + fresh[:, 2]
        step, wibble, n_used = half, wibble / decay, n_used + 3 * n_cells**2
    maps -= maps.min(axis=(1, 2), keepdims=True)
    return maps / maps.max(axis=(1, 2), keepdims=True)


def _brightness(images: Floats, added: float, _: Draws) -> Any:
    """Raise the value (of hue, saturation, value) of each pixel."""
    value = images.max(axis=-1, keepdims=True)
    raised = np.minimum(value + np.float32(added), 1)
    return np.where(value > 0, images * (raised / np.where(value > 0, value, 1)), raised)


def _contrast(images: Floats, kept: float, _: Draws) -> Any:
    """Draw all values towards the mean of their channel."""
    means = images.mean(axis=(1, 2), keepdims=True)
    return (images - means) * kept + means


def _pixelate(images: Floats, share: float, _: Draws) -> Any:
    """Make images smaller and large again, each pixel the mean of what it covers."""
    from PIL import Image

    height, width = images.shape[1:3]
    small = (max(1, int(width * share)), max(1, int(height * share)))
    return _one_by_one(
        images,
        lambda picture: picture.resize(small, Image.Resampling.BOX).resize((width, height), Image.Resampling.BOX),
    )


def _jpeg_compression(images: Floats, quality: int, _: Draws) -> Any:
    """Write and read a JPEG file."""
    from PIL import Image

    def compress(picture: Any) -> Any:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return _one_by_one(images, compress)


def _one_by_one(images: Floats, change: Callable[[Any], Any]) -> Floats:
    """Do with each image what Pillow can."""
    from PIL import Image

    whole = as_came(images.copy(), np.uint8)
    return as_floats(np.stack([np.asarray(change(Image.fromarray(image))) for image in whole]))


def _scale(images: Floats) -> float:
    return min(images.shape[1:3]) / _SIDE


@dataclass(frozen=True)
class _Kind:
    """How a corruption is made, and with what at each severity."""

    corrupt: Callable[[Any, Any, Draws], Any]
    constants: tuple[Any, ...]


_KINDS = {
    "shot_noise": _Kind(_shot_noise, (500, 250, 100, 75, 50)),
    "impulse_noise": _Kind(_impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07)),
    "defocus_blur": _Kind(_defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))),
    "motion_blur": _Kind(_motion_blur, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),
    "zoom_blur": _Kind(_zoom_blur, (0.06, 0.11, 0.16, 0.21, 0.26)),
    "fog": _Kind(_fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),
    "brightness": _Kind(_brightness, (0.05, 0.1, 0.15, 0.2, 0.3)),
    "contrast": _Kind(_contrast, (0.75, 0.5, 0.4, 0.3, 0.15)),
    "pixelate": _Kind(_pixelate, (0.95, 0.9, 0.85, 0.75, 0.65)),
    "jpeg_compression": _Kind(_jpeg_compression, (80, 65, 58, 50, 40)),
}
CORRUPTIONS = tuple(_KINDS)
"""The names of all corruptions: noise, blurs, weather and light, then what files do to images."""
