"""Residual blocks, and the decoder that unfolds a code through them; architectures share both."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zehn.models import N_CHANNELS
from zehn.models._canvas import cropped

_FIRST_GAIN = 0.5
_GROUP_WIDTH = 16
"""Channels that are normalised together."""


class ResidualBlock(nn.Module):
    """``x + gain × conv(silu(conv(silu(norm(x)))))``, with one gain per channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = group_norm(width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.gain = nn.Parameter(torch.full((width, 1, 1), _FIRST_GAIN))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, width, h, w) for the same."""
        return x + self.gain * self.second(nn.functional.silu(self.first(nn.functional.silu(self.norm(x)))))


def blocks(width: int, depth: int) -> list[nn.Module]:
    """Return a stack of residual blocks."""
    return [ResidualBlock(width) for _ in range(depth)]


def group_norm(width: int) -> nn.GroupNorm:
    """Return a normalisation (arXiv 1803.08494) that does not care how large a batch is."""
    return nn.GroupNorm(math.gcd(width, max(1, width // _GROUP_WIDTH)), width)


def painter(
    n_components: int,
    n_hidden: int,
    widths: Sequence[int],
    depths: Sequence[int],
    sides: Sequence[int],
    fold: int,
    image_size: int,
) -> nn.Sequential:
    """Build a decoder's body: a code becomes the coarsest image, which doubles its side from stage to stage.

    Args:
        n_components: length of a code.
        n_hidden: neurons between the code and the coarsest image.
        widths: channels at each resolution, finest first.
        depths: residual blocks at each resolution, finest first.
        sides: of the image at each resolution, in folded pixels, finest first.
        fold: pixels of the image along each side of a folded one, unfolded at the end.
        image_size: side of the image that comes out.

    """
    return nn.Sequential(
        nn.Linear(n_components, n_hidden),
        nn.SiLU(),
        nn.Linear(n_hidden, widths[-1] * sides[-1] ** 2),
        nn.Unflatten(1, (widths[-1], sides[-1], sides[-1])),
        *_up(widths, depths, sides),
        group_norm(widths[0]),
        nn.SiLU(),
        nn.Conv2d(widths[0], N_CHANNELS * fold**2, 3, padding=1),
        nn.PixelShuffle(fold),
        *cropped(sides[0] * fold, image_size),
    )


def _up(widths: Sequence[int], depths: Sequence[int], sides: Sequence[int]) -> list[nn.Module]:
    layers = blocks(widths[-1], depths[-1])
    for stage in reversed(range(len(widths) - 1)):
        width, narrower = widths[stage + 1], widths[stage]
        layers += [group_norm(width), nn.SiLU(), nn.Conv2d(width, 4 * narrower, 1), nn.PixelShuffle(2)]
        layers += [*cropped(2 * sides[stage + 1], sides[stage]), *blocks(narrower, depths[stage])]
    return layers
