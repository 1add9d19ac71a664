"""What every engine of collections does, and the records that it keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int64

from zehn.distances import Distance

N_BATCH = 10_000
"""How many records a walk hands over at a time."""


@dataclass(frozen=True)
class NewRecord:
    """What is known of an image that is to be added."""

    path: bytes
    """Where it lies, as :func:`os.fsencode` gives it: any bytes but none twice in a collection."""
    size: int
    """Bytes of the file."""
    mtime_ns: int
    """When the file was last changed, in nanoseconds since 1970."""
    sha256: bytes
    """The hash of the file's bytes; empty where there was no file to hash."""
    width: int
    height: int
    """Pixels of the image, before it was shrunk to the model's size; 0 where unknown."""
    label: str | None = None


@dataclass(frozen=True)
class Record:
    """What is known of an image of a collection."""

    id: int
    """Stable for ever, never given again, ascending in the order of adding."""
    path: bytes
    size: int
    mtime_ns: int
    sha256: bytes
    width: int
    height: int
    label: str | None
    added: str
    """When it was first added: UTC, such as "2026-01-31T12:00:00Z"."""


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The answer to a search: for each query the nearest codes, nearest first."""

    ids: Int64[np.ndarray, "q k"]
    """−1 where fewer than k codes were there."""
    distances: Float32[np.ndarray, "q k"]
    """Infinity where the id is −1."""
    n_searched: int
    """How many codes the filter let through."""
    recall: float = 1.0
    """The share of the true k nearest that an approximate search found on sampled queries; 1 where it is exact."""
    missing: tuple[str, ...] = ()
    """What could not be searched though it belongs to the collection, such as a shard that does not answer."""


@dataclass(frozen=True)
class Reencoding:
    """Where a change of model stands."""

    fingerprint: str
    """The new model's."""
    n_components: int
    """Dimensions of the new codes."""
    n_done: int
    n_left: int


