"""How long a search takes in a collection, how long it takes to load, and how much memory it needs.

    python benchmarks/search.py --sizes 60000 1000000 --out search.json

makes collections of codes from a mixture of 50 Gaussians in ten dimensions, opens each in a process of its own, and
asks single queries, new ones of the same mixture, by every distance; beside it, the same work by a scan of all codes
(scipy's cdist and a partial sort). Then 10,000 images are removed and 10,000 others added, and the searches right after
are timed and compared with the scan. Prints a table; ``--out`` keeps the figures as JSON. On a shared machine the
processor's medians are what can be compared, and the wall times of the scan tell how busy it was.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from zehn import distances, engines

N_COMPONENTS = 10
N_GAUSSIANS = 50
SPREAD = 3.0
BATCH = 10_000
K = 10
N_CHANGED = 10_000
N_COMPARED = 20
KILOBYTES_PER_GIGABYTE = 1e6


def draw(n: int, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return codes of the mixture: unit Gaussians whose centres are spread three times as far."""
    centers = np.random.default_rng(0).normal(0, SPREAD, (N_GAUSSIANS, N_COMPONENTS))
    generator = np.random.default_rng(seed)
    return (centers[generator.integers(0, N_GAUSSIANS, n)] + generator.normal(size=(n, N_COMPONENTS))).astype(
        np.float32
    )


def records(first: int, n: int) -> list[engines.NewRecord]:
    """Return records of images that are not there, of ten labels."""
    return [
        engines.NewRecord(
            f"/photographs/{i // 1000}/{i:08}.jpg".encode(), 30_000, i, b"h" * 32, 640, 480, f"class {i % 10}"
        )
        for i in range(first, first + n)
    ]


def fill(path: Path, n: int) -> float:
    """Make a collection, and return rows per second."""
    codes = draw(n, seed=1)
    began = time.perf_counter()
    with engines.create(path, N_COMPONENTS) as engine:
        for start in range(0, n, BATCH):
            engine.add(records(start, min(BATCH, n - start)), codes[start : start + BATCH])
    return n / (time.perf_counter() - began)


def time_queries(search: Any, queries: Any) -> dict[str, float]:
    """Return the median and the 99th percentile of milliseconds, and the processor's median; queries asked alone."""
    seconds, processor = [], []
    for query in queries:
        began, began_processor = time.perf_counter(), time.thread_time()
        search(query[None])
        seconds.append(time.perf_counter() - began)
        processor.append(time.thread_time() - began_processor)
    return {
        "p50_ms": 1e3 * float(np.median(seconds)),
        "p99_ms": 1e3 * float(np.percentile(seconds, 99)),
        "processor_p50_ms": 1e3 * float(np.median(processor)),
    }


def scan(queries: Any, codes: Any, distance: distances.Distance) -> Any:
    """Return distances of the nearest by comparing with all codes, prepared beforehand."""
    base = distances.base_distances(distance.prepare(queries.astype(np.float64)), codes, distance.metric)
    return distance.finish(np.sort(np.partition(base, K, axis=1)[:, :K], axis=1)).astype(np.float32)


def measure_search(engine: engines.Engine, codes: Any, n_queries: int) -> dict[str, Any]:
    """Return figures of every distance; ``codes`` are those stored."""
    queries = draw(n_queries + 5, seed=2)
    mean, covariance = codes.mean(axis=0), np.cov(codes.T)
    figures = {}
    for name in distances.names():
        distance = distances.get(name, mean, covariance)
        began = time.perf_counter()
        engine.search(queries[:1], K, distance)
        first = time.perf_counter() - began
        for query in queries[:5]:
            engine.search(query[None], K, distance)
        exact = time_queries(lambda asked, of=distance: engine.search(asked, K, of), queries[5:])
        filtered = time_queries(
            lambda asked, of=distance: engine.search(asked, K, of, where="label = 'class 3'"), queries[5:55]
        )
        rough = engine.search(queries[:1], K, distance, approximate=True)
        approximate = time_queries(
            lambda asked, of=distance: engine.search(asked, K, of, approximate=True), queries[5:]
        )
        began = time.perf_counter()
        engine.search(queries, K, distance)
        batch = len(queries) / (time.perf_counter() - began)
        figures[name] = {
            **exact, "first_s": first, "filtered_p50_ms": filtered["p50_ms"], "batch_queries_per_second": batch,
            "approximate_p50_ms": approximate["p50_ms"], "approximate_recall": rough.recall,
        }  # fmt: skip
    return figures


def measure_scan(codes: Any, n_queries: int) -> dict[str, Any]:
    """Return figures of the scan."""
    figures = {}
    for name in distances.names():
        distance = distances.get(name, codes.mean(axis=0), np.cov(codes.T))
        prepared = distance.prepare(codes.astype(np.float64))
        queries = draw(n_queries, seed=2)
        figures[name] = time_queries(lambda asked, of=distance, among=prepared: scan(asked, among, of), queries)
    return figures


