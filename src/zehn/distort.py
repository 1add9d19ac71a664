"""Gaussian noise and projective transforms of images, as seeded generators of (distorted, clean, parameters).

Both take images one at a time or in whole batches and keep their type, shape and range: arrays (n, H, W, 3) of uint8,
or of float32 in [0, 1]; or PyTorch tensors (n, 3, H, W) of the same types, on any device. They are lazy: no image is
read before it is asked for. Whatever is drawn follows from the seed and the place of an image alone, not from the size
of the batches. (On tensors the noise itself is drawn on their device, batch by batch; its strengths are not.)

Places in an image are in pixels, x to the right and y down, from its upper left edge: the first pixel's centre is at
(0.5, 0.5), the lower right edge at (W, H). Values between pixels are bilinear, and what lies outside an image is black,
so that an edge fades out over half a pixel on either side, as in OpenCV and in PyTorch's ``grid_sample``.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from zehn.errors import ConfigError, InputError
from zehn.images import as_float, as_uint8

Strength = float | tuple[float, float]
"""One strength for all images, or the bounds between which each image's own is drawn, all equally likely."""

_NOISE_STREAM, _PROJECTION_STREAM = 64, 65
"""Kept apart from the numbers that :mod:`zehn.measures.streams` draws from the same seed."""
_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
"""Corners of the unit square, clockwise from the upper left."""
_PIXELS_PER_BLOCK = 262_144
_BYTE = 255

Floats = Float32[np.ndarray, "n h w 3"]
Matrices = Float64[np.ndarray, "n 3 3"]


@dataclass(frozen=True, eq=False)
class Noise:
    """What was done to a batch, or without the first axis to one image."""

    strength: Float64[np.ndarray, "*n"]
    """Standard deviations, on [0, 1] pixels."""


@dataclass(frozen=True, eq=False)
class Projection:
    """What was done to a batch, or without the first axis to one image."""

    strength: Float64[np.ndarray, "*n"]
    corners: Float64[np.ndarray, "*n 4 2"]
    """Where the corners of the image went, (x, y) in pixels, clockwise from the upper left."""
    matrix: Float64[np.ndarray, "*n 3 3"]
    """The homography from places in the clean image to places in the distorted one."""


Parameters = TypeVar("Parameters", Noise, Projection)


def gaussian_noise(
    images: Any, strength: Strength, *, seed: int = 0, batch_size: int | None = None, endless: bool = False
) -> Iterator[tuple[Any, Any, Noise]]:
    """Yield images with Gaussian noise of mean 0 added to every channel of every pixel, clipped to the range of pixels.

    >>> images = np.full((5, 32, 32, 3), 128, np.uint8)
    >>> for distorted, clean, parameters in gaussian_noise(images, (0.04, 0.1), batch_size=2):
    ...     print(distorted.shape, distorted.dtype, parameters.strength.shape)
    (2, 32, 32, 3) uint8 (2,)
    (2, 32, 32, 3) uint8 (2,)
    (1, 32, 32, 3) uint8 (1,)

    Args:
        images: A batch, or any iterable of images and batches, which is taken as it comes.
        strength: Standard deviation on [0, 1] pixels (also for uint8, where 0.1 means 25.5), from 0; or its bounds.
        seed: Decides everything that is drawn.
        batch_size: Images yielded at a time, with their first axis; without it, single images without that axis.
        endless: Whether to begin again after the last image, with new noise, for ever.

    Raises:
        ConfigError: a strength below 0 or bounds in the wrong order; a batch size below 1; ``batch_size`` or
            ``endless`` for what is no batch.
        InputError: images of another shape, type or range, or none; when they are asked for.
        ValueError: a negative seed.

    """
    low, high = _bounds(strength, math.inf)
    draws, fields = _streams(seed, _NOISE_STREAM)

    def distort(batch: Any) -> tuple[Any, Noise]:
        strengths = low + (high - low) * draws.random(len(batch))
        noised = _noised_tensor if _is_tensor(batch) else _noised
        return noised(batch, strengths, fields), Noise(strengths)

    return _walk(_items(images, batch_size, endless=endless), distort)


