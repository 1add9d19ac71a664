"""Total coding rate: views of one image agree with their mean, and a batch fills as much space as it can.

EMP-SSL (Tong et al., arXiv 2304.03977): with many crops of each image at a time it learns in few epochs. The formula is
that of the authors' code (tsb0601/EMP-SSL, loss.py and main.py), where ``epsilon`` stands for ε².
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zehn.models import Network
from zehn.objectives import Step
from zehn.objectives._checks import SOURCES, check_above, check_choice, check_least
from zehn.objectives._heads import ViewProjector
from zehn.objectives._precision import in_float32


@dataclass(frozen=True)
class Options:
    """Options of the total coding rate."""

    invariance_weight: float = 200.0
    """Weight of the views' agreement with their mean."""
    rate_weight: float = 1.0
    """Weight of the coding rate, the space that a batch fills."""
    epsilon: float = 0.2
    """Squared distortion up to which vectors count as told apart."""
    widths: tuple[int, ...] = (512, 128)
    """Layers of the head."""
    source: str = "features"
    """What the head reads: ``features`` or ``codes``."""
    n_views: int = 4
    """Crops of each image; small ones (``augment.least_area`` = 0.25) are what the authors take."""

    def __post_init__(self) -> None:
        """Refuse weights that would reward collapse."""
        check_least(self, invariance_weight=0, rate_weight=0, n_views=2)
        check_above(self, epsilon=0)
        check_choice("source", self.source, SOURCES)


class Objective(nn.Module):
    """Cosine agreement with the views' mean against the space that the views' vectors span."""

    def __init__(self, network: Network, options: Options) -> None:
        super().__init__()
        self.options, self.n_views = options, options.n_views
        self.head = ViewProjector(network, options.source, options.widths, options.n_views)

    def forward(self, step: Step) -> Tensor:
        """Return the loss of one step, a scalar."""
        projections = functional.normalize(self.head(step), dim=2)
        agreement = agreement_with_mean(projections)
        rate = coding_rate(projections, self.options.epsilon)
        return -self.options.invariance_weight * agreement - self.options.rate_weight * rate


@in_float32
def agreement_with_mean(vectors: Float[Tensor, "v n d"]) -> Float[Tensor, ""]:
    """Return the mean cosine between each view and the mean of its image's views."""
    return functional.cosine_similarity(vectors, vectors.mean(dim=0, keepdim=True), dim=2).mean()


@in_float32
def coding_rate(vectors: Float[Tensor, "v n d"], epsilon: float) -> Float[Tensor, ""]:
    """Return ½ log det(I + d / (n ε) ZᵀZ), the mean over views; computed in the smaller of n and d dimensions."""
    _, n_images, width = vectors.shape
    wide = vectors if n_images < width else vectors.transpose(1, 2)
    spread = wide @ wide.transpose(1, 2) * (width / (n_images * epsilon))
    return 0.5 * torch.logdet(torch.eye(spread.shape[1], device=vectors.device) + spread).mean()
