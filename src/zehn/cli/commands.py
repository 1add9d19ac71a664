"""One function a command: it makes one public call and prints what came of it."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import threading
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zehn.cli import processes, tables
from zehn.cli.progress import progress_line, say
from zehn.errors import DataError, RunError

if TYPE_CHECKING:
    from zehn import store
    from zehn.config import Config

_RUNS = Path("runs")


def run(given: Namespace) -> int:
    """``zehn run``."""
    finished = _perform_run(given)
    if finished is not None:
        _print_headline(finished)
    return 0


def train(given: Namespace) -> int:
    """``zehn train``."""
    finished = _perform_run(given, until=("train",), resume=given.resume, tensorboard=given.tensorboard)
    if finished is None:
        return 0
    print(f"model: {finished.path / 'train' / 'model.h5'}")
    print(f"curves: tensorboard --logdir {shlex.quote(str(finished.path / 'train' / 'logs'))}")
    if given.tensorboard:
        _serve_until_interrupted()
    return 0


def check(given: Namespace) -> int:
    """``zehn check``."""
    return _perform_stage(given, "check", given.set, ("reconstructions", "pairplot", "umap"))


def query(given: Namespace) -> int:
    """``zehn query``."""
    changes = list(given.set)
    if given.ids:
        changes.append(f"query.query_ids=[{given.ids}]")
    if given.distances:
        names = ", ".join(json.dumps(name.strip()) for name in given.distances.split(","))
        changes.append(f"query.distances=[{names}]")
    return _perform_stage(given, "query", changes, ())


def robust(given: Namespace) -> int:
    """``zehn robust``."""
    names = ("distortions", "training", "curves", "corruptions", "queries_gaussian_noise", "queries_perspective")
    return _perform_stage(given, "robust", given.set, names)


def report(given: Namespace) -> int:
    """``zehn report``."""
    from zehn.report import write_report
    from zehn.store import Run

    with Run.open(given.run or _newest_run(), for_writing=True) as opened:
        print(f"report: {write_report(opened)}")
    return 0


def get_data(given: Namespace) -> int:
    """``zehn data get``."""
    from zehn import datasets

    print(datasets.get(given.name, data_dir=given.data_dir, progress=progress_line()))
    return 0


def verify_data(given: Namespace) -> int:
    """``zehn data verify``."""
    from zehn import datasets

    try:
        dataset = datasets.load(given.name, data_dir=given.data_dir, progress=progress_line())
    except DataError as error:
        print(f"zehn: {error}", file=sys.stderr)
        return 1
    problems = datasets.verify(given.name, dataset=dataset)
    print(tables.data_table(datasets.describe(dataset)))
    for problem in problems:
        print(f"zehn: {problem}", file=sys.stderr)
    print("not as it should be" if problems else "all as it should be")
    return 1 if problems else 0


def describe_data(given: Namespace) -> int:
    """``zehn data info``."""
    from zehn import datasets

    dataset = datasets.load(given.name, data_dir=given.data_dir, progress=progress_line())
    print(tables.data_table(datasets.describe(dataset)))
    return 0


def evaluate(given: Namespace) -> int:
    """``zehn evaluate``."""
    from zehn import datasets, store
    from zehn.evaluate import evaluate as evaluate_model

    model = store.load_model(given.model)
    dataset = datasets.load(
        given.dataset, image_size=model.image_size, data_dir=given.data_dir, progress=progress_line()
    )
    evaluation = evaluate_model(
        model,
        dataset,
        distance=given.distance,
        baselines=not given.no_baselines,
        seed=given.seed,
        device=given.device,
        progress=progress_line(),
    )
    print(json.dumps(evaluation, indent=2) if given.json else tables.evaluation_table(evaluation))
    return 0


def compare(given: Namespace) -> int:
    """``zehn compare``."""
    from zehn import pipeline

    comparison = pipeline.compare(given.first, given.second, progress_line())
    print(json.dumps(comparison, indent=2) if given.json else tables.comparison_table(comparison))
    return 0


def bundle(given: Namespace) -> int:
    """``zehn bundle``."""
    from zehn import pipeline

    print(pipeline.bundle(given.run or _newest_run(), given.out))
    return 0


def _perform_run(given: Namespace, **ways: Any) -> store.Run | None:
    """Perform a run in this process, or in several of them: None then, but in the first of them."""
    from zehn import pipeline

    config = _config(given)
    if processes.must_launch(given):
        processes.launch(given)
        return None
    with processes.joined(config) as ranks:
        if ranks is not None and not ranks.is_first:
            pipeline.follow(ranks, given.data_dir)
            return None
        told = {"data_dir": given.data_dir, "command": _command_line(), "say": say()}
        return pipeline.run(config, given.out, **told, **ways, ranks=ranks)


def _config(given: Namespace) -> Config:
    from zehn import config

    assignments = list(given.set)
    for name, value in (
        ("data.name", given.dataset),
        ("train.device", given.device),
        ("model.source", getattr(given, "model", None)),
        ("train.start", getattr(given, "start", None)),
    ):
        if value is not None:
            assignments.append(f"{name}={json.dumps(value)}")
    if getattr(given, "objective", None):
        assignments.append(f"train.objectives={_objectives(given.objective)}")
    seed: dict[str, Any] = {} if given.seed is None else {"seed": given.seed}
    return config.resolve(given.preset, path=given.config, assignments=assignments, **seed)


def _objectives(given: list[str]) -> str:
    """Return objectives, as the command line names them, as a TOML table; a weight that is not named is 1."""
    pairs = (text.partition("=") for text in given)
    return f"{{{', '.join(f'{name.strip()} = {weight.strip() or 1}' for name, _, weight in pairs)}}}"


def _perform_stage(given: Namespace, stage: str, changes: list[str], figures: tuple[str, ...]) -> int:
    from zehn import pipeline

    finished = pipeline.run_again(given.run or _newest_run(), (stage,), changes=changes, say=say())
    for name in figures:
        if finished.has(f"{stage}/{name}.png"):
            print(finished.path / stage / f"{name}.png")
    if stage == "query":
        print(tables.distances_table(finished.read_json("query/query.json")))
    if stage == "robust":
        print(tables.robustness_table(finished.read_json("robust/robust.json")))
    return 0


def _print_headline(finished: store.Run) -> None:
    from zehn import pipeline

    print(tables.aligned(pipeline.headline(finished)))
    print(f"report: {finished.path / 'report.pdf'}")


def _serve_until_interrupted() -> None:
    print("TensorBoard stays open; Ctrl-C ends it", file=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _newest_run() -> Path:
    found = sorted(_RUNS.glob("*/run.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise RunError("there is no run in runs/ yet; name a run folder, or make one with: zehn run")
    return found[-1].parent


def _command_line() -> str:
    return shlex.join(["zehn", *sys.argv[1:]])
