"""Collections that lie on several PostgreSQL servers: partitions by hash of the id, each a foreign table of a shard.

The coordinator's schema ``zehn_cluster`` lists the shards (``zehn cluster init`` writes it). A collection that is made
while there are some is sharded: its large tables are partitioned on the coordinator and lie on the shards, under the
same schema and names; everything else stays on the coordinator. The tables of a shard are made through a connection of
its own, for what goes through postgres_fdw can make none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from zehn.errors import CollectionError

Connection = psycopg.Connection[Any]

CLUSTER = "zehn_cluster"
"""The schema on the coordinator that lists the shards."""
SECONDS_TO_CONNECT = 10
KEEPALIVES = {
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""What libpq is told of connections, so that a machine that is gone is noticed within a minute, not within hours."""
SECONDS_TO_LOCK = 20
"""How long a statement waits on a shard for others that read the table, or for what a client that died left there."""
EF_SEARCH = 100
"""How many candidates HNSW looks at on a shard, until an index was prepared with another number."""

_OWNER = (
    "SELECT format('zehn: a part of %s/%s', system_identifier, oid) FROM pg_control_system(), pg_database "
    "WHERE datname = current_database()"
)
"""What tells a coordinator, and its replicas, from all others; a schema on a shard has it as its comment."""


@dataclass(frozen=True)
class Shard:
    """A server that holds a part of the rows."""

    number: int
    """From 0."""
    url: str
    """Its address, without a password."""
    server_name: str
    """What the coordinator calls it."""


def shards_of(connection: Connection) -> list[Shard]:
    """Return the shards of the cluster whose coordinator this is, by their numbers; none where it is a server alone."""
    there = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (f"{CLUSTER}.shards",)).fetchone()
    if there is None or not there[0]:
        return []
    rows = connection.execute(f"SELECT number, url, server_name FROM {CLUSTER}.shards ORDER BY number")
    return [Shard(*row) for row in rows]


def parts_of(connection: Connection, schema: str, table: str = "images") -> list[str]:
    """Return the names, quoted, of a table's parts: one foreign table a shard, or the table itself."""
    rows = connection.execute(
        "SELECT part.relname FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid "
        "JOIN pg_class AS whole ON whole.oid = inhparent JOIN pg_namespace AS place ON place.oid = whole.relnamespace "
        "WHERE place.nspname = %s AND whole.relname = %s",
        (schema, table),
    ).fetchall()
    # by number: part 10 comes after part 9
    names = sorted((name for (name,) in rows), key=lambda name: int(name.rpartition("_")[2])) or [table]
    return [sql.Identifier(schema, name).as_string(connection) for name in names]


def shards_in_use(connection: Connection, schema: str) -> list[Shard]:
    """Return the shards that a collection lies on, in the order of its parts; none where it is not sharded."""
    rows = connection.execute(
        "SELECT part.relname, server.srvname FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid "
        "JOIN pg_class AS whole ON whole.oid = inhparent JOIN pg_namespace AS place ON place.oid = whole.relnamespace "
        "JOIN pg_foreign_table AS away ON away.ftrelid = part.oid "
        "JOIN pg_foreign_server AS server ON server.oid = away.ftserver "
        "WHERE place.nspname = %s AND whole.relname = 'images'",
        (schema,),
    ).fetchall()
    known = {shard.server_name: shard for shard in (shards_of(connection) if rows else [])}
    return [known[server] for _, server in sorted(rows, key=lambda row: int(row[0].rpartition("_")[2]))]


def of_all_parts(parts: Sequence[str], select: str) -> str:
    """Return a query of all parts of a table at once: a SELECT for each, joined by UNION ALL.

    ``{images}`` in the SELECT stands for the part. Its ORDER BY and LIMIT go to the shards as they are, which is lost
    where the partitioned table itself is asked; and the shards work at the same time where what it is ordered by is
    among its columns.
    """
    return " UNION ALL ".join(f"({select.replace('{images}', part)})" for part in parts)


def create_tables(
    connection: Connection,
    schema: str,
    columns: Mapping[str, str],
    keys: Mapping[str, Sequence[str]],
    shards: Sequence[Shard],
) -> None:
    """Make a collection's large tables on the shards, and on the coordinator what leads there.

    Args:
        connection: To the coordinator, within a transaction; the schema is there.
        schema: The collection's.
        columns: Of each table, with neither keys nor references: partitions have none.
        keys: Of each table the statements that make keys on a shard, ``{schema}`` standing for the schema.
        shards: All of the cluster.

    Raises:
        CollectionError: a shard cannot be reached, or holds another collection of that name.

    """
    owner = connection.execute(_OWNER).fetchone()
    for shard in shards:
        with direct(connection, shard) as own, own.transaction():
            _create_schema(own, shard, schema, str(owner[0] if owner else ""))
            for table in columns:
                _create_on_shard(own, schema, table, columns[table], keys[table])
    for table in columns:
        _create_parts(connection, schema, table, columns[table], shards)
    # one row: when a change began that has not ended
    run(connection, "CREATE TABLE {schema}.unfinished (since timestamptz NOT NULL)", schema)


