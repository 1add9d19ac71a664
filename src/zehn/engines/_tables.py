"""What is written to and read from a collection's tables, within the transaction of whoever calls."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int64

from zehn.engines import _filter, _given
from zehn.engines._given import LARGEST
from zehn.engines._protocol import NewRecord, Record, Reencoding
from zehn.errors import CollectionError

TEXT = "CAST(? AS TEXT)"
_COLUMNS = {
    **{name: name for name in _filter.COLUMNS},
    "path": "CAST(path AS TEXT)",
    "mtime": "strftime('%Y-%m-%dT%H:%M:%SZ', mtime_ns / 1000000000, 'unixepoch')",
}
RECORD = "images.id, path, size, mtime_ns, sha256, width, height, label, added"
_RECORD_TYPES = {(int, bytes, int, int, bytes, int, int, kind, str) for kind in (str, type(None))}
"""Of a record's columns, in their order."""
_CODE_TYPE = np.dtype("<f4")
_N_NAMED = 900
"""Values that one statement names at most; SQLite itself allows no more in its older versions."""
_N_CHANGES = 200_000
"""Changes that are remembered; who is further behind reads all codes again."""


@dataclass(frozen=True)
class State:
    """The one row of the table of that name."""

    version: int
    epoch: int
    last_change: int
    next_id: int
    n_images: int
    n_components: int
    new_fingerprint: str | None
    new_n_components: int | None


def state_of(connection: Connection) -> State:
    row = connection.execute(
        "SELECT version, epoch, last_change, next_id, n_images, n_components, new_fingerprint, new_n_components "
        "FROM state"
    ).fetchone()
    # a damaged file may hold anything, whatever its tables say
    are_counts = row is not None and all(isinstance(number, int) and number >= 0 for number in (*row[:6], row[7] or 0))
    if not are_counts or not isinstance(row[6], str | None):
        raise CollectionError("the counts of the collection are damaged; restore a backup")
    return State(*row)


def facts_of(connection: Connection) -> dict[str, str]:
    facts = dict(connection.execute("SELECT name, value FROM facts ORDER BY name"))
    if not all(isinstance(name, str) and isinstance(value, str) for name, value in facts.items()):
        raise CollectionError("what the collection says of itself is damaged; restore a backup")
    return facts


def count_labels(connection: Connection) -> dict[str | None, int]:
    counts = dict(connection.execute("SELECT label, count(*) FROM images GROUP BY label ORDER BY label"))
    if not all(isinstance(label, str | None) for label in counts):
        raise CollectionError("labels in the collection are damaged; restore a backup")
    return counts


def ids_in(rows: Iterable[tuple[Any, ...]]) -> Int64[np.ndarray, " n"]:
    """Return the ids in the first column of rows."""
    given = [row[0] for row in rows]
    if not {*map(type, given)} <= {int}:  # what an index gives that is damaged, or a table that says nothing of its ids
        raise CollectionError("ids of the collection are damaged; restore a backup")
    return np.array(given, np.int64)


def record(row: Sequence[Any]) -> Record:
    if tuple(map(type, row)) not in _RECORD_TYPES:
        raise CollectionError(f"what is known of image {row[0]} is damaged; restore a backup")
    return Record(*row)


def blob(data: Any) -> bytes:
    if not isinstance(data, bytes):
        raise CollectionError("a thumbnail, or a file that is kept, is damaged; restore a backup")
    return data


def condition(where: str | None) -> _filter.Condition:
    if where is None:
        return _filter.Condition("TRUE", [])
    return _filter.read(where, _COLUMNS, {str: TEXT, int: "?"})


def bound(condition: _filter.Condition) -> list[Any]:
    return [as_text(value) if isinstance(value, str) else value for value in condition.values]


def as_text(text: str | None) -> bytes | None:
    """Return text as SQLite is to take it with CAST: a path or a label may hold bytes that are no UTF-8."""
    return None if text is None else text.encode("utf-8", "surrogateescape")


