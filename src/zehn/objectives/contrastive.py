"""Contrast: to a wide head on the features, views of one image are alike and views of different images are not.

InfoNCE on cosines, as in SimCLR (NT-Xent; Chen et al., arXiv 2002.05709, equation 1).
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from zehn.models import Network
from zehn.objectives import Step
from zehn.objectives._checks import SOURCES, check_above, check_choice, check_least
from zehn.objectives._heads import ViewProjector
from zehn.objectives._kernels import cosines, info_nce
from zehn.objectives._precision import in_float32


@dataclass(frozen=True)
class Options:
    """Options of the contrastive objective."""

    temperature: float = 0.2
    """Cosines are divided by it: smaller looks harder at the nearest others."""
    widths: tuple[int, ...] = (1024, 128)
    """Layers of the head that the contrast is seen by; it is thrown away after training."""
    source: str = "features"
    """What the head reads: ``features`` or ``codes``."""
    n_views: int = 2
    """Views of each image that are compared."""

    def __post_init__(self) -> None:
        """Refuse what nothing can be contrasted with."""
        check_above(self, temperature=0)
        check_least(self, n_views=2)
        check_choice("source", self.source, SOURCES)


class Objective(nn.Module):
    """InfoNCE on the cosines of projected views."""

    def __init__(self, network: Network, options: Options) -> None:
        super().__init__()
        self.temperature, self.n_views = options.temperature, options.n_views
        self.head = ViewProjector(network, options.source, options.widths, options.n_views)

    def forward(self, step: Step) -> Tensor:
        """Return the loss of one step, a scalar."""
        return nt_xent(self.head(step), self.temperature)


@in_float32
def nt_xent(projections: Float[Tensor, "v n d"], temperature: float) -> Float[Tensor, ""]:
    """Return the normalised temperature-scaled cross-entropy of the views of images, whatever their lengths."""
    flat = projections.flatten(0, 1)
    return info_nce(cosines(flat, flat) / temperature, len(projections))
