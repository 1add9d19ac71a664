"""Perceptual reconstruction: a reconstruction should look to the encoder as its image does.

The mean squared distance of features (Johnson et al., arXiv 1603.08155, equation 2), by a slow copy of Zehn's own
encoder instead of a network trained on labels. The copy only looks; the gradient passes through it to the decoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zehn.models import Network
from zehn.objectives import Step
from zehn.objectives._checks import check_choice, check_share
from zehn.objectives._kernels import unexplained
from zehn.objectives._momentum import Momentum
from zehn.objectives.reconstruction import pair


@dataclass(frozen=True)
class Options:
    """Options of the perceptual objective."""

    decay: float = 0.99
    """Share of the slow copy that stays at each step."""
    view: str = "clean"
    """Which reconstructions are judged: of the ``clean`` images, or of the first ``augmented`` views."""

    def __post_init__(self) -> None:
        """Refuse what no copy can follow."""
        check_share(self, "decay")
        check_choice("view", self.view, ("clean", "augmented"))


class Objective(nn.Module):
    """Distance of the features of reconstructions from those of their images, as a share of the features' variance."""

    def __init__(self, network: Network, options: Options) -> None:
        super().__init__()
        self.decay, self.view = options.decay, options.view
        self.slow_encoder = Momentum(network.encoder)

    def forward(self, step: Step) -> Tensor:
        """Return the loss of one step, a scalar."""
        if self.training and torch.is_grad_enabled():
            self.slow_encoder.update(step.network.encoder, self.decay)
        images, reconstructions = pair(step, self.view)
        looking = self.slow_encoder.copy.eval()
        with torch.no_grad():
            wanted = looking.features(images)  # type: ignore[operator]
        seen = looking.features(reconstructions)  # type: ignore[operator]
        return unexplained(step.gather(seen), step.gather(wanted))
