"""Projective transforms: images seen from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from zehn.distort.batches import (
    Floats,
    Strength,
    as_came,
    as_floats,
    bounds_of,
    check,
    is_tensor,
    items,
    streams,
    walk,
)
from zehn.errors import InputError

_STREAM = 65
"""Kept apart from the numbers that :mod:`zehn.measures.streams` draws from the same seed."""
_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
"""Corners of the unit square, clockwise from the upper left."""
_PIXELS_PER_BLOCK = 262_144

Matrices = Float64[np.ndarray, "n 3 3"]


@dataclass(frozen=True, eq=False)
class Projection:
    """What was done to a batch, or without the first axis to one image."""

    strength: Float64[np.ndarray, "*n"]
    corners: Float64[np.ndarray, "*n 4 2"]
    """Where the corners of the image went, (x, y) in pixels, clockwise from the upper left."""
    matrix: Float64[np.ndarray, "*n 3 3"]
    """The homography from places in the clean image to places in the distorted one."""


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
    low, high = bounds_of(strength, 1.0)
    draws, _ = streams(seed, _STREAM)

    def distort(batch: Any) -> tuple[Any, Projection]:
        rows = draws.random((len(batch), 1 + _CORNERS.size))
        strengths = low + (high - low) * rows[:, 0]
        moves = strengths[:, None, None] * rows[:, 1:].reshape(-1, *_CORNERS.shape)
        moves = moves * 2 - strengths[:, None, None] if outwards else moves
        size = np.array(batch.shape[:1:-1] if is_tensor(batch) else batch.shape[2:0:-1])
        corners = size * (_CORNERS + moves * (0.5 - _CORNERS))
        matrices = _homographies(corners) @ np.diag([*(1 / size), 1.0])
        matrices[(moves == 0).all(axis=(1, 2))] = np.eye(3)
        return warp(batch, matrices), Projection(strengths, corners, matrices)

    return walk(items(images, batch_size, endless=endless), distort)


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
    check(images)
    if len(matrices) != len(images) or not (matrices[:, 2, 2] > 0).all() or not np.linalg.det(matrices).all():
        raise InputError(
            f"expected a homography for each of {len(images)} images, invertible and with a lower right entry above 0, "
            f"came {len(matrices)} matrices; scale them by it"
        )
    back, moved = np.linalg.inv(matrices), (matrices != np.eye(3)).any(axis=(1, 2))
    return _warped_tensor(images, back, moved) if is_tensor(images) else _warped(images, back, moved)


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
        results[part] = as_came(_sampled(as_floats(images[part]), back[part]), images.dtype)
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
    sampled = functional.grid_sample(as_floats(images), on_device, padding_mode="zeros", align_corners=False)
    chosen = torch.from_numpy(moved).to(images.device)[:, None, None, None]
    return torch.where(chosen, as_came(sampled, images.dtype), images)
