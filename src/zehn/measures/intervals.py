"""How sure a mean is: 95 % bootstrap intervals over queries, and a paired test of two means."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Float64

from zehn.errors import InputError
from zehn.measures.streams import Purpose, generator

CONFIDENCE = 0.95
"""The share of resamples that an interval covers."""

_TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
_N_FLIPS = 9_999
_CHUNK = 256
_ROUNDING = 1e-6

Values = Float[np.ndarray, " _"]
Key = TypeVar("Key", bound=Hashable)
Statistic = Callable[[Float64[np.ndarray, "r m"]], Float64[np.ndarray, " r"]]


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """Return ``{"mean": …, "low": …, "high": …}``."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Ratios:
    """Means divided by a mean: over all queries, of each resample, and as a mean of one number per query."""

    exact: Float64[np.ndarray, " m"]
    resampled: Float64[np.ndarray, "r m"]
    linear: Float64[np.ndarray, "q m"]


class Resamples:
    """Bootstrap resamples of the queries, shared by every measure that is scored on them.

    The percentile bootstrap (Efron, "Bootstrap methods: another look at the jackknife", 1979): each resample draws as
    many queries as there are, with replacement; the interval holds the middle 95 % of the resamples' means. A resample
    is a row of counts, so that one product of matrices resamples many measures at once.
    """

    def __init__(self, n_queries: int, n_resamples: int = 1_000, seed: int = 0) -> None:
        """Draw ``n_resamples`` resamples of ``n_queries`` queries: a byte for each pair of the two.

        Resamples and sign flips are two streams of the seed; see :mod:`zehn.measures.streams`.

        Raises:
            InputError: no queries or no resamples.

        """
        if n_queries < 1 or n_resamples < 1:
            raise InputError(f"expected queries and resamples, came {n_queries} and {n_resamples}; give at least one")
        self.n_queries, self.n_resamples, self.seed = n_queries, n_resamples, seed
        drawn = generator(seed, Purpose.RESAMPLES)
        self._counts = np.empty((n_resamples, n_queries), dtype=np.uint8)
        for counts in self._counts:
            counts[:] = np.bincount(drawn.integers(0, n_queries, n_queries), minlength=n_queries)

    def resized(self, n_queries: int) -> Resamples:
        """Return as many resamples, of the same seed, of another number of queries.

        Raises:
            InputError: no queries.

        """
        return self if n_queries == self.n_queries else Resamples(n_queries, self.n_resamples, self.seed)

    def interval(self, values: Values) -> Interval:
        """Return the mean of one value per query, with its interval.

        Raises:
            InputError: another number of values than there are queries, or values that are no numbers.

        """
        return self.intervals({"values": values})["values"]

    def intervals(self, values: Mapping[Key, Values]) -> dict[Key, Interval]:
        """Return the mean and the interval of each of several measures.

        Raises:
            InputError: another number of values than there are queries, or values that are no numbers.

        """
        columns = np.stack([self._checked(name, column) for name, column in values.items()], axis=1)
        # a mean lies among its values, which rounding must not lead out of
        least, most = columns.min(axis=0), columns.max(axis=0)
        means = columns.mean(axis=0).clip(least, most)
        bounds = means + np.quantile(self._resampled(columns - means), _TAILS, axis=0)
        lows, highs = bounds.clip(least, most)
        rows = np.stack([means, lows, highs], axis=1).tolist()
        return {name: Interval(*row) for name, row in zip(values, rows, strict=True)}

    def interval_of(self, columns: Float[np.ndarray, "q m"], statistic: Statistic) -> Interval:
        """Return a function of several means with its interval: its value for the resamples' means.

        Skewness, say, is a function of the means of x, x² and x³; see Hall, "The Bootstrap and Edgeworth Expansion",
        1992, section 2.4, on this smooth function model.

        Args:
            columns: What is averaged, a row per query.
            statistic: From means (r, m) to values (r,), a row at a time; ``mean`` of the interval is its value for the
                means over all queries.

        Raises:
            InputError: another number of rows than there are queries, or values that are no numbers.

        """
        exact = np.stack([self._checked(name, column) for name, column in enumerate(columns.T)], axis=1)
        means = exact.mean(axis=0)
        low, high = np.quantile(statistic(means + self._resampled(exact - means)), _TAILS)
        return Interval(float(statistic(means[None])[0]), float(low), float(high))

    def ratios(self, parts: Mapping[Key, Values], whole: Values) -> dict[Key, Interval]:
        """Return the mean of each of several measures divided by the mean of ``whole``, with its interval.

        Both means are of the same resample, because both are of the same queries. Resamples in which ``whole`` has the
        mean 0 are left out.

        Raises:
            InputError: another number of values than there are queries, values that are no numbers, or a ``whole``
                whose mean is not above 0.

        """
        found = self._divide(parts, whole)
        return self._spread(parts, found.exact, found.resampled)

    def compare_ratios(
        self, parts_a: Mapping[Key, Values], whole_a: Values, parts_b: Mapping[Key, Values], whole_b: Values
    ) -> dict[Key, dict[str, Any]]:
        """Compare two models by what :meth:`ratios` measures, under the same keys; see :meth:`paired`.

        The difference is that of the ratios, a − b, its interval from the same resamples of both. The test is that of
        the ratios' linear parts (the delta method: of a mean p divided by a mean w, a query's part is
        p/w + (pᵢ − wᵢ p/w)/w, and p/w is the mean of these).

        Raises:
            InputError: what :meth:`ratios` refuses.

        """
        a, b = self._divide(parts_a, whole_a), self._divide({name: parts_b[name] for name in parts_a}, whole_b)
        intervals = self._spread(parts_a, a.exact - b.exact, a.resampled - b.resampled)
        p_values = self._flip(dict(zip(parts_a, (a.linear - b.linear).T, strict=True)))
        return {name: {"difference": one.as_dict(), "p_value": p_values[name]} for name, one in intervals.items()}

    def _divide(self, parts: Mapping[Key, Values], whole: Values) -> _Ratios:
        divisors = self._checked("whole", whole)
        divisor = divisors.mean()
        if divisor <= 0:
            raise InputError(f"expected a whole whose mean is above 0, came {divisor:g}; there is no share of nothing")
        columns = np.stack([self._checked(name, column) for name, column in parts.items()], axis=1)
        means = columns.mean(axis=0)
        resampled = means + self._resampled(columns - means)
        below = divisor + self._resampled((divisors - divisor)[:, None])
        # of a resample whose mean is 0 but for rounding, no ratio can be told
        resampled /= np.where(below > _ROUNDING * divisor, below, np.nan)
        exact = means / divisor
        return _Ratios(exact, resampled, exact + (columns - divisors[:, None] * exact) / divisor)

    def _spread(
        self, names: Iterable[Key], exact: Float64[np.ndarray, " m"], resampled: Float64[np.ndarray, "r m"]
    ) -> dict[Key, Interval]:
        """Return intervals from what resamples gave, those left out that gave no number."""
        there = resampled[np.isfinite(resampled).all(axis=1)]
        lows, highs = np.quantile(there, _TAILS, axis=0) if len(there) else (exact, exact)
        rows = np.stack([exact, lows, highs], axis=1).tolist()
        return {name: Interval(*row) for name, row in zip(names, rows, strict=True)}

    def _resampled(self, deviations: Float64[np.ndarray, "q m"]) -> Float64[np.ndarray, "r m"]:
        """Return how far the resamples' means are from the means; float32 does for that, never for the means."""
        narrow = deviations.astype(np.float32)
        chunks = (self._counts[start : start + _CHUNK] for start in range(0, len(self._counts), _CHUNK))
        resampled = np.concatenate([chunk.astype(np.float32) @ narrow for chunk in chunks]) / self.n_queries
        return resampled.astype(np.float64)

    def paired(self, values_a: Values, values_b: Values) -> dict[str, Any]:
        """Compare two distances or two models on the same queries.

        Returns ``{"difference": {"mean", "low", "high"}, "p_value": float}``: the mean of a − b with its bootstrap
        interval, and the two-sided p-value of the sign-flip test (Fisher's randomisation test for matched pairs, "The
        Design of Experiments", 1935): the share of 9,999 random flips of the differences' signs whose sum is at least
        as far from zero, the observed signs counted too, so never below 0.0001.

        Raises:
            InputError: another number of values than there are queries, or values that are no numbers.

        """
        return self.compare({"": values_a}, {"": values_b})[""]

    def compare(self, values_a: Mapping[Key, Values], values_b: Mapping[Key, Values]) -> dict[Key, dict[str, Any]]:
        """Do :meth:`paired` for several measures or pairs at once, under the same keys.

        Raises:
            InputError: another number of values than there are queries, or values that are no numbers.

        """
        differences = {
            name: self._checked(name, values) - self._checked(name, values_b[name]) for name, values in values_a.items()
        }
        intervals, p_values = self.intervals(differences), self._flip(differences)
        return {
            name: {"difference": intervals[name].as_dict(), "p_value": p_value} for name, p_value in p_values.items()
        }

    def _flip(self, differences: Mapping[Key, Values]) -> dict[Key, float]:
        columns = np.stack(list(differences.values()), axis=1).astype(np.float32)
        observed = np.abs(columns.sum(axis=0, dtype=np.float64))
        # a flip that equals the observed sum but for rounding counts as equal
        observed -= _ROUNDING * np.abs(columns).sum(axis=0, dtype=np.float64)
        drawn = generator(self.seed, Purpose.FLIPS)
        n_extreme = np.ones(columns.shape[1], dtype=np.int64)
        for start in range(0, _N_FLIPS, _CHUNK):
            shape = (min(_CHUNK, _N_FLIPS - start), self.n_queries)
            signs = 2 * drawn.integers(0, 2, shape, dtype=np.int8).astype(np.float32) - 1
            n_extreme += (np.abs(signs @ columns) >= observed).sum(axis=0)
        return dict(zip(differences, (n_extreme / (_N_FLIPS + 1)).tolist(), strict=True))

    def _checked(self, name: Hashable, values: Values) -> Float64[np.ndarray, " q"]:
        if values.shape != (self.n_queries,) or not np.isfinite(values).all():
            raise InputError(
                f"{name or 'measure'}: expected {self.n_queries} finite values, one per query, came an array of shape "
                f"{values.shape}{'' if np.isfinite(values).all() else ' with values that are no numbers'}"
            )
        return values.astype(np.float64)


def interval(values: Values, n_resamples: int = 1_000, seed: int = 0) -> Interval:
    """Return the mean of one value per query, with its 95 % bootstrap interval; see :class:`Resamples`.

    Raises:
        InputError: no values, or values that are no numbers.

    """
    return Resamples(len(values), n_resamples, seed).interval(values)


def paired(values_a: Values, values_b: Values, n_resamples: int = 1_000, seed: int = 0) -> dict[str, Any]:
    """Compare two distances or two models on the same queries; see :meth:`Resamples.paired`.

    Raises:
        InputError: no values, values that are no numbers, or two numbers of queries.

    """
    return Resamples(len(values_a), n_resamples, seed).paired(values_a, values_b)