def add_table(connection: Connection, schema: str, table: str, columns: str, keys: Sequence[str]) -> None:
    """Make one more large table of a collection; see :func:`create_tables`."""
    shards = shards_in_use(connection, schema)
    for shard in shards:
        with direct(connection, shard) as own, own.transaction():
            # the coordinator may have given up an earlier one of that name
            run(own, f"DROP TABLE IF EXISTS {{schema}}.{table}", schema)
            _create_on_shard(own, schema, table, columns, keys)
    _create_parts(connection, schema, table, columns, shards)


def drop_table(connection: Connection, schema: str, table: str) -> None:
    """Drop a large table of a collection, on the coordinator and on the shards; it need not be there."""
    run(connection, f"DROP TABLE IF EXISTS {{schema}}.{table}", schema)
    on_shards(connection, schema, [f"DROP TABLE IF EXISTS {{schema}}.{table}"])


def on_shards(
    connection: Connection, schema: str, statements: Sequence[str], *, tell: Callable[[Shard], None] | None = None
) -> None:
    """Run statements on every shard of a collection, ``{schema}`` standing for the schema's quoted name.

    They are not part of the coordinator's transaction: each is committed by itself.
    """
    for shard in shards_in_use(connection, schema):
        with direct(connection, shard) as own:
            for statement in statements:
                run(own, statement, schema)
        if tell is not None:
            tell(shard)


@contextmanager
def direct(connection: Connection, shard: Shard) -> Iterator[Connection]:
    """Open a connection of the client's own to a shard, each statement of which is committed by itself.

    Raises:
        CollectionError: it cannot be reached, or refuses what is asked of it; the error names it.

    """
    own = connected(connection, shard)
    try:
        with own:
            yield own
    except psycopg.errors.LockNotAvailable:  # nothing is wrong with the shard: somebody else is at work there
        raise
    except psycopg.Error as error:
        if own.broken or not error.sqlstate:
            raise unreachable(shard, error) from error
        said = " ".join(str(error).split())
        raise CollectionError(
            f"shard {shard.number} ({shard.url}) refused: {said}; mend there what it says, then give the same command "
            "again"
        ) from error


def connected(connection: Connection, shard: Shard) -> Connection:
    """Return a connection of the client's own to a shard, which is to be closed.

    Raises:
        CollectionError: it cannot be reached; the error names it.

    """
    try:
        own = psycopg.connect(own_address(connection, shard), autocommit=True)
        own.execute(f"SET lock_timeout = '{SECONDS_TO_LOCK} s'")
        own.execute(f"SET tcp_keepalives_idle = {KEEPALIVES['keepalives_idle']}")
    except psycopg.OperationalError as error:
        raise unreachable(shard, error) from error
    return own


def own_address(connection: Connection, shard: Shard) -> str:
    """Return the address of a shard with the password that the coordinator's user mapping has, where there is one.

    Where there is none, libpq finds it: in PGPASSWORD or in ~/.pgpass.
    """
    row = connection.execute(
        "SELECT umoptions FROM pg_user_mappings WHERE srvname = %s AND usename = CURRENT_USER", (shard.server_name,)
    ).fetchone()
    options = options_of(row[0] if row else None)
    parts = conninfo_to_dict(shard.url)
    own = {name: options[name] for name in ("password",) if name in options}
    return make_conninfo(**{"connect_timeout": SECONDS_TO_CONNECT, **KEEPALIVES, **parts, **own})  # type: ignore[arg-type]


def options_of(listed: Sequence[str] | None) -> dict[str, str]:
    """Return the options of a foreign server or a user mapping as the catalog lists them, ``name=value`` each."""
    pairs = (option.partition("=") for option in listed or ())
    return {name: value for name, _, value in pairs}


def set_options(
    connection: Connection, what: sql.Composable, there: Mapping[str, str], wanted: Mapping[str, str]
) -> None:
    """Bring the options of a foreign server or a user mapping to what they should be; what is not wanted goes."""
    changes = [
        sql.SQL("{} {} {}").format(sql.SQL("SET" if name in there else "ADD"), sql.Identifier(name), sql.Literal(value))
        for name, value in wanted.items()
        if there.get(name) != value
    ]
    changes += [sql.SQL("DROP {}").format(sql.Identifier(name)) for name in there if name not in wanted]
    if changes:
        connection.execute(sql.SQL("ALTER {} OPTIONS ({})").format(what, sql.SQL(", ").join(changes)))


def search_options(ef_search: int) -> str:
    """Return the settings of a session that searches a shard: those of the coordinator's do not reach it."""
    return f"-c hnsw.ef_search={ef_search} -c hnsw.iterative_scan=strict_order -c lock_timeout={SECONDS_TO_LOCK}s"


