"""What is measured on a sample of a collection's codes: how far pairs are apart, and what an index finds."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from zehn.engines._mirror import Mirror, recall_of
from zehn.engines._postgres import search, tables
from zehn.engines._postgres.connections import value
from zehn.engines._postgres.measures import Measure
from zehn.engines._postgres.search import Space
from zehn.engines._postgres.shards import Connection
from zehn.engines._postgres.tables import State

_N_SAMPLED = 20_000
_N_ASKED = 100
_N_HITS = (10, 100, 1_000)
"""The recall is measured of so many hits; that of the next larger number is stated for others."""
_CHANGED = 0.01
"""What was measured is measured again when such a share of the codes has changed,"""
_CHANGED_INDEX = 0.1
"""or such a one where it takes a search of all codes."""


@dataclass(frozen=True, eq=False)
class _Kept:
    mirror: Mirror
    epoch: int
    n_changes: int


class Samples:
    """A sample of the codes, the same for everybody, read when it is first asked for and when many have changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: _Kept | None = None
        self._recalls: dict[tuple[int, str, int], tuple[float, int]] = {}

    def mirror(self, state: State, space: Space) -> Mirror:
        """Return sampled codes, all where there are few."""
        with self._lock:
            kept = self._kept
            if kept is None or kept.epoch != state.epoch or _is_stale(kept.n_changes, state, _CHANGED):
                kept = self._kept = _Kept(Mirror(*_sampled(state, space)), state.epoch, state.n_changes)
            return kept.mirror

    def recall(self, state: State, space: Space, measure: Measure, k: int, *, n_to_read: int) -> float:
        """Return the share of the true nearest that the index finds, asked about stored codes."""
        n_hits = next((number for number in _N_HITS if number >= k), k)
        key = (state.epoch, measure.key, n_hits)
        known = self._recalls.get(key) or _stored(space.connection, key)
        if known is None or _is_stale(known[1], state, _CHANGED_INDEX):
            known = (_measured(self.mirror(state, space), space, measure, n_hits, n_to_read), state.n_changes)
        self._recalls[key] = known
        return known[0]

    def store(self, connection: Connection) -> None:
        """Keep what was measured, so that others need not measure it again."""
        for key, (recall, n_changes) in self._recalls.items():
            connection.execute("DELETE FROM recalls WHERE (epoch, key, k) = (%s, %s, %s)", key)
            connection.execute("INSERT INTO recalls VALUES (%s, %s, %s, %s, %s)", (*key, recall, n_changes))

    def clear(self) -> None:
        """Forget everything."""
        self._kept = None
        self._recalls.clear()


def _sampled(state: State, space: Space) -> tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]]:
    if space.n_searched <= _N_SAMPLED:
        blocks = list(space.read()) or [(np.empty(0, np.int64), np.empty((0, space.n_components), np.float32))]
        ids, codes = (np.concatenate(side) for side in zip(*blocks, strict=True))
    else:
        # of the ids that were ever given, so many that enough of them are still there
        n_drawn = int(_N_SAMPLED * state.next_id / space.n_searched)
        drawn = np.unique(np.random.default_rng(0).integers(0, state.next_id, n_drawn)).tolist()
        rows: dict[int, tuple[Any, ...]] = {}
        for codes_table, _ in space.parts:
            selected = f"SELECT id, code FROM {codes_table} WHERE id = ANY"
            rows |= tables.rows_of(space.connection, selected, drawn)
        ids = np.array(list(rows), np.int64)
        codes = tables.joined([row[1] for row in rows.values()], space.n_components)
    order = np.argsort(ids)
    return ids[order], codes[order]


def _measured(mirror: Mirror, space: Space, measure: Measure, k: int, n_to_read: int) -> float:
    chosen = np.random.default_rng(0).permutation(len(mirror.ids))[:_N_ASKED]
    if not len(chosen):
        return 1.0
    queries, ids = mirror.codes[chosen].astype(np.float64), mirror.ids[chosen]
    both = (search.exact, search.approximate)
    return recall_of(*(find(space, measure, queries, k, ids, n_to_read=n_to_read)[1] for find in both))


def _stored(connection: Connection, key: tuple[int, str, int]) -> tuple[float, int] | None:
    asked = "SELECT ARRAY[recall, n_changes] FROM recalls WHERE (epoch, key, k) = (%s, %s, %s)"
    kept = value(connection, asked, *key)
    return None if kept is None else (float(kept[0]), int(kept[1]))


def _is_stale(n_changes: int, state: State, share: float) -> bool:
    return state.n_changes - n_changes > share * state.n_images
