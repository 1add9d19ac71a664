"""Prepared codes in memory and their neighbours: exact, by a kd-tree for few dimensions, by a scan of all otherwise.

The first few queries are answered by scans too, as growing a tree takes as long as many of them. Codes are then kept
in the order of the tree's leaves: what is near each other lies together in memory, and the tree answers in little more
than half the time.

Distances are computed in float64. The scan by "l2" finds its candidates by a product of float32 matrices, wide enough
for the rounding of that product, and computes their distances exactly.

A tree that was grown stays as it is while codes come and go: those that go are struck out, those that come form a tail
that is scanned beside it. When either has grown large, the next search grows a new tree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64

from zehn.engines import _metrics
from zehn.engines._given import LARGEST
from zehn.engines._task import Finish, Task
from zehn.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

_BYTES_PER_CANDIDATE = 64
_N_FOR_THREADS = 64
_TREE_SHARE = 100
"""A search that would fetch more than one in so many codes from the tree once more is quicker as a scan."""
_FIRST_SHARE = 10
"""The same of codes that are fetched for the first time."""


@dataclass(frozen=True)
class Options:
    """How an index searches."""

    max_tree_dimensions: int = 16
    """Codes of at most so many dimensions go into a kd-tree; with more, a scan is quicker."""
    leaf_size: int = 64
    """Codes in a leaf of the tree."""
    n_scanned: int = 16
    """So many queries are answered by scans before a tree is grown."""
    min_tail: int = 1_000
    """So many codes may be scanned beside the tree before a new one is grown."""
    max_tail: int = 20_000
    """Beside a large tree up to so many may, as growing one takes longer."""
    max_tail_share: float = 0.02
    """Between the two, such a share of the tree's codes."""
    max_struck_share: float = 0.25
    """Such a share of the tree's codes may be struck out before a new one is grown."""


@dataclass(frozen=True, eq=False)
class _Filtered:
    """Which codes of the tree and of the tail are among some ids."""

    among: Int64[np.ndarray, " m"]
    shown: Bool[np.ndarray, " n"]
    in_tail: Bool[np.ndarray, " t"]


