"""A trained network that others learn from, looked at once per image."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from zehn.models import Network

_MOST_KEPT = 2**28
"""Numbers kept at most: 1 GiB of them."""
_FINGERPRINT_SEED = 0
_FINGERPRINT_BITS = 62
_MOST_BYTE = 255


class Teacher:
    """What a trained network says of images; with ``mirror``, of them and of their mirror images, on average.

    It is no part of the objective that owns it: it is not trained, not kept in checkpoints, and loaded afresh by its
    name. What it said of an image is remembered by a fingerprint of the picture, which its mirror image shares where
    both are averaged, so that from the second epoch on a large teacher costs next to nothing.
    """

    def __init__(self, network: Network, source: str, *, mirror: bool = True) -> None:
        self.network = network.eval().requires_grad_(requires_grad=False)
        self.source, self.looks_twice = source, mirror and not network.encoder.mirrored
        self.mirror = mirror or network.encoder.mirrored
        self.width = network.encoder.n_features if source == "features" else network.n_components
        self._kept: dict[int, Tensor] = {}

    @torch.no_grad()
    def __call__(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Return its features or codes, float32 (n, width), for clean images in [0, 1]."""
        keys = fingerprints(images, mirror=self.mirror).tolist()
        fresh = [index for index, key in enumerate(keys) if key not in self._kept]
        # whole batches alone are looked at: sums over fewer rows round otherwise, and a resumed training would too
        looked = self._look(images).cpu() if fresh else images
        seen = {index: looked[index] for index in fresh}
        rows = [seen[index] if index in seen else self._kept[key] for index, key in enumerate(keys)]
        if (len(self._kept) + len(fresh)) * self.width <= _MOST_KEPT:
            self._kept.update((keys[index], row) for index, row in seen.items())
        return torch.stack(rows).to(images.device)

    def _look(self, images: Tensor) -> Tensor:
        encoder = self.network.encoder.to(images.device)
        look = encoder.features if self.source == "features" else encoder
        with torch.autocast(images.device.type, enabled=False):
            seen = look(images)
            return (seen + look(images.flip(3))).float() / 2 if self.looks_twice else seen.float()


def fingerprints(images: Float[Tensor, "n 3 h w"], *, mirror: bool = True) -> Int64[Tensor, " n"]:
    """Return a 64-bit number for each image of byte-valued pixels in [0, 1]; ``mirror``: its mirror image has the same.

    A fixed random linear combination of its bytes, modulo 2⁶⁴: exact in any order and on any device.
    """
    draws = torch.Generator().manual_seed(_FINGERPRINT_SEED)
    weights = torch.randint(2**_FINGERPRINT_BITS, images.shape[1:], generator=draws)
    weights = (weights + weights.flip(2) if mirror else weights).to(images.device)
    return ((images * _MOST_BYTE).round().long() * weights).sum(dim=(1, 2, 3))
