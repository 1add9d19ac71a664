"""Neighbours on the code: an image's code is near that of the image that looks most like it to the features.

NNCLR (Dwibedi et al., arXiv 2104.14548) with the Cauchy kernel of t-SimCNE (arXiv 2210.09879): the positive is not the
other view but the nearest neighbour, found in a memory of the last batches by the cosine of the encoder's features, or
by those of a teacher. Kind then gathers where two views of one picture could not reach.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zehn.models import Network
from zehn.objectives import Step
from zehn.objectives._checks import check_least, check_share
from zehn.objectives._heads import nothing
from zehn.objectives._kernels import nearest, squared_distances, student_t
from zehn.objectives._precision import in_float32
from zehn.objectives._queue import Queue
from zehn.objectives._teacher import Teacher


@dataclass(frozen=True)
class Options:
    """Options of the neighbours on the code."""

    n_neighbours: int = 5
    """Neighbours of an image that its code is drawn to."""
    queue_size: int = 16384
    """Images remembered to look for neighbours among."""
    begin: float = 0.4
    """Share of the training that passes before this objective counts: early neighbours are none."""
    teacher: str = ""
    """A model whose features find the neighbours, by path or name; none: the features in training do."""

    def __post_init__(self) -> None:
        """Refuse what has no neighbours."""
        check_least(self, n_neighbours=1, queue_size=1)
        check_share(self, "begin")


class Objective(nn.Module):
    """InfoNCE on codes whose positives are remembered neighbours."""

    n_views = 2

    def __init__(self, network: Network, options: Options, teacher: Network | None = None) -> None:
        super().__init__()
        self.options = options
        self.teacher = Teacher(teacher, "features") if teacher is not None else None
        n_features = (teacher or network).encoder.n_features
        self.queue = Queue(options.queue_size, {"features": n_features, "codes": network.n_components})

    def forward(self, step: Step) -> Tensor:
        """Return the loss of one step, a scalar."""
        features, codes = self._features(step), step.view_codes[:2].float()
        n_known = int(self.queue.n_filled)
        early = self.training and step.progress < self.options.begin
        loss = nothing(step) if early or not n_known else self._loss(features, codes)
        if self.training:
            self.queue.push(features=features, codes=codes[0])
        return loss

    def _features(self, step: Step) -> Tensor:
        if self.teacher:
            return functional.normalize(step.gather(self.teacher(step.images)), dim=1)
        return functional.normalize(step.view_features[:2].detach().float().mean(dim=0), dim=1)

    def _loss(self, features: Tensor, codes: Tensor) -> Tensor:
        places = nearest(features, self.queue.rows("features"), self.options.n_neighbours)
        return neighbour_info_nce(codes, self.queue.rows("codes")[places])


@in_float32
def neighbour_info_nce(codes: Float[Tensor, "v n d"], neighbours: Float[Tensor, "n k d"]) -> Float[Tensor, ""]:
    """Pull each view's code to its image's neighbours and push it from the codes of the other images.

    The mean over views and neighbours of ``-log(s(z, q) / (s(z, q) + Σ_j s(z, z_j)))`` with ``s = 1 / (1 + d²)``, where
    ``z_j`` runs over the same view of the other images.
    """
    itself = torch.eye(codes.shape[1], dtype=torch.bool, device=codes.device)
    losses = []
    for view in codes:
        attraction = student_t((view[:, None] - neighbours).square().sum(dim=2))
        others = student_t(squared_distances(view, view)).masked_fill(itself, -torch.inf)
        crowding = torch.logaddexp(attraction, others.logsumexp(dim=1, keepdim=True))
        losses.append((crowding - attraction).mean())
    return torch.stack(losses).mean()
