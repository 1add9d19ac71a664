"""What was read of one state of a store, so that one of hundreds of searches a second asks it for nothing twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Float64, Int64

from zehn import distances
from zehn.collection.hits import Hit, hits_from
from zehn.distances import Distance
from zehn.engines import Engine, Neighbors
from zehn.errors import InputError
from zehn.serve import cache
from zehn.store import Model

_MOST_SHOWN = 200_000
"""Paths that are kept in memory at most."""
_MOST_FILTERS = 8
_N_DIGITS = 16

Shown = tuple[str, str | None]
"""Path and label."""


@dataclass(eq=False)
class Known:
    """The model, the distances and what images are called, for as long as the store's state is the same."""

    engine: Engine
    mark: str
    """The engine's word for the state."""
    state: str
    """The shelf's, which tells collections of one name apart too."""
    facts: Mapping[str, str]
    n_images: int
    model: Model
    measures: dict[str, Distance] = field(default_factory=dict)
    _all: tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]] | None = None
    _shown: dict[int, Shown] = field(default_factory=dict)
    _among: dict[str, Int64[np.ndarray, " m"]] = field(default_factory=dict)

    def measure(self, name: str) -> Distance:
        """Return a distance: the same object each time, as making mahalanobis takes longer than searching by it.

        Raises:
            UnknownNameError: there is no such distance.

        """
        if name not in self.measures:
            self.measures[name] = distances.get(name, self.model.code_mean, self.model.code_covariance)
        return self.measures[name]

    def all_codes(self) -> tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]]:
        """Return all ids, ascending, and their codes."""
        if self._all is None:
            self._all = self.engine.all_codes()
        return self._all

    def codes(self, ids: Int64[np.ndarray, " q"]) -> Float32[np.ndarray, "q d"]:
        """Return codes in the order of the ids.

        Raises:
            InputError: an id that is not there.

        """
        there, codes = self.all_codes()
        places = np.minimum(np.searchsorted(there, ids), max(0, len(there) - 1))
        missing = ids if not len(there) else ids[there[places] != ids]
        if len(missing):
            raise InputError(f"id {missing[0]} is not in the collection; it was removed, or never there")
        return codes[places]

    def shown(self, ids: Iterable[int]) -> Mapping[int, Shown]:
        """Return path and label of images, and maybe of more.

        Raises:
            InputError: an id that is not there.

        """
        wanted = set(ids)
        missing = wanted.difference(self._shown)
        if missing:
            if len(self._shown) + len(missing) > _MOST_SHOWN:
                # another thread may be reading the old one
                self._shown, missing = {}, wanted
            records = self.engine.get(sorted(missing))
            self._shown |= {record.id: (os.fsdecode(record.path), record.label) for record in records}
        return self._shown

    def let_through(self, where: str) -> Int64[np.ndarray, " m"]:
        """Return the ids that a filter lets through, ascending.

        Raises:
            ConfigError: a filter that cannot be read.

        """
        if where not in self._among:
            while len(self._among) >= _MOST_FILTERS:
                self._among.pop(next(iter(self._among)), None)
            ids = (record.id for batch in self.engine.walk(where=where) for record in batch)
            self._among[where] = np.fromiter(ids, np.int64)
        return self._among[where]

    def hits(self, near: Neighbors, percentiles: Float64[np.ndarray, "q k"], measure: Distance) -> list[list[Hit]]:
        """Return what a search found as hits."""
        return hits_from(near, percentiles, measure, self.shown(near.ids[near.ids >= 0].tolist()))


def look(engine: Engine, before: Known | None, read_model: Callable[[Mapping[str, str]], Model]) -> Known:
    """Return what is known of the state that this thread's snapshot is of."""
    mark = engine.state()
    if before is not None and before.mark == mark:
        return before
    facts = engine.facts()
    same = before is not None and before.model.fingerprint == facts.get("fingerprint")
    model = before.model if before is not None and same else read_model(facts)
    state = cache.key_of(mark, facts.get("created", ""), facts.get("fingerprint", ""))[:_N_DIGITS]
    measures = before.measures if before is not None and same else {}
    return Known(engine, mark, state, facts, len(engine), model, measures)
