"""A cluster of PostgreSQL servers: one that is asked, the coordinator, and shards that hold the rows.

What ``zehn cluster init`` lays out is plain PostgreSQL: extensions, foreign servers with their user mappings, and on
the coordinator a schema ``zehn_cluster`` that lists the shards. Collections that are made there afterwards are spread
over them; see docs/cluster.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from zehn import plugins
from zehn.errors import CollectionError, ConfigError
from zehn.scale.cluster.states import ClusterState, CollectionState, Follower, ServerState

__all__ = ["ClusterState", "CollectionState", "Follower", "ServerState", "init", "status"]


def init(coordinator: str, shards: Sequence[str]) -> ClusterState:
    """Make servers a cluster, and return how it is; once more changes what is not as it should be.

    With as many shards as before, a shard that has another address now (a replica that was promoted, say) takes the
    place of the old one; shards more than before serve the collections that are made from now on.

    Args:
        coordinator: The address of a database, ``postgresql://user@host:port/database``; the user may create
            extensions and foreign servers.
        shards: Addresses of databases, which this machine and the coordinator both reach by them. A password, given
            here or by PGPASSWORD or ~/.pgpass, is kept in the coordinator's user mapping, which PostgreSQL shows to
            that user and to superusers.

    Raises:
        CollectionError: a server cannot be reached, is too old, has no pgvector, or refuses.
        ConfigError: no shard, a database given twice, or fewer shards than there were.
        MissingExtraError: psycopg is not installed.

    """
    plugins.require("psycopg", "scale")
    from zehn.scale.cluster import connections, layout

    if not shards:
        raise ConfigError("expected at least one shard, came none; give --shard postgresql://user@host:port/database")
    with connections.opened("coordinator", coordinator) as connection:
        layout.prepare(connection, "coordinator", ("vector", "postgres_fdw"))
        seen = {layout.identity_of(connection): "coordinator"}
        settings = [layout.settings_of(f"shard {number}", url, seen) for number, url in enumerate(shards)]
        with connections.told("coordinator"), connection.transaction():
            layout.lay_out(connection, settings)
    return status(coordinator)


def status(coordinator: str) -> ClusterState:
    """Return how a cluster is: each server's health, rows, bytes and replicas with their lag, and the collections.

    Raises:
        CollectionError: the coordinator cannot be reached, or no cluster was made there.
        MissingExtraError: psycopg is not installed.

    """
    plugins.require("psycopg", "scale")
    from zehn.engines._postgres import addresses
    from zehn.engines._postgres.shards import shards_of
    from zehn.scale.cluster import connections, health

    with connections.opened("coordinator", coordinator) as connection:
        shards = shards_of(connection)
        if not shards:
            raise CollectionError(
                f"there is no cluster at {addresses.shown(coordinator)}; make one with zehn cluster init "
                "--coordinator … --shard …"
            )
        servers = [health.of_server(connection, "coordinator", addresses.shown(coordinator))]
        servers += [health.of_shard(connection, shard) for shard in shards]
        return ClusterState(tuple(servers), tuple(health.collections_of(connection)))
