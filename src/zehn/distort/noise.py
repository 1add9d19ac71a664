"""Gaussian noise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from zehn.distort.batches import Strength, as_came, as_floats, bounds_of, is_tensor, items, streams, walk

_STREAM = 64
"""Kept apart from the numbers that :mod:`zehn.measures.streams` draws from the same seed."""


@dataclass(frozen=True, eq=False)
class Noise:
    """What was done to a batch, or without the first axis to one image."""

    strength: Float64[np.ndarray, "*n"]
    """Standard deviations, on [0, 1] pixels."""


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
    low, high = bounds_of(strength, math.inf)
    draws, fields = streams(seed, _STREAM)

    def distort(batch: Any) -> tuple[Any, Noise]:
        strengths = low + (high - low) * draws.random(len(batch))
        noised = _noised_tensor if is_tensor(batch) else _noised
        return noised(batch, strengths, fields), Noise(strengths)

    return walk(items(images, batch_size, endless=endless), distort)


def _noised(images: Any, strengths: Float64[np.ndarray, " n"], fields: np.random.Generator) -> Any:
    noise = fields.standard_normal(images.shape, dtype=np.float32)
    noise *= strengths.astype(np.float32)[:, None, None, None]
    noise += as_floats(images)
    return as_came(noise, images.dtype)


def _noised_tensor(images: Any, strengths: Float64[np.ndarray, " n"], fields: np.random.Generator) -> Any:
    import torch

    source = torch.Generator(images.device).manual_seed(int(fields.integers(2**62)))
    noise = torch.randn(images.shape, generator=source, device=images.device)
    scales = torch.from_numpy(strengths.astype(np.float32)).to(images.device)
    return as_came(as_floats(images) + scales[:, None, None, None] * noise, images.dtype)
