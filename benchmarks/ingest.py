"""How fast images go into a collection, how fast unchanged ones are passed over, and how long a cold search takes.

    python benchmarks/ingest.py --n-images 3000 --repeats 3

makes JPEG files of about 30 kB (400 × 300, upscaled CIFAR-10 images with a photograph's grain) in a temporary folder,
adds them to a new collection with the model that ships, adds them again, and runs ``zehn search IMAGE`` from the shell.
Prints images/s, files/s and seconds as JSON: the median and the range over the repeats. The page cache is warm. On a
shared machine the processor seconds are what can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zehn import Collection, codes, datasets

_SIZE = (400, 300)
_GRAIN, _QUALITY = 13.0, 77


def make_files(folder: Path, n_images: int, data_dir: Path | None) -> float:
    """Write the JPEG files, a hundred to a folder, and return their mean size in kilobytes."""
    images = datasets.load("auto", image_size=32, data_dir=data_dir).x_test
    generator, n_bytes = np.random.default_rng(0), 0
    for number in range(n_images):
        large = Image.fromarray(images[number % len(images)]).resize(_SIZE, Image.Resampling.BICUBIC)
        grain = generator.normal(0, _GRAIN, (_SIZE[1], _SIZE[0], 1))
        grainy = np.clip(np.asarray(large) + grain, 0, 255).astype(np.uint8)
        path = folder / f"{number // 100:03}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grainy).save(path, quality=_QUALITY)
        n_bytes += path.stat().st_size
    return n_bytes / n_images / 1e3


def seconds_of(task: Callable[[], object]) -> tuple[float, float]:
    """Return how long a call took, on the wall and of processors, its processes included."""
    began, began_processor = time.perf_counter(), _processor_seconds()
    task()
    return time.perf_counter() - began, _processor_seconds() - began_processor


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def search_from_the_shell(collection: Path, image: Path) -> None:
    """Run ``zehn search`` in a process of its own, as a shell does."""
    command = [sys.executable, "-m", "zehn", "search", str(image), "--collection", str(collection), "--json"]
    subprocess.run(command, check=True, capture_output=True)


def measure(folder: Path, home: Path, repeats: int, n_images: int) -> dict[str, Any]:
    """Return images/s of adding, files/s of adding again, and seconds of a search from the shell."""
    seconds: dict[str, list[tuple[float, float]]] = {"add": [], "add_again": [], "cold_search": []}
    image = next(folder.rglob("*.jpg"))
    for number in range(repeats):
        path = home / f"{number}.zehn"
        with Collection.create(path) as collection:
            seconds["add"].append(seconds_of(lambda: collection.add(folder)))
        with Collection.open(path) as collection:
            seconds["add_again"].append(seconds_of(lambda: collection.add(folder)))
        seconds["cold_search"].append(seconds_of(partial(search_from_the_shell, path, image)))
    figures: dict[str, Any] = {f"{name}_s": _summary(values) for name, values in seconds.items()}
    figures["add_images_per_s"] = n_images / figures["add_s"]["wall"]
    figures["unchanged_files_per_s"] = n_images / figures["add_again_s"]["wall"]
    return figures


def _summary(values: list[tuple[float, float]]) -> Mapping[str, Any]:
    wall, processor = zip(*values, strict=True)
    return {
        "wall": statistics.median(wall),
        "wall_range": [min(wall), max(wall)],
        "processor": statistics.median(processor),
        "n": len(values),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-images", type=int, default=3_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--folder", type=Path, help="keep and reuse the files here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zehn-ingest-") as temporary:
        folder = given.folder or Path(temporary) / "photos"
        found = list(folder.rglob("*.jpg"))
        if len(found) != given.n_images:
            kilobytes = make_files(folder, given.n_images, given.data_dir)
        else:
            kilobytes = sum(path.stat().st_size for path in found) / len(found) / 1e3
        figures = measure(folder, Path(temporary), given.repeats, given.n_images)
    machine = {"n_threads": codes.count_threads(), "load_before": os.getloadavg()[0]}
    print(json.dumps({"kilobytes_per_file": kilobytes, "n_images": given.n_images, **machine, **figures}, indent=1))


if __name__ == "__main__":
    main()
