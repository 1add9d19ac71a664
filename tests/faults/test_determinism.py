"""The same seed on the same machine gives the same run on the CPU, with one thread and with as many as there are cores.

Weights are the same bit for bit, and figures. Not read are files that hold times: reports (PDF), checkpoints, logs.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.settings import STAGES
from zehn import store

from .conftest import TINY
from .programs import IS_FULL, done

TIMES = {"seconds", "ms_per_query", "finished", "started", "created", "images_per_second", "command", "start", "inputs"}
"""What a run says of when and how fast it was made; of where; and a hash of files that say so."""
TOLD = re.compile(r"\d[\d.,]*(?= (?:s|ms|min|images a second)\b)")
"""Times in a sentence; advice takes the quicker one of equally good distances."""
UNREAD = (".pdf", ".ckpt", "evolution.png", ".lock")
"""Endings of files that hold times in their bytes, or draw them."""
AS_IT_COMES = tuple(
    word
    for setting in ("data.name=digits", "data.n_train=200", "data.n_test=40", "train.epochs=2")
    for word in ("--set", setting)
)
"""The preset's own architecture, objectives and precision."""
MORE = ("evolve.architectures=['dense']", *STAGES)


@pytest.mark.parametrize(("settings", "n_threads"), [(TINY, 1), (AS_IT_COMES, os.cpu_count())])
def test_a_training_of_the_same_seed_is_the_same(settings: tuple[str, ...], n_threads: int, tmp_path: Path) -> None:
    models, threads = [], {"OMP_NUM_THREADS": str(n_threads)}
    for name in ("one", "other"):
        done("train", "--preset", "smoke", *settings, "--out", tmp_path / name, environment=threads)
        models.append(store.load_model(tmp_path / name / "train/model.h5"))
    assert untimed(tmp_path / "one/train/history.json") == untimed(tmp_path / "other/train/history.json")
    one, other = models
    assert one.weights.keys() == other.weights.keys()
    assert all(one.weights[name].tobytes() == other.weights[name].tobytes() for name in one.weights)
    assert one.code_covariance.tobytes() == other.code_covariance.tobytes()
    assert one.graphs == other.graphs


@pytest.mark.skipif(not IS_FULL, reason="two whole runs; python -m tests.faults makes them")
@pytest.mark.parametrize(("settings", "n_threads"), [(TINY, 1), (AS_IT_COMES, os.cpu_count())])
def test_a_run_of_the_same_seed_is_the_same(settings: tuple[str, ...], n_threads: int, tmp_path: Path) -> None:
    words = [*settings, *(word for setting in MORE for word in ("--set", setting))]
    one, other = tmp_path / "one/run", tmp_path / "other/run"  # its name stands in legends
    for out in (one, other):
        done("run", "--preset", "smoke", *words, "--out", out, environment={"OMP_NUM_THREADS": str(n_threads)})
    assert names_in(one) == names_in(other)
    assert [str(name) for name in names_in(one) if not is_same(one / name, other / name)] == []


def names_in(run: Path) -> list[Path]:
    """Return the files of a run, sorted, but for TensorBoard's, whose names hold times."""
    files = (path.relative_to(run) for path in run.rglob("*") if path.is_file())
    return sorted(path for path in files if "tfevents" not in path.name)


def is_same(one: Path, other: Path) -> bool:
    if one.suffix == ".json":
        return bool(untimed(one) == untimed(other))
    if one.suffix == ".h5":
        return store.load_model(one).fingerprint == store.load_model(other).fingerprint
    return one.name.endswith(UNREAD) or one.read_bytes() == other.read_bytes()


def untimed(path: Path) -> Any:
    """Return what a JSON file says but for times."""
    return without_times(json.loads(path.read_text(encoding="utf-8")))


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_times(one) for name, one in value.items() if name not in TIMES}
    if isinstance(value, list):
        return [without_times(one) for one in value]
    if isinstance(value, str):
        return "advice" if value.startswith(("Use ", "Start with ")) else TOLD.sub("?", value)
    return value
