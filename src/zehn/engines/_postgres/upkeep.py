"""Work on the tables of a collection in PostgreSQL that is no transaction: indexes, giving back room, sizes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from psycopg import errors, sql

from zehn.engines._postgres import reencoding, shards, tables
from zehn.engines._postgres.connections import value
from zehn.engines._postgres.measures import Measure
from zehn.engines._postgres.shards import Connection
from zehn.engines.postgres import Options

_SMALL = ("state", "facts", "attachments", "prepared", "recalls")


def make_index(connection: Connection, schema: str, measure: Measure, options: Options, *, is_sharded: bool) -> None:
    """Make the index for a distance where the codes are, unless it is there, and put down that it is."""
    state = tables.state_of(connection)
    made = measure.indexed.format(code="code")
    statements = (
        f"SET maintenance_work_mem = '{options.build_memory_mb} MB'",
        f"CREATE INDEX IF NOT EXISTS {state.codes}_{measure.key} ON {{schema}}.{state.codes} USING hnsw "
        f"({made} {measure.operators}) WITH (m = {options.hnsw_m}, ef_construction = {options.hnsw_ef_construction})",
        f"ANALYZE {{schema}}.{state.codes}",
    )
    _run_where_rows_are(connection, schema, statements, is_sharded=is_sharded)
    if is_sharded:
        shards.set_ef_search(connection, schema, options.hnsw_ef_search)
    kept = "INSERT INTO prepared VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
    connection.execute(kept, (state.epoch, measure.key, measure.distance.name))


def compact(connection: Connection, schema: str, *, is_sharded: bool) -> None:
    """Give back the room that removed images and the codes of earlier models took."""
    state = tables.state_of(connection)
    for table in reencoding.stale_tables(connection, schema, (state.codes, state.new_codes)):
        with suppress(errors.LockNotAvailable):  # somebody reads an older state still: the next time takes it
            _drop(connection, schema, table, is_sharded=is_sharded)
    for table in ("prepared", "recalls"):
        connection.execute(f"DELETE FROM {table} WHERE epoch <> %s".encode(), (state.epoch,))
    for table in _SMALL:
        connection.execute(f"VACUUM {table}".encode())
    large = filter(None, ("images", "thumbnails", state.codes, state.new_codes))
    statements = [f"VACUUM (ANALYZE) {{schema}}.{table}" for table in large]
    _run_where_rows_are(connection, schema, statements, is_sharded=is_sharded)


def n_bytes(connection: Connection, schema: str) -> int:
    """Return how large a collection is, on all servers."""
    asked = (
        "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class AS c JOIN pg_namespace AS place "
        "ON place.oid = c.relnamespace WHERE nspname = %s AND relkind = 'r'"
    )
    total = int(value(connection, asked, schema))
    for shard in shards.shards_in_use(connection, schema):
        with shards.direct(connection, shard) as own:
            total += int(value(own, asked, schema))
    return total


def _drop(connection: Connection, schema: str, table: str, *, is_sharded: bool) -> None:
    if is_sharded:
        with connection.transaction():
            shards.drop_table(connection, schema, table)
    else:
        connection.execute(f"DROP TABLE {table}".encode())


def _run_where_rows_are(connection: Connection, schema: str, statements: Sequence[str], *, is_sharded: bool) -> None:
    """Run statements on each server that holds rows, ``{schema}`` standing for the schema."""
    if is_sharded:
        shards.on_shards(connection, schema, statements)
        return
    quoted = sql.Identifier(schema).as_string(connection)
    for statement in statements:
        connection.execute(statement.replace("{schema}", quoted).encode())
