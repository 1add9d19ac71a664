"""The ways in which queries are distorted: noise and perspective, which training may see, and corruptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from zehn import distort
from zehn.config import QueryConfig
from zehn.errors import ConfigError
from zehn.measures.names import N_HITS

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


@dataclass(frozen=True)
class Questions:
    """What two models are asked: how many images, distorted how, and how much of the answers is listed."""

    n_queries: int = 2_000
    """Test images that are distorted, chosen by the seed; all where there are fewer."""
    noise: Sequence[float] = (0.04, 0.07, 0.10, 0.15, 0.20)
    """Standard deviations of Gaussian noise on [0, 1] pixels; none leaves noise out."""
    perspective: Sequence[float] = (0.1, 0.2, 0.3, 0.5, 0.7)
    """Strengths from 0 to 1, as :func:`zehn.distort.projective` takes them; none leaves them out."""
    corruptions: bool | Sequence[str] = True
    """Whether to measure CIFAR-10-C's kinds, or which of :data:`zehn.distort.CORRUPTIONS`."""
    severities: Sequence[int] = distort.SEVERITIES
    """From 1 to 5; none leaves the corruptions out."""
    n_shown: int = 20
    """Distorted queries whose hits are listed: half under noise, half in perspective, where both are there."""
    n_hits: int = N_HITS
    """Hits listed of each."""
    n_resamples: int = QueryConfig.n_resamples
    """Bootstrap resamples behind every interval."""
    seed: int = 0
    """Of the choice of queries, of what is drawn to distort them, of the resamples and of the paired tests."""

    def __post_init__(self) -> None:
        """Refuse to ask nothing."""
        if self.n_queries < 1 or self.n_hits < 1 or self.n_shown < 0:
            raise ConfigError(
                f"expected at least one query and one hit, and 0 or more queries to show, came {self.n_queries}, "
                f"{self.n_hits} and {self.n_shown}"
            )


def plan(images: Bytes, asked: Questions) -> list[Distortion]:
    """Return all distortions, noise first and corruptions last; nothing is distorted yet.

    Raises:
        ConfigError: a strength or severity that there cannot be.
        UnknownNameError: no such corruption.

    """
    size = max(1, PIXELS_PER_BATCH // (images.shape[1] * images.shape[2]))
    plan = [
        Distortion(kind, float(strength), _views(GENERATORS[kind](images, strength, seed=asked.seed, batch_size=size)))
        for kind, strengths in ((NOISE, asked.noise), (PERSPECTIVE, asked.perspective))
        for strength in strengths
    ]
    chosen = asked.corruptions
    for kind in (distort.CORRUPTIONS if chosen else ()) if isinstance(chosen, bool) else chosen:
        for severity in asked.severities:
            distort.check_corruption(kind, severity)
            plan.append(Distortion(kind, float(severity), _corrupted(images, kind, severity, asked.seed)))
    return plan


def _views(batches: Iterator[tuple[Any, Any, Any]]) -> Iterator[Bytes]:
    return (distorted for distorted, _, _ in batches)


def _corrupted(images: Bytes, kind: str, severity: int, seed: int) -> Iterator[Bytes]:
    yield distort.corrupt(images, kind, severity, seed=seed)
