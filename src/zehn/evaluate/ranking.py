"""Rank a database by its distances to each query, and score the rankings: the inner loop of the protocol.

Only as many distances of a query are sorted as the deepest measure needs, some thousand of sixty thousand: a threshold
is estimated from a sample of them, and put right where it let too few through, so that the ranking is exact. Distances
that agree in some eleven decimal digits count as equal (in ten numbers of float32 there is nothing beyond), and equal
distances are ordered by id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64

from zehn import measures
from zehn.codes import count_threads
from zehn.distances import Distance
from zehn.errors import InputError
from zehn.measures.names import (
    AP_DEPTH,
    HIT,
    MAP_AT_R,
    MEAN_AP,
    MEASURES,
    N_HITS,
    N_VOTERS,
    PRECISION_DEPTHS,
    VOTED,
)
from zehn.progress import Progress

_SAMPLE_STEP, _N_DEVIATIONS = 8, 3
_LITERATURE_MARGIN = 1.05
_ROWS_PER_TASK = 32

Values = dict[str, Float64[np.ndarray, " _"]]
"""One value per query, by measure."""
DistancesOf = Callable[[int], Float[np.ndarray, " m"]]
"""From a query's position to its distances to the whole database, not negative, in an array that may be written to."""


@runtime_checkable
class Source(Protocol):
    """What gives distances: codes under a distance, or a baseline in its own way."""

    def blocks(self, trial: Trial) -> Iterator[tuple[range, DistancesOf]]:
        """Yield ranges of queries, each with the function, safe to call from threads, that gives their distances."""
        ...


@dataclass(frozen=True, eq=False)
class Trial:
    """Who is asked about what: the queries, the database, and the classes that make a hit relevant."""

    labels: Int[np.ndarray, " _"] | None
    """Classes of all images by id, or None."""
    query_ids: Int[np.ndarray, " q"]
    database_ids: Int[np.ndarray, " m"]
    """Ascending, so that training images come first and equal distances are ordered by id."""
    n_train: int
    """Images with ids below are training images: the database of the literature protocol, and who votes."""
    protocols: tuple[str, ...] = ("main",)
    """What is scored: "main", "literature" or both."""

    def __post_init__(self) -> None:
        """Refuse what cannot be ranked."""
        if len(self.query_ids) == 0 or len(self.database_ids) < 2:
            raise InputError(
                f"expected at least one query and two images to search, came {len(self.query_ids)} and "
                f"{len(self.database_ids)}"
            )
        if (np.diff(self.database_ids) <= 0).any():
            raise InputError("expected the database's ids in ascending order, each once; sort them with numpy.unique")

    @cached_property
    def n_database(self) -> dict[str, int]:
        """How many images each protocol searches, "main" and "literature"; those of the literature come first."""
        n_train = int(np.searchsorted(self.database_ids, self.n_train))
        return {"main": len(self.database_ids), "literature": n_train}

    @cached_property
    def own(self) -> Int64[np.ndarray, " q"]:
        """Where each query itself is in the database, −1 where it is not."""
        places = np.minimum(np.searchsorted(self.database_ids, self.query_ids), len(self.database_ids) - 1)
        return np.where(self.database_ids[places] == self.query_ids, places, -1).astype(np.int64)

    @cached_property
    def query_classes(self) -> Int64[np.ndarray, " q"] | None:
        """Classes of the queries."""
        return None if self.labels is None else self.labels[self.query_ids].astype(np.int64)

    @cached_property
    def database_classes(self) -> Int64[np.ndarray, " m"] | None:
        """Classes of the database."""
        return None if self.labels is None else self.labels[self.database_ids].astype(np.int64)

    def n_relevant(self, protocol: str) -> Int64[np.ndarray, " q"]:
        """Return each query's R: the other images of its class that the protocol searches; 0 without labels."""
        if self.query_classes is None or self.database_classes is None:
            return np.zeros(len(self.query_ids), np.int64)
        n_searched = self.n_database[protocol]
        classes, counts = np.unique(self.database_classes[:n_searched], return_counts=True)
        if len(classes) == 0:
            return np.zeros(len(self.query_ids), np.int64)
        places = np.minimum(np.searchsorted(classes, self.query_classes), len(classes) - 1)
        found = np.where(classes[places] == self.query_classes, counts[places], 0)
        return (found - self.is_searched(protocol)).astype(np.int64)

    def is_searched(self, protocol: str) -> Bool[np.ndarray, " q"]:
        """Return whether each query is itself among what the protocol searches."""
        return (self.own >= 0) & (self.own < self.n_database[protocol])


