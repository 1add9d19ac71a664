"""A collection's codes in memory: an index for each way that distances prepare them, made when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int64

from zehn.distances import Distance
from zehn.engines._given import check_codes
from zehn.engines._index import Index, Options
from zehn.engines._metrics import METRICS
from zehn.engines._task import Finish
from zehn.errors import InputError

_AT_ONCE = 50_000
_QUERIES_AT_ONCE = 4_096
_MAX_SPACES = 4
_MAX_KEYS = 64
_N_PROBES = 32
_N_PAIRS = 100_000
_N_ASKED = 100
_CHANGED = 0.01
"""What was measured on a sample is measured again when such a share of the codes has changed."""

_Key = tuple[bytes, str, bytes]
"""What a distance makes of some codes, its base metric, what it makes of some values of that."""


@dataclass(frozen=True, eq=False)
class _Space:
    """Codes as some distances prepare them."""

    index: Index
    distance: Distance
    n_columns: int
    """So many of the columns that preparing makes; those after them are 0 in all codes."""

    @property
    def is_exact(self) -> bool:
        """Whether prepared codes are kept as float64, as a tree does (it makes a copy of any other type)."""
        return self.n_columns <= self.index.options.max_tree_dimensions

    def add(self, ids: Int64[np.ndarray, " n"], codes: Float32[np.ndarray, "n d"]) -> bool:
        """Prepare codes block by block and store them; return whether the columns that are kept say all of them."""
        prepared = np.empty((len(codes), self.n_columns), np.float64 if self.is_exact else np.float32)
        for start in range(0, len(codes), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            whole = self.distance.prepare(codes[part].astype(np.float64))
            if whole[:, self.n_columns :].any():
                return False
            prepared[part] = whole[:, : self.n_columns]
        self.index.add(ids, prepared)
        return True


@dataclass(frozen=True, eq=False)
class _Measured:
    """Something measured on a sample, and how many codes had changed before."""

    value: Float64[np.ndarray, "..."]
    n_changes: int


@dataclass(eq=False)
class Mirror:
    """Codes by id, as the encoder returns them, and what is needed to search them by any distance."""

    ids: Int64[np.ndarray, " n"]
    """Ascending."""
    codes: Float32[np.ndarray, "n d"]
    options: Options = field(default_factory=Options)
    eps: float = 0.0
    """How much farther the hits of an approximate search may be, as a share."""
    _spaces: dict[bytes, _Space] = field(default_factory=dict)
    _keys: dict[Distance, _Key] = field(default_factory=dict)
    _recalls: dict[tuple[_Key, int], _Measured] = field(default_factory=dict)
    _pairs: dict[_Key, _Measured] = field(default_factory=dict)
    _n_changes: int = 0

    def update(
        self, changed: Int64[np.ndarray, " _"], ids: Int64[np.ndarray, " n"], codes: Float32[np.ndarray, "n d"]
    ) -> None:
        """Take in that what ``changed`` names is no longer what it was: gone, or now codes (n, d) of ids (n,).

        ``changed`` holds all of ``ids``; both are ascending.
        """
        gone = np.intersect1d(changed, self.ids, assume_unique=True)
        for key, space in list(self._spaces.items()):
            if len(gone):
                space.index.remove(gone)
            if len(ids) and not space.add(ids, codes):
                del self._spaces[key]
        stays = ~np.isin(self.ids, gone)
        merged = np.concatenate([self.ids[stays], ids])
        order = np.argsort(merged, kind="stable")
        self.ids, self.codes = merged[order], np.concatenate([self.codes[stays], codes])[order]
        self._n_changes += len(changed)

    def search(
        self,
        queries: Float[np.ndarray, "q d"],
        k: int,
        distance: Distance,
        *,
        exclude: Int[np.ndarray, " q"] | None = None,
        among: Int64[np.ndarray, " _"] | None = None,
        approximate: bool = False,
    ) -> tuple[Int64[np.ndarray, "q k"], Float32[np.ndarray, "q k"], float]:
        """Return ids, distances and recall; see :meth:`zehn.engines.Engine.search`.

        Raises:
            InputError: k below 1, another number of dimensions, or queries that are no numbers.

        """
        check_codes(queries, "queries", self.codes.shape[1])
        if k < 1:
            raise InputError(f"expected k ≥ 1, came {k}")
        if not len(self.ids) or not len(queries):
            return np.full((len(queries), k), -1), np.full((len(queries), k), np.inf, np.float32), 1.0
        found = self._search(queries, k, distance, exclude, among, self.eps if approximate else 0.0)
        return *found, self._recall(k, distance) if approximate else 1.0

    def percentiles(self, values: Float[np.ndarray, "..."], distance: Distance) -> Float64[np.ndarray, "..."]:
        """Return the per cent of sampled pairs that are farther apart; see :meth:`zehn.engines.Engine.percentiles`."""
        if len(self.ids) < 2:
            return np.full(values.shape, np.nan)
        key = self._key(distance)
        if self._is_stale(self._pairs.get(key)):
            self._pairs[key] = _Measured(self._sampled_pairs(distance), self._n_changes)
        pairs = self._pairs[key].value
        # by the numbers that a user sees, which are float32
        nearer = np.searchsorted(pairs, values.astype(np.float32).astype(np.float64), side="right")
        return np.where(np.isfinite(values), 100.0 * (1.0 - nearer / len(pairs)), np.nan)

    def _search(
        self,
        queries: Float[np.ndarray, "q d"],
        k: int,
        distance: Distance,
        exclude: Int[np.ndarray, " q"] | None,
        among: Int64[np.ndarray, " _"] | None,
        eps: float,
    ) -> tuple[Int64[np.ndarray, "q k"], Float32[np.ndarray, "q k"]]:
        blocks = []
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            part = slice(start, start + _QUERIES_AT_ONCE)
            asked = distance.prepare(queries[part].astype(np.float64))
            space = self._space(distance, asked)
            finish = _finishing(distance) if space.is_exact else self._measuring(asked, distance)
            without = None if exclude is None else exclude[part]
            asked = asked[:, : space.n_columns]
            blocks.append(space.index.search(asked, k, distance.metric, without, among=among, finish=finish, eps=eps))
        if len(blocks) == 1:
            return blocks[0]
        ids, distances = zip(*blocks, strict=True)
        return np.concatenate(ids), np.concatenate(distances)

    def _measuring(self, asked: Float64[np.ndarray, "_ p"], distance: Distance) -> Finish:
        """Return a function that measures candidates from their codes as they are kept, not as they are indexed."""

        def measured(
            rows: Int64[np.ndarray, " q"],
            ids: Int64[np.ndarray, "q m"],
            _: Float64[np.ndarray, "q m"],
        ) -> Float32[np.ndarray, "q m"]:
            places = np.searchsorted(self.ids, ids.ravel())
            codes = self.codes[places].astype(np.float64)
            prepared = distance.prepare(codes)
            prepared = prepared.reshape(*ids.shape, prepared.shape[1])  # not -1: there may be no candidates
            return _finished(prepared - asked[rows][:, None], distance)

        return measured

    def _space(self, distance: Distance, asked: Float64[np.ndarray, "_ p"]) -> _Space:
        """Return the index of codes as a distance prepares them; the least recently used one makes room for it.

        A column that preparing adds to say what few codes have, such as no direction, is left out until a code or a
        query has it.
        """
        key = self._key(distance)[0]
        space = self._spaces.pop(key, None)
        if space is None or (asked.shape[1] > space.n_columns and asked[:, space.n_columns :].any()):
            while len(self._spaces) >= _MAX_SPACES:
                del self._spaces[next(iter(self._spaces))]
            n_least = self.codes.shape[1]
            space = _Space(Index(self.options), distance, asked.shape[1] if asked[:, n_least:].any() else n_least)
            if not space.add(self.ids, self.codes):
                space = _Space(Index(self.options), distance, asked.shape[1])
                space.add(self.ids, self.codes)
        self._spaces[key] = space
        return space

    def _key(self, distance: Distance) -> _Key:
        """Tell distances apart by what they do: those that prepare codes alike share an index."""
        if distance not in self._keys:
            if len(self._keys) >= _MAX_KEYS:
                self._keys.clear()
            probes = np.random.default_rng(0).normal(size=(_N_PROBES, self.codes.shape[1]))
            finished = distance.finish(np.linspace(0, 2, _N_PROBES))
            self._keys[distance] = (distance.prepare(probes).tobytes(), distance.metric, finished.tobytes())
        return self._keys[distance]

    def _is_stale(self, measured: _Measured | None) -> bool:
        return measured is None or self._n_changes - measured.n_changes > _CHANGED * len(self.ids)

    def _sampled_pairs(self, distance: Distance) -> Float64[np.ndarray, " p"]:
        """Return the distances of pairs of codes, ascending: all pairs where there are few."""
        n = len(self.ids)
        if n * (n - 1) // 2 <= _N_PAIRS:
            left, right = np.triu_indices(n, 1)
        else:
            generator = np.random.default_rng(0)
            left = generator.integers(0, n, _N_PAIRS)
            right = (left + generator.integers(1, n, _N_PAIRS)) % n
        prepared = [distance.prepare(self.codes[side].astype(np.float64)) for side in (left, right)]
        return np.sort(_finished(prepared[0] - prepared[1], distance)).astype(np.float64)

    def _recall(self, k: int, distance: Distance) -> float:
        """Return the share of the true k nearest that an approximate search finds, asked about stored codes."""
        key = (self._key(distance), k)
        if self._is_stale(self._recalls.get(key)):
            asked = np.random.default_rng(0).integers(0, len(self.ids), _N_ASKED)
            answers = [self._search(self.codes[asked], k, distance, self.ids[asked], None, e)[1] for e in (0, self.eps)]
            self._recalls[key] = _Measured(np.array(recall_of(*answers)), self._n_changes)
        return float(self._recalls[key].value)


def recall_of(true: Float[np.ndarray, "q k"], found: Float[np.ndarray, "q k"]) -> float:
    """Return the share of the true k nearest that was found, by distances alone: infinite where nothing was."""
    there = np.isfinite(true)
    # who is as near as the k-th nearest is one of the k nearest
    hit = found <= np.where(there, true, -np.inf).max(axis=1, keepdims=True)
    return int((hit & there).sum()) / max(1, int(there.sum()))


def _finishing(distance: Distance) -> Finish:
    """Return a function that makes distances of what the index measured."""
    return lambda _rows, _ids, base: distance.finish(base).astype(np.float32)


def _finished(differences: Float64[np.ndarray, "*s p"], distance: Distance) -> Float32[np.ndarray, "*s"]:
    base: Callable[..., Float64[np.ndarray, "..."]] = np.linalg.norm
    values = distance.finish(base(differences, ord=METRICS[distance.metric][0], axis=-1))
    return values.astype(np.float32)
