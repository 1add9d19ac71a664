"""What every epoch measures, on batches as they pass, and the sums behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from zehn.objectives import Step
from zehn.train import batches

_LEAST_MSE = 1e-10
"""Keeps the PSNR of a perfect reconstruction finite: 100 dB."""
_MOST_WAITING = 50
"""Batches whose figures may wait on the device: reading each at once would let the device run dry between steps."""


class Meter:
    """Sums of per-image quantities over the batches of an epoch; plain numbers, so that a checkpoint can keep them.

    Figures of batches on another device than the processor are read some batches later, or when a sum is asked for;
    the sums are the same to the bit.

    Attributes:
        lost: where the loss was first no number, and what it was, among what has been read; None while it is sound.

    """

    def __init__(self, sums: Mapping[str, float] | None = None) -> None:
        self._sums: dict[str, float] = dict(sums or {})
        self._waiting: list[tuple[tuple[str, ...], Tensor, int, str]] = []
        self.lost: tuple[str, float] | None = None

    @property
    def sums(self) -> dict[str, float]:
        """The sums over all batches so far, and ``n``, the number of images."""
        self.read()
        return self._sums

    def add(self, quantities: Mapping[str, Tensor], n_images: int, where: str = "") -> None:
        """Add a batch's means, weighted by how many images it held; ``where`` names the batch in messages."""
        values = torch.stack([value.detach().float() for value in quantities.values()])
        self._waiting.append((tuple(quantities), values, n_images, where))
        if batches.is_processor(values.device) or len(self._waiting) >= _MOST_WAITING:
            self.read()

    def read(self) -> None:
        """Read the figures that wait on the device."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for (names, _, n_images, where), means in zip(waiting, _fetched([one[1] for one in waiting]), strict=True):
            for name, mean in (("n", 1.0), *zip(names, means, strict=True)):
                self._sums[name] = self._sums.get(name, 0.0) + mean * n_images
                if name == "loss" and not math.isfinite(mean):
                    self.lost = self.lost or (where, mean)

    def means(self) -> dict[str, float] | None:
        """Return the means over all images so far; None when there were none."""
        sums = self.sums
        n_images = sums.get("n", 0.0)
        return {name: total / n_images for name, total in sums.items() if name != "n"} if n_images else None


@torch.no_grad()
def measure(step: Step, loss: Tensor, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a batch's loss, MSE, PSNR in dB (per image, then averaged) and channel accuracy (0 to 1).

    Channel accuracy is the share of pixels whose largest channel is the same in image and reconstruction. With more
    than one objective each one's own loss is there as ``objective/NAME``. All are scalars, still on their device.
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
    return quantities


def _fetched(vectors: list[Tensor]) -> list[list[float]]:
    """Bring vectors, whose lengths may differ, to the processor at one stroke."""
    parts = torch.split(torch.cat(vectors).cpu(), [len(vector) for vector in vectors])
    return [part.tolist() for part in parts]
