"""What one search is asked, among what, and what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

_TIED = 1e-6
"""Base distances that differ relatively by less may be equal once they are finished and rounded to float32."""

Finish = Callable[
    [Int64[np.ndarray, " q"], Int64[np.ndarray, "q m"], Float64[np.ndarray, "q m"]], Float[np.ndarray, "q m"]
]
"""Takes the places of queries, the ids of their candidates and the base distances of these (infinity where one does not
count), and returns the distances to rank them by."""


@dataclass(frozen=True, eq=False)
class Task:
    """One call of search: what is asked, among what."""

    queries: Float64[np.ndarray, "q d"]
    k: int
    metric: str
    excluded: Int64[np.ndarray, " q"] | None
    shown: Bool[np.ndarray, " n"] | None
    """Which codes of the tree count; None: all."""
    n_shown: int
    tail: tuple[Int64[np.ndarray, " t"], Float[np.ndarray, "t _"]]
    finish: Finish | None
    slack: float
    eps: float
    ids: Int64[np.ndarray, "q k"] = field(init=False)
    distances: Float32[np.ndarray, "q k"] = field(init=False)

    def __post_init__(self) -> None:
        shape = (len(self.queries), self.k)
        object.__setattr__(self, "ids", np.full(shape, -1, np.int64))
        object.__setattr__(self, "distances", np.full(shape, np.inf, np.float32))

    @property
    def is_sorted(self) -> bool:
        """Whether what the tree finds, nearest first, is all there is to find."""
        return self.shown is None and self.excluded is None and not len(self.tail[0])

    def rank(
        self, rows: Int64[np.ndarray, " q"], ids: Int64[np.ndarray, "q m"], found: Float[np.ndarray, "q m"]
    ) -> None:
        """Keep the k nearest of the candidates of some queries, ties by id."""
        values = found if self.finish is None else self.finish(rows, ids, found)
        if not self.is_sorted:
            counts = np.isfinite(found)
            ids, values = np.where(counts, ids, -1), np.where(counts, values, np.inf)
        order = np.lexsort((ids, values), axis=1)[:, : self.k]
        row = np.arange(len(rows))[:, None]
        self.ids[rows, : order.shape[1]] = ids[row, order]
        self.distances[rows, : order.shape[1]] = values[row, order]

    def reach(self, kth: Any) -> Any:
        """Return up to where codes may turn out to be as near as the k-th, whose distance is given."""
        return kth if self.finish is None else kth * (1 + _TIED) + self.slack
