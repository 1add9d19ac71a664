"""Measures of how codes lie in their space, none of which needs a label.

Those that are no mean over images are functions of means (of powers, of squared coordinates), so that
:meth:`zehn.measures.Resamples.interval_of` gives them intervals: the columns come from one function here, the value
from another.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from zehn.errors import InputError
from zehn.measures.codes import check_codes

SHARPNESS = 2.0
"""t of uniformity's Gaussian kernel exp(−t |u − v|²), as in the paper."""

_CHUNK_BYTES = 32_000_000

Codes = Float[np.ndarray, "n d"]
PerImage = Float64[np.ndarray, " n"]
Means = Float64[np.ndarray, "r m"]
PerResample = Float64[np.ndarray, " r"]


def principal_squares(codes: Codes) -> Float64[np.ndarray, "n d"]:
    """Return the squared coordinates of codes along the principal axes, from their mean; the widest axis comes first.

    Their means over the codes are the eigenvalues of the covariance (of the population). The axes being those of all
    codes, the means over a resample are its eigenvalues to first order.

    Raises:
        InputError: no codes, or codes that are no numbers.

    """
    exact = check_codes(codes)
    centered = exact - exact.mean(axis=0)
    centered[:, np.ptp(exact, axis=0) == 0] = 0.0  # a constant column's mean is off by rounding, which is no spread
    axes = np.linalg.eigh(centered.T @ centered / len(exact))[1][:, ::-1]
    return np.square(centered @ axes)


def participation_ratio(variances: Means) -> PerResample:
    """Return the effective dimension (Σ λ)² / Σ λ² of each row of eigenvalues of a covariance, 1 to d.

    d where all axes spread alike, 1 where there is only one axis; 0 where nothing spreads. (Gao et al., "A theory of
    multineuronal dimensionality, dynamics and measurement", 2017, doi 10.1101/214262.)
    """
    squares = np.square(variances).sum(axis=1)
    return np.divide(np.square(variances.sum(axis=1)), squares, out=np.zeros_like(squares), where=squares > 0)


def rank_me(variances: Means) -> PerResample:
    """Return the effective rank exp(−Σ p log p), p = σ / Σ σ with σ = √λ, of each row of eigenvalues, 1 to d.

    RankMe (Garrido et al., arXiv 2210.02885, section 3) of codes from which their mean was taken, because distances of
    codes do not see it: σ are then the singular values. It counts narrow axes for more than the participation ratio
    does. 0 where nothing spreads.
    """
    spreads = np.sqrt(np.maximum(variances, 0.0))
    totals = spreads.sum(axis=1, keepdims=True)
    shares = np.divide(spreads, totals, out=np.zeros_like(spreads), where=totals > 0)
    entropies = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)
    return np.where(totals[:, 0] > 0, np.exp(entropies), 0.0)


def alignment(codes: Codes, views: Float[np.ndarray, "_ _"]) -> PerImage:
    """Return the squared distance of each image's code to that of another view of it: 0 is best.

    E |f(x) − f(x⁺)|² over images is the alignment of Wang and Isola (arXiv 2005.10242, section 4.1, α = 2). Their codes
    are on the unit sphere, ours are points of a euclidean space: as there, the mean squared length is made 1, by taking
    away the mean of ``codes`` and dividing by one scale, their root mean square distance to it. Two unrelated images
    are then 2 apart on average, whatever the code.

    Raises:
        InputError: no codes, codes that are no numbers, two shapes, or codes that are all equal, which have no scale.

    """
    exact, others = check_codes(codes), check_codes(views)
    scale = _scale(exact)
    if exact.shape != others.shape or scale == 0:
        raise InputError(
            f"expected codes that differ from each other and as many views of the same images, came {codes.shape} and "
            f"{views.shape}{'; all codes are equal' if scale == 0 else ''}"
        )
    return np.square((exact - others) / scale).sum(axis=1)


