"""Measures of the code itself and of its map in the plane."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from zehn.errors import InputError

_DEAD_SHARE = 0.01
"""A dimension is dead when its spread is no more than this share of the widest one's …"""
_DEAD_SPREAD = 1e-4
"""… or no more than this."""

_CHUNK_BYTES = 32_000_000

Points = Float[np.ndarray, "_ _"]


def summarize_codes(codes: Points) -> dict[str, Any]:
    """Return the table of the sanity checks over codes (n, d), as plain JSON.

    ``{"dimensions": [{"mean", "std", "skew", "kurtosis", "dead"}], "correlations": d × d}``: the standard deviation is
    that of the population, skew and (excess) kurtosis are the biased moment ratios, 0 for a normal distribution, as
    scipy.stats has them by default; ``dead`` is what :func:`find_dead` finds. A dimension that never changes has skew
    and kurtosis 0 and correlates with nothing but itself.

    Raises:
        InputError: no codes, or codes that are no numbers.

    """
    exact = check_codes(codes)
    means = exact.mean(axis=0)
    deviations = exact - means
    stds = np.sqrt(np.square(deviations).mean(axis=0))
    # a constant column's mean is off by rounding, which is no spread
    stds[np.ptp(exact, axis=0) == 0] = 0.0
    standardized = deviations * np.divide(1.0, stds, out=np.zeros_like(stds), where=stds > 0)
    correlations = standardized.T @ standardized / len(exact)
    np.fill_diagonal(correlations, 1.0)
    columns = {
        "mean": means,
        "std": stds,
        "skew": (standardized**3).mean(axis=0),
        "kurtosis": np.where(stds > 0, (standardized**4).mean(axis=0) - 3.0, 0.0),
        "dead": find_dead(stds),
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return {
        "dimensions": [dict(zip(columns, row, strict=True)) for row in rows],
        "correlations": correlations.clip(-1.0, 1.0).tolist(),
    }


def find_dead(stds: Float[np.ndarray, " d"]) -> Bool[np.ndarray, " d"]:
    """Return which dimensions (d,) no longer tell images apart, judged by their standard deviations.

    A dimension is dead whose spread is at most a hundredth of the widest one's, or at most 0.0001: where all codes have
    fallen together no dimension is narrow beside the others.
    """
    return stds <= max(_DEAD_SPREAD, _DEAD_SHARE * float(stds.max()))


def trustworthiness(codes: Points, points: Points, n_neighbors: int = 15) -> float:
    """Return how far the neighbours on a map are neighbours in the code too, 0 to 1.

    T(k) = 1 − 2 / (n k (2n − 3k − 1)) Σᵢ Σⱼ max(0, r(i, j) − k), j over the k nearest of i on the map and r(i, j) the
    rank of j among the neighbours of i by euclidean distance of their codes (Venna and Kaski, "Neighborhood
    preservation in nonlinear projection methods", 2001, doi 10.1007/3-540-44668-0_68; scikit-learn's definition). Over
    all n points exactly, in chunks: time n², memory n.

    Raises:
        InputError: two numbers of points, values that are no numbers, or not k < n / 2.

    """
    from scipy.spatial.distance import cdist

    exact, n_points = check_codes(codes), len(codes)
    if len(points) != n_points or not 0 < n_neighbors < n_points / 2:
        raise InputError(
            f"expected as many points as codes and fewer than half as many neighbours, came {n_points} codes, "
            f"{len(points)} points and {n_neighbors} neighbours"
        )
    neighbors = _nearest(points, n_neighbors)
    excess = 0
    for chunk in _chunks(n_points):
        distances = cdist(exact[chunk], exact)
        to_neighbors = np.take_along_axis(distances, neighbors[chunk], axis=1)
        distances.sort(axis=1)
        for row, line in zip(distances, to_neighbors, strict=True):
            # the point itself, at distance 0, is what makes this the rank counted from 1
            excess += int(np.maximum(np.searchsorted(row, line) - n_neighbors, 0).sum())
    return 1.0 - 2.0 * excess / (n_points * n_neighbors * (2 * n_points - 3 * n_neighbors - 1))


def neighbor_purity(points: Points, labels: Int[np.ndarray, " _"], n_neighbors: int = 10) -> Float64[np.ndarray, " _"]:
    """Return the share of each point's nearest neighbours, by euclidean distance, that have its class.

    Raises:
        InputError: two numbers of points, values that are no numbers, or not more points than neighbours.

    """
    if len(labels) != len(points) or not 0 < n_neighbors < len(points):
        raise InputError(
            f"expected a label per point and fewer neighbours than points, came {len(points)} points, {len(labels)} "
            f"labels and {n_neighbors} neighbours"
        )
    return (labels[_nearest(points, n_neighbors)] == labels[:, None]).mean(axis=1)


def _nearest(points: Points, n_neighbors: int) -> Int[np.ndarray, "_ k"]:
    """Return the nearest others of each point, nearest first."""
    from scipy.spatial import cKDTree

    exact = check_codes(points)
    found = np.asarray(cKDTree(exact).query(exact, n_neighbors + 1)[1])
    others = found != np.arange(len(exact))[:, None]
    others[others.all(axis=1), -1] = False  # among many equal points, the point itself may not be found
    return found[others].reshape(len(exact), n_neighbors)


def _chunks(n_points: int) -> list[slice]:
    step = max(1, _CHUNK_BYTES // (8 * n_points))
    return [slice(start, start + step) for start in range(0, n_points, step)]


def check_codes(codes: Points) -> Float64[np.ndarray, "_ _"]:
    """Return codes (n, d) in float64.

    Raises:
        InputError: no codes, or codes that are no numbers.

    """
    if codes.size == 0 or not np.isfinite(codes).all():
        raise InputError(f"expected at least one code of finite numbers, came an array of shape {codes.shape}")
    return codes.astype(np.float64)
