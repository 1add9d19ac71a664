"""The ten nearest of many codes, exact, one query at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.bench import _data, _neighbours
from benchmarks.bench._protocol import Case, Comparison, Goal, Work, nearest_alike, piecewise

SIZES = [60_000, 250_000, 1_000_000, 10_000_000]
_N_ASKED = {10_000_000: 10, 1_000_000: 40}
_N_KNOWN = 2_000


def _play(search: _neighbours.Search, case: Case, built: float) -> Work:
    asked = _data.queries(_N_KNOWN)[:, None]
    n, turns = _N_ASKED.get(case["n"], 100), iter(range(1_000_000))

    def turn() -> list[float]:
        first = next(turns) * n
        rows = np.arange(first, first + n) % len(asked)
        search(asked[rows[0] - 1])  # what was pushed out of the caches by the others comes back
        return piecewise(search, asked[rows])

    return Work(turn, _neighbours.answer_of(search), {"build_s": built})


def _cases(given: Any) -> list[dict[str, Any]]:
    return _neighbours.cases(SIZES, ("euclidean", "manhattan"), given)


COMPARISON = Comparison(
    name="search",
    title="The ten nearest, one query at a time",
    what=f"{_data.MIXTURE} They lie in memory; the clock runs from one query (1, 10), in the form in which an encoder "
    "returns a code (float32, not yet prepared for the distance), to ids and distances of its ten nearest. Exact: the "
    f"hits of all are compared first. {_neighbours.BESIDE}",
    unit="query",
    minutes="8",
    cases=_cases,
    peers=_neighbours.peers(_play, threaded=False),
    goals=(Goal(1.0),),
    compare=nearest_alike,
    grows="n",
    growth_only=frozenset({250_000}),
    n_turns=10,
    seconds=10,
)
