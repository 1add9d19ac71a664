"""What is written to and read from a collection's tables in PostgreSQL, within the transaction of whoever calls."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int64
from psycopg import Copy

from zehn.engines import _filter, _given
from zehn.engines._postgres import changes, definitions, shards
from zehn.engines._postgres.shards import Connection
from zehn.engines._postgres.texts import read, read_text, written, written_text
from zehn.engines._protocol import NewRecord, Record, Reencoding
from zehn.errors import CollectionError

RECORD = "i.id, i.path, i.size, i.mtime_ns, i.sha256, i.width, i.height, i.label, i.added"
_LIKE = r"({0} ILIKE replace({1}, '\', '\\'))"
"""SQLite's: no matter whether capitals or not, and no character that takes away the meaning of another."""
_COLUMNS = {name: f"i.{name}" for name in _filter.COLUMNS}
_IMAGE_TYPES = ("int8", "text", "int8", "int8", "text", "bytea", "int8", "int8", "text", "text")
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_COPY_END = struct.pack(">h", -1)
_N_NAMED = 50_000
"""Values that one statement names at most."""
_N_SENT = 50_000
"""Codes that are sent at a time."""
_names = count()


@dataclass(frozen=True)
class State:
    """The one row of the table of that name."""

    version: int
    epoch: int
    last_epoch: int
    n_changes: int
    next_id: int
    n_images: int
    n_components: int
    new_epoch: int | None
    new_fingerprint: str | None
    new_n_components: int | None

    @property
    def codes(self) -> str:
        """The table of the codes that serve."""
        return definitions.codes_name(self.epoch)

    @property
    def new_codes(self) -> str | None:
        """The table of the codes of a change of model."""
        return None if self.new_epoch is None else definitions.codes_name(self.new_epoch)


def state_of(connection: Connection) -> State:
    row = connection.execute(
        "SELECT version, epoch, last_epoch, n_changes, next_id, n_images, n_components, new_epoch, new_fingerprint, "
        "new_n_components FROM state"
    ).fetchone()
    if row is None:
        raise CollectionError("the table state is empty; restore a backup")
    return State(*row)


def condition(where: str | None) -> _filter.Condition:
    """Return a filter as SQL about the images ``i``."""
    if where is None:
        return _filter.Condition("TRUE", [])
    return _filter.read(where, _COLUMNS, {str: "%s::text", int: "%s"}, like=_LIKE)


def bound(condition: _filter.Condition) -> list[Any]:
    return [written_text(value) if isinstance(value, str) else value for value in condition.values]


def facts(connection: Connection) -> dict[str, str]:
    rows = connection.execute("SELECT name, value FROM facts ORDER BY name")
    return {read_text(name): read_text(value) for name, value in rows}


def set_facts(connection: Connection, facts: Mapping[str, str | None]) -> None:
    for name, value in facts.items():
        connection.execute("DELETE FROM facts WHERE name = %s", (written_text(name),))
        if value is not None:
            connection.execute("INSERT INTO facts VALUES (%s, %s)", (written_text(name), written_text(value)))


def check_facts(connection: Connection, expected: Mapping[str, str]) -> None:
    _given.check_facts(facts(connection) if expected else {}, expected)


def attachment(connection: Connection, name: str) -> bytes | None:
    selected = "SELECT data FROM attachments WHERE name = %s"
    row = connection.execute(selected, (written_text(name),), binary=True).fetchone()
    return None if row is None else bytes(row[0])


def attach(connection: Connection, attachments: Mapping[str, bytes | None]) -> None:
    for name, data in attachments.items():
        connection.execute("DELETE FROM attachments WHERE name = %s", (written_text(name),))
        if data is not None:
            connection.execute("INSERT INTO attachments VALUES (%s, %b)", (written_text(name), data))


def rows_of(connection: Connection, selected: str, ids: Sequence[int]) -> dict[int, tuple[Any, ...]]:
    """Return rows by their first column, of a statement that ends in = ANY; no row has an id beyond 64 bits."""
    found: dict[int, tuple[Any, ...]] = {}
    known = [id_ for id_ in ids if -(2**63) <= id_ < 2**63]
    for start in range(0, len(known), _N_NAMED):
        asked = f"{selected} (%s::bigint[])".encode()
        found |= {row[0]: row for row in connection.execute(asked, (known[start : start + _N_NAMED],), binary=True)}
    return found


