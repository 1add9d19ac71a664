"""How the servers of a cluster are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import psycopg

from zehn.engines._postgres import changes, shards
from zehn.engines._postgres.connections import value
from zehn.engines._postgres.shards import Connection, Shard
from zehn.errors import CollectionError
from zehn.scale.cluster import connections, layout
from zehn.scale.cluster.states import CollectionState, Follower, ServerState

_SECONDS_TO_COUNT = 10
_OWN = (
    "FROM pg_class JOIN pg_namespace AS place ON place.oid = relnamespace "
    "WHERE nspname LIKE 'zehn\\_%' AND relkind = 'r'"
)
"""The tables of collections that lie on a server itself."""


def of_server(connection: Connection, name: str, address: str) -> ServerState:
    """Return how a server is that answers.

    Raises:
        CollectionError: it refuses to say.

    """
    with connections.told(name):
        is_replica = value(connection, "SELECT pg_is_in_recovery()")
        n_rows, is_estimate = _count_rows(connection)
        vector = value(connection, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        return ServerState(
            name,
            address,
            "it is a replica, which cannot be written to; promote it" if is_replica else "",
            version=str(value(connection, "SHOW server_version")).split()[0],
            vector_version=str(vector or ""),
            n_rows=n_rows,
            is_estimate=is_estimate,
            n_bytes=int(value(connection, f"SELECT sum(pg_total_relation_size(pg_class.oid)) {_OWN}") or 0),
            followers=() if is_replica else tuple(_followers(connection)),
        )


def of_shard(connection: Connection, shard: Shard) -> ServerState:
    """Return how a shard is, asked directly and through its coordinator."""
    name, problem = f"shard {shard.number}", layout.problem_of(connection, shard.number)
    try:
        with shards.direct(connection, shard) as own:
            state = of_server(own, name, shard.url)
    except CollectionError as error:
        cause = error.__cause__
        return ServerState(name, shard.url, connections.said(cause) if isinstance(cause, psycopg.Error) else str(error))
    return replace(state, problem=f"the coordinator does not reach it: {problem}") if problem else state


def collections_of(connection: Connection) -> Iterator[CollectionState]:
    """Yield the collections of a coordinator, by name."""
    rows = connection.execute(
        "SELECT nspname, format('%I.%I', nspname, relname), (SELECT count(*) FROM pg_inherits "
        f"WHERE inhparent = to_regclass(format('%I.images', nspname))) {_OWN} AND relname = 'state' ORDER BY nspname"
    ).fetchall()
    for schema, table, n_shards in rows:
        n_images = int(value(connection, f"SELECT n_images FROM {table}") or 0)
        is_unfinished = n_shards > 0 and changes.is_unfinished(connection, schema)
        yield CollectionState(schema.removeprefix("zehn_"), n_images, n_shards, is_unfinished)


def _count_rows(connection: Connection) -> tuple[int, bool]:
    """Return how many images lie on a server itself, and whether that is an estimate."""
    asked = f"SELECT format('%I.%I', nspname, relname), reltuples {_OWN} AND relname = 'images'"
    tables = connection.execute(asked).fetchall()
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = '{_SECONDS_TO_COUNT} s'")
            counted = [value(connection, f"SELECT count(*) FROM {table}") for table, _ in tables]
            return sum(map(int, counted)), False
    except psycopg.errors.QueryCanceled:
        return int(sum(max(0.0, n_rows) for _, n_rows in tables)), True


def _followers(connection: Connection) -> Iterator[Follower]:
    rows = connection.execute(
        "SELECT coalesce(client_addr::text, 'local'), coalesce(state, 'hidden'), "
        "coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::bigint FROM pg_stat_replication "
        "ORDER BY backend_start"
    )
    for row in rows:
        yield Follower(*row)