def set_ef_search(connection: Connection, schema: str, ef_search: int) -> None:
    """Let searches of the shards of a collection look at so many candidates from now on."""
    for shard in shards_in_use(connection, schema):
        known = "SELECT srvoptions FROM pg_foreign_server WHERE srvname = %s"
        there = options_of((connection.execute(known, (shard.server_name,)).fetchone() or (None,))[0])
        wanted = {**there, "options": search_options(ef_search)}
        set_options(connection, sql.SQL("SERVER {}").format(sql.Identifier(shard.server_name)), there, wanted)


def unreachable(shard: Shard, error: Exception) -> CollectionError:
    """Return the error of a shard that does not answer."""
    said = " ".join(str(error).split())
    return CollectionError(
        f"shard {shard.number} ({shard.url}) does not answer: {said}; start it, see zehn cluster status, or search the "
        "others with --allow-partial"
    )


def large_tables(connection: Connection, schema: str) -> list[str]:
    """Return the names of the tables of a collection that lie on shards, sorted."""
    rows = connection.execute(
        "SELECT relname FROM pg_class JOIN pg_namespace AS place ON place.oid = relnamespace "
        "WHERE nspname = %s AND relkind = 'p' ORDER BY relname",
        (schema,),
    )
    return [name for (name,) in rows]


def count_rows(connection: Connection, schema: str, table: str = "images") -> list[int]:
    """Return how many rows of a table each part holds, counted where they are."""
    parts = parts_of(connection, schema, table)
    counted = [connection.execute(f"SELECT count(*) FROM {part}".encode()).fetchone() for part in parts]
    return [int(row[0]) for row in counted if row]


def missing(connection: Connection, schema: str) -> dict[int, Shard]:
    """Return the shards of a collection that do not answer, by the number of their parts; within a transaction."""
    parts, silent = parts_of(connection, schema), {}
    for place, (part, shard) in enumerate(zip(parts, shards_in_use(connection, schema), strict=True)):
        try:
            with connection.transaction():
                connection.execute(f"SELECT 1 FROM {part} LIMIT 1".encode())
        except psycopg.Error:
            silent[place] = shard
    return silent


def run(connection: Connection, statement: str, schema: str) -> psycopg.Cursor[Any]:
    """Run a statement, ``{schema}`` standing for the quoted name of a collection's schema."""
    quoted = sql.Identifier(schema).as_string(connection)
    return connection.execute(statement.replace("{schema}", quoted).encode())


def _create_schema(own: Connection, shard: Shard, schema: str, owner: str) -> None:
    """Make a schema on a shard; what is left there of a collection whose making was cut off goes."""
    quoted = sql.Identifier(schema).as_string(own)
    told = own.execute("SELECT obj_description(to_regnamespace(%s)::oid, 'pg_namespace')", (quoted,)).fetchone()
    is_anothers = told is not None and told[0] not in (None, owner)
    known = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind = 'r'"
    tables = [name for (name,) in own.execute(known, (quoted,))]
    # what has a state of its own is no part of another collection
    if is_anothers or any(
        table == "state" or run(own, f"SELECT 1 FROM {{schema}}.{table} LIMIT 1", schema).fetchone() for table in tables
    ):
        raise CollectionError(
            f"shard {shard.number} ({shard.url}) holds a collection {schema.removeprefix('zehn_')} that was made "
            f"there, or by another coordinator; choose another name, or drop the schema {schema} there"
        )
    run(own, "DROP SCHEMA IF EXISTS {schema} CASCADE", schema)
    run(own, "CREATE SCHEMA {schema}", schema)
    run(own, f"COMMENT ON SCHEMA {{schema}} IS '{owner}'", schema)


def _create_on_shard(own: Connection, schema: str, table: str, columns: str, keys: Sequence[str]) -> None:
    run(own, f"CREATE TABLE {{schema}}.{table} ({columns})", schema)
    for statement in keys:
        run(own, statement, schema)


def _create_parts(connection: Connection, schema: str, table: str, columns: str, shards: Sequence[Shard]) -> None:
    run(connection, f"CREATE TABLE {{schema}}.{table} ({columns}) PARTITION BY HASH (id)", schema)
    for place, shard in enumerate(shards):
        connection.execute(
            sql.SQL(
                "CREATE FOREIGN TABLE {0}.{1} PARTITION OF {0}.{2} FOR VALUES WITH (MODULUS {3}, REMAINDER {4}) "
                "SERVER {5} OPTIONS (schema_name {6}, table_name {7})"
            ).format(
                sql.Identifier(schema), sql.Identifier(f"{table}_{place}"), sql.Identifier(table),
                sql.Literal(len(shards)), sql.Literal(place), sql.Identifier(shard.server_name),
                sql.Literal(schema), sql.Literal(table),
            )
        )  # fmt: skip