@runtime_checkable
class Engine(Protocol):
    """A durable store of records and codes that answers nearest-neighbour queries.

    :func:`zehn.engines.create` makes one, :func:`zehn.engines.connect` opens it again. Every method that changes
    something is one transaction: all of it is on disk when the method returns, and none of it where it raises. Readers
    see what was committed, by other processes too. An engine may be used from several threads, a process forked or
    spawned opens its own.

    All methods raise CollectionError where the store is damaged or the disk refuses; those that write raise it where it
    was opened read-only or the disk is full, and BusyError where another writer does not finish in time.
    """

    def __len__(self) -> int:
        """Return how many images there are."""
        ...

    @property
    def n_components(self) -> int:
        """Dimensions of the codes."""
        ...

    def facts(self) -> dict[str, str]:
        """Return what is kept beside the codes under names of the caller's choice, such as a fingerprint."""
        ...

    def set_facts(
        self,
        facts: Mapping[str, str | None],
        attachments: Mapping[str, bytes | None] | None = None,
        *,
        expected: Mapping[str, str] | None = None,
    ) -> None:
        """Add or replace facts, and attachments with them; those not named stay, None takes one away.

        Raises:
            CollectionError: facts are not what was expected of them, as another process changed them; nothing was set.

        """
        ...

    def attachment(self, name: str) -> bytes | None:
        """Return bytes kept under a name, such as a model file, or None."""
        ...

    def attach(self, name: str, data: bytes | None) -> None:
        """Keep bytes under a name; what was there is replaced, or taken away by None."""
        ...

    def info(self) -> dict[str, Any]:
        """Return what there is to know of the store: engine, address, schema_version, n_images, n_bytes, read_only."""
        ...

    def add(
        self,
        records: Sequence[NewRecord],
        codes: Float[np.ndarray, "n d"],
        thumbnails: Sequence[bytes | None] | None = None,
        *,
        fingerprint: str | None = None,
    ) -> Int64[np.ndarray, " n"]:
        """Add images with their codes (n, d), and return their ids (n,).

        An image whose path is there already is replaced: it keeps its id and the time of adding, and its thumbnail
        where none are given.

        Raises:
            CollectionError: the fact ``fingerprint`` is not the one given, so that another model made these codes.
            InputError: another number of codes or thumbnails than records, of dimensions than the collection's, codes
                that are no numbers, or a path given twice.

        """
        ...

    def remove(self, ids: Int[np.ndarray, " _"] | Sequence[int]) -> int:
        """Forget images, and return how many.

        Raises:
            InputError: ids that are not there; nothing was removed.

        """
        ...

    def touch(self, records: Sequence[Record]) -> None:
        """Put down anew what is known of stored images: path, size, time, hash, width, height, label.

        The id says which; code, thumbnail and the time of adding stay. For files whose time changed but not their
        bytes, that were moved, or that have another label.

        Raises:
            InputError: an id that is not there, or a path that another image has.

        """
        ...

    def get(self, ids: Int[np.ndarray, " _"] | Sequence[int]) -> list[Record]:
        """Return records in the order of their ids as given.

        Raises:
            InputError: ids that are not there.

        """
        ...

    def find(self, paths: Sequence[bytes]) -> dict[bytes, Record]:
        """Return the records of those paths that are there, in the order of the paths."""
        ...

    def walk(self, *, where: str | None = None, after_id: int = -1, n_batch: int = N_BATCH) -> Iterator[list[Record]]:
        """Yield all records in the order of their ids, in batches, all of the state at the first one.

        The engine may be changed while the walk goes on.

        Raises:
            ConfigError: a filter that cannot be read; see :meth:`search`.

        """
        ...

    def walk_codes(
        self, *, where: str | None = None, after_id: int = -1, n_batch: int = N_BATCH
    ) -> Iterator[tuple[list[Record], Float32[np.ndarray, "n d"]]]:
        """Yield records as :meth:`walk` does, with their codes (n, d) of the same state."""
        ...

    def count(self, where: str | None = None) -> int:
        """Return how many images a filter lets through.

        Raises:
            ConfigError: a filter that cannot be read; see :meth:`search`.

        """
        ...

    def count_labels(self) -> dict[str | None, int]:
        """Return how many images have each label."""
        ...

    def codes(self, ids: Int[np.ndarray, " n"] | Sequence[int]) -> Float32[np.ndarray, "n d"]:
        """Return codes (n, d) in the order of the ids.

        Raises:
            InputError: ids that are not there.

        """
        ...

    def thumbnail(self, id: int) -> bytes | None:  # noqa: A002
        """Return the thumbnail's bytes as they were added, or None where there is none or no such image."""
        ...

    def thumbnails(self, ids: Int[np.ndarray, " _"] | Sequence[int]) -> list[bytes | None]:
        """Return the thumbnails of images in the order of their ids; see :meth:`thumbnail`."""
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """Return a block in which all that this thread reads and searches is of one state, and nothing may be written.

        Other threads wait for its end; other processes go on.
        """
        ...

    def state(self) -> str:
        """Return a short word that becomes another one with every change that is committed, by any process."""
        ...

    def all_codes(self) -> tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]]:
        """Return all ids, ascending, and their codes: those that searches use, not to be written to."""
        ...

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
        """Return the k nearest codes of each query, codes as the encoder returns them.

        Distances are computed in float64 and given in float32; equal ones are ordered by id, also where that decides
        who is among the k.

        Args:
            queries: Codes (q, d), not prepared.
            k: How many; where fewer are left, the rest of a row is id −1 at infinity.
            distance: What :func:`zehn.distances.get` returns.
            where: A filter such as ``label = 'cat' and width >= 640``: comparisons, and, or, not, in, like, between, is
                null over the columns label, path, id, width, height, size, added, mtime. The last two are times such as
                '2026-01-31T12:00:00Z', of which a beginning will do.
            exclude: One id per query that is left out, usually its own; an id that is not there leaves out nothing.
            approximate: Answer sooner with what may not be all of the nearest; the answer states its recall.

        Raises:
            InputError: k below 1, another number of dimensions, or queries that are no numbers.
            ConfigError: a filter that cannot be read.

        """
        ...

    def prepare_search(self, distance: Distance) -> None:
        """Make what approximate searches by a distance need, where that is kept: it may take long, and is done once.

        Raises:
            ConfigError: a distance that cannot be searched approximately here.

        """
        ...

    def percentiles(self, distances: Float[np.ndarray, "..."], distance: Distance) -> Float64[np.ndarray, "..."]:
        """Return the per cent of pairs of the collection's images that are farther apart than each distance.

        The pairs are a fixed sample. NaN where the distance is not finite or the collection has less than two images.
        """
        ...

    def verify(self) -> list[str]:
        """Return what is wrong with the store, one sentence each; nothing where all is well."""
        ...

    def compact(self) -> None:
        """Give back the room that removed images took."""
        ...

    def backup(self, path: str) -> None:
        """Write a consistent copy to a new file, while others read and write.

        Raises:
            CollectionError: a file is there already.

        """
        ...

    def reencoding(self) -> Reencoding | None:
        """Return where a change of model stands that was begun and not finished."""
        ...

    def begin_reencoding(self, fingerprint: str, n_components: int) -> Reencoding:
        """Begin to put new codes beside the old ones, which serve until all are there.

        One that was begun with the same fingerprint goes on; one with another is dropped.
        """
        ...

    def unencoded(self, *, after_id: int = -1, n_batch: int = N_BATCH, fingerprint: str | None = None) -> list[Record]:
        """Return the next records that have no new code, in the order of their ids.

        Raises:
            CollectionError: no re-encoding was begun, or not the one with this fingerprint.

        """
        ...

    def put_codes(
        self, ids: Int[np.ndarray, " _"], codes: Float[np.ndarray, "n d"], *, fingerprint: str | None = None
    ) -> None:
        """Keep new codes (n, d); those of ids that are gone meanwhile are dropped.

        Raises:
            InputError: another number of codes or dimensions, or codes that are no numbers.
            CollectionError: no re-encoding was begun, or not the one with this fingerprint.

        """
        ...

    def finish_reencoding(
        self,
        facts: Mapping[str, str | None],
        attachments: Mapping[str, bytes | None] | None = None,
        *,
        fingerprint: str | None = None,
    ) -> None:
        """Let the new codes take the place of the old ones, and facts and attachments with them, all at once.

        Raises:
            CollectionError: images without a new code are left (remove them or encode them), nothing was begun, or
                not what has this fingerprint.

        """
        ...

    def drop_reencoding(self) -> None:
        """Forget the new codes; the old ones stay."""
        ...

    def close(self) -> None:
        """Let go of the store; a second call does nothing."""
        ...

    def __enter__(self) -> Engine: ...

    def __exit__(self, *error: object) -> None: ...