def projective(
    images: Any,
    strength: Strength,
    *,
    outwards: bool = False,
    seed: int = 0,
    batch_size: int | None = None,
    endless: bool = False,
) -> Iterator[tuple[Any, Any, Projection]]:
    """Yield images seen from elsewhere: each of the four corners moves, and a homography takes the image along.

    A corner moves inwards by up to ``strength`` × half the side, horizontally and vertically for itself, all distances
    equally likely, as in torchvision's ``RandomPerspective`` (there in whole pixels); the image keeps its size, and
    what it no longer covers is black. Above 2/3 (outwards: 1/2) a corner may pass the line between its neighbours; the
    image then folds, and what lies behind the horizon is black too.

    Args:
        images: A batch, or any iterable of images and batches, which is taken as it comes.
        strength: From 0, which changes nothing, to 1; or its bounds.
        outwards: Whether corners move outwards as well, which crops the image; for training, not for measuring.
        seed: Decides everything that is drawn.
        batch_size: Images yielded at a time, with their first axis; without it, single images without that axis.
        endless: Whether to begin again after the last image, with new corners, for ever.

    Raises:
        ConfigError: a strength outside [0, 1] or bounds in the wrong order; a batch size below 1; ``batch_size`` or
            ``endless`` for what is no batch.
        InputError: images of another shape, type or range, or none; when they are asked for.
        ValueError: a negative seed.

    """
    low, high = _bounds(strength, 1.0)
    draws, _ = _streams(seed, _PROJECTION_STREAM)

    def distort(batch: Any) -> tuple[Any, Projection]:
        rows = draws.random((len(batch), 1 + _CORNERS.size))
        strengths = low + (high - low) * rows[:, 0]
        moves = strengths[:, None, None] * rows[:, 1:].reshape(-1, *_CORNERS.shape)
        moves = moves * 2 - strengths[:, None, None] if outwards else moves
        size = np.array(batch.shape[:1:-1] if _is_tensor(batch) else batch.shape[2:0:-1])
        corners = size * (_CORNERS + moves * (0.5 - _CORNERS))
        matrices = _homographies(corners) @ np.diag([*(1 / size), 1.0])
        matrices[(moves == 0).all(axis=(1, 2))] = np.eye(3)
        return warp(batch, matrices), Projection(strengths, corners, matrices)

    return _walk(_items(images, batch_size, endless=endless), distort)


def warp(images: Any, matrices: Matrices) -> Any:
    """Return a batch of images taken along by homographies, of the same size, type and range.

    Args:
        images: Arrays (n, H, W, 3) or tensors (n, 3, H, W), uint8 or float32 in [0, 1].
        matrices: From places in an image, in pixels as this module counts them, to places in the result; each with a
            lower right entry above 0, so that the image's upper left corner lies before the horizon.

    Raises:
        InputError: images of another shape, type or range, another number of matrices, or one that is no such
            homography.

    """
    _check(images)
    if len(matrices) != len(images) or not (matrices[:, 2, 2] > 0).all() or not np.linalg.det(matrices).all():
        raise InputError(
            f"expected a homography for each of {len(images)} images, invertible and with a lower right entry above 0, "
            f"came {len(matrices)} matrices; scale them by it"
        )
    back, moved = np.linalg.inv(matrices), (matrices != np.eye(3)).any(axis=(1, 2))
    return _warped_tensor(images, back, moved) if _is_tensor(images) else _warped(images, back, moved)


def _homographies(corners: Float64[np.ndarray, "n 4 2"]) -> Matrices:
    """Return what maps the unit square onto quadrilaterals, corners clockwise from the upper left.

    Source: Heckbert, "Fundamentals of texture mapping and image warping", Berkeley 1989, section 2.2.3.
    """
    first, second, third, fourth = np.moveaxis(corners, 1, 0)
    one, two, rest = second - third, fourth - third, first - second + third - fourth
    scale = _cross(one, two)
    g, h = _cross(rest, two) / scale, _cross(one, rest) / scale
    along = second - first + g[:, None] * second
    down = fourth - first + h[:, None] * fourth
    upper = np.stack([along, down, first], axis=2)
    return np.concatenate([upper, np.stack([g, h, np.ones_like(g)], axis=1)[:, None]], axis=1)


