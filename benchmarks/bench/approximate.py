"""Approximate search: how many queries a second at which recall."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.bench import _data
from benchmarks.bench._neighbours import K, n_threads
from benchmarks.bench._protocol import ZEHN, Answer, Case, Comparison, Goal, Work, peer

SIZES = [1_000_000]
ENOUGH = 0.99
_N_QUERIES = 1_000
_DEGREE, _BUILD = 16, 100
_WIDTHS = (10, 16, 24, 32, 48, 64, 96, 128, 192)
_PROBES = (1, 2, 4, 8, 16, 32, 64)
_EPS = (4.0, 3.0, 2.0, 1.5, 1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.0)
_N_TRIED = 300

SearchAt = Callable[[np.ndarray, Any], np.ndarray]
"""From queries and a setting to ids (q, 10)."""


def _work(search: SearchAt, settings: Sequence[Any], case: Case, built: float) -> Work:
    """Measure the curve once, then work at the quickest setting whose recall is enough."""
    asked = _data.queries(_N_QUERIES)
    truth = np.load(_truth_path(case["n"]))
    curve = []
    for setting in settings:
        search(asked[:20], setting)
        began = time.perf_counter()
        found = search(asked[:_N_TRIED], setting)
        seconds = (time.perf_counter() - began) / _N_TRIED
        curve.append({"setting": setting, "recall": _recall(found, truth), "seconds": seconds})
    good = [one for one in curve if one["recall"] >= ENOUGH] or [max(curve, key=lambda one: one["recall"])]
    chosen = min(good, key=lambda one: one["seconds"])

    def turn() -> list[float]:
        began = time.perf_counter()
        search(asked, chosen["setting"])
        return [time.perf_counter() - began]

    def answer() -> dict[str, np.ndarray]:
        return {"recall": np.array(_recall(search(asked, chosen["setting"]), truth))}

    return Work(turn, answer, {"build_s": built, "curve": curve, "chosen": chosen})


def _recall(found: np.ndarray, truth: np.ndarray) -> float:
    pairs = zip(found, truth[: len(found)], strict=True)
    return float(np.mean([len(np.intersect1d(*pair)) for pair in pairs])) / K


def _truth_path(n: int) -> Any:
    return _data.FOLDER / f"nearest-{n}.npy"


@peer("Zehn", ZEHN)
def zehn(case: Case) -> Work:
    """``approximate=True``: the tree is left when nothing can be nearer by more than a share."""
    from zehn import distances, engines

    codes, euclidean = _data.codes(case["n"]), distances.get("euclidean")
    began = time.perf_counter()
    mirror = engines.Mirror(np.arange(len(codes)), codes)
    truth = mirror.search(_data.queries(_N_QUERIES), K, euclidean)[0]
    built = time.perf_counter() - began
    _data.write(_truth_path(case["n"]), truth)

    def search(queries: np.ndarray, eps: float) -> np.ndarray:
        mirror.eps = eps
        return mirror.search(queries, K, euclidean, approximate=eps > 0)[0]

    return _work(search, _EPS, case, built)


@peer("faiss HNSW")
def faiss_hnsw(case: Case) -> Work:
    """16 neighbours a node, 100 candidates when it is built."""
    import faiss

    faiss.omp_set_num_threads(n_threads())
    codes = _data.codes(case["n"])
    began = time.perf_counter()
    index = faiss.IndexHNSWFlat(codes.shape[1], _DEGREE)
    index.hnsw.efConstruction = _BUILD
    index.add(codes)
    built = time.perf_counter() - began

    def search(queries: np.ndarray, width: int) -> np.ndarray:
        index.hnsw.efSearch = width
        return index.search(queries, K)[1]

    return _work(search, _WIDTHS, case, built)


@peer("faiss IVF")
def faiss_ivf(case: Case) -> Work:
    """As many lists as four times the root of n."""
    import faiss

    faiss.omp_set_num_threads(n_threads())
    codes = _data.codes(case["n"])
    n_lists = int(4 * case["n"] ** 0.5)
    began = time.perf_counter()
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(codes.shape[1]), codes.shape[1], n_lists)
    index.train(codes[np.random.default_rng(0).permutation(len(codes))[: 64 * n_lists]])
    index.add(codes)
    built = time.perf_counter() - began

    def search(queries: np.ndarray, n_probes: int) -> np.ndarray:
        index.nprobe = n_probes
        return index.search(queries, K)[1]

    return _work(search, _PROBES, case, built)


@peer("usearch")
def usearch(case: Case) -> Work:
    """Its HNSW, float32."""
    from usearch.index import Index

    codes = _data.codes(case["n"])
    began = time.perf_counter()
    index = Index(ndim=codes.shape[1], metric="l2sq", dtype="f32", connectivity=_DEGREE, expansion_add=_BUILD)
    index.add(np.arange(len(codes)), codes, threads=n_threads())
    built = time.perf_counter() - began

    def search(queries: np.ndarray, width: int) -> np.ndarray:
        index.expansion_search = width
        return np.asarray(index.search(queries, K, threads=n_threads()).keys)

    return _work(search, _WIDTHS, case, built)


@peer("hnswlib")
def hnswlib(case: Case) -> Work:
    """The original."""
    import hnswlib as library

    codes = _data.codes(case["n"])
    began = time.perf_counter()
    index = library.Index(space="l2", dim=codes.shape[1])
    index.init_index(max_elements=len(codes), ef_construction=_BUILD, M=_DEGREE)
    index.set_num_threads(n_threads())
    index.add_items(codes)
    built = time.perf_counter() - began

    def search(queries: np.ndarray, width: int) -> np.ndarray:
        index.set_ef(width)
        return index.knn_query(queries, K)[0]

    return _work(search, _WIDTHS, case, built)


def _compare(reference: Answer, answer: Answer, case: Case) -> str:  # noqa: ARG001
    recall = float(answer["recall"])
    return "" if recall >= ENOUGH - 0.005 else f"recall {recall:.3f} is below {ENOUGH}"


COMPARISON = Comparison(
    name="approximate",
    title="The ten nearest, approximate",
    what=f"{_data.MIXTURE} Queries a second of 1,000 at once by euclidean distance, each index at its quickest setting "
    f"whose recall@10 is at least {ENOUGH} (the curve is in the plot; exact search is one of Zehn's settings).",
    unit="query",
    minutes="6",
    cases=lambda given: [{"n": n} for n in given.sizes or SIZES],
    peers=[zehn, faiss_hnsw, faiss_ivf, usearch, hnswlib],
    goals=(Goal(1.0),),
    n_items=lambda _: _N_QUERIES,
    compare=_compare,
    grows="n",
)
