"""Measures of retrieval: one value per query, from which of its ranked images are relevant."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, Int

from zehn.errors import InputError


def precision_at(relevant: Bool[np.ndarray, "q m"], k: int) -> Float64[np.ndarray, " q"]:
    """Return P@k of each query: the share of relevant images among the k nearest.

    Where fewer than k images were ranked (a collection smaller than k), the share is of those there are.

    Raises:
        InputError: nothing was ranked, or k is not positive.

    """
    first = _first(relevant, k)
    return np.count_nonzero(first, axis=1) / first.shape[1]


def hit_at(relevant: Bool[np.ndarray, "q m"], k: int) -> Float64[np.ndarray, " q"]:
    """Return 1.0 for each query with at least one relevant image among the k nearest, else 0.0.

    Raises:
        InputError: nothing was ranked, or k is not positive.

    """
    return np.asarray(_first(relevant, k).any(axis=1), np.float64)


def average_precision_at(relevant: Bool[np.ndarray, "q m"], k: int) -> Float64[np.ndarray, " q"]:
    """Return AP@k of each query as the hashing literature counts it; the mean over queries is mAP@k.

    AP@k = (1/m) Σ P@r over the relevant ranks r ≤ k, with m the number of relevant images found among the first k;
    0 where none was found.

    Raises:
        InputError: nothing was ranked, or k is not positive.

    """
    first = _first(relevant, k)
    return _summed_precision(first) / np.maximum(first.sum(axis=1), 1)


def map_at_r(relevant: Bool[np.ndarray, "q m"], n_relevant: Int[np.ndarray, " q"]) -> Float64[np.ndarray, " q"]:
    """Return the average precision at R of each query; the mean over queries is MAP@R.

    AP@R = (1/R) Σ P@r over the relevant ranks r ≤ R, with R = ``n_relevant``, the query's own number of relevant images
    in the database (Musgrave, Belongie and Lim, "A Metric Learning Reality Check", arXiv 2003.08505, section 3.2).
    A query without any relevant image scores 0.

    Raises:
        InputError: fewer ranks than the largest R.

    """
    deepest = int(n_relevant.max(initial=0))
    if relevant.shape[1] < deepest:
        raise InputError(f"MAP@R needs {deepest} ranks, came {relevant.shape[1]}; rank at least R images")
    within = relevant[:, :deepest] & (np.arange(deepest) < n_relevant[:, None])
    return _summed_precision(within) / np.maximum(n_relevant, 1)


def knn_accuracy(neighbor_labels: Int[np.ndarray, "q k"], labels: Int[np.ndarray, " q"]) -> Float64[np.ndarray, " q"]:
    """Return 1.0 for each query whose class is the majority among its nearest training images, else 0.0.

    ``neighbor_labels`` are the classes of the k nearest. Of classes with equally many neighbours, the one of the lowest
    number wins, as in scikit-learn's ``KNeighborsClassifier``.

    Raises:
        InputError: no queries or no neighbours.

    """
    _first(neighbor_labels == labels[:, None], 1)
    votes = (neighbor_labels[:, :, None] == neighbor_labels[:, None, :]).sum(axis=2)
    is_most = votes == votes.max(axis=1, keepdims=True)
    majority = np.where(is_most, neighbor_labels, np.iinfo(np.int64).max).min(axis=1)
    return (majority == labels).astype(np.float64)


def overlap(ids_a: Int[np.ndarray, "q k"], ids_b: Int[np.ndarray, "q k"]) -> Float64[np.ndarray, " q"]:
    """Return the share of each query's hits ``ids_a`` that ``ids_b`` found too, 0 to 1.

    Raises:
        InputError: no queries or no hits.

    """
    found = (ids_a[:, :, None] == ids_b[:, None, :]).any(axis=2)
    return precision_at(found, found.shape[1])


def _first(relevant: Bool[np.ndarray, "q m"], k: int) -> Bool[np.ndarray, "q k"]:
    if k < 1 or 0 in relevant.shape:
        raise InputError(f"expected at least one query, one rank and k ≥ 1, came {relevant.shape} and k = {k}")
    return relevant[:, :k]


def _summed_precision(relevant: Bool[np.ndarray, "q m"]) -> Float64[np.ndarray, " q"]:
    precisions = np.cumsum(relevant, axis=1, dtype=np.float64)
    precisions /= np.arange(1, relevant.shape[1] + 1)
    precisions *= relevant
    return precisions.sum(axis=1)
