"""Neighbour consistency: an image and its nearest neighbours belong to one cluster, and all clusters are used.

The loss of SCAN (Van Gansbeke et al., arXiv 2005.12320, equation 2). SCAN mines the neighbours of the whole data set
beforehand; here they are looked up, by the cosine of features, among the batch and a memory of the last ones, so that
they get better while the features do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zehn.models import Network
from zehn.objectives import Step
from zehn.objectives._checks import SOURCES, check_choice, check_least, check_share
from zehn.objectives._heads import read_views, width_of
from zehn.objectives._kernels import nearest
from zehn.objectives._precision import in_float32
from zehn.objectives._queue import Queue

_LEAST_SHARE = 1e-8
"""Keeps logarithms finite, as in the authors' code."""


@dataclass(frozen=True)
class Options:
    """Options of neighbour consistency."""

    n_clusters: int = 20
    """Clusters that images are divided into."""
    n_neighbours: int = 5
    """Neighbours of an image that are to share its cluster."""
    entropy_weight: float = 5.0
    """Weight of the entropy of the mean assignment, which keeps all clusters in use."""
    queue_size: int = 4096
    """Images remembered, beside the batch, to look for neighbours among."""
    source: str = "codes"
    """What clusters are read from: ``features`` or ``codes``; neighbours always come from features."""
    begin: float = 0.2
    """Share of the training that passes before this objective counts: early neighbours are none."""

    def __post_init__(self) -> None:
        """Refuse what has no neighbours."""
        check_least(self, n_clusters=2, n_neighbours=1, entropy_weight=0, queue_size=1)
        check_share(self, "begin")
        check_choice("source", self.source, SOURCES)


class Objective(nn.Module):
    """Agreement of soft assignments between neighbours, less the entropy of their mean."""

    n_views = 2

    def __init__(self, network: Network, options: Options) -> None:
        super().__init__()
        self.options = options
        self.clusters = nn.Linear(width_of(network, options.source), options.n_clusters)
        widths = {"features": network.encoder.n_features, "shares": options.n_clusters}
        self.queue = Queue(options.queue_size, widths)

    def forward(self, step: Step) -> Tensor:
        """Return the loss of one step, a scalar."""
        features = functional.normalize(step.view_features[:2].detach().float().mean(dim=0), dim=1)
        seen = read_views(step, self.options.source, self.n_views)
        shares = torch.softmax(self.clusters(seen).float(), dim=2)
        loss = self._loss(features, shares)
        if self.training:
            self.queue.push(features=features, shares=shares.mean(dim=0))
        early = self.training and step.progress < self.options.begin
        return loss * 0 if early else loss

    def _loss(self, features: Tensor, shares: Tensor) -> Tensor:
        known = torch.cat([features, self.queue.rows("features")])
        candidates = torch.cat([shares[1], self.queue.rows("shares")])
        neighbours = nearest(features, known, self.options.n_neighbours, are_known=True)
        return scan_loss(shares[0], candidates[neighbours], self.options.entropy_weight)


@in_float32
def scan_loss(
    anchors: Float[Tensor, "n c"], neighbours: Float[Tensor, "n k c"], entropy_weight: float
) -> Float[Tensor, ""]:
    """Return -mean log ⟨anchor, neighbour⟩ - weight × entropy of the mean anchor, for assignments that add up to 1."""
    agreement = torch.einsum("nc,nkc->nk", anchors, neighbours).clamp_min(_LEAST_SHARE)
    mean = anchors.mean(dim=0).clamp_min(_LEAST_SHARE)
    entropy = -(mean * mean.log()).sum()
    return -agreement.log().mean() - entropy_weight * entropy
