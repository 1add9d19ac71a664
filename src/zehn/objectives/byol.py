"""BYOL: from one view, predict what a slow copy of the encoder sees in the other; no negatives are needed.

Grill et al., arXiv 2006.07733, equations 2 to 4. The copy belongs to the objective and moves at the start of each
training step, so that a resumed training moves it as an unbroken one does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zehn.models import Network
from zehn.objectives import Step
from zehn.objectives._checks import check_least, check_share
from zehn.objectives._heads import ViewProjector, projector
from zehn.objectives._momentum import Momentum
from zehn.objectives._precision import in_float32


@dataclass(frozen=True)
class Options:
    """Options of BYOL."""

    decay: float = 0.99
    """Share of the slow copy that stays at a step when training begins; it rises to 1 along a cosine."""
    widths: tuple[int, ...] = (1024, 128)
    """Layers of the projection head."""
    predictor_width: int = 512
    """Neurons of the layer within the predictor."""
    n_views: int = 2
    """Views of each image that are compared."""

    def __post_init__(self) -> None:
        """Refuse what no copy can follow."""
        check_share(self, "decay")
        check_least(self, predictor_width=1, n_views=2)


class Objective(nn.Module):
    """Distance on the unit sphere between the prediction from one view and the slow projection of another."""

    def __init__(self, network: Network, options: Options) -> None:
        super().__init__()
        self.decay, self.n_views = options.decay, options.n_views
        self.head = ViewProjector(network, "features", options.widths, options.n_views)
        self.predictor = projector(self.head.n_out, (options.predictor_width, self.head.n_out))
        self.slow_encoder = Momentum(network.encoder)
        self.slow_head = Momentum(self.head.layers)

    def forward(self, step: Step) -> Tensor:
        """Return the loss of one step, a scalar."""
        if self.training and torch.is_grad_enabled():
            decay = decay_at(step.progress, self.decay)
            self.slow_encoder.update(step.network.encoder, decay)
            self.slow_head.update(self.head.layers, decay)
        projections = self.head(step)
        predictions = self.predictor(projections.flatten(0, 1)).view(projections.shape)
        return byol_loss(predictions, self._targets(step))

    @torch.no_grad()
    def _targets(self, step: Step) -> Tensor:
        views = step.views[: self.n_views].flatten(0, 1).contiguous(memory_format=torch.channels_last)
        features = self.slow_encoder.copy.features(views)  # type: ignore[operator]
        features = step.gather(features.view(self.n_views, len(step.images), -1), dim=1)
        return self.slow_head(features.flatten(0, 1)).view(*features.shape[:2], -1)


def decay_at(progress: float, decay: float) -> float:
    """Return 1 - (1 - decay) (cos(π progress) + 1) / 2, the share of the slow copy that stays."""
    return 1 - (1 - decay) * (math.cos(math.pi * progress) + 1) / 2


@in_float32
def byol_loss(predictions: Float[Tensor, "v n d"], targets: Float[Tensor, "v n d"]) -> Float[Tensor, ""]:
    """Return 2 (2 - 2 cos), the mean over all pairs of different views: for two views, the sum of both directions."""
    n_views = len(predictions)
    predictions, targets = functional.normalize(predictions, dim=2), functional.normalize(targets, dim=2)
    agreement = torch.einsum("vnd,wnd->vw", predictions, targets) / predictions.shape[1]
    different = ~torch.eye(n_views, dtype=torch.bool, device=predictions.device)
    return 2 * (2 - 2 * agreement[different]).mean()