class Index:
    """Prepared codes under ids, in memory."""

    def __init__(self, options: Options | None = None) -> None:
        """Make an empty index."""
        self.options = options or Options()
        self._ids: Int64[np.ndarray, " n"]
        self._codes: Float[np.ndarray, "n d"]
        self._by_id: Int64[np.ndarray, " n"]
        """Places of codes, ascending by their ids."""
        self._kept: Bool[np.ndarray, " n"]
        self._n_struck: int
        self._tail_ids: Int64[np.ndarray, " t"]
        self._tail_codes: Float[np.ndarray, "t d"]
        self._tree: cKDTree | None = None
        self._n_asked = 0
        """Queries since there was no tree."""
        self._squares: Float64[np.ndarray, " n"] | None
        self._largest: float | None
        self._filter: _Filtered | None
        self._store(np.empty(0, np.int64), np.empty((0, 0), np.float32))

    def __len__(self) -> int:
        """Return how many codes are stored."""
        return len(self._ids) - self._n_struck + len(self._tail_ids)

    def add(self, ids: Int[np.ndarray, " _"], codes: Float[np.ndarray, "_ d"]) -> None:
        """Store prepared codes (n, d) under ids (n,) that are new to the index.

        The first codes decide whether float32 or float64 is kept; where they come in the order of their ids, they are
        kept without a copy until a tree is grown.

        Raises:
            InputError: ids that are there already or given twice, another number of ids or dimensions, no numbers.

        """
        self._check_codes(codes, "codes")
        if len(ids) != len(codes):
            raise InputError(f"expected an id per code, came {len(ids)} ids and {len(codes)} codes")
        new = ids.astype(np.int64)
        order = np.argsort(new, kind="stable")
        repeated = np.concatenate([new[order][1:][np.diff(new[order]) == 0], new[self._holds(new)]])
        if len(repeated):
            raise InputError(f"id {repeated[0]} is there already or given twice; remove it first")
        rows = codes.astype(self._codes.dtype, copy=False) if len(self) else codes
        if len(order) and not (np.diff(order) == 1).all():
            new, rows = new[order], rows[order]
        if self._tree is not None and len(self._tail_ids) + len(new) <= self._most_beside():
            self._filter = self._largest = None
            self._tail_ids = np.concatenate([self._tail_ids, new])
            self._tail_codes = np.concatenate([self._tail_codes, rows])
        else:
            self._merge(new, rows)

    def remove(self, ids: Int[np.ndarray, " _"]) -> None:
        """Forget the codes of ids (n,).

        Raises:
            InputError: ids that are not there.

        """
        missing = ids[~self._holds(ids)]
        if len(missing):
            raise InputError(f"id {missing[0]} is not there; only stored ids can be removed")
        stays, kept, places = ~np.isin(self._tail_ids, ids), self._kept.copy(), self._places(ids)
        kept[places[places >= 0]] = False
        left = self._tail_ids[stays], self._tail_codes[stays], kept, len(kept) - int(np.count_nonzero(kept)), None
        self._tail_ids, self._tail_codes, self._kept, self._n_struck, self._filter = left
        if self._tree is None or self._n_struck > self.options.max_struck_share * len(self._ids):
            self._merge()

    def search(
        self,
        queries: Float[np.ndarray, "q _"],
        k: int,
        metric: str = "l2",
        exclude: Int[np.ndarray, " q"] | None = None,
        *,
        among: Int64[np.ndarray, " _"] | None = None,
        finish: Finish | None = None,
        eps: float = 0.0,
    ) -> tuple[Int64[np.ndarray, "q k"], Float32[np.ndarray, "q k"]]:
        """Return the ids of the k nearest codes of each prepared query, nearest first, and their base distances.

        Equal distances are ordered by id, also where they decide who is among the k. Where fewer than k are left, the
        rest of the row has id −1 at distance infinity.

        Args:
            queries: Prepared codes.
            k: How many neighbours.
            metric: "l2", "l1" or "linf".
            exclude: One id per query that is left out, usually its own; an id that is not stored leaves out nothing.
            among: Only these ids, ascending, are searched; those that are not stored are ignored.
            finish: Ranks candidates by other values than their base distances, of the same order up to rounding; these
                values are returned.
            eps: Where above 0, a tree is searched approximately: what is found is at most 1 + eps times as far.

        Raises:
            InputError: k below 1, another number of dimensions, or queries that are no numbers.
            UnknownNameError: another metric.

        """
        if metric not in _metrics.METRICS:
            raise UnknownNameError("metric", metric, _metrics.METRICS)
        if k < 1:
            raise InputError(f"expected k ≥ 1, came {k}")
        self._check_codes(queries, "queries")
        self._n_asked += len(queries)
        scans = self._is_scanned(metric)
        if not scans and self._tree is None and len(self):
            self._grow()
        task = self._task(queries.astype(np.float64, copy=False), k, metric, exclude, among, finish, eps)
        if task.n_shown + len(task.tail[0]) == 0 or not len(queries):
            return task.ids, task.distances
        if scans or task.n_shown == 0:
            self._scan(task, np.arange(len(queries)))
        else:
            n_least = k + 2  # one may be excluded, one shows whether the k-th place is tied
            n_wanted = n_least if task.shown is None else math.ceil(1.5 * n_least * len(self._ids) / task.n_shown)
            self._climb(task, _side_by_side(task.queries), n_wanted)
        return task.ids, task.distances

    def _task(
        self, queries: Any, k: int, metric: str, exclude: Any, among: Any, finish: Finish | None, eps: float
    ) -> Task:
        shown, tail = None, (self._tail_ids, self._tail_codes)
        if among is not None:
            shown, in_tail = self._filtered(among)
            tail = (tail[0][in_tail], tail[1][in_tail])
        elif self._n_struck:
            shown = self._kept
        n_shown = len(self._ids) if shown is None else int(np.count_nonzero(shown))
        excluded = None if exclude is None else exclude.astype(np.int64)
        slack = 0.0 if finish is None else self._rounding()
        return Task(queries, k, metric, excluded, shown, n_shown, tail, finish, slack, eps)

    def _filtered(self, among: Int64[np.ndarray, " _"]) -> tuple[Bool[np.ndarray, " _"], Bool[np.ndarray, " _"]]:
        """Return which codes of the tree and of the tail are among some ids; the last answer is kept."""
        if self._filter is None or self._filter.among is not among:
            shown = np.zeros(len(self._ids), bool)
            places = self._places(among)
            shown[places[places >= 0]] = True
            self._filter = _Filtered(among, shown & self._kept, np.isin(self._tail_ids, among))
        return self._filter.shown, self._filter.in_tail

    def _climb(self, task: Task, rows: Int64[np.ndarray, " q"], n_wanted: int) -> None:
        """Search the tree for some of its nearest codes; where these do not settle who is nearest, for more."""
        n_fetched = min(n_wanted, len(self._ids))
        share = _FIRST_SHARE if n_wanted == task.k + 2 else _TREE_SHARE
        if n_fetched > max(_TREE_SHARE, len(self._ids) // share):
            self._scan(task, rows)
            return
        step = max(1, _metrics.BLOCK_BYTES // (_BYTES_PER_CANDIDATE * n_fetched))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            ids, found, last = self._candidates(task, part, n_wanted)
            at_k = min(task.k, found.shape[1]) - 1
            kth = found[:, at_k] if task.is_sorted else np.partition(found, at_k, axis=1)[:, at_k]
            # beyond the last one fetched there may be more, none of them nearer than it
            settled = np.isinf(last) | ((task.reach(kth) < last) if task.eps == 0 else np.isfinite(kth))
            if settled.all():
                task.rank(part, ids, found)
                continue
            if settled.any():
                task.rank(part[settled], ids[settled], found[settled])
            self._climb(task, part[~settled], 4 * n_wanted)

    def _candidates(
        self, task: Task, rows: Int64[np.ndarray, " q"], n_wanted: int
    ) -> tuple[Int64[np.ndarray, "q m"], Float64[np.ndarray, "q m"], Float64[np.ndarray, " q"]]:
        """Return ids and distances of the nearest in the tree and in the tail, and how far both were looked through."""
        queries, n_fetched = task.queries[rows], min(n_wanted, len(self._ids))
        workers = -1 if len(rows) >= _N_FOR_THREADS else 1
        exponent = _metrics.METRICS[task.metric][0]
        tree: Any = self._tree
        found, places = tree.query(queries, np.arange(1, n_fetched + 1), task.eps, exponent, workers=workers)
        last = found[:, -1].copy() if n_fetched < len(self._ids) else np.full(len(rows), np.inf)
        if task.shown is not None:
            found[~task.shown[places]] = np.inf
        ids = self._ids[places]
        if len(task.tail[0]):
            n_near = min(n_wanted, len(task.tail[0]))
            distances = _metrics.between(queries, task.tail[1], task.metric)
            near = np.argpartition(distances, n_near - 1, axis=1)[:, :n_near]
            beside = np.take_along_axis(distances, near, axis=1)
            if n_near < len(task.tail[0]):
                last = np.minimum(last, beside.max(axis=1))
            found, ids = np.concatenate([found, beside], axis=1), np.concatenate([ids, task.tail[0][near]], axis=1)
        if task.excluded is not None:
            found[ids == task.excluded[rows][:, None]] = np.inf
        return ids, found, last

    def _scan(self, task: Task, rows: Int64[np.ndarray, " q"]) -> None:
        """Compare queries with all codes that count."""
        ids, codes, squares = self._pool(task)
        n_kept = min(task.k, len(ids))
        step = max(1, _metrics.BLOCK_BYTES // (8 * len(ids)))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            if task.metric == "l2":
                rough, slack = _metrics.rough_squares(task.queries[part], codes, squares)
            else:
                rough, slack = _metrics.between(task.queries[part], codes, task.metric), 0.0
            for row, values in zip(part, rough, strict=True):
                if task.excluded is not None:
                    values[ids == task.excluded[row]] = np.inf
                kth = np.partition(values, n_kept - 1)[n_kept - 1]
                reach = task.reach(kth)
                if task.metric == "l2":
                    # both the k-th and the others may be nearer than their rough squares say
                    reach = task.reach(max(0.0, kth + slack) ** 0.5) ** 2 + slack
                near = np.flatnonzero((values <= reach) & np.isfinite(values))
                found = values[near]
                if task.metric == "l2":
                    found = np.linalg.norm(codes[near] - task.queries[row], axis=1)
                task.rank(np.array([row]), ids[near][None], found[None])

    def _pool(self, task: Task) -> tuple[Int64[np.ndarray, " m"], Float[np.ndarray, "m d"], Float64[np.ndarray, " m"]]:
        """Return ids and codes of all that counts, and their squared lengths."""
        if task.shown is None and not len(task.tail[0]):
            if self._squares is None:
                self._squares = _metrics.squares(self._codes)
            return self._ids, self._codes, self._squares
        shown = slice(None) if task.shown is None else task.shown
        codes = np.concatenate([self._codes[shown], task.tail[1]])
        return np.concatenate([self._ids[shown], task.tail[0]]), codes, _metrics.squares(codes)

    def _grow(self) -> None:
        """Grow the tree, and order codes as its leaves are."""
        order = self._grown(self._codes).indices
        codes, places = self._codes[order], np.empty_like(order)
        places[order] = np.arange(len(order))
        grown = self._ids[order], codes, self._kept[order], places[self._by_id], self._grown(codes)
        # all at once: where growing was interrupted, all is as it was
        self._ids, self._codes, self._kept, self._by_id, self._tree = grown
        self._squares = self._filter = None

    def _grown(self, codes: Float[np.ndarray, "n d"]) -> cKDTree:
        from scipy.spatial import cKDTree

        # cells halved in the middle, not at the median: they are rounder, so that a query looks at fewer
        return cKDTree(codes, leafsize=self.options.leaf_size, balanced_tree=False)

    def _is_scanned(self, metric: str) -> bool:
        """Say whether a query is answered more quickly by a scan: without a tree that pays, or before it does."""
        if self._codes.shape[1] > self.options.max_tree_dimensions:
            return True
        return self._tree is None and metric == "l2" and self._n_asked <= self.options.n_scanned

    def _most_beside(self) -> float:
        share = self.options.max_tail_share * len(self._ids)
        return min(self.options.max_tail, max(self.options.min_tail, share))

    def _rounding(self) -> float:
        """Return twice what rounding when codes were prepared and stored may change of a base distance."""
        if self._largest is None:
            self._largest = max(_metrics.largest(self._codes), _metrics.largest(self._tail_codes))
        return 4 * self._codes.shape[1] * float(np.finfo(self._codes.dtype).eps) * self._largest

    def _places(self, ids: Int[np.ndarray, " q"]) -> Int64[np.ndarray, " q"]:
        """Return where ids are stored outside the tail, −1 for those that are not."""
        if not len(self._ids):
            return np.full(len(ids), -1)
        ranks = np.searchsorted(self._ids, ids, sorter=self._by_id)
        places = self._by_id[np.minimum(ranks, len(self._ids) - 1)]
        return np.where((self._ids[places] == ids) & self._kept[places], places, -1)

    def _holds(self, ids: Int[np.ndarray, " q"]) -> Bool[np.ndarray, " q"]:
        return (self._places(ids) >= 0) | np.isin(ids, self._tail_ids)

    def _merge(self, *more: np.ndarray) -> None:
        """Make one ordered whole of the codes that are not struck out, of the tail and of more ids and codes."""
        first = self._ids, self._codes
        if self._tree is not None or self._n_struck:  # else they are whole, and ordered by their ids
            stays = self._by_id[self._kept[self._by_id]]
            first = self._ids[stays], self._codes[stays]
        parts = [
            first,
            (self._tail_ids, self._tail_codes),
            *([(more[0], more[1])] if more else []),
        ]
        parts = [part for part in parts if len(part[0])]
        if not parts:
            self._store(np.empty(0, np.int64), np.empty((0, 0), np.float32))
            return
        ids, codes = parts[0] if len(parts) == 1 else (np.concatenate(side) for side in zip(*parts, strict=True))
        order = np.argsort(ids, kind="stable")
        in_order = bool((np.diff(order) == 1).all())
        self._store(*((ids, codes) if in_order else (ids[order], codes[order])))

    def _store(self, ids: Int64[np.ndarray, " n"], codes: Float[np.ndarray, "n d"]) -> None:
        by_id, kept = np.arange(len(ids)), np.ones(len(ids), bool)
        if self._tree is not None:
            self._n_asked = 0
        self._ids, self._codes, self._by_id, self._kept, self._n_struck = ids, codes, by_id, kept, 0
        self._tail_ids, self._tail_codes = ids[:0], codes[:0]
        self._tree = self._squares = self._largest = self._filter = None

    def _check_codes(self, codes: Float[np.ndarray, "_ _"], what: str) -> None:
        if codes.shape[1] < 1 or not (codes.min(initial=0) >= -LARGEST and codes.max(initial=0) <= LARGEST):
            raise InputError(
                f"expected {what} of at least one dimension and of finite numbers up to {LARGEST:g}, came an array of "
                f"shape {codes.shape} with others; encode the images again or check the model"
            )
        if len(self) and codes.shape[1] != self._codes.shape[1]:
            raise InputError(
                f"{what} have {codes.shape[1]} dimensions but the engine holds codes of {self._codes.shape[1]}; encode "
                "them with the same model and prepare them for the same distance"
            )


def _side_by_side(queries: Float64[np.ndarray, "q d"]) -> Int64[np.ndarray, " q"]:
    """Return the places of queries in an order in which each comes after one that looks at nearly the same codes."""
    if len(queries) < _N_FOR_THREADS:
        return np.arange(len(queries))
    from scipy.spatial import cKDTree

    return cKDTree(queries).indices
