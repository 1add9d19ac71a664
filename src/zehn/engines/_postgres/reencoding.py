"""A change of model in PostgreSQL: new codes grow in a table of their own, which takes over by its number alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from zehn.engines import _given
from zehn.engines._postgres import creation, definitions, shards, tables, texts
from zehn.engines._postgres.shards import Connection
from zehn.engines._protocol import N_BATCH, Record
from zehn.errors import InputError


def check_dimensions(n_components: int) -> None:
    """Refuse codes that pgvector cannot hold.

    Raises:
        InputError: less than one dimension, or too many.

    """
    _given.check_dimensions(n_components)
    if n_components > definitions.MOST_DIMENSIONS:
        raise InputError(
            f"expected codes of at most {definitions.MOST_DIMENSIONS:,} dimensions, which is all that pgvector "
            f"holds, came {n_components:,}; use a model with fewer, or an embedded collection"
        )


def begin(connection: Connection, schema: str, fingerprint: str, n_components: int, *, is_sharded: bool) -> None:
    """Make the table of the new codes, unless the same change was begun before."""
    state, named = tables.state_of(connection), texts.written_text(fingerprint)
    if state.new_epoch is not None and (state.new_fingerprint, state.new_n_components) == (named, n_components):
        return
    table = definitions.codes(state.last_epoch + 1, n_components)
    if is_sharded:
        shards.add_table(connection, schema, table.name, table.columns, table.keys)
    else:
        creation.make_table(connection, schema, table)
    connection.execute(
        "UPDATE state SET last_epoch = last_epoch + 1, new_epoch = last_epoch + 1, new_fingerprint = %s, "
        "new_n_components = %s",
        (named, n_components),
    )


def unencoded(connection: Connection, after_id: int, n_batch: int, fingerprint: str | None) -> list[Record]:
    """Return the next records that have no new code, in the order of their ids."""
    table = tables.begun(tables.state_of(connection), fingerprint)
    found: list[Record] = []
    last, n_asked = after_id, max(n_batch, N_BATCH)
    asked = f"SELECT {tables.RECORD} FROM images AS i WHERE i.id > %s ORDER BY i.id LIMIT %s"
    # not by a join: shards would send all of both tables
    while len(found) < n_batch:
        rows = connection.execute(asked.encode(), (last, n_asked), binary=True).fetchall()
        ids = [row[0] for row in rows]
        done = tables.rows_of(connection, f"SELECT id FROM {table} WHERE id = ANY", ids)
        found += [tables.record(row) for row in rows if row[0] not in done]
        if len(rows) < n_asked:
            break
        last = ids[-1]
    return found[:n_batch]


def put(
    connection: Connection, ids: Int[np.ndarray, " _"], codes: Float[np.ndarray, "n d"], fingerprint: str | None
) -> None:
    """Keep new codes; those of ids that are gone meanwhile are dropped.

    Raises:
        InputError: another number of codes or dimensions, or codes that are no numbers.
        CollectionError: no re-encoding was begun, or another one.

    """
    state = tables.state_of(connection)
    table = tables.begun(state, fingerprint)
    _given.check_codes(codes, "codes", state.new_n_components or 0)
    _given.check_pairs(ids, codes)
    # of an id that is given twice the last code counts
    place_of = {int(id_): place for place, id_ in enumerate(ids)}
    kept = sorted(tables.rows_of(connection, "SELECT id FROM images WHERE id = ANY", list(place_of)))
    tables.forget(connection, (table,), kept)
    tables.put_codes(connection, table, kept, codes[[place_of[id_] for id_ in kept]])


def finish(
    connection: Connection,
    schema: str,
    facts: Mapping[str, str | None],
    attachments: Mapping[str, bytes | None],
    fingerprint: str | None,
) -> None:
    """Let the new codes serve, and facts and attachments with them; the old ones stay until compacting takes them.

    Raises:
        CollectionError: images without a new code are left, or nothing was begun.

    """
    tables.begun(tables.state_of(connection), fingerprint)
    begun = tables.reencoding(connection, schema)
    if begun is not None:
        _given.check_encoded(begun)
    connection.execute("UPDATE state SET epoch = new_epoch, n_components = new_n_components")
    drop(connection)
    tables.set_facts(connection, facts)
    tables.attach(connection, attachments)


def drop(connection: Connection) -> None:
    """Forget the change of model."""
    connection.execute("UPDATE state SET new_epoch = NULL, new_fingerprint = NULL, new_n_components = NULL")


def stale_tables(connection: Connection, schema: str, kept: Sequence[str | None]) -> list[str]:
    """Return the tables of codes that neither serve nor grow."""
    rows = connection.execute(
        "SELECT relname FROM pg_class JOIN pg_namespace AS place ON place.oid = relnamespace "
        "WHERE nspname = %s AND relkind IN ('r', 'p') AND relname ~ '^codes_[0-9]+$'",
        (schema,),
    )
    return [name for (name,) in rows if name not in kept]
