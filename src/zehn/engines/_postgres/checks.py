"""What may be wrong with a collection in PostgreSQL, looked for."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from zehn.engines._postgres import changes, shards, tables
from zehn.engines._postgres.connections import value
from zehn.engines._postgres.shards import Connection
from zehn.engines._postgres.texts import read

_MAX_SAID = 100
"""Problems of one kind that are named."""


def problems(connection: Connection, schema: str) -> list[str]:
    """Return what is wrong, one sentence each; nothing where all is well."""
    found: list[str] = []
    try:
        # a part of the transaction: where it fails, that goes on
        with connection.transaction():
            for check in (_changes, _counts, _paths, _codes, _thumbnails):
                found.extend(check(connection, schema))
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        found.append(f"the collection cannot be read to its end: {said}")
    return found


def _changes(connection: Connection, schema: str) -> Iterator[str]:
    is_sharded = bool(shards.shards_in_use(connection, schema))
    if is_sharded and changes.is_unfinished(connection, schema):
        yield "a change was cut off between shards, or is being made; the next one that writes mends it"


def _counts(connection: Connection, schema: str) -> Iterator[str]:
    state = tables.state_of(connection)
    n_images = sum(shards.count_rows(connection, schema))
    if n_images != state.n_images:
        yield f"there are {n_images:,} images but {state.n_images:,} were counted"
    largest = value(connection, "SELECT coalesce(max(id), -1) FROM images")
    if largest >= state.next_id:
        yield f"image {largest} has an id that would be given again"


def _paths(connection: Connection, schema: str) -> Iterator[str]:
    del schema
    rows = connection.execute(
        "SELECT path, array_agg(id ORDER BY id) FROM images GROUP BY path HAVING count(*) > 1 ORDER BY path LIMIT %s",
        (_MAX_SAID,),
    )
    for path, ids in rows:
        yield f"images {', '.join(map(str, ids))} have one path, {read(path)!r}"


def _codes(connection: Connection, schema: str) -> Iterator[str]:
    state = tables.state_of(connection)
    # pgvector itself keeps nothing but finite numbers, as many of them as the table says
    for codes, images in tables.parts_of(connection, schema, [state.codes, "images"]):
        for id_ in _without(connection, images, codes):
            yield f"image {id_} has no code"
    for table in filter(None, (state.codes, state.new_codes)):
        yield from _strays(connection, schema, table)


def _thumbnails(connection: Connection, schema: str) -> Iterator[str]:
    yield from _strays(connection, schema, "thumbnails")


def _strays(connection: Connection, schema: str, table: str) -> Iterator[str]:
    for part, images in tables.parts_of(connection, schema, [table, "images"]):
        for id_ in _without(connection, part, images):
            yield f"row {id_} of {table} belongs to no image"


def _without(connection: Connection, table: str, other: str) -> list[int]:
    """Return ids of a table that another one lacks."""
    rows = connection.execute(
        f"SELECT own.id FROM {table} AS own LEFT JOIN {other} AS other ON other.id = own.id WHERE other.id IS NULL "
        "ORDER BY own.id LIMIT %s".encode(),
        (_MAX_SAID,),
    )
    return [id_ for (id_,) in rows]
