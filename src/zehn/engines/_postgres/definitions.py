"""The tables of a collection in PostgreSQL, and how those of an older Zehn become those of today.

A collection is a schema. One row of ``state`` says what the rest means:

- ``version`` grows by 1 with every transaction that writes, ``n_changes`` by as many codes as it changed.
- ``epoch`` names the table of the codes that serve, ``codes_1`` at first; ``new_epoch`` that of a change of model under
  way, or null; ``last_epoch`` the largest number ever given, so that no table has a name that another one had. When a
  change of model ends, ``epoch`` becomes ``new_epoch``: whoever reads an older state reads the older table on.
- ``next_id`` only grows, so that no id is given twice.

``prepared`` names the indexes for approximate search, by epoch and by what a distance makes of codes; ``recalls`` says
what share of the k nearest they found, and how many changes there had been when that was measured.

Three kinds of table grow with the images and may lie on shards: :func:`images`, :func:`codes`, :func:`thumbnails`. Each
has the column ``id`` first and refers to no other table. On shards, the columns stand in the parent, in each foreign
table and in each shard's own table; the keys are the shards' own alone. Rows are inserted by COPY, deleted by id and
read, but never updated, as postgres_fdw would do that row by row, and never put in with ON CONFLICT, which it cannot.

Text is as :mod:`zehn.engines._postgres.texts` writes it, ordered by its bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

LEAST_SERVER = 14
"""The oldest PostgreSQL."""
LEAST_VECTOR = (0, 7)
"""The oldest pgvector."""
MOST_DIMENSIONS = 16_000
"""A vector of pgvector can have no more."""
PREFIX = "zehn_"
"""Of the schema of each collection."""


@dataclass(frozen=True)
class Table:
    """A table that grows with the images, apart from where it lies."""

    name: str
    columns: str
    """What stands between the parentheses of CREATE TABLE, without keys."""
    keys: tuple[str, ...]
    """Statements that make keys and the like where the rows are; ``{schema}`` stands for the schema."""


def numbers_of(version: str) -> tuple[int, ...]:
    """Return what counts of a version of pgvector, such as (0, 7)."""
    return tuple(int(part) for part in version.split(".")[:2])


def images() -> Table:
    """Return the table of what is known of each image; ``mtime`` is ``mtime_ns`` as text, for filters."""
    return Table(
        "images",
        'id bigint NOT NULL, path text COLLATE "C" NOT NULL, size bigint NOT NULL, mtime_ns bigint NOT NULL, '
        'mtime text COLLATE "C" NOT NULL, sha256 bytea NOT NULL, width bigint NOT NULL, height bigint NOT NULL, '
        'label text COLLATE "C", added text COLLATE "C" NOT NULL',
        (
            "ALTER TABLE {schema}.images ADD PRIMARY KEY (id)",
            # a path may be longer than a B-tree takes; where rows lie on several shards, each sees to its own
            "ALTER TABLE {schema}.images ADD EXCLUDE USING hash (path WITH =)",
        ),
    )


def codes(epoch: int, n_components: int) -> Table:
    """Return the table of the code of each image."""
    name = codes_name(epoch)
    return Table(
        name,
        f"id bigint NOT NULL, code vector({n_components}) NOT NULL",
        (f"ALTER TABLE {{schema}}.{name} ADD PRIMARY KEY (id)",),
    )


def codes_name(epoch: int) -> str:
    """Return what the table of an epoch's codes is called."""
    return f"codes_{epoch}"


def thumbnails() -> Table:
    """Return the table of the thumbnails of those images that have one."""
    return Table(
        "thumbnails",
        "id bigint NOT NULL, data bytea NOT NULL",
        (
            "ALTER TABLE {schema}.thumbnails ADD PRIMARY KEY (id)",
            # pictures do not get smaller
            "ALTER TABLE {schema}.thumbnails ALTER COLUMN data SET STORAGE EXTERNAL",
        ),
    )


BOOK = "CREATE TABLE migrations (number integer PRIMARY KEY, made timestamptz NOT NULL DEFAULT now())"
"""The table that says which of :data:`MIGRATIONS` were made."""

_FIRST = (
    """
    CREATE TABLE state (
        one integer PRIMARY KEY CHECK (one = 1),
        version bigint NOT NULL,
        epoch bigint NOT NULL,
        last_epoch bigint NOT NULL,
        n_changes bigint NOT NULL,
        next_id bigint NOT NULL,
        n_images bigint NOT NULL,
        n_components integer NOT NULL,
        new_epoch bigint,
        new_fingerprint text,
        new_n_components integer
    )
    """,
    "INSERT INTO state VALUES (1, 0, 1, 1, 0, 0, 0, 1, NULL, NULL, NULL)",
    'CREATE TABLE facts (name text COLLATE "C" PRIMARY KEY, value text NOT NULL)',
    'CREATE TABLE attachments (name text COLLATE "C" PRIMARY KEY, data bytea NOT NULL)',
    "CREATE TABLE prepared (epoch bigint, key text, distance text NOT NULL, PRIMARY KEY (epoch, key))",
    """
    CREATE TABLE recalls (
        epoch bigint,
        key text,
        k integer,
        recall double precision NOT NULL,
        n_changes bigint NOT NULL,
        PRIMARY KEY (epoch, key, k)
    )
    """,
)
MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)
"""The statements that lead from each version of the small tables to the next, from an empty schema on; never change one
that was released, add another. The version is the largest ``number`` in the table ``migrations``."""
