"""What makes servers a cluster: extensions, foreign servers, user mappings, and the list of the shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from zehn.engines._postgres import addresses, definitions, shards
from zehn.engines._postgres.connections import value
from zehn.engines._postgres.shards import Connection
from zehn.errors import CollectionError, ConfigError
from zehn.scale.cluster import connections

OLDEST_SERVER = 16
"""PostgreSQL's version: from it on COPY writes to foreign tables many rows at a time."""
_PACKAGES = {"vector": "postgresql-{}-pgvector", "postgres_fdw": "postgresql-contrib"}
_OF_A_USER = ("user", "password", "sslcert", "sslkey", "sslpassword")
"""Parts of an address that belong to a user, not to a server."""
_SERVER_OPTIONS: Mapping[str, str] = {
    # operators of vectors are the same there, so that ORDER BY may be sent
    "extensions": "vector",
    "fetch_size": "10000",
    "batch_size": "1000",
    # shards search at the same time, and commit at the same time
    "async_capable": "true",
    "parallel_commit": "true",
    "parallel_abort": "true",
    # a machine that is gone is told within seconds
    "connect_timeout": "5",
    "keepalives_idle": "30",
    "tcp_user_timeout": "30000",
}


@dataclass(frozen=True)
class ShardSettings:
    """What the coordinator has to know of a shard."""

    url: str
    """Without a password."""
    server: Mapping[str, str]
    mapping: Mapping[str, str]
    schemas: frozenset[str]
    """The collections of which a part lies there."""


def prepare(connection: Connection, name: str, extensions: Sequence[str]) -> None:
    """Check a server's version, and make the extensions there that it needs.

    Raises:
        CollectionError: it is too old, a replica, has no pgvector, or refuses.

    """
    version = connection.info.server_version // 10_000
    if version < OLDEST_SERVER:
        raise CollectionError(f"the {name} is PostgreSQL {version}, expected {OLDEST_SERVER} or newer; update it")
    with connections.told(name):
        if value(connection, "SELECT pg_is_in_recovery()"):
            raise CollectionError(
                f"the {name} is a replica, which cannot be written to; promote it, or give the server that it follows"
            )
        for extension in extensions:
            _make_extension(connection, name, extension, version)
        found = str(value(connection, "SELECT extversion FROM pg_extension WHERE extname = 'vector'"))
    least = definitions.LEAST_VECTOR
    if definitions.numbers_of(found) < least:
        raise CollectionError(
            f"the {name} has pgvector {found}, expected {'.'.join(map(str, least))} or newer; update it, then run "
            "ALTER EXTENSION vector UPDATE"
        )


def identity_of(connection: Connection) -> tuple[Any, ...]:
    """Return what tells a database from all others, whatever its address."""
    asked = "SELECT pg_postmaster_start_time(), current_setting('port'), current_database()"
    return tuple(connection.execute(asked).fetchone() or ())


def settings_of(name: str, url: str, seen: dict[tuple[Any, ...], str]) -> ShardSettings:
    """Return what the coordinator has to know of a shard, once it is fit to be one.

    Args:
        name: What it is called in errors.
        url: Its address.
        seen: The databases that are taken, by their identities; this one is added.

    Raises:
        CollectionError: it cannot be reached, or is not fit to be one.
        ConfigError: it is taken already.

    """
    with connections.opened(name, url) as connection:
        url = addresses.parse(url).server
        prepare(connection, name, ("vector",))
        identity = identity_of(connection)
        if identity in seen:
            raise ConfigError(
                f"{name} ({addresses.shown(url)}) is the same database as the {seen[identity]}; give every "
                "shard its own"
            )
        seen[identity] = name
        parts = {key: str(part) for key, part in conninfo_to_dict(url).items() if part is not None}
        info = connection.info
        own = {key: parts[key] for key in _OF_A_USER if key in parts} | {"user": info.user}
        # where none was needed, none is kept
        own.pop("password", None)
        if connection.pgconn.used_password:
            own["password"] = info.password
        server = {key: part for key, part in parts.items() if key not in _OF_A_USER}
        server |= {"host": info.host, "port": str(info.port), "dbname": info.dbname}
        rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'zehn\\_%'")
        schemas = frozenset(schema for (schema,) in rows)
        return ShardSettings(addresses.without_password(url), server, own, schemas)


