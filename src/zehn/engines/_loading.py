"""A collection's codes read from its tables into memory, all of them or what changed since."""

from __future__ import annotations

from sqlite3 import Connection

import numpy as np
from jaxtyping import Float32, Int64

from zehn.engines import _tables
from zehn.engines._mirror import Mirror
from zehn.errors import CollectionError

_N_LOADED = 20_000


def load(connection: Connection, state: _tables.State) -> tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]]:
    """Return all ids, ascending, and their codes.

    Raises:
        CollectionError: the tables are not what they should be.

    """
    try:
        ids = np.empty(state.n_images, np.int64)
        codes = np.empty((state.n_images, state.n_components), np.float32)
    except (ValueError, MemoryError) as error:
        raise CollectionError(
            f"{state.n_images:,} codes of {state.n_components:,} dimensions do not fit into memory; run zehn index "
            "verify, and if it finds anything, restore a backup"
        ) from error
    cursor = connection.execute("SELECT id, code FROM codes ORDER BY id")
    start = 0
    while rows := cursor.fetchmany(_N_LOADED):
        part = slice(start, start + len(rows))
        if part.stop > len(ids):
            raise CollectionError("there are more codes than images; run zehn index verify, restore a backup")
        ids[part] = _tables.ids_in(rows)
        codes[part] = _tables.joined([row[1] for row in rows], state.n_components)
        start += len(rows)
    if start < len(ids):
        raise CollectionError("there are fewer codes than images; run zehn index verify, restore a backup")
    return ids, codes


def can_follow(connection: Connection, seen: _tables.State, state: _tables.State) -> bool:
    """Return whether what was noted leads from one state to another."""
    if seen.epoch != state.epoch or seen.last_change == state.last_change:
        return seen.epoch == state.epoch
    first = connection.execute("SELECT min(number) FROM changes").fetchone()[0]
    return isinstance(first, int) and first <= seen.last_change + 1


def follow(connection: Connection, mirror: Mirror, seen: _tables.State, state: _tables.State) -> None:
    """Bring codes in memory up to a state that is a few changes further."""
    noted = "SELECT DISTINCT id FROM changes WHERE number > ? ORDER BY id"
    changed = _tables.ids_in(connection.execute(noted, (seen.last_change,)))
    rows = _tables.rows_of(connection, "SELECT id, code FROM codes WHERE id IN", changed.tolist())
    there = sorted(rows)
    codes = _tables.joined([rows[id_][1] for id_ in there], state.n_components)
    mirror.update(changed, np.array(there, np.int64), codes)
