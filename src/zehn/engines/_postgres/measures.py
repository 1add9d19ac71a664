"""Distances as SQL: what pgvector is to order rows by, and how near a row that it puts last may truly be.

pgvector computes in float32. What it says of a row is therefore a bound and no more: each measure knows how large the
distance of a row is at least, computed exactly, for which pgvector says so and so much. The answer to a search is
proven where no row that was not looked at can be near enough.

With ε the rounding of float32 and d dimensions: a sum of d terms of one sign errs by at most (d + 4) ε of itself, an
inner product of a and b by (d + 4) ε |a| |b|. See Higham, Accuracy and Stability of Numerical Algorithms, 2002, ch. 3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from zehn.distances import Distance

_EPS = float(np.finfo(np.float32).eps)
_TINY = 1e-18
"""Less than that, squares are no longer numbers of float32."""
_HUGE = 1e18
"""More than that, they are infinite."""
_MOST_SPREAD = 16.0
"""How many times as long a code may be as what a linear map leaves of it, for pgvector to know its direction."""
_MOST_TERMS = 32
"""Of more dimensions the largest difference is not asked for in SQL: each costs a pass over the code."""
_POWER = 16
_STRONGEST = 1e20
"""Matrices with larger numbers could leave what float32 holds."""

Vector = Float64[np.ndarray, " d"]


@dataclass(frozen=True)
class Order:
    """What rows are ordered by for one query."""

    sql: str
    """An expression of the column ``c.code``, with a placeholder for each value; no index knows it."""
    values: tuple[str | float, ...]
    at_least: Callable[[float], float]
    """What pgvector said of a row → the least that its base distance, computed exactly, can be."""


@dataclass(frozen=True, eq=False)
class Measure:
    """A distance of codes of so many dimensions, for pgvector."""

    distance: Distance
    n_components: int

    @property
    def is_exact(self) -> bool:
        """Whether SQL can order by it closely enough; otherwise all codes are read."""
        distance = self.distance
        if not distance.is_described or (
            distance.metric != "l2" and (self._matrix is not None or distance.is_directional)
        ):
            return False
        if distance.metric == "linf":
            return self.n_components <= _MOST_TERMS
        if self._matrix is None:
            return True
        is_sound = self._norm < _STRONGEST
        return is_sound and (distance.is_directional or self._norm * self._slack < 0.1 * self._least_stretch)

    @property
    def can_be_indexed(self) -> bool:
        """Whether there can be an index for approximate search."""
        return (
            self.distance.is_described
            and (self._matrix is None or self._norm < _STRONGEST)
            and (self._n_prepared <= 2_000)
        )

    @property
    def indexed(self) -> str:
        """The expression that an index is made of, over the column ``{code}``."""
        if self._matrix is None and not self.distance.is_directional:
            return "{code}"
        mapped = self._mapped("{code}")
        if self.distance.is_directional:
            mapped = f"l2_normalize({mapped})::vector({self._n_prepared})"
        return f"({mapped})"

    @property
    def operator(self) -> str:
        """What pgvector calls the metric; the largest difference is approached by l2."""
        return "<+>" if self.distance.metric == "l1" else "<->"

    @property
    def operators(self) -> str:
        """The class of operators of an index."""
        return "vector_l1_ops" if self.distance.metric == "l1" else "vector_l2_ops"

    @cached_property
    def key(self) -> str:
        """A name of the index: distances that it serves alike have the same."""
        return hashlib.sha256(f"{self.indexed} {self.operators}".encode()).hexdigest()[:16]

    def vector(self, query: Vector) -> Vector:
        """Return what rows' prepared codes are compared with."""
        if self.distance.is_directional:
            return self.distance.prepare(query[None])[0, : self._n_prepared]
        return query if self._matrix is None else self._matrix @ query

    def order(self, query: Vector, *, is_shipped: bool) -> Order:
        """Return what to order by for a query, for an exact search; what is shipped to shards has no GREATEST in it."""
        if self.distance.metric == "linf":
            return self._by_power(query) if is_shipped else self._by_largest(query)
        vector, mapped = self.vector(query), self._mapped("c.code")
        sent = as_text(vector)
        if not self.distance.is_directional:
            return Order(f"({mapped} {self.operator} %s::vector) + 0", (sent,), self._bound(query, vector))
        apart = f"l2_normalize({mapped}) <-> %s::vector"
        if self._matrix is None:
            return Order(f"({apart}) + 0", (sent,), self._bound(query, vector))
        # of what is nearly lost in the map, nothing can be said: it comes first
        is_clear = f"vector_norm({mapped}) * {_MOST_SPREAD:g} > vector_norm(c.code)"
        return Order(f"CASE WHEN {is_clear} THEN {apart} ELSE -1 END", (sent,), self._bound(query, vector))

    def _bound(self, query: Vector, vector: Vector) -> Callable[[float], float]:
        rounded = np.abs(vector - vector.astype(np.float32)) + _TINY
        wrong, share = float(rounded.sum() if self.distance.metric == "l1" else np.linalg.norm(rounded)), 0.0
        if self.distance.is_directional:
            wrong += 2 * _EPS
            if self._matrix is not None:
                wrong += 2 * _MOST_SPREAD * self._norm * self._slack
        elif self._matrix is not None:
            # |x| ≤ |q| + |x − q|, and |x − q| is at most the distance by the least stretch of the map
            wrong += self._norm * self._slack * float(np.linalg.norm(query))
            share = self._norm * self._slack / self._least_stretch
        share = (1 + share) * (1 + self._slack)
        return lambda said: (min(said, _HUGE) - wrong) / share

    def _by_largest(self, query: Vector) -> Order:
        largest = f"greatest({', '.join(self._differences)})"
        return Order(largest, tuple(query.tolist()), lambda said: said * (1 - 1e-9) - _TINY)

    def _by_power(self, query: Vector) -> Order:
        """Order by the 16-norm of the differences, which is their largest, or up to d^(1/16) times that."""
        most = self.n_components ** (1 / _POWER) * (1 + 1e-9)
        powers = " + ".join(f"({one} + {_TINY}) ^ {_POWER}" for one in self._differences)
        return Order(powers, tuple(query.tolist()), lambda said: said ** (1 / _POWER) / most - 2 * _TINY)

    @property
    def _differences(self) -> list[str]:
        """Each number of a code is its inner product with a unit vector: exact, and known to every shard."""
        unit = np.eye(self.n_components)
        return [f"abs((c.code <#> '{as_text(row)}') + %s)" for row in unit]

    def _mapped(self, code: str) -> str:
        """Return the expression of a code after the linear map."""
        if self._matrix is None:
            return code
        products = ", ".join(f"(-({code} <#> '{as_text(row)}'))::real" for row in self._matrix)
        return f"(ARRAY[{products}]::vector({len(self._matrix)}))"

    @cached_property
    def _matrix(self) -> Float64[np.ndarray, "p d"] | None:
        return self.distance.linear(self.n_components)

    @property
    def _n_prepared(self) -> int:
        return self.n_components if self._matrix is None else len(self._matrix)

    @cached_property
    def _norm(self) -> float:
        return 0.0 if self._matrix is None else float(np.linalg.norm(self._matrix))

    @cached_property
    def _least_stretch(self) -> float:
        if self._matrix is None or len(self._matrix) < self.n_components:
            return 0.0
        return float(np.linalg.svd(self._matrix, compute_uv=False)[-1])

    @property
    def _slack(self) -> float:
        return (self.n_components + 4) * _EPS


def as_text(vector: Vector) -> str:
    """Return a vector as pgvector reads it."""
    return "[" + ",".join(map(repr, vector.astype(np.float32).tolist())) + "]"
