"""What every epoch measures, on batches as they pass, and the sums behind it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from zehn.objectives import Step

_LEAST_MSE = 1e-10
"""Keeps the PSNR of a perfect reconstruction finite: 100 dB."""


class Meter:
    """Sums of per-image quantities over the batches of an epoch; plain numbers, so that a checkpoint can keep them."""

    def __init__(self, sums: Mapping[str, float] | None = None) -> None:
        self.sums: dict[str, float] = dict(sums or {})

    def add(self, quantities: Mapping[str, float], n_images: int) -> None:
        """Add a batch's means, weighted by how many images it held."""
        for name, mean in {"n": 1.0, **quantities}.items():
            self.sums[name] = self.sums.get(name, 0.0) + mean * n_images

    def means(self) -> dict[str, float] | None:
        """Return the means over all images so far; None when there were none."""
        n_images = self.sums.get("n", 0.0)
        return {name: total / n_images for name, total in self.sums.items() if name != "n"} if n_images else None


@torch.no_grad()
def measure(step: Step, loss: Tensor, terms: Mapping[str, Tensor]) -> dict[str, float]:
    """Return a batch's loss, MSE, PSNR in dB (per image, then averaged) and channel accuracy (0 to 1).

    Channel accuracy is the share of pixels whose largest channel is the same in image and reconstruction. With more
    than one objective each one's own loss is there as ``objective/NAME``.
    """
    images, reconstructions = step.compared
    mse = (reconstructions - images).square().mean(dim=(1, 2, 3))
    same = reconstructions.argmax(dim=1) == images.argmax(dim=1)
    quantities = {
        "loss": loss,
        "mse": mse.mean(),
        "psnr": -10 * mse.clamp_min(_LEAST_MSE).log10().mean(),
        "channel_accuracy": same.float().mean(),
    }
    if len(terms) > 1:
        quantities |= {f"objective/{name}": term for name, term in terms.items()}
    return {name: value.item() for name, value in quantities.items()}
