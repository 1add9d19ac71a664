"""Near-duplicates: codes propose pairs, thumbnails confirm them.

A code of ten numbers says what kind of thing a picture shows, so two pictures may have close codes and yet be two. The
pairs that are closest by their codes are compared by their thumbnails, and the files' hashes tell true copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float32

from zehn import distances, images, store
from zehn.collection import keeping
from zehn.distances import Distance
from zehn.engines import Engine, Record
from zehn.progress import Progress

_MIN_PERCENTILE = 99.9
"""Pairs must be closer than that per cent of all pairs, where neither thumbnails nor a threshold decide."""
_N_NEIGHBORS = 10
_N_QUERIES = 1_000
_SIDE = 16
_N_KEPT = 4_096


@dataclass(frozen=True)
class Duplicate:
    """Two images that are the same file's bytes, or show the same."""

    first: Record
    second: Record
    distance: float
    percentile: float
    """Per cent of the collection's pairs that are farther apart."""
    is_copy: bool
    """Whether the files have the same bytes."""
    difference: float | None
    """Of the thumbnails, from 0 (the same) to 1; None where there are none."""


def find(
    engine: Engine,
    model: store.Model,
    named_other: tuple[Engine, str] | None,
    *,
    distance_name: str,
    threshold: float | None,
    max_difference: float | None,
    where: str | None,
    progress: Progress | None,
) -> list[Duplicate]:
    """Return pairs, of one store or of it and another with its name, nearest first; see :meth:`Collection.duplicates`.

    Raises:
        CollectionError: the other one has another model.

    """
    other, name = named_other or (None, "")
    if other is not None:
        keeping.check_match(other.facts(), model, other.n_components, name)
    distance = distances.get(distance_name, model.code_mean, model.code_covariance)
    searched, n_done = engine if other is None else other, 0
    differ = _comparer(engine, searched)
    found: dict[tuple[int, int], Duplicate] = {}
    for records, codes in engine.walk_codes(where=where, n_batch=_N_QUERIES):
        n_done += len(records)
        for first, second, value, percentile in _close(searched, records, codes, distance, is_own=other is None):
            if (first.id, second.id) in found:
                continue
            is_copy = first.sha256 == second.sha256 != b""
            if not is_copy and threshold is not None and value > threshold:
                continue
            difference = differ(first.id, second.id)
            looks_same = max_difference is None or (difference is not None and difference <= max_difference)
            # where nothing but the codes can tell, only the nearest of all pairs count
            is_bound = threshold is not None or (difference is not None and max_difference is not None)
            if is_copy or (looks_same and (is_bound or percentile >= _MIN_PERCENTILE)):
                found[first.id, second.id] = Duplicate(first, second, value, percentile, is_copy, difference)
        if progress:
            progress("comparing images", n_done, max(n_done, len(engine)))
    return sorted(
        found.values(), key=lambda pair: (not pair.is_copy, pair.difference or 0.0, pair.distance, pair.first.id)
    )


def groups(pairs: Sequence[Duplicate]) -> list[list[Record]]:
    """Return images that duplicate each other, directly or through others, as groups of records ordered by id.

    Only for pairs within one collection, where an id is an image.
    """
    leader: dict[int, int] = {}
    records: dict[int, Record] = {}

    def led(id_: int) -> int:
        while leader.setdefault(id_, id_) != id_:
            leader[id_] = leader[leader[id_]]
            id_ = leader[id_]
        return id_

    for pair in pairs:
        records |= {pair.first.id: pair.first, pair.second.id: pair.second}
        first, second = sorted((led(pair.first.id), led(pair.second.id)))
        leader[second] = first
    together: dict[int, list[Record]] = {}
    for id_ in sorted(records):
        together.setdefault(led(id_), []).append(records[id_])
    return list(together.values())


def _close(
    searched: Engine, records: Sequence[Record], codes: Float32[np.ndarray, "n d"], distance: Distance, *, is_own: bool
) -> Iterator[tuple[Record, Record, float, float]]:
    """Yield each image's nearest ones; within one store the lesser id first."""
    own = np.array([record.id for record in records], np.int64)
    with searched.snapshot():
        near = searched.search(codes, _N_NEIGHBORS, distance, exclude=own if is_own else None)
        percentiles = searched.percentiles(near.distances, distance)
        wanted = np.unique(near.ids[near.ids >= 0])
        there = dict(zip(wanted.tolist(), searched.get(wanted), strict=True))
    for row, first in enumerate(records):
        for id_, value, percentile in zip(near.ids[row], near.distances[row], percentiles[row], strict=True):
            if id_ >= 0:
                second = there[int(id_)]
                pair = (second, first) if is_own and second.id < first.id else (first, second)
                yield *pair, float(value), float(percentile)


def _comparer(first: Engine, second: Engine) -> Callable[[int, int], float | None]:
    @lru_cache(_N_KEPT)
    def small(*, is_second: bool, id_: int) -> Float32[np.ndarray, "s s 3"] | None:
        data = (second if is_second else first).thumbnail(id_)
        return None if data is None else images.as_float(images.read_square(data, _SIDE, "stretch"))

    def differ(one: int, two: int) -> float | None:
        left, right = small(is_second=False, id_=one), small(is_second=True, id_=two)
        return None if left is None or right is None else float(np.sqrt(np.square(left - right).mean()))

    return differ