def affinities(codes: Codes) -> PerImage:
    """Return each code's part in E exp(−2 |u − v|²) over pairs of codes, standardised as in :func:`alignment`.

    The logarithm of their mean is the :func:`uniformity` of the codes. A part is the mean over all others of the code,
    and a term without effect on the mean of all: what a code does to the scale, by which the distances of all others
    are divided, to first order. 1 each where all codes are equal.

    Raises:
        InputError: fewer than two codes, or codes that are no numbers.

    """
    from scipy.spatial.distance import cdist

    exact = check_codes(codes)
    if len(exact) < 2:
        raise InputError(f"expected at least two codes, came {len(exact)}")
    points = (exact - exact.mean(axis=0)) / (_scale(exact) or 1.0)
    step = max(1, _CHUNK_BYTES // (8 * len(points)))
    sums, slopes = [], 0.0
    for start in range(0, len(points), step):
        exponents = SHARPNESS * cdist(points[start : start + step], points, "sqeuclidean")
        kernels = np.exp(-exponents)
        sums.append(kernels.sum(axis=1))
        slopes += float((exponents * kernels).sum())
    of_scale = slopes / len(points) / (len(points) - 1) / 2 * (np.square(points).sum(axis=1) - 1.0)
    return (np.concatenate(sums) - 1.0) / (len(points) - 1) + of_scale


def uniformity(means: Means, mean: float) -> PerResample:
    """Return log E exp(−2 |u − v|²) of each row of one mean of :func:`affinities`; smaller is more uniform, 0 is worst.

    Wang and Isola, arXiv 2005.10242, section 4.1, t = 2. About −2.9 for normally distributed codes of ten independent
    dimensions of equal spread, −1.1 for such a code of one.

    Args:
        means: The means over resamples.
        mean: The mean over all codes. A pair has two ends, so that a resample's mean over pairs is off by twice what
            its mean over codes is, to first order (Hoeffding, "A class of statistics with asymptotically normal
            distribution", 1948).

    """
    return np.log(np.maximum(2 * means[:, 0] - mean, np.finfo(np.float64).tiny))


def count_occurrences(neighbors: Int[np.ndarray, "q k"], n_images: int) -> Int64[np.ndarray, " n"]:
    """Return N_k, how often each of ``n_images`` is among the k nearest of another; −1 stands for nobody.

    Raises:
        InputError: a neighbour that is no position of an image.

    """
    there = neighbors[neighbors >= 0]
    if there.max(initial=-1) >= n_images:
        raise InputError(f"expected neighbours from 0 to {n_images - 1}, came {there.max()}")
    return np.bincount(there, minlength=n_images)


def moments(values: Float[np.ndarray, " n"] | Int[np.ndarray, " n"]) -> Float64[np.ndarray, "n 3"]:
    """Return x, x² and x³ of standardised values: the columns whose means :func:`skewness` takes; 0 for equal values.

    Raises:
        InputError: no values, or values that are no numbers.

    """
    exact = check_codes(values.astype(np.float64)[:, None])[:, 0]
    standardized = (exact - exact.mean()) / exact.std() if np.ptp(exact) else np.zeros_like(exact)
    return standardized[:, None] ** np.arange(1, 4)


def skewness(means: Means) -> PerResample:
    """Return the third standardised moment of each row of means of x, x² and x³; 0 where nothing spreads.

    Of the counts of :func:`count_occurrences` it is hubness (Radovanović, Nanopoulos and Ivanović, "Hubs in Space",
    JMLR 11, 2010, section 2.2): 0 where each image is found as often as any, above 1 where some are found by many.
    """
    first, second, third = means.T
    variances = np.maximum(second - first**2, 0.0)
    cubes = third - 3 * first * second + 2 * first**3
    return np.divide(cubes, variances**1.5, out=np.zeros_like(cubes), where=variances > 0)


def _scale(codes: Float64[np.ndarray, "n d"]) -> float:
    """Return the root mean square distance of codes to their mean; exactly 0 where all are equal."""
    centered = codes - codes.mean(axis=0)
    return float(np.sqrt(np.square(centered).sum(axis=1).mean())) if np.ptp(codes, axis=0).any() else 0.0
