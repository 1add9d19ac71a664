"""A collection in PostgreSQL copied into a file: the same ids, records, codes and thumbnails, of one state."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from zehn.engines import _database, _tables, embedded
from zehn.engines._postgres import tables, texts
from zehn.engines._postgres.shards import Connection
from zehn.engines._postgres.tables import State
from zehn.engines._protocol import N_BATCH, Record
from zehn.errors import CollectionError

_N_THUMBNAILS = 1_000


def write(connection: Connection, path: str) -> None:
    """Write a copy of the state that a connection reads to a new file, which appears when it is whole.

    Raises:
        CollectionError: a file is there, or cannot be written.

    """
    target = Path(path)
    if os.path.lexists(target):
        raise CollectionError(f"something is at {target} already; name another place, or delete it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            beside = Path(folder) / "copy.zehn"
            _fill(connection, beside)
            with embedded.Engine(str(beside), read_only=True) as copy:
                copy.backup(path)
    except OSError as error:
        raise CollectionError(f"cannot write {target}: {error.strerror or error}; name another place") from error


def _fill(connection: Connection, path: Path) -> None:
    state, facts = tables.state_of(connection), tables.facts(connection)
    names = [texts.read_text(name) for (name,) in connection.execute("SELECT name FROM attachments")]
    attachments = {name: tables.attachment(connection, name) or b"" for name in names}
    _database.create(path, n_components=state.n_components, facts=facts, attachments=attachments)
    database = _database.Database(path, read_only=False, seconds_to_wait=1.0)
    try:
        selected = (
            f"SELECT {tables.RECORD}, c.code FROM images AS i JOIN {state.codes} AS c ON c.id = i.id ORDER BY i.id"
        )
        for rows in tables.walk(connection, selected, (), N_BATCH):
            records = [tables.record(row[:-1]) for row in rows]
            codes = tables.joined([row[-1] for row in rows], state.n_components)
            with database.writing() as own:
                _put(own, records, codes)
        for rows in tables.walk(connection, "SELECT id, data FROM thumbnails", (), _N_THUMBNAILS):
            with database.writing() as own:
                own.executemany("INSERT INTO thumbnails VALUES (?, ?)", ((id_, bytes(data)) for id_, data in rows))
        _end(connection, database, state)
    finally:
        database.close()


def _put(own: Any, records: Sequence[Record], codes: Float32[np.ndarray, "n d"]) -> None:
    ids = [record.id for record in records]
    _tables.put_images(own, ids, records)
    own.executemany("UPDATE images SET added = ? WHERE id = ?", ((record.added, record.id) for record in records))
    _tables.put_codes(own, "codes", ids, codes)


def _end(connection: Connection, database: _database.Database, state: State) -> None:
    """Put down the counts, and the change of model that is under way."""
    with database.writing() as own:
        own.execute("UPDATE state SET next_id = ?, n_images = ?", (state.next_id, state.n_images))
        if state.new_codes is not None and state.new_n_components is not None and state.new_fingerprint is not None:
            fingerprint = _tables.as_text(texts.read_text(state.new_fingerprint))
            put = f"UPDATE state SET new_fingerprint = {_tables.TEXT}, new_n_components = ?"
            own.execute(put, (fingerprint, state.new_n_components))
            selected = f"SELECT id, code FROM {state.new_codes}"
            blocks = tables.stream(connection, selected, (), state.new_n_components, N_BATCH)
            for ids, codes in blocks:
                _tables.put_codes(own, "new_codes", ids.tolist(), codes)