def _cross(a: Float64[np.ndarray, "n 2"], b: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, " n"]:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _places(matrices: Matrices, height: int, width: int) -> Float64[np.ndarray, "n 2 p"]:
    """Return where each pixel of the results comes from, (x, y); what lies behind the horizon comes from outside."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    found = matrices @ np.stack([x.ravel(), y.ravel(), np.ones(height * width)])
    depths = found[:, 2:]
    # the inverse of a homography that is 1 at the first corner is positive on that corner's side of the horizon
    outside = np.full_like(found[:, :2], -1.0)
    return np.divide(found[:, :2], depths, out=outside, where=np.broadcast_to(depths > 0, outside.shape))


def _warped(images: Any, back: Matrices, moved: Bool[np.ndarray, " n"]) -> Any:
    results, rows = images.copy(), np.flatnonzero(moved)
    step = max(1, _PIXELS_PER_BLOCK // (images.shape[1] * images.shape[2]))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        results[part] = _as_came(_sampled(_as_floats(images[part]), back[part]), images.dtype)
    return results


def _sampled(images: Floats, back: Matrices) -> Floats:
    """Look up images at the places that their results come from."""
    n_images, height, width, n_channels = images.shape
    framed = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0))).reshape(-1, n_channels)
    # in the frame of black pixels, the image's first centre is at 1
    places = _places(back, height, width) + 0.5
    limits = np.array([width, height])[:, None] + 1.0
    places = places.clip(0.0, limits)
    corners = np.minimum(places.astype(np.int64), limits.astype(np.int64) - 1)
    x, y = np.moveaxis((places - corners).astype(np.float32), 1, 0)
    at = corners[:, 1] * (width + 2) + corners[:, 0] + _offsets(n_images, (height + 2) * (width + 2))
    sampled = framed[at] * ((1 - x) * (1 - y))[..., None]
    for step, weights in ((1, x * (1 - y)), (width + 2, (1 - x) * y), (width + 3, x * y)):
        sampled += framed[at + step] * weights[..., None]
    return sampled.reshape(images.shape)


def _offsets(n_images: int, n_pixels: int) -> Int64[np.ndarray, "n 1"]:
    return np.arange(n_images)[:, None] * n_pixels


def _warped_tensor(images: Any, back: Matrices, moved: Bool[np.ndarray, " n"]) -> Any:
    import torch
    from torch.nn import functional

    height, width = images.shape[2:]
    grid = 2 * _places(back, height, width) / np.array([width, height])[:, None] - 1
    grid = np.moveaxis(grid.clip(-3.0, 3.0), 1, 2).reshape(-1, height, width, 2)
    on_device = torch.from_numpy(grid.astype(np.float32)).to(images.device)
    sampled = functional.grid_sample(_as_floats(images), on_device, padding_mode="zeros", align_corners=False)
    chosen = torch.from_numpy(moved).to(images.device)[:, None, None, None]
    return torch.where(chosen, _as_came(sampled, images.dtype), images)


def _noised(images: Any, strengths: Float64[np.ndarray, " n"], fields: np.random.Generator) -> Any:
    noise = fields.standard_normal(images.shape, dtype=np.float32)
    noise *= strengths.astype(np.float32)[:, None, None, None]
    noise += _as_floats(images)
    return _as_came(noise, images.dtype)


def _noised_tensor(images: Any, strengths: Float64[np.ndarray, " n"], fields: np.random.Generator) -> Any:
    import torch

    source = torch.Generator(images.device).manual_seed(int(fields.integers(2**62)))
    noise = torch.randn(images.shape, generator=source, device=images.device)
    scales = torch.from_numpy(strengths.astype(np.float32)).to(images.device)
    return _as_came(_as_floats(images) + scales[:, None, None, None] * noise, images.dtype)


def _as_floats(images: Any) -> Any:
    if _is_tensor(images):
        return images if images.is_floating_point() else images.float() / _BYTE
    return as_float(images) if images.dtype == np.uint8 else images


def _as_came(values: Any, dtype: Any) -> Any:
    """Clip float32 values to [0, 1] and give them the type that the images came in."""
    if _is_tensor(values):
        clipped = values.clamp(0, 1)
        return clipped if dtype.is_floating_point else (clipped * _BYTE).round().to(dtype)
    np.clip(values, 0, 1, out=values)
    return as_uint8(values) if dtype == np.uint8 else values


def _streams(seed: int, stream: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Return what parameters are drawn from, and what noise is drawn from."""
    parts = (np.random.SeedSequence(seed, spawn_key=(stream, part)) for part in range(2))
    draws, fields = (np.random.default_rng(part) for part in parts)
    return draws, fields