def lay_out(connection: Connection, settings: Sequence[ShardSettings]) -> None:
    """Write down the shards of a cluster, within a transaction on its coordinator.

    Raises:
        CollectionError: the coordinator does not reach a shard.
        ConfigError: fewer shards than before, or one without its rows.

    """
    connection.execute("CREATE SCHEMA IF NOT EXISTS zehn_cluster")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS zehn_cluster.shards "
        "(number integer PRIMARY KEY, url text NOT NULL, server_name text NOT NULL)"
    )
    n_before = len(shards.shards_of(connection))
    if len(settings) < n_before:
        raise ConfigError(
            f"expected at least the {n_before} shards that there are, came {len(settings)}; to take one away, copy its "
            "collections into another cluster with zehn index copy"
        )
    for number, own in enumerate(settings):
        if number < n_before:
            _check_rows(connection, number, own)
        _lay_out_shard(connection, number, own)


def problem_of(connection: Connection, number: int) -> str:
    """Return why the coordinator does not reach a shard; nothing where it does."""
    try:
        # a part of a transaction, which goes on whatever comes of it
        with connection.transaction():
            value(connection, f"SELECT extversion FROM zehn_cluster.extensions_{number}")
    except psycopg.Error as error:
        return connections.said(error)
    return ""


def _make_extension(connection: Connection, name: str, extension: str, version: int) -> None:
    known = "SELECT 1 FROM pg_available_extensions WHERE name = %s"
    if value(connection, known, extension) is None:
        raise CollectionError(
            f"the {name} does not know the extension {extension}; install it there (Debian: "
            f"{_PACKAGES[extension].format(version)}), then give the same command again"
        )
    connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))


def _check_rows(connection: Connection, number: int, settings: ShardSettings) -> None:
    """Refuse to take a server for a shard where the shard's rows are not on it."""
    # the schemas of collections that have a part there
    rows = connection.execute(
        "SELECT DISTINCT nspname FROM pg_foreign_table JOIN pg_foreign_server AS server ON server.oid = ftserver "
        "JOIN pg_class AS part ON part.oid = ftrelid JOIN pg_namespace AS place ON place.oid = relnamespace "
        "WHERE srvname = %s AND nspname <> 'zehn_cluster' ORDER BY nspname",
        (_server_name(number),),
    )
    missing = [schema.removeprefix("zehn_") for (schema,) in rows if schema not in settings.schemas]
    if missing:
        raise ConfigError(
            f"shard {number} ({settings.url}) does not hold its part of {', '.join(missing)}; give the server that "
            "does, or a replica of it that was promoted"
        )


def _server_name(number: int) -> str:
    return f"zehn_shard_{number}"


def _lay_out_shard(connection: Connection, number: int, settings: ShardSettings) -> None:
    name = _server_name(number)
    _put_server(connection, name, settings.server)
    _put_mapping(connection, name, settings.mapping)
    connection.execute(
        "INSERT INTO zehn_cluster.shards VALUES (%s, %s, %s) ON CONFLICT (number) DO UPDATE SET url = excluded.url",
        (number, settings.url, name),
    )
    # through this table the coordinator is asked whether it reaches the shard
    connection.execute(
        sql.SQL(
            "CREATE FOREIGN TABLE IF NOT EXISTS zehn_cluster.{} (extversion text) SERVER {} "
            "OPTIONS (schema_name 'pg_catalog', table_name 'pg_extension')"
        ).format(sql.Identifier(f"extensions_{number}"), sql.Identifier(name))
    )
    problem = problem_of(connection, number)
    if problem:
        raise CollectionError(
            f"the coordinator does not reach shard {number} ({settings.url}): {problem}; its address has to hold for "
            "this machine and for the coordinator"
        )


def _put_server(connection: Connection, name: str, wanted: Mapping[str, str]) -> None:
    known = "SELECT srvoptions FROM pg_foreign_server WHERE srvname = %s"
    named = sql.SQL("SERVER {}").format(sql.Identifier(name))
    is_new = value(connection, "SELECT 1 FROM pg_foreign_server WHERE srvname = %s", name) is None
    if is_new:
        connection.execute(sql.SQL("CREATE {} FOREIGN DATA WRAPPER postgres_fdw").format(named))
    there = dict(shards.options_of(value(connection, known, name)))
    # what an index was prepared with stays
    searching = {"options": there.get("options", shards.search_options(shards.EF_SEARCH))}
    shards.set_options(connection, named, there, {**_SERVER_OPTIONS, **searching, **wanted})


def _put_mapping(connection: Connection, name: str, wanted: Mapping[str, str]) -> None:
    known = "SELECT umoptions FROM pg_user_mappings WHERE srvname = %s AND usename = CURRENT_USER"
    named = sql.SQL("USER MAPPING FOR CURRENT_USER SERVER {}").format(sql.Identifier(name))
    is_new = value(connection, known.replace("umoptions", "1"), name) is None
    if is_new:
        connection.execute(sql.SQL("CREATE {}").format(named))
    there = dict(shards.options_of(value(connection, known, name)))
    shards.set_options(connection, named, there, wanted)
