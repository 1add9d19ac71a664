"""Distances of codes: euclidean, cosine, manhattan, chebyshev, mahalanobis, correlation. Smaller is nearer.

Engines know three base metrics only: "l2" (euclidean), "l1" (sum of absolute differences) and "linf" (their largest).
A distance *prepares* codes so that one of these keeps its order, and *finishes* the base metric's values into its own,
which are those of scipy.spatial.distance. A new distance is one more entry of the table in this file.

- euclidean: √Σ (uᵢ − vᵢ)²
- cosine: 1 − u·v / (|u| |v|), the angle alone
- manhattan: Σ |uᵢ − vᵢ|
- chebyshev: maxᵢ |uᵢ − vᵢ|
- mahalanobis: √((u − v)ᵀ Σ⁻¹ (u − v)), Σ the covariance of the training codes, which the model file keeps
- correlation: cosine of what is left of u and v when each has lost its own mean

Where scipy answers NaN: a code without a direction (cosine: all zero; correlation: all dimensions equal) is at distance
1 from every other code, as if orthogonal to it, and at 0 from another such code. The prepared codes of these two
distances have one more column for it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

from zehn.errors import ConfigError, InputError, UnknownNameError

_CHUNK_BYTES = 64_000_000
_RIDGE = 1e-6

Codes = Float[np.ndarray, "n d"]
Exact = Float64[np.ndarray, "n d"]


@dataclass(frozen=True)
class Distance:
    """A named dissimilarity of codes, as a preparation, a base metric, and a last step."""

    name: str
    metric: str
    """The base metric, "l2", "l1" or "linf", of prepared codes that orders as the distance does."""
    _prepare: Callable[[Exact], Exact]
    _finish: Callable[[Float64[np.ndarray, "..."]], Float64[np.ndarray, "..."]]
    n_components: int | None = None
    """How many dimensions codes must have; None takes any."""
    is_described: bool = False
    """Whether :meth:`linear` and ``is_directional`` say all that preparing does, up to a shift that codes share."""
    is_directional: bool = False
    """Whether preparing, in the end, divides codes by their lengths; a code without one is at √2 from all others."""
    _linear: Callable[[int], Float64[np.ndarray, "p d"]] | None = None

    def linear(self, n_components: int) -> Float64[np.ndarray, "p d"] | None:
        """Return the matrix that preparing multiplies codes (n, d) by from the left, None where it does not.

        An engine that computes elsewhere than where codes are prepared does it with this and ``is_directional``.
        """
        return None if self._linear is None else self._linear(n_components)

    def prepare(self, codes: Codes) -> Float[np.ndarray, "n p"]:
        """Return codes (n, d) as an engine stores and searches them, (n, p) of the same float type; p is d or d + 1.

        What is returned may be the array that was given.

        Raises:
            InputError: codes that are no numbers, or of another number of dimensions than the model's.

        """
        if not np.isfinite(codes).all():
            raise InputError(f"{self.name}: codes hold NaN or infinity; encode the images again or check the model")
        if self.n_components not in (None, codes.shape[1]):
            raise InputError(
                f"{self.name}: codes have {codes.shape[1]} dimensions but the model has {self.n_components}; encode "
                "them with that model"
            )
        return self._prepare(codes.astype(np.float64, copy=False)).astype(codes.dtype, copy=False)

    def finish(self, base: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Return the distances whose base metric's values are given, of the same shape and type, perhaps these."""
        return self._finish(base.astype(np.float64, copy=False)).astype(base.dtype, copy=False)


def names() -> list[str]:
    """Return the names of all distances, sorted."""
    return sorted(_MAKERS)


def get(
    name: str,
    code_mean: Float[np.ndarray, " d"] | None = None,
    code_covariance: Float[np.ndarray, "d d"] | None = None,
) -> Distance:
    """Return a distance by its name; the statistics of the training codes are kept in the model file.

    Raises:
        UnknownNameError: there is no such distance; the message suggests the closest name.
        ConfigError: mahalanobis without the covariance.

    """
    if name not in _MAKERS:
        raise UnknownNameError("distance", name, _MAKERS)
    return _MAKERS[name](code_mean, code_covariance)


def between(
    name: str,
    queries: Float[np.ndarray, "q _"],
    codes: Float[np.ndarray, "n _"],
    code_mean: Float[np.ndarray, " d"] | None = None,
    code_covariance: Float[np.ndarray, "d d"] | None = None,
) -> Float32[np.ndarray, "q n"]:
    """Return the distance of every query to every code, computed in float64.

    Raises:
        UnknownNameError: there is no such distance.
        ConfigError: mahalanobis without the covariance.
        InputError: codes that are no numbers, or queries and codes of two numbers of dimensions.

    """
    distance = get(name, code_mean, code_covariance)
    asked, prepared = _prepared(distance, queries, codes)
    found = np.empty((len(queries), len(codes)), dtype=np.float32)
    step = max(1, _CHUNK_BYTES // (8 * max(1, len(codes))))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        found[part] = distance.finish(base_distances(asked[part], prepared, distance.metric))
    return found


def ranked(
    name: str,
    queries: Float[np.ndarray, "q _"],
    codes: Float[np.ndarray, "n _"],
    code_mean: Float[np.ndarray, " d"] | None = None,
    code_covariance: Float[np.ndarray, "d d"] | None = None,
    *,
    n_threads: int = 1,
) -> tuple[Int64[np.ndarray, "q n"], Float32[np.ndarray, "q n"]]:
    """Return the places of all codes and their distances for every query, nearest first, ties by place.

    The distances are those of :func:`between`. For the nearest alone an engine is quicker.

    Raises:
        UnknownNameError: there is no such distance.
        ConfigError: mahalanobis without the covariance.
        InputError: codes that are no numbers, or queries and codes of two numbers of dimensions.

    """
    distance = get(name, code_mean, code_covariance)
    asked, prepared = _prepared(distance, queries, codes)
    places = np.empty((len(queries), len(codes)), np.int64)
    found = np.empty(places.shape, np.float32)

    def rank(row: int) -> None:
        base = base_distances(asked[row : row + 1], prepared, distance.metric)[0]
        values = distance.finish(base).astype(np.float32)
        places[row] = _order(values)
        found[row] = values[places[row]]

    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(rank, range(len(queries))))
    return places, found


