"""Who finds nearest neighbours exactly, each by what it offers for a distance; single queries and batches share them.

Cosine and Mahalanobis distances are searched as a user who knows it would: codes of length 1, and whitened codes, are
stored beforehand; a query is prepared while the clock runs, as it is in Zehn.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench import _data, _leaves
from benchmarks.bench._protocol import ZEHN, Case, Peer, Work, peer

K = 10
DISTANCES = ("euclidean", "manhattan", "cosine", "chebyshev", "mahalanobis")
BESIDE = (
    "SciPy's bare cKDTree stands beside because it is the index inside Zehn's own search, which grows it otherwise and "
    "puts around it what a collection needs: ids and ties by id, leaving one out, filters, adding and removing, and "
    "what cosine and mahalanobis ask for (here the benchmark prepares that for the bare tree)."
)
"""Why the goal leaves it out."""
MANY = 10_000_000
"""With so many codes a scan takes too long for all who take part to be waited for."""
_EXPONENTS = {"manhattan": 1, "chebyshev": np.inf}
_SPELT = {"manhattan": "manhattan", "chebyshev": "chebyshev"}
_AT_ONCE = 10_000
_N_FIRST, _N_LOOKED = 20, 100
"""Zehn answers its first sixteen queries by scans, as a tree would not pay yet: all are asked for more beforehand."""

Search = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From queries (q, 10) to ids and distances (q, 10), nearest first."""
Make = Callable[[Case, np.ndarray], Search]
Play = Callable[[Search, Case, float], Work]


def prepared(codes: np.ndarray, distance: str) -> np.ndarray:
    """Return codes whose euclidean distances are, or order as, those of the distance."""
    if distance == "cosine":
        return codes / np.linalg.norm(codes, axis=1, keepdims=True)
    return codes @ _data.whitening() if distance == "mahalanobis" else codes


def finished(distances: np.ndarray, distance: str) -> np.ndarray:
    """Return the distances whose prepared ones are given."""
    return np.square(distances) / 2 if distance == "cosine" else distances


def n_threads() -> int:
    """Return how many threads everybody may use."""
    return int(os.environ.get("OMP_NUM_THREADS", "1"))


def peers(play: Play, *, threaded: bool) -> list[Peer]:
    """Return everyone who takes part; ``play`` turns a search into a turn's work."""

    def of(make: Make) -> Callable[[Case], Work]:
        def ready(case: Case) -> Work:
            codes = _data.codes(case["n"])
            began = time.perf_counter()
            search = make(case, codes)
            search(_data.queries(_N_FIRST))  # whatever is made when it is first needed
            work = play(search, case, time.perf_counter() - began)
            return replace(work, facts={**work.facts, **getattr(search, "looks", dict)()})

        ready.__name__ = make.__name__
        return ready

    def few(case: Case) -> bool:
        return case["n"] < MANY

    def by_sklearn(case: Case) -> bool:
        # growing its tree of ten million takes a minute: one distance is enough to see how it does
        return few(case) or case["distance"] == "euclidean"

    def by_usearch(case: Case) -> bool:
        # ten times as slow as the others: a batch by one distance is enough to see it
        is_short = case["distance"] == "euclidean" and case["n"] <= 60_000 if threaded else few(case)
        return is_short and case["distance"] not in _EXPONENTS

    def by_numpy(case: Case) -> bool:
        # without a matrix product it goes query by query, and nobody waits for ten thousand of them
        return few(case) and not (threaded and case["distance"] in _EXPONENTS)

    return [
        peer("Zehn", ZEHN)(of(zehn)),
        peer("Zehn, a collection's file", ZEHN, takes=few)(of(zehn_file)),
        peer("faiss flat")(of(faiss_flat)),
        peer("usearch, exact", takes=by_usearch)(of(usearch_exact)),
        peer("scikit-learn KDTree", takes=by_sklearn)(of(sklearn_kdtree_threaded if threaded else sklearn_kdtree)),
        peer("scikit-learn brute", takes=few)(of(sklearn_brute)),
        peer("NumPy", takes=by_numpy)(of(numpy_scan)),
        peer("SciPy cKDTree", takes=few, is_beside=True)(of(scipy_ckdtree)),
    ]


def zehn(case: Case, codes: np.ndarray) -> Search:
    """Codes in memory, searched by any distance: what the service and the evaluation do."""
    from zehn import distances, engines

    mirror = engines.Mirror(np.arange(len(codes)), codes)
    search: Any = _by_zehn(mirror, case)
    if case["distance"] == "euclidean":
        asked, euclidean = _data.queries(_N_LOOKED), distances.get("euclidean")
        search.looks = lambda: _leaves.mean_within_reach(mirror, asked, K, euclidean)
    return search


def zehn_file(case: Case, codes: np.ndarray) -> Search:
    """A collection on disk, in a transaction each time: what ``Collection.search`` asks once it has the code."""
    from zehn import engines

    path = _data.FOLDER / f"codes-{case['n']}.zehn"
    if not path.is_file():
        unfinished = path.with_name(f"unfinished-{path.name}")
        _remove(unfinished)
        with engines.create(unfinished, codes.shape[1]) as engine:
            for start in range(0, len(codes), _AT_ONCE):
                part = codes[start : start + _AT_ONCE]
                named = range(start, start + len(part))
                engine.add([engines.NewRecord(b"/photos/%08d.jpg" % i, 1, 1, b"h" * 32, 4, 3) for i in named], part)
        unfinished.rename(path)
    return _by_zehn(engines.connect(path, read_only=True), case)


