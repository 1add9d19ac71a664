"""The tables of a collection's file, and how a file of an older Zehn becomes one of today."""

from __future__ import annotations

import sqlite3

from zehn.errors import CollectionError

APPLICATION_ID = 0x5A65686E
"""What the file's header says it is: "Zehn"."""

CODES = """
CREATE TABLE {name} (
    id INTEGER PRIMARY KEY REFERENCES images ON DELETE CASCADE,
    code BLOB NOT NULL,
    checksum INTEGER NOT NULL
)
"""
"""A table of codes: little-endian float32, and their CRC-32."""

_FIRST = (
    """
    CREATE TABLE state (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        last_change INTEGER NOT NULL,
        next_id INTEGER NOT NULL,
        n_images INTEGER NOT NULL,
        n_components INTEGER NOT NULL,
        new_fingerprint TEXT,
        new_n_components INTEGER
    )
    """,
    "INSERT INTO state VALUES (1, 0, 0, 0, 0, 0, 1, NULL, NULL)",
    """
    CREATE TABLE images (
        id INTEGER PRIMARY KEY,
        path BLOB NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        label TEXT,
        added TEXT NOT NULL
    )
    """,
    "CREATE INDEX images_by_label ON images (label)",
    CODES.format(name="codes"),
    CODES.format(name="new_codes"),
    "CREATE TABLE thumbnails (id INTEGER PRIMARY KEY REFERENCES images ON DELETE CASCADE, data BLOB NOT NULL)",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE attachments (name TEXT PRIMARY KEY, data BLOB NOT NULL)",
    "CREATE TABLE changes (number INTEGER PRIMARY KEY, id INTEGER NOT NULL)",
    f"PRAGMA application_id = {APPLICATION_ID}",
)
MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)
"""The statements that lead from each version of the schema to the next, from an empty file on; never change one that
was released, add another. What the tables mean:

``state`` is one row. Every transaction that writes adds 1 to ``version``; ``epoch`` grows when all codes are others;
``changes`` names the images whose codes changed, in order, up to ``last_change``, so that another process can follow
without reading everything; its older part is forgotten. ``next_id`` only grows, so that no id is given twice.
``new_codes`` are those of a change of model under way.
"""


def migrate(connection: sqlite3.Connection, name: str, *, read_only: bool) -> None:
    """Bring an open file's schema up to date, in one transaction.

    Raises:
        CollectionError: a file of a newer Zehn, or an older one that may not be written to.

    """
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise CollectionError(
            f"{name} has schema version {version} but this Zehn knows {len(MIGRATIONS)} at most; it was written by a "
            "newer one: update Zehn"
        )
    if version == len(MIGRATIONS):
        return
    if read_only:
        raise CollectionError(
            f"{name} has schema version {version}, this Zehn wants {len(MIGRATIONS)} and may not write to it; open it "
            "once for writing, then it is brought up to date"
        )
    connection.execute("BEGIN IMMEDIATE")
    # another process may have been quicker
    for statements in MIGRATIONS[_version(connection) :]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
