"""Changes of collections that lie on shards: one transaction on each server, and what mends those that were cut off.

The shards commit first, the coordinator last; PostgreSQL has no common commit for them. Where something dies between
two of these commits, a part of the change is there and nobody was answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg
from jaxtyping import Int64

from zehn.engines._postgres import shards
from zehn.engines._postgres.shards import Connection, Shard, run
from zehn.errors import CollectionError

_LEAST_SENT = 1_000
"""Rows from which on they are sent to each shard by a connection of its own, ten times as fast as through the
coordinator."""


@dataclass(frozen=True)
class Destination:
    """Where some rows of a table go."""

    connection: Connection
    table: str
    """As COPY names it there."""
    rows: Int64[np.ndarray, " n"]
    """Their places among all that are to be stored."""


@dataclass
class _Change:
    """A change that is being made."""

    schema: str
    stack: ExitStack
    own: dict[int, tuple[Shard, Connection]] = field(default_factory=dict)
    """The client's own connections to shards, by the number of the part, each within a transaction."""
    parts: tuple[Sequence[int], Int64[np.ndarray, " n"]] | None = None
    """Ids that were asked about last, and to which parts they belong."""


_under_way: dict[int, _Change] = {}
"""By the identity of the connection to the coordinator."""


@contextmanager
def whole(connection: Connection, schema: str) -> Iterator[None]:
    """Run one change of a sharded collection; the writers' lock is held, and no transaction is open.

    A row of ``unfinished``, written before and deleted with the coordinator's commit, tells the next writer of a change
    that was cut off, who mends it first.

    Raises:
        CollectionError: a shard was lost while the change was being committed.

    """
    is_ending = False
    if _announce(connection, schema):
        with connection.transaction():
            mend(connection, schema)
    with ExitStack() as stack:
        change = _under_way[id(connection)] = _Change(schema, stack)
        stack.callback(_under_way.pop, id(connection))
        try:
            with connection.transaction():
                yield
                run(connection, "DELETE FROM {schema}.unfinished", schema)
                is_ending = True
                _commit(change)
        except BaseException as error:
            # where nothing was committed anywhere, there is nothing to mend
            if not (is_ending or connection.broken or connection.closed):
                run(connection, "DELETE FROM {schema}.unfinished", schema)
            for shard, own in change.own.values():
                if own.broken and isinstance(error, psycopg.Error):
                    raise shards.unreachable(shard, error) from error
            raise


def is_unfinished(connection: Connection, schema: str) -> bool:
    """Return whether a change was cut off, or is being made."""
    return run(connection, "SELECT 1 FROM {schema}.unfinished", schema).fetchone() is not None


def mend(connection: Connection, schema: str) -> None:
    """Bring the coordinator's counts and the shards' rows together again after a change that was cut off.

    Rows whose ids were never given to anybody go; a removal that reached some shards only stays where it came to.
    """
    row = run(connection, "SELECT next_id FROM {schema}.state", schema).fetchone()
    for table in shards.large_tables(connection, schema):
        # the number itself: what a subquery returns would not go to the shards
        run(connection, f"DELETE FROM {{schema}}.{table} WHERE id >= {int(row[0]) if row else 0}", schema)
    n_images = sum(shards.count_rows(connection, schema))
    run(connection, f"UPDATE {{schema}}.state SET n_images = {n_images}", schema)


def destinations(connection: Connection, table: str, ids: Sequence[int]) -> Iterator[Destination]:
    """Yield where rows go whose ids are new, one after the other: to the table, or to each shard itself.

    What goes to a shard itself is committed with the change that is being made. Nothing else in that change may touch
    rows of these ids, for it would wait for this one.
    """
    change = _under_way.get(id(connection))
    if change is None or len(ids) < _LEAST_SENT:
        yield Destination(connection, table, np.arange(len(ids)))
        return
    if change.parts is None or change.parts[0] is not ids:
        change.parts = ids, _parts_of(connection, change.schema, table, ids)
    parts = change.parts[1]
    for part in np.unique(parts).tolist():
        _, own = _opened(connection, change, part)
        quoted = psycopg.sql.Identifier(change.schema, table).as_string(own)
        yield Destination(own, quoted, np.flatnonzero(parts == part))


def _announce(connection: Connection, schema: str) -> bool:
    """Put down that a change begins, and return whether an earlier one never ended."""
    was_cut = is_unfinished(connection, schema)
    if not was_cut:
        run(connection, "INSERT INTO {schema}.unfinished VALUES (now())", schema)
    return was_cut


def _parts_of(connection: Connection, schema: str, table: str, ids: Sequence[int]) -> Int64[np.ndarray, " n"]:
    """Return to which part of a table each id belongs, as PostgreSQL itself hashes it."""
    n_parts = len(shards.parts_of(connection, schema, table))
    asked = (
        "SELECT array_agg((SELECT part FROM generate_series(0, %s - 1) AS part "
        "WHERE satisfies_hash_partition(%s::regclass::oid, %s, part, id)) ORDER BY id) "
        "FROM generate_series(%s::bigint, %s) AS id"
    )
    named = psycopg.sql.Identifier(schema, table).as_string(connection)
    row: Any = connection.execute(asked, (n_parts, named, n_parts, ids[0], ids[-1]), binary=True).fetchone()
    return np.array(row[0], np.int64)


def _opened(connection: Connection, change: _Change, part: int) -> tuple[Shard, Connection]:
    if part not in change.own:
        shard = shards.shards_in_use(connection, change.schema)[part]
        own = shards.connected(connection, shard)
        change.stack.callback(own.close)
        own.execute("BEGIN")
        change.own[part] = shard, own
    return change.own[part]


def _commit(change: _Change) -> None:
    for shard, own in change.own.values():
        try:
            own.execute("COMMIT")
        except psycopg.Error as error:
            raise CollectionError(
                f"shard {shard.number} ({shard.url}) was lost while a change was being stored: it is unknown whether "
                "it was; when the shard answers again, give the same command again, it goes on"
            ) from error
