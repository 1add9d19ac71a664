"""Engines: what stores prepared codes and answers nearest-neighbour queries. A file here is an engine.

An engine knows the base metrics "l2", "l1" and "linf" and no distance by name: :mod:`zehn.distances` prepares the codes
that go in and finishes the base distances that come out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Int, Int64

from zehn import plugins


@runtime_checkable
class Engine(Protocol):
    """What every engine does; ``Engine(options)`` in the engine's file makes an empty one."""

    def __len__(self) -> int:
        """Return how many codes are stored."""
        ...

    def add(self, ids: Int[np.ndarray, " n"], codes: Float[np.ndarray, "_ d"]) -> None:
        """Store prepared codes (n, d) under ids (n,) that are new to the engine.

        Raises:
            InputError: ids that are there already or given twice, another number of ids or dimensions, no numbers.

        """
        ...

    def remove(self, ids: Int[np.ndarray, " n"]) -> None:
        """Forget the codes of ids (n,).

        Raises:
            InputError: ids that are not there.

        """
        ...

    def search(
        self,
        queries: Float[np.ndarray, "q d"],
        k: int,
        metric: str = "l2",
        exclude: Int[np.ndarray, " q"] | None = None,
    ) -> tuple[Int64[np.ndarray, "q k"], Float32[np.ndarray, "q k"]]:
        """Return the ids of the k nearest codes of each prepared query, nearest first, and their base distances.

        Equal distances are ordered by id, also where they decide who is among the k. ``exclude`` names one id per query
        that is left out, usually its own (an id that is not stored leaves out nothing). Where fewer than k are left,
        the rest of the row has id −1 at distance infinity.

        Raises:
            InputError: k below 1, another number of dimensions, or queries that are no numbers.
            UnknownNameError: another metric.

        """
        ...


def build(name: str = "memory", options: Mapping[str, Any] | None = None) -> Engine:
    """Return an empty engine.

    Raises:
        UnknownNameError: there is no such engine; the message suggests the closest name.
        ConfigError: an option that it does not have, or a value of the wrong type.

    """
    plugin = plugins.load("engines", name)
    return plugin.Engine(plugins.options(plugin, options))
