"""The ways in which queries are distorted: noise and perspective, which training may see, and corruptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from zehn import distort

NOISE, PERSPECTIVE = "gaussian_noise", "perspective"
"""The kinds of distortion that training may have seen."""
SHOWN_STRENGTHS = {NOISE: 0.10, PERSPECTIVE: 0.5}
"""At which strength a kind is shown and talked about, or the nearest to it that was measured."""
GENERATORS: dict[str, Callable[..., Iterator[tuple[Any, Any, Any]]]] = {
    NOISE: distort.gaussian_noise,
    PERSPECTIVE: distort.projective,
}
"""What makes these kinds."""
PIXELS_PER_BATCH = 2**20
"""Pixels of the images that are distorted, encoded or decoded at a time."""

Bytes = UInt8[np.ndarray, "n h w 3"]


@dataclass(frozen=True, eq=False)
class Distortion:
    """One way of distorting all queries; its batches are made when they are asked for, once."""

    kind: str
    strength: float
    batches: Iterator[Bytes]

    @property
    def is_seen(self) -> bool:
        """Whether training may have seen this kind."""
        return self.kind in GENERATORS


def plan(
    images: Bytes,
    noise: Sequence[float],
    perspective: Sequence[float],
    corruptions: Sequence[str],
    severities: Sequence[int],
    seed: int,
) -> list[Distortion]:
    """Return all distortions, noise first and corruptions last; nothing is distorted yet.

    Raises:
        ConfigError: a strength or severity that there cannot be.
        UnknownNameError: no such corruption.

    """
    size = max(1, PIXELS_PER_BATCH // (images.shape[1] * images.shape[2]))
    plan = [
        Distortion(kind, float(strength), _views(GENERATORS[kind](images, strength, seed=seed, batch_size=size)))
        for kind, strengths in ((NOISE, noise), (PERSPECTIVE, perspective))
        for strength in strengths
    ]
    for kind in corruptions:
        for severity in severities:
            distort.check_corruption(kind, severity)
            plan.append(Distortion(kind, float(severity), _corrupted(images, kind, severity, seed)))
    return plan


def _views(batches: Iterator[tuple[Any, Any, Any]]) -> Iterator[Bytes]:
    return (distorted for distorted, _, _ in batches)


def _corrupted(images: Bytes, kind: str, severity: int, seed: int) -> Iterator[Bytes]:
    yield distort.corrupt(images, kind, severity, seed=seed)
