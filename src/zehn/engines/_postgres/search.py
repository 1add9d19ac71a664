"""Searches of one state of a collection in PostgreSQL.

Exact ones let the server order codes by what pgvector says of them, take the first few, and compute these exactly; they
take more until none of those left can be near enough, or read all codes where that is quicker. Approximate ones take
the first few of an index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64

from zehn.distances import base_distances
from zehn.engines import _filter, _index
from zehn.engines._mirror import Mirror
from zehn.engines._postgres import measures, tables
from zehn.engines._postgres.measures import Measure
from zehn.engines._postgres.shards import Connection

_N_MORE = 16
"""Rows that are taken beside those asked for."""
_GROWTH = 4
_MOST_TAKEN = 2_000
"""Where more rows than so many and than a tenth of all had to be taken, all codes are read instead;"""
_MOST_HELD = 100_000
"""likewise more than so many, for a few queries of these are held in memory, and blocks of all codes take less."""
_N_READ = 50_000
_N_FOR_TREE = 256
"""So many queries are worth a tree of each block that is read."""
_TIED = 1e-6
"""Base distances that differ relatively by less may be equal once they are finished and rounded to float32."""
_N_SENT = 200
"""Queries that are sent before the first answer is waited for."""
_MOST_CANDIDATES = 1_000

Found = tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]


@dataclass(frozen=True, eq=False)
class Space:
    """The codes of one state that count for a search."""

    connection: Connection
    n_components: int
    parts: Sequence[tuple[str, str]]
    """Tables of codes and of images, part by part."""
    condition: _filter.Condition | None
    n_searched: int
    is_sharded: bool = False

    def nearest(self, order: str, values: Sequence[Any], n_rows: int) -> tuple[str, list[Any]]:
        """Return a statement for the first rows by an expression: id, code, and what they were ordered by."""
        end = "ORDER BY rough LIMIT %s"
        branches = [f"SELECT c.id, c.code, {order} AS rough {self._source(*part)} {end}" for part in self.parts]
        bound = [*values, *self._bound, n_rows]
        if len(branches) == 1:
            return branches[0], bound
        # written out, ORDER BY and LIMIT of each go to its shard, and all shards work at the same time
        together = " UNION ALL ".join(f"({branch})" for branch in branches)
        return f"SELECT * FROM ({together}) AS near {end}", [*(bound * len(branches)), n_rows]

    def read(self) -> Iterator[tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]]]:
        """Yield all ids and codes, a block at a time, the ids of each ascending."""
        selected = " UNION ALL ".join(f"SELECT c.id, c.code {self._source(*part)}" for part in self.parts)
        values = self._bound * len(self.parts)
        for ids, codes in tables.stream(self.connection, selected, values, self.n_components, _N_READ):
            order = np.argsort(ids, kind="stable")
            yield ids[order], codes[order]

    def _source(self, codes: str, images: str) -> str:
        if self.condition is None:
            return f"FROM {codes} AS c"
        return f"FROM {codes} AS c JOIN {images} AS i ON i.id = c.id WHERE {self.condition.sql}"

    @property
    def _bound(self) -> list[Any]:
        return [] if self.condition is None else tables.bound(self.condition)


@dataclass(frozen=True, eq=False)
class _Task:
    """One call of search."""

    space: Space
    measure: Measure
    queries: Float64[np.ndarray, "q d"]
    k: int
    exclude: Int64[np.ndarray, " q"] | None
    ids: Int64[np.ndarray, "q k"]
    distances: Float32[np.ndarray, "q k"]

    def keep(self, row: int, found: Found) -> None:
        """Keep what was found for a query, nearest first."""
        n_found = min(self.k, len(found[0]))
        self.ids[row, :n_found], self.distances[row, :n_found] = found[0][:n_found], found[1][:n_found]

    def ranked(self, row: int, rows: Sequence[Sequence[Any]]) -> tuple[Found, float]:
        """Return rows nearest first, ties by id, and the base distance of the k-th, or infinity."""
        ids = np.array([one[0] for one in rows], np.int64)
        codes = tables.joined([one[1] for one in rows], self.space.n_components)
        if self.exclude is not None:
            kept = ids != self.exclude[row]
            ids, codes = ids[kept], codes[kept]
        distance = self.measure.distance
        # together: a product of matrices rounds one row by itself in another way, and a code is to be at 0 from itself
        prepared = distance.prepare(np.concatenate([self.queries[row][None], codes.astype(np.float64)]))
        base = base_distances(prepared[:1], prepared[1:], distance.metric)[0]
        values = distance.finish(base).astype(np.float32)
        order = np.lexsort((ids, values))
        kth = float(base[order][: self.k].max()) if len(ids) >= self.k else np.inf
        return (ids[order], values[order]), kth


def exact(
    space: Space,
    measure: Measure,
    queries: Float64[np.ndarray, "q d"],
    k: int,
    exclude: Int64[np.ndarray, " q"] | None,
    *,
    n_to_read: int,
) -> tuple[Int64[np.ndarray, "q k"], Float32[np.ndarray, "q k"]]:
    """Return ids and distances of the k nearest, proven to be these; ``n_to_read`` queries have all codes read."""
    task = _task(space, measure, queries, k, exclude)
    rows = np.arange(len(queries))
    if space.n_searched:
        if measure.is_exact and len(queries) < n_to_read:
            rows = _take(task, rows)
        if len(rows):
            _read_all(task, rows)
    return task.ids, task.distances


def approximate(
    space: Space,
    measure: Measure,
    queries: Float64[np.ndarray, "q d"],
    k: int,
    exclude: Int64[np.ndarray, " q"] | None,
    *,
    n_to_read: int,
) -> tuple[Int64[np.ndarray, "q k"], Float32[np.ndarray, "q k"]]:
    """Return ids and distances of what an index says are the k nearest, ranked exactly; where it finds less, of all."""
    task = _task(space, measure, queries, k, exclude)
    n_wanted = candidates(measure, k)
    order = f"{measure.indexed.format(code='c.code')} {measure.operator} %s::vector"
    statement, _ = space.nearest(order, ("",), n_wanted)
    asked = [space.nearest(order, (_text(measure, query),), n_wanted)[1] for query in task.queries]
    left = []
    for row, rows in enumerate(_answers(space.connection, statement, asked)):
        found, _ = task.ranked(row, rows)
        task.keep(row, found)
        if len(found[0]) < k and len(rows) < min(n_wanted, space.n_searched):
            left.append(row)
    if left:
        chosen = np.array(left)
        without = None if exclude is None else exclude[chosen]
        task.ids[chosen], task.distances[chosen] = exact(
            space, measure, task.queries[chosen], k, without, n_to_read=n_to_read
        )
    return task.ids, task.distances


def candidates(measure: Measure, k: int) -> int:
    """Return how many rows an approximate search takes of the index."""
    if measure.distance.metric == "linf":  # the index is that of another metric
        return max(k + _N_MORE, min(_MOST_CANDIDATES, 100 + 10 * k))
    return k + _N_MORE


def _task(space: Space, measure: Measure, queries: Any, k: int, exclude: Any) -> _Task:
    shape = (len(queries), k)
    return _Task(space, measure, queries, k, exclude, np.full(shape, -1, np.int64), np.full(shape, np.inf, np.float32))


def _take(task: _Task, rows: Int64[np.ndarray, " q"]) -> Int64[np.ndarray, " _"]:
    """Answer queries by as few rows as prove the answer; return those for which too many would have to be taken."""
    n_all, n_taken = task.space.n_searched, task.k + _N_MORE
    most = min(max(_MOST_TAKEN, n_all // 10), _MOST_HELD)
    while len(rows) and n_taken <= most:
        left = []
        orders = [task.measure.order(task.queries[row], is_shipped=task.space.is_sharded) for row in rows]
        statement, _ = task.space.nearest(orders[0].sql, orders[0].values, n_taken)
        asked = [task.space.nearest(order.sql, order.values, n_taken)[1] for order in orders]
        answers = _answers(task.space.connection, statement, asked)
        for row, order, taken in zip(rows.tolist(), orders, answers, strict=True):
            found, kth = task.ranked(row, taken)
            noise = 1e-14 * float(np.abs(task.measure.vector(task.queries[row])).sum())
            if len(taken) < n_taken or order.at_least(taken[-1][2]) > kth * (1 + _TIED) + noise:
                task.keep(row, found)
            else:
                left.append(row)
        rows, n_taken = np.array(left, np.int64), n_taken * _GROWTH
    return rows


def _read_all(task: _Task, rows: Int64[np.ndarray, " q"]) -> None:
    """Answer queries by a look at every code."""
    options = _index.Options(max_tree_dimensions=16 if len(rows) >= _N_FOR_TREE else 0)
    queries, without = task.queries[rows], None if task.exclude is None else task.exclude[rows]
    ids, distances = task.ids[rows], task.distances[rows]
    for block_ids, codes in task.space.read():
        found = Mirror(block_ids, codes, options).search(queries, task.k, task.measure.distance, exclude=without)
        both_ids, both = np.concatenate([ids, found[0]], axis=1), np.concatenate([distances, found[1]], axis=1)
        # what is not there is at infinity, and last
        order = np.lexsort((both_ids, both), axis=1)[:, : task.k]
        ids, distances = np.take_along_axis(both_ids, order, axis=1), np.take_along_axis(both, order, axis=1)
    task.ids[rows], task.distances[rows] = ids, distances


def _answers(connection: Connection, statement: str, asked: Sequence[Sequence[Any]]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of one statement for each list of values, many of them under way at once."""
    for start in range(0, len(asked), _N_SENT):
        part = asked[start : start + _N_SENT]
        with connection.pipeline() if len(part) > 1 else nullcontext():
            cursors = [connection.cursor(binary=True).execute(statement.encode(), values) for values in part]
            answers = [cursor.fetchall() for cursor in cursors]
        yield from answers


def _text(measure: Measure, query: Float64[np.ndarray, " d"]) -> str:
    return measures.as_text(measure.vector(query))
