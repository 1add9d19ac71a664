"""VICReg: views of one image agree, every dimension varies, no two dimensions say the same; no negatives are needed.

Bardes, Ponce and LeCun, arXiv 2105.04906, with the weights and the halving of the variance term over the two views as
in the authors' code (facebookresearch/vicreg, main_vicreg.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zehn.models import Network
from zehn.objectives import Step
from zehn.objectives._checks import SOURCES, check_choice, check_least
from zehn.objectives._heads import ViewProjector
from zehn.objectives._precision import in_float32

_EPSILON = 1e-4
_TARGET_SPREAD = 1.0
"""Standard deviation that every dimension is to reach (γ)."""


@dataclass(frozen=True)
class Options:
    """Options of VICReg."""

    invariance_weight: float = 25.0
    """Weight of the views' agreement."""
    variance_weight: float = 25.0
    """Weight of the wish that every dimension varies."""
    covariance_weight: float = 1.0
    """Weight of the wish that no two dimensions say the same."""
    widths: tuple[int, ...] = (1024, 1024)
    """Layers of the head on which the terms are taken; none takes them on the source itself."""
    source: str = "features"
    """What the head reads: ``features`` or ``codes``."""
    n_views: int = 2
    """Views of each image that are compared."""

    def __post_init__(self) -> None:
        """Refuse weights that would reward collapse."""
        check_least(self, invariance_weight=0, variance_weight=0, covariance_weight=0, n_views=2)
        check_choice("source", self.source, SOURCES)


class Objective(nn.Module):
    """Invariance, variance and covariance of projected views."""

    def __init__(self, network: Network, options: Options) -> None:
        super().__init__()
        self.weights = (options.invariance_weight, options.variance_weight, options.covariance_weight)
        self.n_views = options.n_views
        self.head = ViewProjector(network, options.source, options.widths, options.n_views)

    def forward(self, step: Step) -> Tensor:
        """Return the loss of one step, a scalar."""
        terms = vicreg_terms(self.head(step))
        return torch.stack([weight * term for weight, term in zip(self.weights, terms, strict=True)]).sum()


@in_float32
def vicreg_terms(
    projections: Float[Tensor, "v n d"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
    """Return invariance (mean over pairs of views), variance (mean over views), covariance (twice the mean over views).

    For two views these are the terms of the authors' code.
    """
    n_views, n_images, width = projections.shape
    first, second = torch.triu_indices(n_views, n_views, offset=1, device=projections.device)
    invariance = (projections[first] - projections[second]).square().mean()
    centred = projections - projections.mean(dim=1, keepdim=True)
    covariances = centred.transpose(1, 2) @ centred / max(n_images - 1, 1)
    variances = covariances.diagonal(dim1=1, dim2=2)
    variance = (_TARGET_SPREAD - (variances + _EPSILON).sqrt()).clamp_min(0).mean()
    off_diagonal = covariances.square().sum(dim=(1, 2)) - variances.square().sum(dim=1)
    return invariance, variance, 2 * off_diagonal.mean() / width
