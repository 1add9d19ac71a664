"""How many images a second bulk encoding makes codes of, by the number of workers, here and on Ray.

    python benchmarks/bulk_encoding.py --workers 1 2 --repeats 3 --out bulk_encoding.json

writes the 60,000 CIFAR-10 images as PNG files and as tar shards of 1,000 into a temporary folder (``--folder`` keeps
them), encodes each source by each executor with each number of workers into an empty folder, and prints a table in
Markdown; ``--out`` gets the same as JSON. A worker is one process with one thread. Starting workers is part of the
time, starting Ray and its first job are not. ``--ray`` takes the address of a cluster, such as one of two nodes on this
machine (see docs/bulk_encoding.md); ``local`` starts one node, ``none`` leaves Ray out. All codes are compared with
those of one pass in this process. The page cache is warm; workers need as many free cores for the figures to mean
anything, so the load before each run is stated.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import statistics
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zehn import codes, datasets, plugins, store
from zehn.scale import encoding
from zehn.scale.encoding import parts
from zehn.scale.encoding.storage import Folder

PER_FOLDER = 1_000
HERE, RAY = "local", "ray"


def make_files(folder: Path, n_images: int, data_dir: Path | None) -> dict[str, Path]:
    """Write the images as PNG files, a thousand to a folder, and as tar shards of a thousand; return where."""
    places = {"png": folder / "png", "tar": folder / "tar"}
    images = datasets.load("auto", image_size=32, data_dir=data_dir).images
    if len(list(places["png"].rglob("*.png"))) == n_images:
        return places
    for start in range(0, n_images, PER_FOLDER):
        below = places["png"] / f"{start // PER_FOLDER:03}"
        below.mkdir(parents=True, exist_ok=True)
        places["tar"].mkdir(parents=True, exist_ok=True)
        with tarfile.open(places["tar"] / f"{start // PER_FOLDER:03}.tar", "w") as archive:
            for number in range(start, min(start + PER_FOLDER, n_images)):
                data = io.BytesIO()
                Image.fromarray(images[number % len(images)]).save(data, "PNG")
                (below / f"{number:05}.png").write_bytes(data.getvalue())
                about = tarfile.TarInfo(f"{number:05}.png")
                about.size = len(data.getvalue())
                archive.addfile(about, io.BytesIO(data.getvalue()))
    return places


@contextmanager
def cluster(address: str) -> Iterator[str | None]:
    """Connect to Ray once, so that starting it is not measured; yield the address, or None where there is none."""
    if address == "none":
        yield None
        return
    ray = plugins.require("ray", "scale")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    extra: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **extra)
    try:
        yield address
    finally:
        ray.shutdown()


def measure(source: Path, out: Path, address: str | None, n_workers: int, n_images: int) -> dict[str, Any]:
    """Encode once, and return images/s and where the work was done."""
    load = os.getloadavg()[0]
    encoded = encoding.encode(source, out, ray=address, n_workers=n_workers)
    if (encoded.n_images, encoded.n_new, len(encoded.skipped)) != (n_images, n_images, 0):
        raise RuntimeError(f"expected {n_images} new images, came {encoded}")
    return {
        "images_per_s": n_images / encoded.seconds,
        "seconds": encoded.seconds,
        "n_nodes": len(encoded.nodes),
        "n_parts": encoded.n_parts,
        "load_before": load,
    }


def codes_in(out: Path) -> dict[bytes, Any]:
    """Return all codes of a folder, by the name of the image."""
    folder, found = Folder(str(out)), dict[bytes, Any]()
    for name in folder.names():
        if name.startswith(parts.PREFIX):
            rows, values = parts.read_rows(folder, name)
            found |= {os.path.basename(row.path): value for row, value in zip(rows, values, strict=True)}  # noqa: PTH119
    return found


def expected_codes(n_images: int, data_dir: Path | None) -> dict[bytes, Any]:
    """Return the codes as one pass in this process makes them."""
    images = datasets.load("auto", image_size=32, data_dir=data_dir).images
    values = codes.encode(store.load_model("cifar10"), images[np.arange(n_images) % len(images)])
    return {f"{number:05}.png".encode(): value for number, value in enumerate(values)}


def repeat(
    source: Path, scratch: Path, address: str | None, n_workers: int, n_repeats: int, expected: Mapping[bytes, Any]
) -> dict[str, Any]:
    """Encode several times, each into an empty folder, and return the figures with the largest difference of codes."""
    runs, farthest = [], 0.0
    for number in range(n_repeats):
        out = scratch / f"{source.name}-{address is None}-{n_workers}-{number}"
        runs.append(measure(source, out, address, n_workers, len(expected)))
        came = codes_in(out)
        farthest = max(farthest, *(float(np.abs(came[name] - code).max()) for name, code in expected.items()))
    return {**summary(runs), "largest_difference_of_codes": farthest}


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the median and the range of several runs."""
    pace = [run["images_per_s"] for run in runs]
    rest = {name: runs[0][name] for name in ("n_nodes", "n_parts")}
    loads = [run["load_before"] for run in runs]
    return {
        "images_per_s": statistics.median(pace),
        "range": [min(pace), max(pace)],
        "n": len(runs),
        "seconds": statistics.median(run["seconds"] for run in runs),
        "load_before": loads,
        **rest,
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the figures as a table in Markdown, with the gain over one worker."""
    lines = [
        "| executor | source | workers | nodes | images/s | range | × one worker |",
        "|---|---|---|---|---|---|---|",
    ]
    ones = {(row["executor"], row["source"]): row["images_per_s"] for row in rows if row["n_workers"] == 1}
    for row in rows:
        one = ones.get((row["executor"], row["source"]))
        gain = "–" if one is None else f"{row['images_per_s'] / one:.2f}"
        low, high = row["range"]
        cells = [
            row["executor"],
            row["source"],
            str(row["n_workers"]),
            str(row["n_nodes"]),
            f"{row['images_per_s']:,.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} | {low:,.0f} to {high:,.0f} (n = {row['n']}) | {gain} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-images", type=int, default=60_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sources", nargs="+", default=["png", "tar"], choices=["png", "tar"])
    parser.add_argument("--executors", nargs="+", default=[HERE, RAY], choices=[HERE, RAY])
    parser.add_argument("--ray", default="local", metavar="ADDRESS|local|none")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--folder", type=Path, help="keep and reuse the files here")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="zehn-bulk-") as temporary, cluster(given.ray) as address:
        places = make_files(given.folder or Path(temporary), given.n_images, given.data_dir)
        expected = expected_codes(given.n_images, given.data_dir)
        if address is not None:  # Ray's first job starts what later ones find there
            encoding.encode(places["png"] / "000", Path(temporary) / "warm-up", ray=address, n_workers=1)
        executors = {HERE: None} | ({} if address is None else {RAY: address})
        for executor, source, n_workers in product(given.executors, given.sources, given.workers):
            if executor not in executors:
                continue
            where = executors[executor]
            figures = repeat(places[source], Path(temporary), where, n_workers, given.repeats, expected)
            rows.append({"executor": executor, "source": source, "n_workers": n_workers, **figures})
            print(f"{executor}, {source}, {n_workers}: {figures['images_per_s']:,.0f} images/s", flush=True)
    machine = {"n_cores": len(os.sched_getaffinity(0)), "n_images": given.n_images}
    if given.out:
        given.out.write_text(json.dumps({**machine, "rows": rows}, indent=1), encoding="utf-8")
    print(
        f"\n{table(rows)}\n\nlargest difference of codes: {max(row['largest_difference_of_codes'] for row in rows):.2g}"
    )


if __name__ == "__main__":
    main()
