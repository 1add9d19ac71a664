"""Deep residual convolutions: pixels folded into channels, then residual blocks at three resolutions.

Most of what ten numbers can say is coarse, so the work is done at 16 × 16 pixels and below: the first layer folds
2 × 2 pixels of a 32-pixel image (4 × 4 of a 64-pixel one …) into channels, the last one unfolds them again (Shi et
al., arXiv 1609.05158). The blocks are He et al.'s with the activation first (arXiv 1603.05027); group
normalisation (arXiv 1803.08494) does not care how large a batch is, and a learnt gain per channel that starts small
keeps a deep stack trainable (as in arXiv 2003.04887).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from zehn.errors import ConfigError
from zehn.models import N_CHANNELS, Decoder, Encoder
from zehn.models._blocks import blocks, group_norm, painter
from zehn.models._canvas import folded, padded


@dataclass(frozen=True)
class Options:
    """Options of the residual architecture."""

    widths: tuple[int, ...] = (32, 64, 128)
    """Channels at each resolution, finest first."""
    encoder_depths: tuple[int, ...] = (1, 1, 1)
    """Residual blocks of the encoder at each resolution, finest first."""
    decoder_depths: tuple[int, ...] = (0, 1, 1)
    """Residual blocks of the decoder at each resolution, finest first; ten numbers have little to say at the finest."""
    n_hidden: int = 256
    """Neurons between the code and the decoder's coarsest image."""

    def __post_init__(self) -> None:
        """Refuse widths and depths that do not belong together."""
        depths = (self.encoder_depths, self.decoder_depths)
        if not self.widths or any(len(each) != len(self.widths) for each in depths):
            raise ConfigError(f"widths and depths must be as many, came {self.widths} and {depths[0]}, {depths[1]}")
        if min(self.widths) < 1 or min(*depths[0], *depths[1]) < 0 or self.n_hidden < 1:
            raise ConfigError(
                f"widths and n_hidden must be at least 1 and depths at least 0, came {self.widths}, {self.n_hidden} "
                f"and {depths[0]}, {depths[1]}"
            )


def build(n_components: int, image_size: int, options: Options) -> tuple[Encoder, Decoder]:
    """Build both halves for images of the given side."""
    fold, sides = folded(image_size, len(options.widths))
    n_features = options.widths[-1] * sides[-1] ** 2
    look = nn.Sequential(
        *padded(image_size, sides[0] * fold),
        nn.PixelUnshuffle(fold),
        nn.Conv2d(N_CHANNELS * fold**2, options.widths[0], 3, padding=1),
        *_down(options),
        group_norm(options.widths[-1]),
        nn.SiLU(),
        nn.Flatten(),
    )
    paint = painter(n_components, options.n_hidden, options.widths, options.decoder_depths, sides, fold, image_size)
    return Encoder(look, n_features, n_components), Decoder(paint)


def _down(options: Options) -> list[nn.Module]:
    layers: list[nn.Module] = blocks(options.widths[0], options.encoder_depths[0])
    for (width, wider), depth in zip(pairwise(options.widths), options.encoder_depths[1:], strict=True):
        layers += [group_norm(width), nn.SiLU(), nn.Conv2d(width, wider, 3, stride=2, padding=1), *blocks(wider, depth)]
    return layers
