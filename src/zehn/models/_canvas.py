"""What makes any image size fit a network that halves: pad up to a multiple, crop back."""

from __future__ import annotations

from torch import Tensor, nn

TRUNK_SIDE = 16
"""Widest image, in folded pixels, that a residual block sees."""


class Pad(nn.Module):
    """Repeat the last row and column until the side is ``side``."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, c, side, side) for (n, c, h, w) with h = w ≤ side."""
        missing = self.side - images.shape[-1]
        return nn.functional.pad(images, (0, missing, 0, missing), mode="replicate")


class Crop(nn.Module):
    """Keep the upper left ``side`` × ``side`` pixels."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, c, side, side) for (n, c, h, w) with h = w ≥ side."""
        return images[..., : self.side, : self.side]


def padded(side: int, to: int) -> list[nn.Module]:
    """Return the layer that pads from one side to another, if they differ."""
    return [Pad(to)] if to > side else []


def cropped(side: int, to: int) -> list[nn.Module]:
    """Return the layer that crops from one side to another, if they differ."""
    return [Crop(to)] if to < side else []


def halved(side: int, times: int) -> list[int]:
    """Return the sides that an image has when it is halved, rounded up, ``times`` over, the first included."""
    sides = [side]
    for _ in range(times):
        sides.append(-(-sides[-1] // 2))
    return sides


def folded(image_size: int, n_stages: int) -> tuple[int, list[int]]:
    """Return how many pixels to fold along each side, and the sides at each stage, in folded pixels, finest first."""
    fold = 2
    while image_size > fold * TRUNK_SIDE:
        fold *= 2
    return fold, halved(-(-image_size // fold), n_stages - 1)
