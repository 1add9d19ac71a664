"""Ten numbers to two: the map of 10,000 codes."""

from __future__ import annotations

import time
import warnings

from benchmarks.bench import _data
from benchmarks.bench._protocol import ZEHN, Case, Comparison, Work, peer

SIZES = [1_250, 2_500, 5_000, 10_000]


@peer("Zehn", ZEHN)
def zehn(case: Case) -> Work:
    """What the check of a run draws: seeded, so that the same codes give the same map, on one core."""
    from zehn.evaluate.projection import project

    codes = _data.codes(case["n"])
    project(_data.codes(1_250)[:200])  # numba's compiling

    def turn() -> list[float]:
        began = time.perf_counter()
        project(codes)
        return [time.perf_counter() - began]

    return Work(turn)


@peer("umap-learn as it comes", ZEHN)
def umap_learn(case: Case) -> Work:
    """Not seeded, on all cores."""
    import umap

    codes = _data.codes(case["n"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        umap.UMAP().fit_transform(codes[:200])

    def turn() -> list[float]:
        began = time.perf_counter()
        umap.UMAP().fit_transform(codes)
        return [time.perf_counter() - began]

    return Work(turn)


COMPARISON = Comparison(
    name="projection",
    title="UMAP of 10,000 codes",
    what="Codes to points of a map, compiling excepted.",
    unit="map",
    minutes="3",
    cases=lambda given: [{"n": n} for n in given.sizes or SIZES],
    peers=[zehn, umap_learn],
    goals=(),
    grows="n",
    n_turns=2,
)