def base_distances(
    queries: Float64[np.ndarray, "q p"], codes: Float64[np.ndarray, "n p"], metric: str
) -> Float64[np.ndarray, "q n"]:
    """Return the base metric "l2", "l1" or "linf" of every prepared query to every prepared code, by differences."""
    from scipy.spatial.distance import cdist

    scipy_metric: Any = {"l2": "euclidean", "l1": "cityblock", "linf": "chebyshev"}[metric]
    return cdist(queries, codes, scipy_metric)


def _prepared(
    distance: Distance, queries: Float[np.ndarray, "q _"], codes: Float[np.ndarray, "n _"]
) -> tuple[Float64[np.ndarray, "q p"], Float64[np.ndarray, "n p"]]:
    if queries.shape[1] != codes.shape[1]:
        raise InputError(f"queries have {queries.shape[1]} dimensions but codes {codes.shape[1]}; use one model")
    return distance.prepare(queries.astype(np.float64)), distance.prepare(codes.astype(np.float64))


def _order(values: Float32[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Return the places of numbers that are not negative, ascending, ties by place."""
    # as bits they sort like whole numbers (−0.0 but for the sum), and NumPy sorts 16 bits by counting: a third of the
    # time that a stable argsort of the numbers takes
    bits = (values + np.float32(0)).view(np.uint32)
    order = np.argsort(bits.astype(np.uint16), kind="stable")
    return order[np.argsort((bits >> 16).astype(np.uint16)[order], kind="stable")]


def _same(values: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    return values


def _half_square(values: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """Turn the euclidean distance of unit vectors into 1 − their cosine: |u − v|² = 2 − 2 u·v."""
    return np.square(values) / 2


def _directions(codes: Exact) -> Float64[np.ndarray, "n p"]:
    lengths = _lengths(codes)
    return _directed(codes, lengths, has_none=lengths == 0)


def _centered_directions(codes: Exact) -> Float64[np.ndarray, "n p"]:
    centered = codes - codes.mean(axis=1, keepdims=True)
    # what rounding leaves of equal numbers is no direction
    return _directed(centered, _lengths(centered), has_none=np.ptp(codes, axis=1, keepdims=True) == 0)


def _lengths(codes: Exact) -> Float64[np.ndarray, "n 1"]:
    return np.sqrt(np.einsum("nd,nd->n", codes, codes))[:, None]


def _directed(
    codes: Exact, lengths: Float64[np.ndarray, "n 1"], has_none: Bool[np.ndarray, "n 1"]
) -> Float64[np.ndarray, "n p"]:
    directed = np.empty((len(codes), codes.shape[1] + 1))
    np.divide(codes, np.where(has_none, np.inf, lengths), out=directed[:, :-1])
    directed[:, -1:] = has_none
    return directed


def _whitening(covariance: Float[np.ndarray, "d d"]) -> Float64[np.ndarray, "d d"]:
    """Return W with |W x| = √(xᵀ Σ⁻¹ x); a singular Σ gets a millionth of its mean variance on its diagonal."""
    exact = covariance.astype(np.float64)
    values, vectors = np.linalg.eigh((exact + exact.T) / 2)
    floor = np.finfo(np.float32).eps * max(values[-1], 0.0) * len(values)
    if values[0] <= floor:
        values = np.maximum(values, 0.0) + _RIDGE * (values.clip(0.0).mean() or 1.0)
    return (vectors / np.sqrt(values)).T


def _mahalanobis(code_mean: np.ndarray | None, code_covariance: np.ndarray | None) -> Distance:
    """Return √((u − v)ᵀ Σ⁻¹ (u − v)), with Σ the covariance of the training codes as kept in the model."""
    if code_covariance is None:
        raise ConfigError("mahalanobis needs the covariance of the training codes; pass the model's code_covariance")
    if not np.isfinite(code_covariance).all():
        raise InputError("mahalanobis: the model's covariance holds NaN or infinity; train the model again")
    center = 0.0 if code_mean is None else code_mean.astype(np.float64)
    whitening = _whitening(code_covariance)

    def whitened(codes: Exact) -> Exact:
        # a product of matrices rounds a row by itself in another way, and a code is to be at 0 from itself
        return np.einsum("nd,pd->np", codes - center, whitening)

    return Distance(
        "mahalanobis", "l2", whitened, _same, len(code_covariance), is_described=True, _linear=lambda _: whitening
    )


_MAKERS: dict[str, Callable[[np.ndarray | None, np.ndarray | None], Distance]] = {
    "euclidean": lambda *_: Distance("euclidean", "l2", _same, _same, is_described=True),
    "manhattan": lambda *_: Distance("manhattan", "l1", _same, _same, is_described=True),
    "chebyshev": lambda *_: Distance("chebyshev", "linf", _same, _same, is_described=True),
    "cosine": lambda *_: Distance("cosine", "l2", _directions, _half_square, is_described=True, is_directional=True),
    "correlation": lambda *_: Distance(
        "correlation",
        "l2",
        _centered_directions,
        _half_square,
        is_described=True,
        is_directional=True,
        _linear=lambda n_components: np.eye(n_components) - 1 / n_components,
    ),
    "mahalanobis": _mahalanobis,
}