def measure_changes(path: Path, n: int) -> dict[str, Any]:
    """Remove and add while the indexes are there, and time and check the searches right after."""
    codes, new = draw(n, seed=1), draw(N_CHANGED, seed=3)
    gone = np.random.default_rng(4).permutation(n)[:N_CHANGED]
    now = np.concatenate([np.delete(codes, gone, axis=0), new])
    queries, figures = draw(200, seed=5), {}
    with engines.connect(path) as engine:
        of = {name: distances.get(name, codes.mean(axis=0), np.cov(codes.T)) for name in distances.names()}
        for distance in of.values():
            engine.search(queries[:1], K, distance)
        began = time.perf_counter()
        engine.remove(gone)
        figures["remove_s"] = time.perf_counter() - began
        began = time.perf_counter()
        engine.add(records(n, N_CHANGED), new)
        figures["add_s"] = time.perf_counter() - began
        for name, distance in of.items():
            began = time.perf_counter()
            engine.search(queries[:1], K, distance)
            first = time.perf_counter() - began
            after = time_queries(lambda asked, of=distance: engine.search(asked, K, of), queries)
            found = engine.search(queries[:N_COMPARED], K, distance).distances
            expected = scan(queries[:N_COMPARED], distance.prepare(now.astype(np.float64)), distance)
            is_exact = bool(np.allclose(found, expected, rtol=1e-6, atol=1e-9))
            figures[name] = {"first_s": first, **after, "is_exact": is_exact}
    return figures


def opened(path: Path, n: int, n_queries: int) -> dict[str, Any]:
    """Return what one process measures that only opens and searches: its memory is what a search needs."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with engines.connect(path, read_only=True) as engine:
        codes = np.concatenate([part for _, part in engine.walk_codes(n_batch=BATCH)])
        began = time.perf_counter()
        engine.search(codes[:1], K, distances.get("euclidean"))
        load = time.perf_counter() - began
        one = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        figures = measure_search(engine, codes, n_queries)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory = {"at_start_gb": before, "with_one_index_gb": one, "with_all_indexes_gb": peak}
    return {
        "load_and_first_search_s": load,
        "n": n,
        "memory": {name: kilobytes / KILOBYTES_PER_GIGABYTE for name, kilobytes in memory.items()},
        "search": figures,
    }


def in_own_process(*arguments: str) -> Any:
    """Return the figures that this file prints when it is given other arguments."""
    answer = subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(answer.stdout)


def measure(n: int, folder: Path, n_queries: int) -> dict[str, Any]:
    """Return all figures of one size."""
    path = folder / f"{n}.zehn"
    rate = fill(path, n)
    figures = in_own_process("--open", str(path), "--sizes", str(n), "--queries", str(n_queries))
    figures["add_rows_per_second"], figures["file_mb"] = rate, path.stat().st_size / 1e6
    figures["scan"] = measure_scan(draw(n, seed=1), N_COMPARED)
    figures["changes"] = in_own_process("--change", str(path), "--sizes", str(n))
    return figures


def show(figures: dict[str, Any]) -> None:
    """Print one size as a table."""
    memory = figures["memory"]
    print(
        f"\n{figures['n']:,} codes: {figures['add_rows_per_second']:,.0f} rows/s added, {figures['file_mb']:.0f} MB, "
        f"loaded and first answer in {figures['load_and_first_search_s']:.2f} s, {memory['at_start_gb']:.2f} GB "
        f"of memory at start, {memory['with_one_index_gb']:.2f} with one index, "
        f"{memory['with_all_indexes_gb']:.2f} with all"
    )
    print(f"removed {N_CHANGED:,} in {figures['changes']['remove_s']:.2f} s, added {figures['changes']['add_s']:.2f} s")
    columns = (
        "p50 ms",
        "p99 ms",
        "CPU p50",
        "filtered",
        "rough",
        "recall",
        "batch q/s",
        "scan p50",
        "after: 1st s",
        "CPU p50",
        "exact",
    )
    print(f"{'':12}" + "".join(f"{column:>13}" for column in columns))
    for name, of in figures["search"].items():
        after = figures["changes"][name]
        numbers = (
            of["p50_ms"], of["p99_ms"], of["processor_p50_ms"], of["filtered_p50_ms"], of["approximate_p50_ms"],
            of["approximate_recall"], of["batch_queries_per_second"], figures["scan"][name]["p50_ms"],
            after["first_s"], after["processor_p50_ms"],
        )  # fmt: skip
        print(f"{name:12}" + "".join(f"{number:13.3f}" for number in numbers) + f"{after['is_exact']!s:>13}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[60_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--folder", type=Path, help="where the collections are made; a temporary one by default")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--change", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.open:
        print(json.dumps(opened(given.open, given.sizes[0], given.queries)))
        return
    if given.change:
        print(json.dumps(measure_changes(given.change, given.sizes[0])))
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        figures = []
        for n in given.sizes:
            figures.append(measure(n, Path(folder), given.queries))
            show(figures[-1])
    if given.out:
        given.out.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
