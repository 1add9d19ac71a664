"""Similarities of vectors, as logarithms, and the contrastive loss that any of them can go into."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from zehn.objectives._precision import in_float32

_LEAST_VARIANCE = 1e-12


def squared_distances(left: Float[Tensor, "n d"], right: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """Return squared Euclidean distances by one matrix product; centred first, so that little cancels out."""
    centre = right.mean(dim=0).detach()
    left, right = left - centre, right - centre
    squares = left.square().sum(dim=1)[:, None] + right.square().sum(dim=1)
    return (squares - 2 * left @ right.T).clamp_min(0)


def student_t(squares: Float[Tensor, "*shape"], degrees: float = 1.0) -> Float[Tensor, "*shape"]:
    """Return the logarithm of Student's t kernel of squared distances; one degree is Cauchy's, 1 / (1 + d²)."""
    return -0.5 * (degrees + 1) * torch.log1p(squares / degrees)


def cosines(left: Float[Tensor, "n d"], right: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """Return the cosines between two sets of vectors."""
    return functional.normalize(left, dim=1) @ functional.normalize(right, dim=1).T


@in_float32
def unexplained(found: Float[Tensor, "n d"], wanted: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Return the mean squared error as a share of the wanted ones' variance in the batch: 0 is a perfect copy."""
    variance = (wanted - wanted.mean(dim=0)).square().mean()
    return (found - wanted).square().mean() / variance.clamp_min(_LEAST_VARIANCE)


@in_float32
def nearest(
    vectors: Float[Tensor, "n d"], known: Float[Tensor, "m d"], n_neighbours: int, *, are_known: bool = False
) -> Int64[Tensor, "n k"]:
    """Return places in ``known`` of the vectors with the largest inner product, as many as there are, nearest first.

    With ``are_known`` the first n of ``known`` are the vectors themselves, and none is a neighbour of itself unless
    there is no other.
    """
    products = vectors @ known.T
    if are_known:
        products.fill_diagonal_(-torch.inf)
    n_others = products.shape[1] - are_known
    return products.topk(max(1, min(n_neighbours, n_others)), dim=1).indices


@in_float32
def info_nce(similarities: Float[Tensor, "m m"], n_views: int, exaggeration: float = 1.0) -> Float[Tensor, ""]:
    """Tell the views of one image from all others.

    For each view, each other view of the same image is a positive: the mean over all such pairs of
    ``-log(exp(s_ij) / Σ_{k≠i} exp(s_ik))``. For two views it is NT-Xent (SimCLR, arXiv 2002.05709, equation 1); for
    more, the loss that averages outside of the logarithm (arXiv 2004.11362, equation 2).

    Args:
        similarities: log-similarities of all views, those of the first images' views first (view by view).
        n_views: how many views of each image there are, at least two.
        exaggeration: factor on the attraction of positives.

    """
    n_images = len(similarities) // n_views
    pairs = similarities.view(n_views, n_images, n_views, n_images).diagonal(dim1=1, dim2=3)
    same = torch.eye(n_views, dtype=torch.bool, device=similarities.device)
    attraction = pairs[~same].mean()
    itself = torch.eye(len(similarities), dtype=torch.bool, device=similarities.device)
    crowding = similarities.masked_fill(itself, -torch.inf).logsumexp(dim=1).mean()
    return crowding - exaggeration * attraction