def records_of(connection: Connection, ids: Sequence[int]) -> list[Record]:
    rows = rows_of(connection, f"SELECT {RECORD} FROM images AS i WHERE i.id = ANY", ids)
    return [record(rows[id_]) for id_ in _given.check_there(ids, rows)]


def found(connection: Connection, paths: Sequence[bytes]) -> dict[bytes, Record]:
    """Return the records of those paths that are there."""
    there: dict[bytes, Record] = {}
    asked = f"SELECT {RECORD} FROM images AS i WHERE i.path = ANY (%s::text[])".encode()
    for start in range(0, len(paths), _N_NAMED):
        named = [written(path) for path in paths[start : start + _N_NAMED]]
        for row in connection.execute(asked, (named,), binary=True):
            one = record(row)
            there[one.path] = one
    return there


def record(row: Sequence[Any]) -> Record:
    id_, path, size, mtime_ns, sha256, width, height, label, added = row
    said = None if label is None else read_text(label)
    return Record(id_, read(path), size, mtime_ns, bytes(sha256), width, height, said, added)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def put_images(
    connection: Connection,
    ids: Sequence[int],
    records: Sequence[NewRecord | Record],
    added: Sequence[str],
    *,
    are_new: bool = False,
) -> None:
    """Store records under ids that are not there, with the times at which they were added."""
    times = _times([of.mtime_ns for of in records])
    for copy, rows in _copied(connection, "images", ids, are_new=are_new):
        copy.set_types(_IMAGE_TYPES)
        for row in rows.tolist():
            of = records[row]
            label = None if of.label is None else written_text(of.label)
            copy.write_row(
                (
                    ids[row], written(of.path), of.size, of.mtime_ns, times[row], of.sha256, of.width,
                    of.height, label, added[row],
                )
            )  # fmt: skip


def put_codes(
    connection: Connection,
    table: str,
    ids: Sequence[int],
    codes: Float[np.ndarray, "n d"],
    *,
    are_new: bool = False,
) -> None:
    """Store codes under ids that are not there."""
    numbers = np.asarray(ids, np.int64)
    for copy, rows in _copied(connection, table, ids, are_new=are_new):
        copy.write(_COPY_HEADER)
        for start in range(0, len(rows), _N_SENT):
            part = rows[start : start + _N_SENT]
            copy.write(_packed(numbers[part], codes[part]))
        copy.write(_COPY_END)


def put_thumbnails(
    connection: Connection, ids: Sequence[int], thumbnails: Sequence[bytes | None], *, are_new: bool = False
) -> None:
    """Store thumbnails under ids that have none."""
    for copy, rows in _copied(connection, "thumbnails", ids, are_new=are_new):
        copy.set_types(("int8", "bytea"))
        for row in rows.tolist():
            data = thumbnails[row]
            if data is not None:
                copy.write_row((ids[row], data))


def _copied(
    connection: Connection, table: str, ids: Sequence[int], *, are_new: bool
) -> Iterator[tuple[Copy, Int64[np.ndarray, " n"]]]:
    """Yield what writes rows into a table, and which rows; into each shard's own where no row had these ids before."""
    whole = [changes.Destination(connection, table, np.arange(len(ids)))]
    for to in changes.destinations(connection, table, ids) if are_new else whole:
        asked = f"COPY {to.table} FROM STDIN (FORMAT BINARY)".encode()
        with to.connection.cursor() as cursor, cursor.copy(asked) as copy:
            yield copy, to.rows


def forget(connection: Connection, tables: Iterable[str | None], ids: Sequence[int]) -> None:
    """Delete the rows of ids."""
    for table in tables:
        for start in range(0, len(ids) if table else 0, _N_NAMED):
            gone = f"DELETE FROM {table} WHERE id = ANY (%s::bigint[])".encode()
            connection.execute(gone, (list(ids[start : start + _N_NAMED]),))


