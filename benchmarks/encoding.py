"""How long all 60,000 images of CIFAR-10 take to encode, and how long the whole protocol takes.

    python benchmarks/encoding.py --model runs/cifar10-quick/train/model.h5 --repeats 3

prints wall and processor seconds, images per second and the peak of memory, as JSON. ``--evaluate`` adds ``zehn
evaluate`` with all its baselines. On a shared machine the processor seconds are what can be compared.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zehn import codes, datasets, store
from zehn.evaluate import evaluate

KILOBYTES_PER_GIGABYTE = 1e6


def measure(task: Callable[[], object], repeats: int) -> dict[str, Any]:
    """Return the median and the extremes of wall seconds and the median of processor seconds."""
    wall, processor = [], []
    for _ in range(repeats):
        began, began_processor = time.perf_counter(), time.process_time()
        task()
        wall.append(time.perf_counter() - began)
        processor.append(time.process_time() - began_processor)
    return {
        "wall_seconds": statistics.median(wall),
        "wall_range": [min(wall), max(wall)],
        "processor_seconds": statistics.median(processor),
        "n": repeats,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--evaluate", action="store_true")
    given = parser.parse_args()
    model = store.load_model(given.model)
    dataset = datasets.load("cifar10", image_size=model.image_size, data_dir=given.data_dir)
    images = dataset.images
    codes.encode(model, images[: codes.count_threads()])  # starts the session
    encoding = measure(lambda: codes.encode(model, images), given.repeats)
    figures = {"encode": {**encoding, "images_per_second": len(images) / encoding["wall_seconds"]}}
    if given.evaluate:
        figures["evaluate"] = measure(lambda: evaluate(model, dataset), 1)
    figures["memory"] = {"peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES_PER_GIGABYTE}
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
