"""Plain convolutions: each halves the image until about 4 × 4 is left, and the decoder goes the same way back."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from zehn.errors import ConfigError
from zehn.models import N_CHANNELS, Decoder, Encoder
from zehn.models._canvas import cropped, halved

_COARSE_SIDE = 4
"""Halving stops at this side or just below it."""


@dataclass(frozen=True)
class Options:
    """Options of the plain convolutional architecture."""

    widths: tuple[int, ...] = (32, 64, 128)
    """Channels after each halving; further halvings of larger images keep the last width."""

    def __post_init__(self) -> None:
        """Refuse widths that no layer can have."""
        if not self.widths or min(self.widths) < 1:
            raise ConfigError(f"expected at least one width, each at least 1, came {self.widths}")


def build(n_components: int, image_size: int, options: Options) -> tuple[Encoder, Decoder]:
    """Build both halves for images of the given side."""
    sides = [image_size]
    while sides[-1] > _COARSE_SIDE:
        sides = halved(image_size, len(sides))
    widths = [options.widths[min(i, len(options.widths) - 1)] for i in range(len(sides) - 1)]
    n_features = widths[-1] * sides[-1] ** 2
    down = [
        layer
        for n_in, n_out in pairwise([N_CHANNELS, *widths])
        for layer in (nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), nn.ReLU())
    ]
    return Encoder(nn.Sequential(*down, nn.Flatten()), n_features, n_components), Decoder(
        nn.Sequential(
            nn.Linear(n_components, n_features),
            nn.ReLU(),
            nn.Unflatten(1, (widths[-1], sides[-1], sides[-1])),
            *_up(widths[::-1], sides[::-1]),
        )
    )


def _up(widths: list[int], sides: list[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for n_in, n_out, (side, wider) in zip(widths, [*widths[1:], N_CHANNELS], pairwise(sides), strict=True):
        layers += [nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1), *cropped(2 * side, wider), nn.ReLU()]
    return layers[:-1]