def named(connection: Connection, selected: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a statement that ends in IN, for any number of values."""
    for start in range(0, len(values), _N_NAMED):
        part = values[start : start + _N_NAMED]
        yield from connection.execute(f"{selected} ({', '.join('?' * len(part))})", part)


def rows_of(connection: Connection, selected: str, ids: Sequence[int]) -> dict[int, tuple[Any, ...]]:
    """Return rows by their first column; an id that SQLite cannot hold is none of theirs."""
    return {row[0]: row for row in named(connection, selected, [id_ for id_ in ids if -(2**63) <= id_ < 2**63])}


def ids_of(connection: Connection, paths: Sequence[bytes]) -> dict[bytes, int]:
    return dict(named(connection, "SELECT path, id FROM images WHERE path IN", paths))


def put_images(connection: Connection, ids: Iterable[int], records: Sequence[NewRecord | Record]) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    connection.executemany(
        f"INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, {TEXT}, ?) ON CONFLICT (id) DO UPDATE SET "
        "(path, size, mtime_ns, sha256, width, height, label) = (excluded.path, excluded.size, excluded.mtime_ns, "
        "excluded.sha256, excluded.width, excluded.height, excluded.label)",
        (
            (id_, of.path, of.size, of.mtime_ns, of.sha256, of.width, of.height, as_text(of.label), now)
            for id_, of in zip(ids, records, strict=True)
        ),
    )


def put_codes(connection: Connection, table: str, ids: Iterable[int], codes: Float[np.ndarray, "n d"]) -> None:
    blobs = (row.tobytes() for row in np.ascontiguousarray(codes, _CODE_TYPE))
    connection.executemany(
        f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)",
        ((id_, blob, zlib.crc32(blob)) for id_, blob in zip(ids, blobs, strict=True)),
    )


def put_thumbnails(connection: Connection, ids: Sequence[int], thumbnails: Sequence[bytes | None]) -> None:
    connection.executemany("DELETE FROM thumbnails WHERE id = ?", ((id_,) for id_ in ids))
    there = ((id_, data) for id_, data in zip(ids, thumbnails, strict=True) if data is not None)
    connection.executemany("INSERT INTO thumbnails VALUES (?, ?)", there)


def note_changes(connection: Connection, state: State, ids: Sequence[int]) -> None:
    """Let other processes know whose codes are others now, and forget what was noted long ago."""
    last = state.last_change + len(ids)
    connection.executemany("INSERT INTO changes VALUES (?, ?)", enumerate(ids, start=state.last_change + 1))
    connection.execute("DELETE FROM changes WHERE number <= ?", (last - _N_CHANGES,))
    connection.execute("UPDATE state SET last_change = ?", (last,))


def set_facts(connection: Connection, facts: Mapping[str, str | None]) -> None:
    gone = ((as_text(name),) for name, value in facts.items() if value is None)
    connection.executemany(f"DELETE FROM facts WHERE name = {TEXT}", gone)
    there = ((as_text(name), as_text(value)) for name, value in facts.items() if value is not None)
    connection.executemany(f"INSERT OR REPLACE INTO facts VALUES ({TEXT}, {TEXT})", there)


def check_facts(connection: Connection, expected: Mapping[str, str]) -> None:
    _given.check_facts(facts_of(connection) if expected else {}, expected)


def attach(connection: Connection, attachments: Mapping[str, bytes | None]) -> None:
    for name, data in attachments.items():
        connection.execute(f"DELETE FROM attachments WHERE name = {TEXT}", (as_text(name),))
        if data is not None:
            connection.execute(f"INSERT INTO attachments VALUES ({TEXT}, ?)", (as_text(name), data))


def reencoding(connection: Connection) -> Reencoding | None:
    state = state_of(connection)
    if state.new_fingerprint is None or state.new_n_components is None:
        return None
    n_done = int(connection.execute("SELECT count(*) FROM new_codes").fetchone()[0])
    return Reencoding(state.new_fingerprint, state.new_n_components, n_done, state.n_images - n_done)


def begun(connection: Connection, fingerprint: str | None = None) -> Reencoding:
    begun = reencoding(connection)
    _given.check_under_way(None if begun is None else begun.fingerprint, fingerprint)
    if begun is None:
        raise CollectionError("no change of model was begun; begin one first")
    return begun


def forget_reencoding(connection: Connection) -> None:
    connection.execute("UPDATE state SET new_fingerprint = NULL, new_n_components = NULL")


def joined(blobs: Sequence[Any], n_components: int | None = None) -> Float32[np.ndarray, "n d"]:
    """Return blobs as codes (n, d), of as many dimensions as the first where none are given."""
    refusal = CollectionError("codes are not as long as they should be; run zehn index verify, restore a backup")
    try:
        whole = b"".join(blobs)
    except TypeError as error:  # a damaged file may hold text
        raise refusal from error
    n_columns = len(blobs[0]) // _CODE_TYPE.itemsize if n_components is None else n_components
    if len(whole) != len(blobs) * n_columns * _CODE_TYPE.itemsize:
        raise refusal
    return np.frombuffer(whole, _CODE_TYPE).reshape(len(blobs), n_columns).astype(np.float32, copy=False)


def are_sound(blob: Any, n_components: int, checksum: Any) -> bool:
    """Return whether a stored code is what was stored."""
    if not isinstance(blob, bytes) or len(blob) != n_components * _CODE_TYPE.itemsize or zlib.crc32(blob) != checksum:
        return False
    return bool((np.abs(np.frombuffer(blob, _CODE_TYPE)) <= LARGEST).all())