def walk(connection: Connection, selected: str, values: Sequence[Any], n_batch: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a statement a few at a time, while other statements come between."""
    with closing(connection.cursor(name=f"walk_{next(_names)}")) as cursor:
        cursor.execute(selected.encode(), values, binary=True)
        while rows := cursor.fetchmany(n_batch):
            yield rows


def stream(
    connection: Connection, selected: str, values: Sequence[Any], n_components: int, n_batch: int
) -> Iterator[tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]]]:
    """Yield ids and codes of a statement that selects these; nothing may come between."""
    row = _row(n_components)
    with connection.cursor() as cursor:
        asked = f"COPY ({selected}) TO STDOUT (FORMAT BINARY)".encode()
        with cursor.copy(asked, values) as copy:
            waiting, is_first = bytearray(), True
            for data in copy:
                waiting += data
                if is_first:
                    del waiting[: len(_COPY_HEADER)]
                    is_first = False
                if len(waiting) >= n_batch * row.itemsize:
                    yield _unpacked(bytes(waiting), row)
                    waiting.clear()
    if len(waiting) > len(_COPY_END):
        yield _unpacked(bytes(waiting[: -len(_COPY_END)]), row)


def parts_of(connection: Connection, schema: str, tables: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the parts of tables, quoted: one tuple a shard, or a single one."""
    return list(zip(*(shards.parts_of(connection, schema, table) for table in tables), strict=True))


def reencoding(connection: Connection, schema: str) -> Reencoding | None:
    state = state_of(connection)
    if state.new_codes is None or state.new_fingerprint is None or state.new_n_components is None:
        return None
    n_done = sum(shards.count_rows(connection, schema, state.new_codes))
    fingerprint = read_text(state.new_fingerprint)
    return Reencoding(fingerprint, state.new_n_components, n_done, state.n_images - n_done)


def begun(state: State, fingerprint: str | None = None) -> str:
    """Return the table of the new codes."""
    found = None if state.new_codes is None else state.new_fingerprint
    _given.check_under_way(found, None if fingerprint is None else written_text(fingerprint))
    if state.new_codes is None:
        raise CollectionError("no change of model was begun; begin one first")
    return state.new_codes


def joined(blobs: Sequence[bytes], n_components: int) -> Float32[np.ndarray, "n d"]:
    """Return codes as the server sends them, as an array (n, d)."""
    kind = np.dtype([("head", ">i4"), ("code", ">f4", (n_components,))])
    whole = b"".join(blobs)
    if len(whole) != len(blobs) * kind.itemsize:
        raise CollectionError("codes are not as long as they should be; run zehn index verify, restore a backup")
    return np.frombuffer(whole, kind)["code"].astype(np.float32)


def _row(n_components: int) -> np.dtype[Any]:
    """Return how COPY lays out an id and a code: each field after its length, a vector after its dimensions."""
    return np.dtype(
        [
            ("n_fields", ">i2"), ("id_bytes", ">i4"), ("id", ">i8"), ("code_bytes", ">i4"), ("dimensions", ">i2"),
            ("unused", ">i2"), ("code", ">f4", (n_components,)),
        ]
    )  # fmt: skip


def _packed(ids: Int64[np.ndarray, " n"], codes: Float[np.ndarray, "n d"]) -> bytes:
    rows = np.zeros(len(ids), _row(codes.shape[1]))
    rows["n_fields"], rows["id_bytes"], rows["code_bytes"] = 2, 8, 4 + 4 * codes.shape[1]
    rows["id"], rows["dimensions"], rows["code"] = ids, codes.shape[1], codes
    return rows.tobytes()


def _unpacked(data: bytes, row: np.dtype[Any]) -> tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]]:
    if len(data) % row.itemsize:
        raise CollectionError("codes are not as long as they should be; run zehn index verify, restore a backup")
    rows = np.frombuffer(data, row)
    return rows["id"].astype(np.int64), rows["code"].astype(np.float32)


def _times(nanoseconds: Sequence[int]) -> list[str]:
    """Return times for filters, as SQLite writes them: whole seconds, rounded towards 1970."""
    seconds = [abs(one) // 10**9 * (1 if one >= 0 else -1) for one in nanoseconds]
    written = np.datetime_as_string(np.array(seconds, "datetime64[s]"), unit="s")
    return [f"{one}Z" for one in written.tolist()]
