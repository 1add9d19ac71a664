"""Self-labelling: prototypes share the images evenly among themselves, and each view predicts the other's prototype.

SwAV (Caron et al., arXiv 2006.09882): the labels are codes of optimal transport (Sinkhorn and Knopp; Cuturi,
arXiv 1306.0895) between a batch and the prototypes. On features, vectors are compared by cosine as there; on codes, by
a Cauchy kernel of their Euclidean distance, as soft assignments in DEC are (Xie et al., arXiv 1511.06335).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zehn.errors import ConfigError
from zehn.models import Network
from zehn.objectives import Step
from zehn.objectives._checks import SOURCES, check_above, check_choice, check_least, check_share
from zehn.objectives._heads import ViewProjector, nothing
from zehn.objectives._kernels import cosines, squared_distances, student_t
from zehn.objectives._precision import in_float32


@dataclass(frozen=True)
class Options:
    """Options of self-labelling."""

    n_prototypes: tuple[int, ...] = (10, 30)
    """Numbers of prototypes, one set of each size: a coarse and a finer division of the same images."""
    source: str = "codes"
    """What prototypes lie among: ``features`` (projected) or ``codes``."""
    widths: tuple[int, ...] = (512, 128)
    """Layers of the head on the features; codes are taken as they are."""
    temperature: float = 0.1
    """Of the predictions; smaller is harder."""
    epsilon: float = 0.05
    """How soft the labels are; smaller is harder."""
    n_iterations: int = 3
    """Rounds of Sinkhorn and Knopp that share the images out evenly."""
    begin: float = 0.0
    """Share of the training that passes before this objective counts."""
    n_views: int = 2
    """Views of each image that are compared."""

    def __post_init__(self) -> None:
        """Refuse what cannot be divided."""
        check_above(self, temperature=0, epsilon=0)
        check_least(self, n_iterations=1, n_views=2)
        check_share(self, "begin")
        check_choice("source", self.source, SOURCES)
        if not self.n_prototypes or min(self.n_prototypes) < 2:
            raise ConfigError(f"n_prototypes must name sets of at least 2, came {self.n_prototypes!r}")


class Objective(nn.Module):
    """Cross-entropy between each view's prototypes and the balanced labels of the other views."""

    def __init__(self, network: Network, options: Options) -> None:
        super().__init__()
        self.options, self.n_views = options, options.n_views
        widths = options.widths if options.source == "features" else ()
        self.head = ViewProjector(network, options.source, widths, options.n_views)
        self.prototypes = nn.ParameterList(torch.randn(size, self.head.n_out) for size in options.n_prototypes)

    def forward(self, step: Step) -> Tensor:
        """Return the loss of one step, a scalar."""
        if self.training and step.progress < self.options.begin:
            return nothing(step)
        projections = self.head(step)
        losses = [self._loss(projections, prototypes) for prototypes in self.prototypes]
        return torch.stack(losses).mean()

    def _loss(self, projections: Tensor, prototypes: Tensor) -> Tensor:
        options = self.options
        scores = log_similarities(projections.flatten(0, 1), prototypes, options.source)
        scores = scores.view(*projections.shape[:2], -1)
        return swapped_prediction(scores, options.temperature, options.epsilon, options.n_iterations)


@in_float32
def log_similarities(
    vectors: Float[Tensor, "n d"], prototypes: Float[Tensor, "k d"], source: str
) -> Float[Tensor, "n k"]:
    """Return cosines for ``features``, the logarithm of a Cauchy kernel for ``codes``."""
    return cosines(vectors, prototypes) if source == "features" else student_t(squared_distances(vectors, prototypes))


@in_float32
def swapped_prediction(
    scores: Float[Tensor, "v n k"], temperature: float, epsilon: float, n_iterations: int
) -> Float[Tensor, ""]:
    """Return the cross-entropy of each view's softmax with each other view's balanced labels, the mean over pairs."""
    labels = torch.stack([sinkhorn(view, epsilon, n_iterations) for view in scores.detach()])
    log_shares = torch.log_softmax(scores / temperature, dim=2)
    entropies = -torch.einsum("vnk,wnk->vw", labels, log_shares) / scores.shape[1]
    different = ~torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    return entropies[different].mean()


@torch.no_grad()
def sinkhorn(scores: Float[Tensor, "n k"], epsilon: float, n_iterations: int) -> Float[Tensor, "n k"]:
    """Return soft labels, rows that add up to 1, that use each prototype about equally often; in logarithms."""
    logs = scores / epsilon
    for _ in range(n_iterations):
        logs = logs - logs.logsumexp(dim=0, keepdim=True)
        logs = logs - logs.logsumexp(dim=1, keepdim=True)
    return logs.exp()