def _bounds(strength: Strength, most: float) -> tuple[float, float]:
    low, high = strength if isinstance(strength, tuple) else (strength, strength)
    if not 0 <= low <= high <= most or math.isinf(high):
        raise ConfigError(
            f"expected a strength from 0 to {most:g}, or two of them in ascending order, came {strength!r}"
        )
    return float(low), float(high)


def _items(images: Any, batch_size: int | None, *, endless: bool) -> Iterable[Any]:
    """Return what is to be walked: batches or single images of a batch, or an iterable as it is."""
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"expected a batch size from 1, came {batch_size}; leave it out for single images")
    if hasattr(images, "ndim"):
        _check(images[:0] if images.ndim == 4 else images)
        if len(images) == 0:
            raise InputError("expected at least one image, came none")
        return _slices(images, batch_size, endless=endless)
    if batch_size is not None or endless:
        raise ConfigError(
            "batch_size and endless are for a batch of images; came an iterable, which is taken as it comes: group "
            "or repeat it before, for instance with itertools.cycle"
        )
    return images


def _slices(images: Any, batch_size: int | None, *, endless: bool) -> Iterator[Any]:
    while True:
        for start in range(0, len(images), batch_size or 1):
            yield images[start] if batch_size is None else images[start : start + batch_size]
        if not endless:
            return


def _walk(
    items: Iterable[Any], distort: Callable[[Any], tuple[Any, Parameters]]
) -> Iterator[tuple[Any, Any, Parameters]]:
    for item in items:
        is_single = getattr(item, "ndim", 0) == 3
        batch = item[None] if is_single else item
        _check(batch)
        distorted, parameters = distort(batch)
        yield (distorted[0], item, _only(parameters)) if is_single else (distorted, item, parameters)


def _only(parameters: Parameters) -> Parameters:
    """Return the parameters of a batch of one without the first axis."""
    values = {field.name: getattr(parameters, field.name)[0, ...] for field in dataclasses.fields(parameters)}
    return type(parameters)(**values)


def _is_tensor(images: Any) -> bool:
    """Say whether images are a tensor, without importing PyTorch: whoever has a tensor has imported it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(images, torch.Tensor)


def _check(images: Any) -> None:
    is_tensor = _is_tensor(images)
    expected = "tensors (n, 3, H, W)" if is_tensor else "arrays (n, H, W, 3)"
    shape, dtype = tuple(getattr(images, "shape", ())), str(getattr(images, "dtype", type(images).__name__))
    kind = dtype.removeprefix("torch.")
    if len(shape) != 4 or shape[1 if is_tensor else 3] != 3 or kind not in ("uint8", "float32"):
        raise InputError(f"expected {expected} of uint8 or float32, came {dtype} {shape}; convert them first")
    if 0 in shape[1:]:
        raise InputError(f"expected images with pixels, came {shape}")
    if kind == "float32" and len(images) and not (float(images.min()) >= 0 and float(images.max()) <= 1):
        raise InputError(
            f"expected float32 pixels in [0, 1], came {float(images.min()):g} to {float(images.max()):g}; divide "
            "0 … 255 by 255"
        )
