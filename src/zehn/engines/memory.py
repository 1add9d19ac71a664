"""The engine in memory: exact, a kd-tree where codes have few dimensions, a scan of all codes otherwise.

Distances are computed in float64. The scan by "l2" finds its candidates by a product of float32 matrices, wide enough
for the rounding of that product, and computes their distances exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int64

from zehn.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

METRICS = {"l2": (2, "euclidean"), "l1": (1, "cityblock"), "linf": (np.inf, "chebyshev")}
"""Each metric's exponent and its name in scipy."""

_BLOCK_BYTES = 32_000_000
_N_FOR_THREADS = 256
_LARGEST = 1e15


@dataclass(frozen=True)
class Options:
    """How the engine searches."""

    max_tree_dimensions: int = 16
    """Codes of at most so many dimensions go into a kd-tree; with more, a scan is quicker."""
    leaf_size: int = 16
    """Codes in a leaf of the tree."""


class Engine:
    """Codes in memory, ordered by id; see :class:`zehn.engines.Engine`."""

    def __init__(self, options: Options | None = None) -> None:
        """Make an empty engine."""
        self._options = options or Options()
        self._ids: Int64[np.ndarray, " n"] = np.empty(0, np.int64)
        self._codes: Float32[np.ndarray, "n d"] = np.empty((0, 0), np.float32)
        self._tree: cKDTree | None = None
        self._squares: Float64[np.ndarray, " n"] | None = None

    def __len__(self) -> int:
        """Return how many codes are stored."""
        return len(self._ids)

    def add(self, ids: Int[np.ndarray, " _"], codes: Float[np.ndarray, "_ d"]) -> None:
        """Store prepared codes (n, d) under ids (n,) that are new to the engine.

        Where the engine was empty and float32 codes come in the order of their ids, they are kept without a copy.

        Raises:
            InputError: ids that are there already or given twice, another number of ids or dimensions, no numbers.

        """
        self._check_codes(codes, "codes")
        if len(ids) != len(codes):
            raise InputError(f"expected an id per code, came {len(ids)} ids and {len(codes)} codes")
        merged = np.concatenate([self._ids, ids.astype(np.int64)])
        order = np.argsort(merged, kind="stable")
        repeated = np.flatnonzero(np.diff(merged[order]) == 0)
        if len(repeated):
            raise InputError(f"id {merged[order][repeated[0]]} is there already or given twice; remove it first")
        rows = np.asarray(codes, np.float32)
        whole = np.concatenate([self._codes, rows]) if len(self) else rows
        in_order = bool((np.diff(order) > 0).all())
        self._store(merged[order], whole if in_order else whole[order])

    def remove(self, ids: Int[np.ndarray, " _"]) -> None:
        """Forget the codes of ids (n,).

        Raises:
            InputError: ids that are not there.

        """
        missing = ids[~np.isin(ids, self._ids)]
        if len(missing):
            raise InputError(f"id {missing[0]} is not there; only stored ids can be removed")
        kept = ~np.isin(self._ids, ids)
        self._store(self._ids[kept], self._codes[kept])

    def search(
        self,
        queries: Float[np.ndarray, "q _"],
        k: int,
        metric: str = "l2",
        exclude: Int[np.ndarray, " q"] | None = None,
    ) -> tuple[Int64[np.ndarray, "q k"], Float32[np.ndarray, "q k"]]:
        """Return the ids of the k nearest codes of each prepared query, nearest first, and their base distances.

        Equal distances are ordered by id, also where they decide who is among the k. ``exclude`` names one id per query
        that is left out, usually its own (an id that is not stored leaves out nothing). Where fewer than k are left,
        the rest of the row has id −1 at distance infinity.

        Raises:
            InputError: k below 1, another number of dimensions, or queries that are no numbers.
            UnknownNameError: another metric.

        """
        if metric not in METRICS:
            raise UnknownNameError("metric", metric, METRICS)
        if k < 1:
            raise InputError(f"expected k ≥ 1, came {k}")
        self._check_codes(queries, "queries")
        ids = np.full((len(queries), k), -1, np.int64)
        distances = np.full((len(queries), k), np.inf, np.float32)
        if len(self) == 0:
            return ids, distances
        exact = queries.astype(np.float64)
        skipped = self._positions(exclude, len(queries))
        searched = self._scan if self._codes.shape[1] > self._options.max_tree_dimensions else self._climb
        positions, found = searched(exact, min(k, len(self)), metric, skipped)
        there = np.isfinite(found)
        ids[:, : found.shape[1]][there] = self._ids[positions[there]]
        distances[:, : found.shape[1]] = found
        return ids, distances

    def _climb(
        self, queries: Float64[np.ndarray, "q d"], k: int, metric: str, skipped: Int64[np.ndarray, " q"]
    ) -> tuple[Int64[np.ndarray, "q k"], Float64[np.ndarray, "q k"]]:
        """Search the tree for two more than k: one may be skipped, one shows whether the k-th place is tied."""
        n_fetched = min(k + 2, len(self))
        workers = -1 if len(queries) >= _N_FOR_THREADS else 1
        places = np.arange(1, n_fetched + 1)
        answer: Any = self._grown().query(queries, k=places, p=METRICS[metric][0], workers=workers)
        found, positions = answer
        last = found[:, -1].copy()
        found[positions == skipped[:, None]] = np.inf
        order = np.lexsort((positions, found), axis=1)
        found, positions = np.take_along_axis(found, order, axis=1), np.take_along_axis(positions, order, axis=1)
        tied = np.flatnonzero(found[:, k - 1] == last)
        if n_fetched < len(self) and len(tied):
            positions[tied, :k], found[tied, :k] = self._scan(queries[tied], k, metric, skipped[tied])
        return positions[:, :k].astype(np.int64), found[:, :k]

    def _scan(
        self, queries: Float64[np.ndarray, "q d"], k: int, metric: str, skipped: Int64[np.ndarray, " q"]
    ) -> tuple[Int64[np.ndarray, "q k"], Float64[np.ndarray, "q k"]]:
        """Compare each query with all codes."""
        positions, found = np.zeros((len(queries), k), np.int64), np.full((len(queries), k), np.inf)
        step = max(1, _BLOCK_BYTES // (8 * len(self)))
        for start in range(0, len(queries), step):
            part = queries[start : start + step]
            rough, slack = self._rough_squares(part) if metric == "l2" else (self._exact(part, metric), 0.0)
            for row, (query, values) in enumerate(zip(part, rough, strict=True), start=start):
                if skipped[row] >= 0:
                    values[skipped[row]] = np.inf
                limit = np.partition(values, k - 1)[k - 1] + slack
                near = np.flatnonzero((values <= limit) & np.isfinite(values))
                distances = self._exact(query[None], metric, near)[0]
                order = np.argsort(distances, kind="stable")[:k]
                positions[row, : len(order)], found[row, : len(order)] = near[order], distances[order]
        return positions, found

    def _rough_squares(self, queries: Float64[np.ndarray, "q d"]) -> tuple[Float64[np.ndarray, "q n"], float]:
        """Return squared euclidean distances by |q|² + |x|² − 2 q·x in float32, and twice the most they may err."""
        if self._squares is None:
            self._squares = np.einsum("nd,nd->n", self._codes, self._codes, dtype=np.float64)
        lengths = np.einsum("qd,qd->q", queries, queries)
        products = queries.astype(np.float32) @ self._codes.T
        rough = lengths[:, None] + self._squares - 2.0 * products
        # a float32 dot product of d terms errs by at most about d roundings of |q||x|, the query's own included
        rounding = (queries.shape[1] + 2) * float(np.finfo(np.float32).eps)
        return rough, 4 * rounding * float(np.sqrt(lengths.max(initial=0) * self._squares.max(initial=0)))

    def _exact(
        self, queries: Float64[np.ndarray, "q d"], metric: str, near: Int64[np.ndarray, " m"] | None = None
    ) -> Float64[np.ndarray, "q _"]:
        from scipy.spatial.distance import cdist

        name: Any = METRICS[metric][1]
        codes = self._codes if near is None else self._codes[near]
        step = max(1, _BLOCK_BYTES // (8 * codes.shape[1]))
        blocks = (codes[start : start + step].astype(np.float64) for start in range(0, max(1, len(codes)), step))
        return np.concatenate([cdist(queries, block, name) for block in blocks], axis=1)

    def _grown(self) -> cKDTree:
        from scipy.spatial import cKDTree

        if self._tree is None:
            self._tree = cKDTree(self._codes, leafsize=self._options.leaf_size)
        return self._tree

    def _positions(self, ids: Int[np.ndarray, " q"] | None, n_queries: int) -> Int64[np.ndarray, " q"]:
        """Return where ids are stored, −1 for those that are not."""
        if ids is None:
            return np.full(n_queries, -1)
        places = np.minimum(np.searchsorted(self._ids, ids), len(self) - 1)
        return np.where(self._ids[places] == ids, places, -1)

    def _store(self, ids: Int64[np.ndarray, " n"], codes: Float32[np.ndarray, "n d"]) -> None:
        self._ids, self._codes, self._tree, self._squares = ids, codes, None, None

    def _check_codes(self, codes: Float[np.ndarray, "_ _"], what: str) -> None:
        if codes.shape[1] < 1 or not (codes.min(initial=0) >= -_LARGEST and codes.max(initial=0) <= _LARGEST):
            raise InputError(
                f"expected {what} of at least one dimension and of finite numbers up to {_LARGEST:g}, came an array of "
                f"shape {codes.shape} with others; encode the images again or check the model"
            )
        if len(self) and codes.shape[1] != self._codes.shape[1]:
            raise InputError(
                f"{what} have {codes.shape[1]} dimensions but the engine holds codes of {self._codes.shape[1]}; encode "
                "them with the same model and prepare them for the same distance"
            )
