"""Denoising: from the code of a distorted view the decoder should make the clean image.

The denoising autoencoder of Vincent et al. ("Extracting and composing robust features with denoising autoencoders",
ICML 2008), with the views that objectives share as its distortions: crops, colours, noise, whatever ``train.augment``
says. The code comes to say what the image looks like whichever view of it is seen. Nothing but views pass through the
encoder, so that beside objectives that compare views it costs a pass through the decoder, no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from zehn.models import Network
from zehn.objectives import Step
from zehn.objectives._checks import check_least
from zehn.objectives.reconstruction import distortion


@dataclass(frozen=True)
class Options:
    """Options of the denoising objective."""

    ssim_weight: float = 0.0
    """Weight of 1 - SSIM beside the mean squared error; 0 leaves it out."""

    def __post_init__(self) -> None:
        """Refuse a weight that would reward bad reconstructions."""
        check_least(self, ssim_weight=0)


class Objective(nn.Module):
    """Mean squared error between what the first views' codes decode to and the clean images, on [0, 1] pixels."""

    def __init__(self, network: Network, options: Options) -> None:  # noqa: ARG002 - every objective is built alike
        super().__init__()
        self.ssim_weight = options.ssim_weight

    def forward(self, step: Step) -> Tensor:
        """Return the loss of one step, a scalar."""
        return distortion(*step.compare(step.images, step.view_reconstructions), self.ssim_weight)
