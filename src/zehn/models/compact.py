"""A compact residual net that ends in a mean over places: what a picture shows counts, not where.

Pixels are folded into channels, then come residual blocks with batch normalisation (He et al., arXiv 1512.03385) at
three resolutions, their mean over all places, and a small perceptron that reads the code. The mean makes features that
survive a shift or a crop, which is what comparing views asks for, and lets views be smaller than the images. Batch
normalisation learns faster than other kinds where time is short. In use, an image and its mirror image are looked at
together and their features averaged, as classifiers average over views in a test (Jordan, arXiv 2404.00498).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from zehn.errors import ConfigError
from zehn.models import N_CHANNELS, Decoder, Encoder
from zehn.models._blocks import painter
from zehn.models._canvas import folded


@dataclass(frozen=True)
class Options:
    """Options of the compact architecture."""

    widths: tuple[int, ...] = (64, 128, 256)
    """Channels of the encoder at each resolution, finest first."""
    depths: tuple[int, ...] = (1, 1, 1)
    """Residual blocks of the encoder at each resolution, finest first."""
    n_read: int = 512
    """Neurons between the features and the code."""
    mirrored: bool = True
    """In use, average the features of an image and of its mirror image; training looks at each once."""
    decoder_widths: tuple[int, ...] = (32, 64, 128)
    """Channels of the decoder at each resolution, finest first."""
    decoder_depths: tuple[int, ...] = (0, 1, 1)
    """Residual blocks of the decoder at each resolution, finest first."""
    n_hidden: int = 256
    """Neurons between the code and the decoder's coarsest image."""

    def __post_init__(self) -> None:
        """Refuse widths and depths that do not belong together."""
        halves = ((self.widths, self.depths, 1), (self.decoder_widths, self.decoder_depths, 0))
        for widths, depths, least in halves:
            if not widths or len(widths) != len(depths):
                raise ConfigError(f"widths and depths must be as many, came {widths} and {depths}")
            if min(widths) < 1 or min(depths) < least:
                raise ConfigError(f"widths must be at least 1 and depths at least {least}, came {widths} and {depths}")
        if min(self.n_read, self.n_hidden) < 1:
            raise ConfigError(f"n_read and n_hidden must be at least 1, came {self.n_read} and {self.n_hidden}")


class PostNormBlock(nn.Module):
    """``relu(norm(conv(relu(norm(conv(x))))) + shortcut(x))``; the first convolution may halve the image."""

    def __init__(self, width: int, wider: int, stride: int) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(width, wider, 3, stride, 1, bias=False), nn.BatchNorm2d(wider)
        self.second, self.second_norm = nn.Conv2d(wider, wider, 3, 1, 1, bias=False), nn.BatchNorm2d(wider)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or width != wider:
            self.shortcut = nn.Sequential(nn.Conv2d(width, wider, 1, stride, bias=False), nn.BatchNorm2d(wider))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, wider, h / stride, w / stride) for (n, width, h, w)."""
        y = nn.functional.relu(self.first_norm(self.first(x)))
        return nn.functional.relu(self.second_norm(self.second(y)) + self.shortcut(x))


class PadTo(nn.Module):
    """Repeat the last row and column until the side is a multiple of ``step``."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, c, s, s) for (n, c, h, w) with h = w ≤ s."""
        missing = -images.shape[-1] % self.step
        return nn.functional.pad(images, (0, missing, 0, missing), mode="replicate") if missing else images


class Mean(nn.Module):
    """The mean over all places."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, c) for (n, c, h, w)."""
        return x.mean(dim=(2, 3))


class Mirrored(nn.Sequential):
    """Layers that, outside of training, average what they give for an image and for its mirror image."""

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, c) for (n, 3, h, w)."""
        if self.training:
            return self._look(images)
        seen, mirrored = self._look(torch.cat([images, images.flip(3)])).chunk(2)
        return (seen + mirrored) / 2

    def _look(self, images: Tensor) -> Tensor:
        for layer in self:
            images = layer(images)
        return images


def build(n_components: int, image_size: int, options: Options) -> tuple[Encoder, Decoder]:
    """Build both halves for images of the given side."""
    fold, sides = folded(image_size, len(options.decoder_widths))
    layers = [
        PadTo(fold),
        nn.PixelUnshuffle(fold),
        nn.Conv2d(N_CHANNELS * fold**2, options.widths[0], 3, padding=1, bias=False),
        nn.BatchNorm2d(options.widths[0]),
        nn.ReLU(),
        *_down(options),
        Mean(),
    ]
    look = Mirrored(*layers) if options.mirrored else nn.Sequential(*layers)
    head = nn.Sequential(
        nn.Linear(options.widths[-1], options.n_read, bias=False),
        nn.BatchNorm1d(options.n_read),
        nn.ReLU(),
        nn.Linear(options.n_read, n_components),
    )
    paint = painter(
        n_components, options.n_hidden, options.decoder_widths, options.decoder_depths, sides, fold, image_size
    )
    return Encoder(look, options.widths[-1], n_components, head, any_size=True, mirrored=options.mirrored), Decoder(
        paint
    )


def _down(options: Options) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for stage, (width, wider) in enumerate(pairwise((options.widths[0], *options.widths))):
        for index in range(options.depths[stage]):
            halves = index == 0 and stage > 0
            layers.append(PostNormBlock(wider if index else width, wider, 2 if halves else 1))
    return layers
