"""Filters of a search, translated for SQLite and run there."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from functools import cache

from zehn.engines import _filter, _tables
from zehn.errors import ConfigError

TOKENS = (
    b"label", b"width", b"height", b"id", b"path", b"mtime", b" = ", b" and ", b" or ", b"not ", b" in (", b" like ",
    b" between ", b" is null", b"'cat'", b"(", b")", b"--", b"/*", b"*/", b";", b"select ", b" union ", b"case when ",
    b"cast(", b"::", b"\"", b"`", b"[", b"]", b"{{", b"}}", b"?", b":x", b"$1", b"@x", b"x'00'", b"e'\\n'", b"1e999",
    b"9" * 30, b"-", b"~", b"escape", b" collate ", b"interval ", b"date ", b"exists", b"any(", b"similar to",
    b" ilike ", b" glob ", b" rlike ", b"0x1f", b"1_000",
)  # fmt: skip


def seeds() -> Mapping[str, bytes]:
    """Return filters of every kind of condition."""
    return {
        "and": b"label = 'cat' and width >= 640",
        "or": b"(id < 5 or id > 100) and not path like '%.png'",
        "in": b"label in ('cat', 'dog') or height not in (1, 2, 3)",
        "between": b"mtime between '2024-01-01' and '2025-01-01' and size not between 1 and -2",
        "null": b"label is not null or added <> 'x'",
        "quoted": b"label = 'it''s' and \"width\" = 1.5e3",
    }


def check(data: bytes) -> None:
    """Translate a filter, and run what came."""
    try:
        condition = _tables.condition(data.decode("utf-8", "surrogateescape"))
    except ConfigError:
        return
    if condition.sql.count("?") != len(condition.values):
        raise AssertionError(f"expected a placeholder for each value, came {condition}")
    count = f"SELECT count(*) FROM images WHERE {condition.sql}"
    _database().execute(count, _tables.bound(condition)).fetchone()


@cache
def _database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA query_only = ON")
    columns = ", ".join(name if name != "mtime" else "mtime_ns" for name in _filter.COLUMNS)
    connection.execute("PRAGMA query_only = OFF")
    connection.execute(f"CREATE TABLE images ({columns})")
    connection.execute("INSERT INTO images DEFAULT VALUES")
    connection.execute("PRAGMA query_only = ON")
    return connection
