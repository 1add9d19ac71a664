"""Training on distorted images: which of them, how strongly, and how both rise while training goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from zehn import distort
from zehn.config import DistortConfig
from zehn.shares import WHOLE, Share

_NOISE_ALONE, _PROJECTION_ALONE, _KINDS = 0, 1, 3
"""The third kind is both."""
_SEEDS = 2**31


@dataclass(frozen=True)
class Level:
    """How much is distorted: ``share`` of the images, up to ``strength`` of the strongest noise and projection."""

    reached: float
    """How far share and strength have come on their way from their beginnings, 0, to their ends, 1."""
    share: float
    strength: float


def is_on(config: DistortConfig) -> bool:
    """Say whether any image is distorted."""
    return max(config.share) > 0


def level(config: DistortConfig, reached: float) -> Level:
    """Return share and strength when they have come so far, 0 to 1."""
    return Level(reached, *(begin + reached * (end - begin) for begin, end in (config.share, config.strength)))


def greatest(config: DistortConfig) -> Level:
    """Return what validation images are distorted with: all of them, as strongly as training ever does."""
    return Level(1.0, 1.0, max(config.strength))


def reach(config: DistortConfig, epochs: Sequence[Mapping[str, Any]], progress: float, epoch_began: float) -> float:
    """Return how far share and strength have come in the midst of an epoch, 0 to 1.

    They go on from where the epoch before left them, as fast as brings them to their ends after ``config.rise`` of the
    training, unless that epoch's validation loss on clean images says that they should wait.

    Args:
        config: How they rise.
        epochs: Rows of the history, of the epochs that are finished.
        progress: How much of the training is done, 0 to 1.
        epoch_began: How much of it was done when this epoch began.

    """
    before = epochs[-1]["distortion"]["reached"] if epochs else 0.0
    if has_to_wait(config, epochs):
        return float(before)
    return float(min(1.0, before + (progress - epoch_began) / max(config.rise, 1e-9)))


def has_to_wait(config: DistortConfig, epochs: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether the clean validation images were last reconstructed and encoded notably worse than at their best."""
    losses = [row["validation"]["loss"] for row in epochs if row["validation"] is not None]
    if not losses:
        return False
    best = min(losses)
    return bool(losses[-1] > best + config.tolerance * abs(best))


def distorted(
    images: Float[Tensor, "n 3 h w"],
    config: DistortConfig,
    how_much: Level,
    draws: torch.Generator,
    share: Share = WHOLE,
) -> Float[Tensor, "n 3 h w"]:
    """Return images in [0, 1] some of which are distorted; which ones, and how, is drawn.

    Images that are a share of a batch are distorted as in the whole of it: black images stand in for the others, which
    is simple and exact, and saves no work.
    """
    n_images = len(images) * share.n
    own = share.rows(n_images)
    chosen = torch.rand(n_images, generator=draws) < how_much.share
    kinds = torch.randint(_KINDS, (n_images,), generator=draws)
    crops = torch.randint(2, (n_images,), generator=draws).bool()
    perspective, noise = (0.0, how_much.strength * config.perspective), (0.0, how_much.strength * config.noise)
    result = images.clone() if share == WHOLE else _amid_black(images, share)
    for outwards in (False, True):  # as queries are measured, and as a camera sees that comes too near
        projected = partial(distort.projective, strength=perspective, outwards=outwards)
        _apply(projected, result, chosen & (kinds != _NOISE_ALONE) & (crops == outwards), draws)
    _apply(partial(distort.gaussian_noise, strength=noise), result, chosen & (kinds != _PROJECTION_ALONE), draws)
    return result[own]


def _amid_black(images: Tensor, share: Share) -> Tensor:
    """Return a whole batch that has these images in their places and black ones in the others."""
    others = torch.zeros_like(images)
    return torch.cat([images if index == share.index else others for index in range(share.n)])


def _apply(
    generate: Callable[..., Iterator[Any]], images: Tensor, rows: Bool[Tensor, " n"], draws: torch.Generator
) -> None:
    """Distort some of the images, in place."""
    seed = int(torch.randint(_SEEDS, (), generator=draws))
    if rows.any():
        positions = rows.nonzero()[:, 0].to(images.device)
        ((distorted_ones, _, _),) = generate(images[positions], seed=seed, batch_size=len(positions))
        images[positions] = distorted_ones
