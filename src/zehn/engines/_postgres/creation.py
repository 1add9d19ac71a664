"""A collection made in a PostgreSQL database: all of it is there, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import psycopg
from psycopg import sql

from zehn.engines._postgres import connections, database, definitions, faults, shards, tables
from zehn.engines._postgres.addresses import Address, parse
from zehn.engines._postgres.shards import Connection
from zehn.errors import CollectionError

_SECONDS_TO_WAIT = 20.0


def create(
    address: str, n_components: int, facts: Mapping[str, str], attachments: Mapping[str, bytes], seconds: float
) -> None:
    """Make an empty collection, on the shards of the database's cluster where it has some.

    Raises:
        CollectionError: there is one already, or the server cannot be reached or cannot hold one.

    """
    place = parse(address)
    try:
        with connections.connected(place) as connection:
            _add_extension(connection)
            database.check_server(connection, place)
            connections.configure(connection, place, seconds)
            with connection.transaction():
                database.lock(connection, place)
                _make(connection, place, n_components)
                tables.set_facts(connection, facts)
                tables.attach(connection, attachments)
    except psycopg.Error as error:
        raise faults.told(error, place, seconds) from error


def exists(address: str) -> bool:
    """Return whether there is a collection.

    Raises:
        CollectionError: the server cannot be reached.

    """
    place = parse(address)
    try:
        with connections.connected(place) as connection:
            return database.is_there(connection, place.schema)
    except psycopg.Error as error:
        raise faults.told(error, place, _SECONDS_TO_WAIT) from error


def _add_extension(connection: Connection) -> None:
    """Give the database pgvector, where this user may; what is missing then is told by the check of the server."""
    with suppress(psycopg.Error), connection.transaction():
        # two that begin at once would both find nothing
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('zehn: extension', 0))")
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")


def _make(connection: Connection, place: Address, n_components: int) -> None:
    if database.is_there(connection, place.schema):
        raise CollectionError(f"something is at {place.shown} already; name another place, or drop {place.schema}")
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(place.schema)))
    connection.execute(definitions.BOOK.encode())
    database.make(connection, 0)
    connection.execute("UPDATE state SET n_components = %s", (n_components,))
    large = (definitions.images(), definitions.codes(1, n_components), definitions.thumbnails())
    chosen = shards.shards_of(connection)
    if chosen:
        columns = {table.name: table.columns for table in large}
        keys = {table.name: table.keys for table in large}
        shards.create_tables(connection, place.schema, columns, keys, chosen)
        return
    for table in large:
        make_table(connection, place.schema, table)


def make_table(connection: Connection, schema: str, table: definitions.Table) -> None:
    """Make a table in the database itself."""
    connection.execute(f"CREATE TABLE {table.name} ({table.columns})".encode())
    quoted = sql.Identifier(schema).as_string(connection)
    for statement in table.keys:
        connection.execute(statement.replace("{schema}", quoted).encode())