@dataclass(frozen=True, eq=False)
class Ranked:
    """What became of a trial."""

    values: dict[str, Values]
    """By protocol and measure; a protocol that cannot be scored (no labels, fewer than two images) has no measures."""
    hits: Int64[np.ndarray, "q k"]
    """Ids of each query's ten nearest, −1 where there are fewer."""


@dataclass(frozen=True)
class CodeSource:
    """Distances of codes (n, d), computed by differences in float64; squared ones for "l2", which order alike."""

    codes: Float[np.ndarray, "n d"]
    distance: Distance

    def blocks(self, trial: Trial) -> Iterator[tuple[range, DistancesOf]]:
        """Yield all queries at once: a query's distances are computed by the thread that ranks them."""
        from scipy.spatial.distance import cdist

        prepared = self.distance.prepare(self.codes.astype(np.float64))
        queries, database = prepared[trial.query_ids], prepared[trial.database_ids]
        name: Any = {"l2": "sqeuclidean", "l1": "cityblock", "linf": "chebyshev"}[self.distance.metric]
        yield range(len(queries)), lambda row: cdist(queries[row : row + 1], database, name)[0]


def rank(trial: Trial, source: Source, progress: Progress | None = None, what: str = "ranking") -> Ranked:
    """Rank the database for every query and score the rankings by every measure of :data:`MEASURES`.

    ``progress`` is told how many queries are ranked, under the name ``what``.
    """
    ranker = _Ranker(trial)
    n_done = 0
    with ThreadPoolExecutor(count_threads()) as pool:
        for block, distances_of in source.blocks(trial):
            tasks = list(_tasks(trial, block))
            for n_ranked in pool.map(lambda rows, of=distances_of: ranker.rank(rows, of), tasks):
                n_done += n_ranked
                if progress is not None:
                    progress(what, n_done, len(trial.query_ids))
    return Ranked(ranker.values, ranker.hits)


