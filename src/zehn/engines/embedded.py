"""The engine in one file: SQLite keeps the truth, an index in memory is made from it and answers.

The codes are rows of their own table: a million are read in about a second and the index grown from them in another,
so that nothing but the database has to be kept, and nothing can disagree with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int64

from zehn.distances import Distance
from zehn.engines import _database, _entries, _filter, _index, _loading, _schema, _tables
from zehn.engines._database import Connection
from zehn.engines._given import check_codes, check_dimensions, check_encoded, check_pairs, check_there, paths_of
from zehn.engines._mirror import Mirror
from zehn.engines._protocol import N_BATCH, Neighbors, NewRecord, Record, Reencoding

SCHEMES = ("",)
"""Addresses are paths."""

_N_FILTERS = 8


@dataclass(frozen=True)
class Options:
    """How the engine waits and searches."""

    seconds_to_wait: float = 20.0
    """How long to wait for another process that writes."""
    max_tree_dimensions: int = 16
    """Codes of at most so many dimensions go into a kd-tree; with more, a scan is quicker."""
    leaf_size: int = 64
    """Codes in a leaf of the tree."""
    n_scanned: int = 16
    """So many queries are answered by scans before a tree is grown."""
    approximation: float = 0.5
    """How much farther the hits of an approximate search may be, as a share of the true distance."""


def create(
    address: str,
    n_components: int,
    facts: dict[str, str],
    options: Options,
    *,
    attachments: Mapping[str, bytes] | None = None,
) -> Engine:
    """Make an empty collection; see :func:`zehn.engines.create`."""
    check_dimensions(n_components)
    _database.create(Path(address), n_components=n_components, facts=facts, attachments=attachments or {})
    return Engine(address, options)


def connect(address: str, options: Options, *, read_only: bool = False) -> Engine:
    """Open a collection; see :func:`zehn.engines.connect`."""
    return Engine(address, options, read_only=read_only)


def exists(address: str) -> bool:
    """Return whether a file is there."""
    return Path(address).exists()


class Engine:
    """A collection in one file; every method is that of :class:`zehn.engines.Engine`."""

    def __init__(self, address: str, options: Options | None = None, *, read_only: bool = False) -> None:
        """Open a file that :func:`create` made."""
        self._options = options or Options()
        self._database = _database.Database(
            Path(address), read_only=read_only, seconds_to_wait=self._options.seconds_to_wait
        )
        self._mirror: Mirror | None = None
        self._seen: _tables.State | None = None
        self._filtered: dict[str, tuple[int, Int64[np.ndarray, " n"]]] = {}

    def __len__(self) -> int:
        """Return how many images there are."""
        with self._database.reading() as connection:
            return _tables.state_of(connection).n_images

    @property
    def n_components(self) -> int:
        """Dimensions of the codes."""
        with self._database.reading() as connection:
            return _tables.state_of(connection).n_components

    def facts(self) -> dict[str, str]:
        """Return what is kept beside the codes."""
        with self._database.reading() as connection:
            return _tables.facts_of(connection)

    def set_facts(
        self,
        facts: Mapping[str, str | None],
        attachments: Mapping[str, bytes | None] | None = None,
        *,
        expected: Mapping[str, str] | None = None,
    ) -> None:
        """Add, replace or take away facts, and attachments with them."""
        with self._database.writing() as connection:
            _tables.check_facts(connection, expected or {})
            _tables.set_facts(connection, facts)
            _tables.attach(connection, attachments or {})

    def attachment(self, name: str) -> bytes | None:
        """Return bytes kept under a name, or None."""
        with self._database.reading() as connection:
            row = connection.execute(
                f"SELECT data FROM attachments WHERE name = {_tables.TEXT}", (_tables.as_text(name),)
            ).fetchone()
            return _tables.blob(row[0]) if row else None

    def attach(self, name: str, data: bytes | None) -> None:
        """Keep bytes under a name, or take them away."""
        with self._database.writing() as connection:
            _tables.attach(connection, {name: data})

    def info(self) -> dict[str, Any]:
        """Return what there is to know of the store."""
        with self._database.reading() as connection:
            return {
                "engine": "embedded",
                "address": str(self._database.path),
                "schema_version": len(_schema.MIGRATIONS),
                "n_images": _tables.state_of(connection).n_images,
                "n_bytes": self._database.n_bytes(),
                "read_only": self._database.read_only,
            }

    def add(
        self,
        records: Sequence[NewRecord],
        codes: Float[np.ndarray, "n d"],
        thumbnails: Sequence[bytes | None] | None = None,
        *,
        fingerprint: str | None = None,
    ) -> Int64[np.ndarray, " n"]:
        """Add images with their codes (n, d), and return their ids (n,)."""
        paths = paths_of(records, codes, thumbnails)
        with self._database.writing() as connection:
            _tables.check_facts(connection, {} if fingerprint is None else {"fingerprint": fingerprint})
            return np.array(_entries.add(connection, paths, records, codes, thumbnails), np.int64)

    def remove(self, ids: Int[np.ndarray, " _"] | Sequence[int]) -> int:
        """Forget images, and return how many."""
        gone = sorted({int(id_) for id_ in ids})
        with self._database.writing() as connection:
            _entries.remove(connection, gone)
        return len(gone)

    def touch(self, records: Sequence[Record]) -> None:
        """Put down anew what is known of stored images."""
        with self._database.writing() as connection:
            _entries.touch(connection, records)

    def get(self, ids: Int[np.ndarray, " _"] | Sequence[int]) -> list[Record]:
        """Return records in the order of their ids as given."""
        wanted = [int(id_) for id_ in ids]
        with self._database.reading() as connection:
            rows = _tables.rows_of(connection, f"SELECT {_tables.RECORD} FROM images WHERE id IN", wanted)
        return [_tables.record(rows[id_]) for id_ in check_there(wanted, rows)]

    def find(self, paths: Sequence[bytes]) -> dict[bytes, Record]:
        """Return the records of those paths that are there."""
        with self._database.reading() as connection:
            rows = _tables.named(connection, f"SELECT {_tables.RECORD} FROM images WHERE path IN", paths)
            found = {record.path: record for record in map(_tables.record, rows)}
        return {path: found[path] for path in paths if path in found}

    def walk(self, *, where: str | None = None, after_id: int = -1, n_batch: int = N_BATCH) -> Iterator[list[Record]]:
        """Yield all records in the order of their ids, in batches of one state."""
        condition = _tables.condition(where)
        for rows in self._walk(f"SELECT {_tables.RECORD} FROM images", condition, after_id, n_batch):
            yield [_tables.record(row) for row in rows]

    def walk_codes(
        self, *, where: str | None = None, after_id: int = -1, n_batch: int = N_BATCH
    ) -> Iterator[tuple[list[Record], Float32[np.ndarray, "n d"]]]:
        """Yield records with their codes (n, d), in batches of one state."""
        condition = _tables.condition(where)
        selected = f"SELECT {_tables.RECORD}, code FROM images JOIN codes ON codes.id = images.id"
        for rows in self._walk(selected, condition, after_id, n_batch):
            yield [_tables.record(row[:-1]) for row in rows], _tables.joined([row[-1] for row in rows])

    def count(self, where: str | None = None) -> int:
        """Return how many images a filter lets through."""
        condition = _tables.condition(where)
        with self._database.reading() as connection:
            counted = f"SELECT count(*) FROM images WHERE {condition.sql}"
            return int(connection.execute(counted, _tables.bound(condition)).fetchone()[0])

    def count_labels(self) -> dict[str | None, int]:
        """Return how many images have each label."""
        with self._database.reading() as connection:
            return _tables.count_labels(connection)

    def codes(self, ids: Int[np.ndarray, " n"] | Sequence[int]) -> Float32[np.ndarray, "n d"]:
        """Return codes (n, d) in the order of the ids."""
        wanted = [int(id_) for id_ in ids]
        with self._database.reading() as connection:
            rows = _tables.rows_of(connection, "SELECT id, code FROM codes WHERE id IN", wanted)
            n_components = _tables.state_of(connection).n_components
        return _tables.joined([rows[id_][1] for id_ in check_there(wanted, rows)], n_components)

    def thumbnail(self, id: int) -> bytes | None:  # noqa: A002
        """Return the thumbnail's bytes as they were added, or None."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT data FROM thumbnails WHERE id = ?", (id,)).fetchone()
            return _tables.blob(row[0]) if row else None

    def thumbnails(self, ids: Int[np.ndarray, " _"] | Sequence[int]) -> list[bytes | None]:
        """Return the thumbnails of images in the order of their ids."""
        wanted = [int(id_) for id_ in ids]
        with self._database.reading() as connection:
            rows = _tables.rows_of(connection, "SELECT id, data FROM thumbnails WHERE id IN", wanted)
        return [_tables.blob(rows[id_][1]) if id_ in rows else None for id_ in wanted]

    def snapshot(self) -> AbstractContextManager[None]:
        """Return a block in which all that this thread reads and searches is of one state."""
        return self._database.snapshot()

    def state(self) -> str:
        """Return a short word that becomes another one with every change that is committed."""
        with self._database.reading() as connection:
            return str(_tables.state_of(connection).version)

    def all_codes(self) -> tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]]:
        """Return all ids, ascending, and their codes."""
        with self._database.reading() as connection:
            mirror = self._mirrored(connection)
            ids, codes = mirror.ids.view(), mirror.codes.view()
        ids.flags.writeable = codes.flags.writeable = False
        return ids, codes

    def search(
        self,
        queries: Float[np.ndarray, "q d"],
        k: int,
        distance: Distance,
        *,
        where: str | None = None,
        exclude: Int[np.ndarray, " q"] | None = None,
        approximate: bool = False,
    ) -> Neighbors:
        """Return the k nearest codes of each query, codes as the encoder returns them."""
        with self._database.reading() as connection:
            mirror = self._mirrored(connection)
            among = None if where is None else self._let_through(connection, where)
            ids, distances, recall = mirror.search(
                queries, k, distance, exclude=exclude, among=among, approximate=approximate
            )
            return Neighbors(ids, distances, len(mirror.ids if among is None else among), recall)

    def prepare_search(self, distance: Distance) -> None:
        """Do nothing: what a search needs is made in memory by the first one."""

    def percentiles(self, distances: Float[np.ndarray, "..."], distance: Distance) -> Float64[np.ndarray, "..."]:
        """Return the per cent of pairs of the collection's images that are farther apart than each distance."""
        with self._database.reading() as connection:
            return self._mirrored(connection).percentiles(distances, distance)

    def verify(self) -> list[str]:
        """Return what is wrong with the store, one sentence each; nothing where all is well."""
        from zehn.engines import _checks

        with self._database.walking() as connection:
            return _checks.problems(connection)

    def compact(self) -> None:
        """Give back the room that removed images took."""
        self._database.compact()

    def backup(self, path: str) -> None:
        """Write a consistent copy to a new file, while others read and write."""
        self._database.backup(Path(path))

    def reencoding(self) -> Reencoding | None:
        """Return where a change of model stands that was begun and not finished."""
        with self._database.reading() as connection:
            return _tables.reencoding(connection)

    def begin_reencoding(self, fingerprint: str, n_components: int) -> Reencoding:
        """Begin to put new codes beside the old ones, or go on with it."""
        check_dimensions(n_components)
        with self._database.writing() as connection:
            begun = _tables.reencoding(connection)
            if begun is None or (begun.fingerprint, begun.n_components) != (fingerprint, n_components):
                connection.execute("DELETE FROM new_codes")
                put = f"UPDATE state SET new_fingerprint = {_tables.TEXT}, new_n_components = ?"
                connection.execute(put, (_tables.as_text(fingerprint), n_components))
            return _tables.begun(connection)

    def unencoded(self, *, after_id: int = -1, n_batch: int = N_BATCH, fingerprint: str | None = None) -> list[Record]:
        """Return the next records that have no new code, in the order of their ids."""
        with self._database.reading() as connection:
            _tables.begun(connection, fingerprint)
            selected = (
                f"SELECT {_tables.RECORD} FROM images WHERE id > ? AND NOT EXISTS "
                "(SELECT 1 FROM new_codes WHERE new_codes.id = images.id) ORDER BY id LIMIT ?"
            )
            return [_tables.record(row) for row in connection.execute(selected, (after_id, n_batch))]

    def put_codes(
        self, ids: Int[np.ndarray, " _"], codes: Float[np.ndarray, "n d"], *, fingerprint: str | None = None
    ) -> None:
        """Keep new codes (n, d); those of ids that are gone meanwhile are dropped."""
        with self._database.writing() as connection:
            check_codes(codes, "codes", _tables.begun(connection, fingerprint).n_components)
            check_pairs(ids, codes)
            given = [int(id_) for id_ in ids]
            there = _tables.rows_of(connection, "SELECT id FROM images WHERE id IN", given)
            kept = [place for place, id_ in enumerate(given) if id_ in there]
            _tables.put_codes(connection, "new_codes", [given[place] for place in kept], codes[kept])

    def finish_reencoding(
        self,
        facts: Mapping[str, str | None],
        attachments: Mapping[str, bytes | None] | None = None,
        *,
        fingerprint: str | None = None,
    ) -> None:
        """Let the new codes take the place of the old ones, and facts and attachments with them, all at once."""
        with self._database.writing() as connection:
            check_encoded(_tables.begun(connection, fingerprint))
            for statement in ("DROP TABLE codes", "ALTER TABLE new_codes RENAME TO codes"):
                connection.execute(statement)
            connection.execute(_schema.CODES.format(name="new_codes"))
            connection.execute("UPDATE state SET n_components = new_n_components, epoch = epoch + 1")
            _tables.forget_reencoding(connection)
            _tables.set_facts(connection, facts)
            _tables.attach(connection, attachments or {})

    def drop_reencoding(self) -> None:
        """Forget the new codes; the old ones stay."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM new_codes")
            _tables.forget_reencoding(connection)

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        self._database.close()
        self._mirror = self._seen = None
        self._filtered.clear()

    def __enter__(self) -> Engine:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close."""
        self.close()

    def _walk(
        self, selected: str, condition: _filter.Condition, after_id: int, n_batch: int
    ) -> Iterator[list[tuple[Any, ...]]]:
        statement = f"{selected} WHERE images.id > ? AND {condition.sql} ORDER BY images.id"
        with self._database.walking() as connection:
            cursor = connection.execute(statement, (after_id, *_tables.bound(condition)))
            while rows := cursor.fetchmany(n_batch):
                yield rows

    def _let_through(self, connection: Connection, where: str) -> Int64[np.ndarray, " n"]:
        """Return the ids that a filter lets through, ascending; the last few answers are kept while nothing changes."""
        version = _tables.state_of(connection).version
        kept = self._filtered.pop(where, None)
        if kept is None or kept[0] != version:
            condition = _tables.condition(where)
            # by the images' own order: an index on a column would give them in another
            chosen = connection.execute(f"SELECT id FROM images WHERE {condition.sql}", _tables.bound(condition))
            kept = (version, np.sort(_tables.ids_in(chosen)))
            self._database.check_unchanged(connection)
        while len(self._filtered) >= _N_FILTERS:
            del self._filtered[next(iter(self._filtered))]
        self._filtered[where] = kept
        return kept[1]

    def _mirrored(self, connection: Connection) -> Mirror:
        """Return the codes in memory, brought up to what was committed."""
        state = _tables.state_of(connection)
        if self._mirror is None or self._seen is None or not _loading.can_follow(connection, self._seen, state):
            # the old one is let go first, so that memory holds only one
            self._mirror = self._seen = None
            index = _index.Options(self._options.max_tree_dimensions, self._options.leaf_size, self._options.n_scanned)
            self._mirror = Mirror(*_loading.load(connection, state), index, self._options.approximation)
        elif state.last_change > self._seen.last_change:
            # where that is interrupted, the codes are of neither state: all are read again
            seen, self._seen = self._seen, None
            _loading.follow(connection, self._mirror, seen, state)
        self._database.check_unchanged(connection)
        self._seen = state
        return self._mirror
