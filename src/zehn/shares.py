"""Which part of a batch a process has, where several processes train one model together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """One of ``n`` equally large parts of a batch, in the order of its rows: number ``index``, from 0."""

    index: int = 0
    n: int = 1

    def rows(self, n_rows: int) -> slice:
        """Return which rows of a batch of ``n_rows`` these are; ``n_rows`` is a multiple of ``n``."""
        size = n_rows // self.n
        return slice(self.index * size, (self.index + 1) * size)

    def fits(self, n_rows: int) -> bool:
        """Say whether so many rows can be divided evenly."""
        return n_rows % self.n == 0


WHOLE = Share()
"""All of a batch: what a process has that trains by itself."""