class _Ranker:
    """Ranks some queries at a time, from any thread, and keeps what came of them."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._n_relevant = {protocol: trial.n_relevant(protocol) for protocol in trial.n_database}
        self._depths = {protocol: self._depth(protocol) for protocol in trial.n_database}
        names = MEASURES if self._depths["literature"] else MEASURES[:-1]
        n_queries = len(trial.query_ids)
        self.hits = np.full((n_queries, N_HITS), -1, np.int64)
        self.values: dict[str, Values] = {
            protocol: {
                name: np.zeros(n_queries) for name in names if trial.labels is not None and self._depths[protocol]
            }
            for protocol in trial.protocols
        }

    def rank(self, rows: Int64[np.ndarray, " b"], distances_of: DistancesOf) -> int:
        """Rank queries, all of them or none among what each protocol searches; return how many they are."""
        columns = [self._columns(row, np.asarray(distances_of(row), np.float64)) for row in rows.tolist()]
        nearest = np.stack([found["main"][:N_HITS] for found in columns])
        self.hits[rows, : nearest.shape[1]] = self._trial.database_ids[nearest]
        for protocol in filter(self.values.get, self.values):
            self._score(protocol, rows, np.stack([found[protocol] for found in columns]))
        self._vote(rows, np.stack([found["literature"][:N_VOTERS] for found in columns]))
        return len(rows)

    def _score(self, protocol: str, rows: Int64[np.ndarray, " b"], columns: Int64[np.ndarray, "b k"]) -> None:
        classes, of_queries = self._trial.database_classes, self._trial.query_classes
        if classes is None or of_queries is None:
            return
        relevant, values = classes[columns] == of_queries[rows][:, None], self.values[protocol]
        for k in PRECISION_DEPTHS:
            values[f"P@{k}"][rows] = measures.precision_at(relevant, k)
        values[MEAN_AP][rows] = measures.average_precision_at(relevant, AP_DEPTH)
        values[MAP_AT_R][rows] = measures.map_at_r(relevant, self._n_relevant[protocol][rows])
        values[HIT][rows] = measures.hit_at(relevant, N_HITS)

    def _vote(self, rows: Int64[np.ndarray, " b"], voters: Int64[np.ndarray, "b k"]) -> None:
        classes, of_queries = self._trial.database_classes, self._trial.query_classes
        if classes is not None and of_queries is not None and voters.size:
            right = measures.knn_accuracy(classes[voters], of_queries[rows])
            for values in filter(None, self.values.values()):
                values[VOTED][rows] = right

    def _columns(self, row: int, distances: Float64[np.ndarray, " m"]) -> dict[str, Int64[np.ndarray, " _"]]:
        """Return the nearest columns of a query's distances, as deep as each protocol needs."""
        trial, own = self._trial, int(self._trial.own[row])
        depths = {
            protocol: min(depth, trial.n_database[protocol] - (0 <= own < trial.n_database[protocol]))
            for protocol, depth in self._depths.items()
        }
        if not depths["literature"]:
            return {"main": nearest(distances, depths["main"], own), "literature": np.empty(0, np.int64)}
        n_main, n_train = trial.n_database.values()
        deep_enough = int(_LITERATURE_MARGIN * depths["literature"] * n_main / n_train)
        found = nearest(distances, min(max(deep_enough, depths["main"]), n_main - (own >= 0)), own)
        training = found[found < n_train]
        if len(training) < depths["literature"]:
            training = nearest(distances[:n_train], depths["literature"], own if own < n_train else -1)
        return {"main": found[: depths["main"]], "literature": training[: depths["literature"]]}

    def _depth(self, protocol: str) -> int:
        """Return how deep the protocol's measures look; 0 where there is nothing to score."""
        trial = self._trial
        if trial.labels is None or trial.n_database[protocol] < 2:
            return N_HITS if protocol == "main" else 0
        if protocol not in trial.protocols:
            return N_HITS if protocol == "main" else N_VOTERS
        return max(AP_DEPTH, int(self._n_relevant[protocol].max()))


def nearest(distances: Float64[np.ndarray, " m"], n_first: int, own: int = -1) -> Int64[np.ndarray, " _"]:
    """Return the columns of the smallest distances, sorted, ties by column: ``n_first`` of them or some more.

    ``own`` is a column that is left out (its distance is overwritten), −1 for none; ``n_first`` is at most the number
    of the others.
    """
    if own >= 0:
        distances[own] = np.inf
    threshold = _guess_threshold(distances, n_first)
    columns = np.flatnonzero(distances <= threshold)
    if len(columns) < n_first:
        threshold = np.partition(distances, n_first - 1)[n_first - 1]
        columns = np.flatnonzero(distances <= threshold)
    # as bits, floats that are not negative sort like whole numbers, and the last bits make room for the position
    n_bits = np.uint64(len(columns).bit_length())
    keys = distances[columns].view(np.uint64)
    keys >>= n_bits
    keys <<= n_bits
    keys |= np.arange(len(columns), dtype=np.uint64)
    keys.sort()
    keys &= (np.uint64(1) << n_bits) - np.uint64(1)
    return columns[keys.astype(np.int64)][: len(distances) - (own >= 0)]


def _guess_threshold(distances: Float64[np.ndarray, " m"], n_first: int) -> float:
    """Return a distance that most likely ``n_first`` distances stay within, and not many more."""
    sample = distances[::_SAMPLE_STEP]
    expected = n_first / _SAMPLE_STEP
    place = int(expected + _N_DEVIATIONS * expected**0.5) + 1
    return float(np.partition(sample, place)[place]) if place < len(sample) else np.inf


def _tasks(trial: Trial, block: range) -> Iterator[Int64[np.ndarray, " b"]]:
    """Yield the queries of a block, some at a time, those that search equally many images together."""
    kinds = trial.is_searched("main").astype(np.int64) + trial.is_searched("literature")
    for kind in range(3):
        rows = np.arange(block.start, block.stop)[kinds[block.start : block.stop] == kind]
        yield from (rows[start : start + _ROWS_PER_TASK] for start in range(0, len(rows), _ROWS_PER_TASK))
