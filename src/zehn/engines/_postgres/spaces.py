"""What of a collection in PostgreSQL a search looks at: its parts, those that answer, and how many images count."""

from __future__ import annotations

from collections.abc import Sequence

from zehn.engines import _filter
from zehn.engines._postgres import shards, tables
from zehn.engines._postgres.connections import value
from zehn.engines._postgres.search import Space
from zehn.engines._postgres.shards import Connection
from zehn.engines._postgres.tables import State

_N_FILTERS = 8


class Spaces:
    """Knows the parts of a collection's tables, and what the last few filters let through."""

    def __init__(self, schema: str, *, is_sharded: bool, allow_partial: bool) -> None:
        self._schema, self._is_sharded, self._allow_partial = schema, is_sharded, allow_partial
        self._parts: dict[str, list[tuple[str, str]]] = {}
        self._counts: dict[str, tuple[int, int]] = {}

    def whole(self, connection: Connection, state: State) -> Space:
        """Return all codes, also those of shards that do not answer: who reads these is told."""
        return Space(connection, state.n_components, self._all(connection, state), None, state.n_images)

    def space(self, connection: Connection, state: State, where: str | None) -> tuple[Space, tuple[str, ...]]:
        """Return what there is to be searched, and what of the collection cannot be.

        Raises:
            ConfigError: a filter that cannot be read.

        """
        condition = None if where is None else tables.condition(where)
        parts, missing = self._answering(connection, state)
        images = [images for _, images in parts]
        n_searched = state.n_images
        if missing:
            n_searched = count(connection, images, tables.condition(where))
            if condition is None:
                missing += (f"{state.n_images - n_searched:,} of {state.n_images:,} images were not searched",)
        elif condition is not None:
            n_searched = self._counted(connection, state, where or "", condition, images)
        return Space(connection, state.n_components, parts, condition, n_searched, self._is_sharded), missing

    def _answering(self, connection: Connection, state: State) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
        """Return tables of codes and of images, part by part, and whose parts are left out."""
        parts = self._all(connection, state)
        if not (self._is_sharded and self._allow_partial):
            return parts, ()
        silent = shards.missing(connection, self._schema)
        answering = [part for place, part in enumerate(parts) if place not in silent]
        return answering, tuple(f"shard {one.number} ({one.url}) does not answer" for one in silent.values())

    def _all(self, connection: Connection, state: State) -> list[tuple[str, str]]:
        if state.codes not in self._parts:  # they never change: the next codes have a table of another name
            parts = tables.parts_of(connection, self._schema, [state.codes, "images"])
            self._parts[state.codes] = [(codes, images) for codes, images in parts]
        return self._parts[state.codes]

    def _counted(
        self, connection: Connection, state: State, where: str, condition: _filter.Condition, images: Sequence[str]
    ) -> int:
        """Return how many images a filter lets through; the last few answers are kept while nothing changes."""
        kept = self._counts.get(where)
        if kept is None or kept[0] != state.version:
            kept = (state.version, count(connection, images, condition))
            if len(self._counts) >= _N_FILTERS:
                self._counts.clear()
            self._counts[where] = kept
        return kept[1]


def count(connection: Connection, images: Sequence[str], condition: _filter.Condition) -> int:
    """Return how many images of some parts a filter lets through, counted where they are."""
    bound = tables.bound(condition)
    counted = (f"SELECT count(*) FROM {part} AS i WHERE {condition.sql}" for part in images)
    return sum(int(value(connection, statement, *bound)) for statement in counted)
