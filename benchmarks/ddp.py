"""What a second process brings to training: images per second with the same whole batch, on the same cores.

    python benchmarks/ddp.py --repeats 3

trains the preset's recipe on CIFAR-10 in turns by one process with one thread, by one with two, and by two processes
with one each, and prints, as JSON, images per second of every epoch but a training's first, and the final losses, which
should agree. One process with two threads is what ``zehn train`` does without ``--devices``: the fair comparison.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WAYS = {"1 process, 1 thread": (1, 1), "1 process, 2 threads": (1, 2), "2 processes, 1 thread each": (2, 1)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train in every way, in turns, and print."""
    given = _parse(arguments)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in WAYS}
    for _ in range(given.repeats):
        for name, (n_processes, n_threads) in WAYS.items():
            found[name].append(_train(n_processes, n_threads, given))
    print(json.dumps({name: _summarise(histories) for name, histories in found.items()}, indent=1))


def _train(n_processes: int, n_threads: int, given: argparse.Namespace) -> dict[str, Any]:
    """Return the history of a training by the command line, as a user would begin it."""
    settings = {
        "data.n_train": given.n_train,
        "data.n_test": 1_000,
        "train.epochs": given.epochs,
        "train.batch_size": given.batch_size,
        "train.precision": "float32",
        "train.decoder_seen": 0,
    }
    sets = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "zehn", "train", "--dataset", given.dataset, "--device", "cpu", *sets]
        command += [word for change in given.set for word in ("--set", change)]
        subprocess.run(
            [*command, "--devices", str(n_processes), "--out", folder + "/run"],
            check=True,
            env=os.environ | {"OMP_NUM_THREADS": str(n_threads)},
            stdout=subprocess.DEVNULL,
        )
        history: dict[str, Any] = json.loads((Path(folder) / "run/train/history.json").read_text(encoding="utf-8"))
        return history


def _summarise(histories: Sequence[dict[str, Any]]) -> dict[str, Any]:
    paces = [row["images_per_second"] for history in histories for row in history["epochs"][1:]]
    return {
        "images_per_second": statistics.median(paces),
        "range": [min(paces), max(paces)],
        "n_epochs": len(paces),
        "validation_loss": [history["epochs"][-1]["validation"]["loss"] for history in histories],
    }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--repeats", type=int, default=3)
    add("--epochs", type=int, default=3, help="at least 2: the first one warms up")
    add("--n-train", type=int, default=10_000, help="training images")
    add("--batch-size", type=int, default=256)
    add("--dataset", default="cifar10")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting for all trainings")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
