"""The mission's own step: the distances of 20 queries to all images, sorted."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.bench import _data, _neighbours
from benchmarks.bench._protocol import ZEHN, Answer, Case, Comparison, Goal, Work, peer

SIZES = [15_000, 60_000, 240_000, 1_000_000]
_N_QUERIES = 20
_SCIPY = {"manhattan": "cityblock", "chebyshev": "chebyshev", "cosine": "cosine", "mahalanobis": "mahalanobis"}


def _work(sort: Any) -> Work:
    def turn() -> list[float]:
        began = time.perf_counter()
        sort()
        return [time.perf_counter() - began]

    def answer() -> dict[str, np.ndarray]:
        ids, distances = sort()
        return {"ids": ids, "distances": distances}

    sort()
    return Work(turn, answer)


@peer("Zehn", ZEHN)
def zehn(case: Case) -> Work:
    """One public call."""
    from zehn import distances
    from zehn.codes import count_threads

    codes, asked = _data.codes(case["n"]), _data.queries(_N_QUERIES)
    mean, covariance = np.zeros(_data.N_COMPONENTS), _data.covariance()
    return _work(lambda: distances.ranked(case["distance"], asked, codes, mean, covariance, n_threads=count_threads()))


@peer("scipy cdist + argsort")
def scipy(case: Case) -> Work:
    """As one would write it."""
    from scipy.spatial.distance import cdist

    codes, asked = _data.codes(case["n"]).astype(np.float64), _data.queries(_N_QUERIES).astype(np.float64)
    more = {"VI": np.linalg.inv(_data.covariance())} if case["distance"] == "mahalanobis" else {}
    name: Any = _SCIPY.get(case["distance"], "euclidean")

    def sort() -> tuple[np.ndarray, np.ndarray]:
        found = cdist(asked, codes, name, **more)
        order = np.argsort(found, axis=1)
        return order, np.take_along_axis(found, order, axis=1)

    return _work(sort)


def _cases(given: Any) -> list[dict[str, Any]]:
    wanted = given.distances or _neighbours.DISTANCES
    return [
        {"n": n, "distance": distance}
        for n in given.sizes or SIZES
        for distance in wanted
        if given.sizes or n == 60_000 or distance == "euclidean"
    ]


def _compare(reference: Answer, answer: Answer, case: Case) -> str:  # noqa: ARG001
    scale = np.abs(reference["distances"]).max()
    off = np.abs(reference["distances"] - answer["distances"]).max() / scale
    if off >= 1e-5:
        return f"distances differ by up to {off:.2g} of the largest"
    by_id = [np.empty_like(reference["distances"]) for _ in range(2)]
    for one, found in zip((reference, answer), by_id, strict=True):
        np.put_along_axis(found, one["ids"], one["distances"], axis=1)
    off = np.abs(by_id[0] - by_id[1]).max() / scale
    return "" if off < 1e-5 else f"an id's distances differ by up to {off:.2g} of the largest"


COMPARISON = Comparison(
    name="distances",
    title="Distances of 20 queries to all images, sorted",
    what=f"{_data.MIXTURE} From arrays (20, 10) and (n, 10) to ids and distances of all n, nearest first, for each "
    "query.",
    unit="batch of 20",
    minutes="2",
    cases=_cases,
    peers=[zehn, scipy],
    goals=(Goal(3.0),),
    compare=_compare,
    grows="n",
    growth_only=frozenset(SIZES) - {60_000},
    seconds=10,
)