def _by_zehn(engine: Any, case: Case) -> Search:
    from zehn import distances

    distance = distances.get(case["distance"], np.zeros(_data.N_COMPONENTS), _data.covariance())

    def search(queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = engine.search(queries, K, distance)
        return (found.ids, found.distances) if hasattr(found, "ids") else found[:2]

    return search


def _remove(path: Path) -> None:
    for one in path.parent.glob(f"{path.name}*"):
        shutil.rmtree(one) if one.is_dir() else one.unlink()


def faiss_flat(case: Case, codes: np.ndarray) -> Search:
    """The flat index of each metric."""
    import faiss

    distance = case["distance"]
    faiss.omp_set_num_threads(n_threads())
    metric = {"manhattan": faiss.METRIC_L1, "chebyshev": faiss.METRIC_Linf}.get(distance, faiss.METRIC_L2)
    index = faiss.IndexFlat(codes.shape[1], metric)
    index.add(np.ascontiguousarray(prepared(codes, distance)))

    def search(queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found, ids = index.search(prepared(queries, distance), K)
        root = np.sqrt(np.maximum(found, 0)) if metric == faiss.METRIC_L2 else found
        return ids, finished(root, distance)

    return search


def usearch_exact(case: Case, codes: np.ndarray) -> Search:
    """Its exact search over an array."""
    from usearch.index import search as over

    distance = case["distance"]
    stored = np.ascontiguousarray(prepared(codes, distance))

    def search(queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        matches = over(stored, prepared(queries, distance), K, "l2sq", exact=True, threads=n_threads())
        shape = (len(queries), K)
        root = np.sqrt(np.maximum(matches.distances.reshape(shape), 0))
        return matches.keys.reshape(shape), finished(root, distance)

    return search


def sklearn_kdtree(case: Case, codes: np.ndarray) -> Search:
    """The tree itself, asked from one thread."""
    from sklearn.neighbors import KDTree

    distance = case["distance"]
    tree = KDTree(prepared(codes, distance), metric=_SPELT.get(distance, "euclidean"))

    def search(queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found, ids = tree.query(prepared(queries, distance), K)
        return ids, finished(found, distance)

    return search


def sklearn_kdtree_threaded(case: Case, codes: np.ndarray) -> Search:
    """The tree behind the estimator, which shares queries out among threads."""
    return _estimator(case, codes, "kd_tree")


def sklearn_brute(case: Case, codes: np.ndarray) -> Search:
    """The estimator that compares with all."""
    return _estimator(case, codes, "brute")


def _estimator(case: Case, codes: np.ndarray, algorithm: Any) -> Search:
    from sklearn.neighbors import NearestNeighbors

    distance = case["distance"]
    named = _SPELT.get(distance, "euclidean")
    near = NearestNeighbors(n_neighbors=K, algorithm=algorithm, metric=named, n_jobs=n_threads())
    near.fit(prepared(codes, distance))

    def search(queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found, ids = near.kneighbors(prepared(queries, distance))
        return ids, finished(found, distance)

    return search


def numpy_scan(case: Case, codes: np.ndarray) -> Search:
    """Differences or a matrix product, and a partial sort."""
    distance = case["distance"]
    stored = np.ascontiguousarray(prepared(codes, distance))
    squares = np.einsum("nd,nd->n", stored, stored)
    step = max(1, 30_000_000 // len(stored))

    def rough(asked: np.ndarray) -> np.ndarray:
        if distance == "manhattan":
            return np.stack([np.abs(stored - one).sum(axis=1) for one in asked])
        if distance == "chebyshev":
            return np.stack([np.abs(stored - one).max(axis=1) for one in asked])
        return squares - 2 * (asked @ stored.T)

    def search(queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        asked = prepared(queries, distance)
        parts = []
        for start in range(0, len(asked), step):
            part = asked[start : start + step]
            near = np.argpartition(rough(part), K - 1, axis=1)[:, :K]
            apart = stored[near].astype(np.float64) - part[:, None]
            exact = np.linalg.norm(apart, ord=_EXPONENTS.get(distance, 2), axis=2)
            order = np.argsort(exact, axis=1)
            parts.append((np.take_along_axis(near, order, 1), np.take_along_axis(exact, order, 1)))
        ids, found = (np.concatenate(side) for side in zip(*parts, strict=True))
        return ids, finished(found, distance)

    return search


def scipy_ckdtree(case: Case, codes: np.ndarray) -> Search:
    """The tree that Zehn itself stands on."""
    from scipy.spatial import cKDTree

    distance = case["distance"]
    tree = cKDTree(prepared(codes, distance))

    def search(queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        workers = n_threads() if len(queries) > 1 else 1
        found, ids = tree.query(prepared(queries, distance), K, p=_EXPONENTS.get(distance, 2), workers=workers)
        return ids, finished(found, distance)

    return search


def answer_of(search: Search, n_queries: int = 20) -> Callable[[], dict[str, np.ndarray]]:
    """Return what answers the same few queries, for the check."""

    def answer() -> dict[str, np.ndarray]:
        ids, found = search(_data.queries(n_queries))
        return {"ids": np.asarray(ids, np.int64), "distances": np.asarray(found, np.float64)}

    return answer


def cases(sizes: list[int], few: tuple[str, ...], given: Any) -> list[dict[str, Any]]:
    """Return sizes × distances; sizes that are there for the growth alone, and batches of many, have ``few``."""
    wanted = given.distances or DISTANCES
    chosen = given.sizes or sizes
    return [
        {"n": n, "distance": distance}
        for n in chosen
        for distance in wanted
        if given.sizes or n in (60_000, 1_000_000, 10_000_000) or distance in few
    ]
