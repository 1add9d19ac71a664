"""What may be wrong with a collection's file, looked for."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from sqlite3 import Connection

from zehn.engines import _tables
from zehn.errors import CollectionError

_MAX_SAID = 100
"""Problems of one kind that SQLite is asked to name."""


def problems(connection: Connection) -> list[str]:
    """Return what is wrong, one sentence each; nothing where all is well."""
    found: list[str] = []
    try:
        for check in (_structure, _references, _counts, _codes):
            found.extend(check(connection))
    except CollectionError as error:
        found.append(str(error))
    except sqlite3.DatabaseError as error:
        found.append(f"the file cannot be read to its end: {error}")
    return found


def _structure(connection: Connection) -> Iterator[str]:
    for (said,) in connection.execute(f"PRAGMA integrity_check({_MAX_SAID})"):
        if said != "ok":
            yield f"the database is damaged: {said}"


def _references(connection: Connection) -> Iterator[str]:
    for table, row, *_ in connection.execute("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} belongs to no image"
    for (id_,) in connection.execute(
        "SELECT id FROM images WHERE NOT EXISTS (SELECT 1 FROM codes WHERE id = images.id)"
    ):
        yield f"image {id_} has no code"


def _counts(connection: Connection) -> Iterator[str]:
    state = _tables.state_of(connection)
    n_images, largest = connection.execute("SELECT count(*), ifnull(max(id), -1) FROM images").fetchone()
    if n_images != state.n_images:
        yield f"there are {n_images:,} images but {state.n_images:,} were counted"
    if not isinstance(largest, int):
        yield f"image {largest} has an id that is no number"
    elif largest >= state.next_id:
        yield f"image {largest} has an id that would be given again"
    noted = connection.execute("SELECT ifnull(max(number), 0) FROM changes").fetchone()[0]
    if noted not in (0, state.last_change):
        yield f"change {noted} is the last one noted but {state.last_change} were counted"


def _codes(connection: Connection) -> Iterator[str]:
    state = _tables.state_of(connection)
    for table, n_components in (("codes", state.n_components), ("new_codes", state.new_n_components or 0)):
        for id_, code, checksum in connection.execute(f"SELECT id, code, checksum FROM {table} ORDER BY id"):
            if not _tables.are_sound(code, n_components, checksum):
                yield f"the code of image {id_} in {table} is not what was stored"
