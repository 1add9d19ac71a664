"""Two dense layers each way: the simplest autoencoder that is not linear, and the ladder's first rung.

Images wider than ``most_side`` are averaged in blocks before the first layer and enlarged again after the last, so
that the weights for a 256-pixel image fit in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from zehn.errors import ConfigError
from zehn.models import N_CHANNELS, Decoder, Encoder
from zehn.models._canvas import cropped, padded


@dataclass(frozen=True)
class Options:
    """Options of the dense architecture."""

    n_hidden: int = 512
    """Neurons of the hidden layer, on either side."""
    most_side: int = 64
    """Widest image, in pixels, that the dense layers see."""

    def __post_init__(self) -> None:
        """Refuse layers without neurons and images without pixels."""
        for name in ("n_hidden", "most_side"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, came {getattr(self, name)}")


def build(n_components: int, image_size: int, options: Options) -> tuple[Encoder, Decoder]:
    """Build both halves for images of the given side."""
    block = -(-image_size // options.most_side)
    side = -(-image_size // block)
    n_pixels = N_CHANNELS * side * side
    shrink = [*padded(image_size, side * block), nn.AvgPool2d(block)] if block > 1 else []
    grow = [nn.Upsample(scale_factor=block, mode="bilinear"), *cropped(side * block, image_size)] if block > 1 else []
    look = nn.Sequential(*shrink, nn.Flatten(), nn.Linear(n_pixels, options.n_hidden), nn.ReLU())
    paint = nn.Sequential(
        nn.Linear(n_components, options.n_hidden),
        nn.ReLU(),
        nn.Linear(options.n_hidden, n_pixels),
        nn.Unflatten(1, (N_CHANNELS, side, side)),
        *grow,
    )
    return Encoder(look, options.n_hidden, n_components), Decoder(paint)
