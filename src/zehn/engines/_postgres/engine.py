"""A collection in PostgreSQL, as an engine: every method is one transaction of the database."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int64

from zehn.distances import Distance
from zehn.engines import _filter
from zehn.engines._given import check_codes, check_there, paths_of
from zehn.engines._postgres import (
    backup,
    checks,
    database,
    definitions,
    entries,
    reencoding,
    search,
    shards,
    spaces,
    tables,
    texts,
    upkeep,
)
from zehn.engines._postgres.addresses import parse
from zehn.engines._postgres.connections import value
from zehn.engines._postgres.measures import Measure
from zehn.engines._postgres.samples import Samples
from zehn.engines._postgres.shards import Connection
from zehn.engines._postgres.spaces import Spaces
from zehn.engines._postgres.tables import State
from zehn.engines._protocol import N_BATCH, Neighbors, NewRecord, Record, Reencoding
from zehn.engines.postgres import Options
from zehn.errors import ConfigError, InputError

_MOST_HITS_OF_INDEX = 1_000
"""hnsw.ef_search can be no more."""
_MEASURED = (10, 100)
"""Hits for which the recall of a new index is measured at once."""
_COUNTED = (0, 8)
"""The pgvector from which an index gives as many rows as are asked for, whatever a filter leaves out."""
_All = tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]]


class Engine:
    """A collection in PostgreSQL; every method is that of :class:`zehn.engines.Engine`."""

    def __init__(self, address: str, options: Options | None = None, *, read_only: bool = False) -> None:
        """Open a collection that is there."""
        self._options, place = options or Options(), parse(address)
        self._place, allow_partial = place, self._options.allow_partial or place.allow_partial
        self._database = database.Database(
            place,
            read_only=read_only,
            seconds_to_wait=self._options.seconds_to_wait,
            n_connections=self._options.n_connections,
            allow_partial=allow_partial,
        )
        self._lock, self._samples = threading.Lock(), Samples()
        self._spaces = Spaces(place.schema, is_sharded=self._database.is_sharded, allow_partial=allow_partial)
        self._all: tuple[tuple[int, int], _All] | None = None

    def __len__(self) -> int:
        """Return how many images there are."""
        return self._database.read(tables.state_of).n_images

    @property
    def n_components(self) -> int:
        """Dimensions of the codes."""
        return self._database.read(tables.state_of).n_components

    def facts(self) -> dict[str, str]:
        """Return what is kept beside the codes."""
        return self._database.read(tables.facts)

    def set_facts(
        self,
        facts: Mapping[str, str | None],
        attachments: Mapping[str, bytes | None] | None = None,
        *,
        expected: Mapping[str, str] | None = None,
    ) -> None:
        """Add, replace or take away facts, and attachments with them."""

        def work(connection: Connection) -> None:
            tables.check_facts(connection, expected or {})
            tables.set_facts(connection, facts)
            tables.attach(connection, attachments or {})

        self._database.write(work)

    def attachment(self, name: str) -> bytes | None:
        """Return bytes kept under a name, or None."""
        return self._database.read(lambda connection: tables.attachment(connection, name))

    def attach(self, name: str, data: bytes | None) -> None:
        """Keep bytes under a name, or take them away."""
        self._database.write(lambda connection: tables.attach(connection, {name: data}))

    def info(self) -> dict[str, Any]:
        """Return what there is to know of the store."""

        def work(connection: Connection) -> dict[str, Any]:
            return {
                "engine": "postgres",
                "address": self._place.shown,
                "schema_version": len(definitions.MIGRATIONS),
                "n_images": tables.state_of(connection).n_images,
                "n_bytes": upkeep.n_bytes(connection, self._place.schema),
                "read_only": self._database.read_only,
                "n_shards": len(shards.shards_in_use(connection, self._place.schema)),
            }

        return self._database.read(work)

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

        def work(connection: Connection) -> list[int]:
            tables.check_facts(connection, {} if fingerprint is None else {"fingerprint": fingerprint})
            return entries.add(connection, paths, records, codes, thumbnails)

        return np.array(self._database.write(work), np.int64)

    def remove(self, ids: Int[np.ndarray, " _"] | Sequence[int]) -> int:
        """Forget images, and return how many."""
        gone = sorted({int(id_) for id_ in ids})
        self._database.write(lambda connection: entries.remove(connection, gone))
        return len(gone)

    def touch(self, records: Sequence[Record]) -> None:
        """Put down anew what is known of stored images."""
        self._database.write(lambda connection: entries.touch(connection, records))

    def get(self, ids: Int[np.ndarray, " _"] | Sequence[int]) -> list[Record]:
        """Return records in the order of their ids as given."""
        wanted = [int(id_) for id_ in ids]
        return self._database.read(lambda connection: tables.records_of(connection, wanted))

    def find(self, paths: Sequence[bytes]) -> dict[bytes, Record]:
        """Return the records of those paths that are there."""
        found = self._database.read(lambda connection: tables.found(connection, paths))
        return {path: found[path] for path in paths if path in found}

    def walk(self, *, where: str | None = None, after_id: int = -1, n_batch: int = N_BATCH) -> Iterator[list[Record]]:
        """Yield all records in the order of their ids, in batches of one state."""
        condition = tables.condition(where)
        for _, rows in self._walk("", "", condition, after_id, n_batch):
            yield [tables.record(row) for row in rows]

    def walk_codes(
        self, *, where: str | None = None, after_id: int = -1, n_batch: int = N_BATCH
    ) -> Iterator[tuple[list[Record], Float32[np.ndarray, "n d"]]]:
        """Yield records with their codes (n, d), in batches of one state."""
        condition = tables.condition(where)
        # said of both, for what a shard is asked of the one follows not from the other
        joined = f"JOIN {{codes}} AS c ON c.id = i.id AND c.id > {int(after_id)}"
        for state, rows in self._walk(", c.code", joined, condition, after_id, n_batch):
            codes = tables.joined([row[-1] for row in rows], state.n_components)
            yield [tables.record(row[:-1]) for row in rows], codes

    def count(self, where: str | None = None) -> int:
        """Return how many images a filter lets through."""
        condition = tables.condition(where)

        def work(connection: Connection) -> int:
            parts = tables.parts_of(connection, self._place.schema, ["images"])
            return spaces.count(connection, [images for (images,) in parts], condition)

        return self._database.read(work)

    def count_labels(self) -> dict[str | None, int]:
        """Return how many images have each label."""

        def work(connection: Connection) -> dict[str | None, int]:
            counted: Counter[str | None] = Counter()
            for (part,) in tables.parts_of(connection, self._place.schema, ["images"]):
                rows = connection.execute(f"SELECT label, count(*) FROM {part} GROUP BY label".encode())
                for label, number in rows:
                    counted[None if label is None else texts.read_text(label)] += number
            return {label: counted[label] for label in sorted(counted, key=lambda label: (label is not None, label))}

        return self._database.read(work)

    def codes(self, ids: Int[np.ndarray, " n"] | Sequence[int]) -> Float32[np.ndarray, "n d"]:
        """Return codes (n, d) in the order of the ids."""
        wanted = [int(id_) for id_ in ids]

        def work(connection: Connection) -> Float32[np.ndarray, "n d"]:
            state = tables.state_of(connection)
            selected = f"SELECT id, code FROM {state.codes} WHERE id = ANY"
            rows = tables.rows_of(connection, selected, wanted)
            there = check_there(wanted, rows)
            return tables.joined([rows[id_][1] for id_ in there], state.n_components)

        return self._database.read(work)

    def thumbnail(self, id: int) -> bytes | None:  # noqa: A002
        """Return the thumbnail's bytes as they were added, or None."""
        return self.thumbnails([id])[0]

    def thumbnails(self, ids: Int[np.ndarray, " _"] | Sequence[int]) -> list[bytes | None]:
        """Return the thumbnails of images in the order of their ids."""
        wanted, selected = [int(id_) for id_ in ids], "SELECT id, data FROM thumbnails WHERE id = ANY"
        rows = self._database.read(lambda connection: tables.rows_of(connection, selected, wanted))
        return [bytes(rows[id_][1]) if id_ in rows else None for id_ in wanted]

    def snapshot(self) -> AbstractContextManager[None]:
        """Return a block in which all that this thread reads and searches is of one state."""
        return self._database.snapshot()

    def state(self) -> str:
        """Return a short word that becomes another one with every change that is committed."""
        return str(self._database.read(tables.state_of).version)

    def all_codes(self) -> _All:
        """Return all ids, ascending, and their codes."""

        def work(connection: Connection) -> _All:
            state = tables.state_of(connection)
            key, kept = (state.epoch, state.n_changes), self._all
            if kept is None or kept[0] != key:
                kept = self._all = (key, self._everything(connection, state))
            return kept[1]

        return self._database.read(work)

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

        def work(connection: Connection) -> Neighbors:
            state = tables.state_of(connection)
            check_codes(queries, "queries", state.n_components)
            if k < 1:
                raise InputError(f"expected k ≥ 1, came {k}")
            measure, asked = Measure(distance, state.n_components), queries.astype(np.float64)
            without = None if exclude is None else exclude.astype(np.int64)
            space, missing = self._spaces.space(connection, state, where)
            n_to_read, recall, find = self._options.n_to_read, 1.0, search.exact
            if approximate and self._is_prepared(connection, state, measure):
                self._set_up_index(connection, search.candidates(measure, k))
                find = search.approximate
                whole, _ = self._spaces.space(connection, state, None)
                recall = self._samples.recall(state, whole, measure, k, n_to_read=n_to_read)
            ids, distances = find(space, measure, asked, k, without, n_to_read=n_to_read)
            return Neighbors(ids, distances, space.n_searched, recall, missing)

        return self._database.read(work)

    def prepare_search(self, distance: Distance) -> None:
        """Make the index for approximate search by a distance, on every shard, and measure what it finds."""
        state = self._database.read(tables.state_of)
        measure = Measure(distance, state.n_components)
        if not measure.can_be_indexed:
            raise ConfigError(
                f"codes of {state.n_components:,} dimensions cannot be indexed for the distance {distance.name}; "
                "search exactly, or by another distance"
            )
        is_sharded = self._database.is_sharded
        with self._database.alone() as connection:
            upkeep.make_index(connection, self._place.schema, measure, self._options, is_sharded=is_sharded)
        none = np.zeros((0, state.n_components), np.float32)
        for n_hits in _MEASURED:
            self.search(none, n_hits, distance, approximate=True)
        self._database.write(self._samples.store)

    def percentiles(self, distances: Float[np.ndarray, "..."], distance: Distance) -> Float64[np.ndarray, "..."]:
        """Return the per cent of pairs of the collection's images that are farther apart than each distance."""

        def work(connection: Connection) -> Float64[np.ndarray, "..."]:
            state = tables.state_of(connection)
            mirror = self._samples.mirror(state, self._spaces.space(connection, state, None)[0])
            with self._lock:
                return mirror.percentiles(distances, distance)

        return self._database.read(work)

    def verify(self) -> list[str]:
        """Return what is wrong with the store, one sentence each; nothing where all is well."""
        with self._database.walking() as connection:
            return checks.problems(connection, self._place.schema)

    def compact(self) -> None:
        """Give back the room that removed images and earlier codes took."""
        with self._database.alone() as connection:
            upkeep.compact(connection, self._place.schema, is_sharded=self._database.is_sharded)

    def backup(self, path: str) -> None:
        """Write a consistent copy to a new file, an embedded collection, while others read and write."""
        with self._database.walking() as connection:
            backup.write(connection, path)

    def reencoding(self) -> Reencoding | None:
        """Return where a change of model stands that was begun and not finished."""
        return self._database.read(lambda connection: tables.reencoding(connection, self._place.schema))

    def begin_reencoding(self, fingerprint: str, n_components: int) -> Reencoding:
        """Begin to put new codes beside the old ones, or go on with it."""
        reencoding.check_dimensions(n_components)
        schema, is_sharded = self._place.schema, self._database.is_sharded
        self._database.write(
            lambda connection: reencoding.begin(connection, schema, fingerprint, n_components, is_sharded=is_sharded)
        )
        return self.reencoding() or Reencoding(fingerprint, n_components, 0, len(self))

    def unencoded(self, *, after_id: int = -1, n_batch: int = N_BATCH, fingerprint: str | None = None) -> list[Record]:
        """Return the next records that have no new code, in the order of their ids."""
        return self._database.read(lambda connection: reencoding.unencoded(connection, after_id, n_batch, fingerprint))

    def put_codes(
        self, ids: Int[np.ndarray, " _"], codes: Float[np.ndarray, "n d"], *, fingerprint: str | None = None
    ) -> None:
        """Keep new codes (n, d); those of ids that are gone meanwhile are dropped."""
        self._database.write(lambda connection: reencoding.put(connection, ids, codes, fingerprint))

    def finish_reencoding(
        self,
        facts: Mapping[str, str | None],
        attachments: Mapping[str, bytes | None] | None = None,
        *,
        fingerprint: str | None = None,
    ) -> None:
        """Let the new codes take the place of the old ones, and facts and attachments with them, all at once."""
        schema, attached = self._place.schema, attachments or {}
        self._database.write(lambda connection: reencoding.finish(connection, schema, facts, attached, fingerprint))

    def drop_reencoding(self) -> None:
        """Forget the new codes; the old ones stay."""
        self._database.write(reencoding.drop)

    def close(self) -> None:
        """Let go of the connections; a second call does nothing."""
        self._database.close()
        self._samples.clear()
        self._all = None

    def __enter__(self) -> Engine:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close."""
        self.close()

    def _walk(
        self, more: str, joined: str, condition: _filter.Condition, after_id: int, n_batch: int
    ) -> Iterator[tuple[State, list[tuple[Any, ...]]]]:
        with self._database.walking() as connection:
            state = tables.state_of(connection)
            statement = (
                f"SELECT {tables.RECORD}{more} FROM images AS i {joined.format(codes=state.codes)} "
                f"WHERE i.id > %s AND {condition.sql} ORDER BY i.id"
            )
            values = [after_id, *tables.bound(condition)]
            for rows in tables.walk(connection, statement, values, n_batch):
                yield state, rows

    def _everything(self, connection: Connection, state: State) -> _All:
        blocks = list(self._spaces.whole(connection, state).read())
        ids = np.concatenate([np.empty(0, np.int64), *(block[0] for block in blocks)])
        codes = np.concatenate([np.empty((0, state.n_components), np.float32), *(block[1] for block in blocks)])
        order = np.argsort(ids, kind="stable")
        ids, codes = ids[order], codes[order]
        ids.flags.writeable = codes.flags.writeable = False
        return ids, codes

    def _is_prepared(self, connection: Connection, state: State, measure: Measure) -> bool:
        asked = "SELECT count(*) FROM prepared WHERE (epoch, key) = (%s, %s)"
        return measure.can_be_indexed and bool(value(connection, asked, state.epoch, measure.key))

    def _set_up_index(self, connection: Connection, n_candidates: int) -> None:
        wanted = max(self._options.hnsw_ef_search, min(n_candidates, _MOST_HITS_OF_INDEX))
        settings = "set_config('hnsw.ef_search', %s, true)"
        if self._database.vector_version >= _COUNTED:
            settings += ", set_config('hnsw.iterative_scan', 'strict_order', true)"
        connection.execute(f"SELECT {settings}".encode(), (str(wanted),))
