"""Contrast on the code itself: two views of one image are near by Euclidean distance, all others are pushed apart.

InfoNCE with a Cauchy kernel, 1 / (1 + d²), as in t-SimCNE (Böhm et al., arXiv 2210.09879, equation 3): the heavy tail
leaves room between groups in few dimensions, where a cosine would leave none.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from zehn.models import Network
from zehn.objectives import Step
from zehn.objectives._checks import check_above, check_least
from zehn.objectives._heads import read_views
from zehn.objectives._kernels import info_nce, squared_distances, student_t
from zehn.objectives._precision import in_float32


@dataclass(frozen=True)
class Options:
    """Options of the contrast on codes."""

    scale: float = 1.0
    """Factor on distances: at larger ones codes come to lie closer together."""
    degrees: float = 1.0
    """Degrees of freedom of Student's t kernel: 1 is Cauchy's, more make its tail lighter."""
    exaggeration: float = 1.0
    """Factor on the attraction of views of one image."""
    n_views: int = 4
    """Views of each image that are compared."""

    def __post_init__(self) -> None:
        """Refuse what nothing can be contrasted with."""
        check_above(self, scale=0, degrees=0, exaggeration=0)
        check_least(self, n_views=2)


class Objective(nn.Module):
    """InfoNCE on the codes of views, with a heavy-tailed kernel of their distances."""

    def __init__(self, network: Network, options: Options) -> None:  # noqa: ARG002 - every objective is built alike
        super().__init__()
        self.options, self.n_views = options, options.n_views

    def forward(self, step: Step) -> Tensor:
        """Return the loss of one step, a scalar."""
        options = self.options
        codes = read_views(step, "codes", self.n_views)
        return cauchy_info_nce(codes, options.scale, options.degrees, options.exaggeration)


@in_float32
def cauchy_info_nce(
    codes: Float[Tensor, "v n d"], scale: float = 1.0, degrees: float = 1.0, exaggeration: float = 1.0
) -> Float[Tensor, ""]:
    """Return InfoNCE of the views' codes with Student's t kernel of their scaled distances (one degree: Cauchy's)."""
    flat = scale * codes.flatten(0, 1)
    return info_nce(student_t(squared_distances(flat, flat), degrees), len(codes), exaggeration)
