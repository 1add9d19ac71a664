"""The ten nearest of many codes, exact, many queries at once."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.bench import _data, _neighbours
from benchmarks.bench._protocol import Case, Comparison, Goal, Work, nearest_alike

SIZES = [60_000, 250_000, 1_000_000, 10_000_000]
_N_QUERIES = {60_000: 10_000, 250_000: 4_000, 1_000_000: 1_000, 10_000_000: 100}
_WORK = 1_000_000_000
"""Queries × codes for other sizes."""
_FEW = ("euclidean", "manhattan")
_PATIENCE = 1.5
"""Who would need more seconds for all queries is asked for as many as take so long."""
_TRIED = 20


def _n_queries(case: Case) -> int:
    return _N_QUERIES.get(case["n"], max(100, min(10_000, _WORK // case["n"])))


def _play(search: _neighbours.Search, case: Case, built: float) -> Work:
    asked = _data.queries(_n_queries(case))
    search(asked[:_TRIED])
    began = time.perf_counter()
    search(asked[: len(asked) // _TRIED])
    share = min(1.0, _PATIENCE / (_TRIED * (time.perf_counter() - began)))
    part = asked[: max(_TRIED, int(share * len(asked)))]

    def turn() -> list[float]:
        began = time.perf_counter()
        search(part)
        return [(time.perf_counter() - began) * len(asked) / len(part)]

    facts = {"build_s": built, "n_done": len(part)}
    return Work(turn, _neighbours.answer_of(search, min(200, len(asked))), facts)


def _cases(given: Any) -> list[dict[str, Any]]:
    chosen = _neighbours.cases(SIZES, _FEW, given)
    return [one for one in chosen if given.sizes or one["n"] < _neighbours.MANY or one["distance"] in _FEW]


COMPARISON = Comparison(
    name="batch_search",
    title="The ten nearest, many queries at once",
    what=f"{_data.MIXTURE} 10,000 queries at 60,000 codes, 1,000 at a million, 100 at ten million, handed over as one "
    "array. Who would take longer than a second and a half is given fewer, as the table says, and the time is that of "
    f"all at this pace. {_neighbours.BESIDE}",
    unit="query",
    minutes="6",
    cases=_cases,
    peers=_neighbours.peers(_play, threaded=True),
    goals=(Goal(1.0),),
    n_items=_n_queries,
    compare=nearest_alike,
    grows="n",
    growth_only=frozenset({250_000}),
    n_turns=7,
    seconds=15,
)
