"""What a run folder tells, for the page: its headline, training curves, comparison of distances, and figures."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zehn.errors import RunError, UnknownNameError
from zehn.store import Run

_logger = logging.getLogger(__name__)
REPORT_NAME = "report.pdf"
STAGES = ("data", "evolve", "train", "check", "query", "robust", "report")
_PARTS = {"train": "train/history.json", "robust": "robust/train/history.json"}
_SPLITS = ("train", "validation", "test", "distorted")
_EPOCH = ("epoch", "seconds", *_SPLITS)
_KIND = ".png"
_SENDABLE = re.compile(r"[\w.-]+", re.ASCII)
"""Names that go into an address and a header as they are; the pipeline makes no others."""
_NO_RUN_WRITES = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
_HITS = "hits_"
_TITLES = {
    "data-samples": "Images of each class",
    "evolve-evolution": "The evolution of the model",
    "train-architecture": "The model, layer by layer",
    "train-curves": "Training curves",
    "check-reconstructions": "Images and what their codes kept of them",
    "check-pairplot": "The numbers of the codes against each other",
    "check-umap": "A map of the test codes",
    "query-cover": "Queries and their hits",
    "query-precision": "Precision of each distance",
    "query-overlap": "How far the distances agree",
    "robust-distortions": "The distortions",
    "robust-training": "Training with distorted images",
    "robust-curves": "Old and new model under distortion",
    "robust-corruptions": "Old and new model under fifteen corruptions",
    "robust-queries_gaussian_noise": "Noisy queries: hits of the old and of the new model",
    "robust-queries_perspective": "Tilted queries: hits of the old and of the new model",
}


@dataclass(frozen=True)
class Figure:
    """A picture of a run."""

    name: str
    """What it is asked for by, such as ``check-umap.png``."""
    title: str
    path: Path


def summary(run: Run) -> dict[str, Any]:
    """Return what a run is, its headline figures and its stages.

    Raises:
        RunError: something in the folder is damaged.

    """
    with _checking(run):
        identity, report, book = _read(run, "run.json"), _read(run, "report.json"), run.stages()
        return {
            "name": run.path.resolve().name,
            "dataset": str(report.get("dataset") or identity.get("dataset", "")),
            "preset": str(identity.get("preset", "")),
            "seed": int(identity.get("seed", 0)),
            "started": str(identity.get("started", "")),
            "verdict": str(report.get("verdict", "")),
            "headline": [{"name": str(row["name"]), "value": str(row["value"])} for row in report.get("headline", ())],
            "stages": [_stage(name, book.get(name)) for name in STAGES],
            "has_report": _is_own(run, run.path / REPORT_NAME),
        }


def summaries(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Return the summary of each run; one that is damaged is left out and logged."""
    return list(_summaries(runs))


def history(run: Run) -> dict[str, Any]:
    """Return the measures of each epoch of the trainings that the run made, also of one that is under way.

    Raises:
        RunError: something in the folder is damaged.

    """
    parts = []
    for name, path in _PARTS.items():
        with _checking(run):
            kept = _read(run, path)
            epochs = [{key: row.get(key) for key in _EPOCH} for row in kept.get("epochs", ())]
        if epochs:
            parts.append({"name": name, "best_epoch": kept.get("best_epoch"), "epochs": epochs})
    return {"parts": parts}


def comparison(run: Run) -> dict[str, Any]:
    """Return how the distances compare on the run's queries; no distance where that was not done.

    Raises:
        RunError: something in the folder is damaged.

    """
    with _checking(run):
        query = _read(run, "query/query.json") if "query" in run.stages() else {}
        scores: Mapping[str, Any] = query.get("scores", {})
        return {
            "distances": list(scores),
            "scores": dict(scores),
            "overlap": query.get("overlap", {}),
            "recommendation": str(query.get("recommendation", "")),
        }


def figures(run: Run) -> list[Figure]:
    """Return the pictures of the stages that are done, in the order of the stages.

    Raises:
        RunError: the run's book is damaged.

    """
    return list(_figures(run))


def file(run: Run, name: str) -> Path:
    """Return the path of a figure, or of the report, by a name that this module made: never one from outside.

    Raises:
        UnknownNameError: there is no such file.
        RunError: the run's book is damaged.

    """
    known = {one.name: one.path for one in _figures(run)}
    if _is_own(run, run.path / REPORT_NAME):
        known[REPORT_NAME] = run.path / REPORT_NAME
    if name not in known:
        raise UnknownNameError("file of the run", name, known)
    return known[name]


def _figures(run: Run) -> Iterator[Figure]:
    book = run.stages()
    order = list(_TITLES)
    for stage in (name for name in STAGES if name in book):
        found = {f"{stage}-{path.stem}": path for path in sorted((run.path / stage).glob(f"*{_KIND}"))}
        for name in sorted(found, key=lambda one: order.index(one) if one in order else len(order)):
            if _SENDABLE.fullmatch(name) and _is_own(run, found[name]):
                yield Figure(f"{name}{_KIND}", _title(name), found[name])


def _summaries(runs: Iterable[Run]) -> Iterator[dict[str, Any]]:
    for run in runs:
        try:
            told = summary(run)
        except RunError as error:
            fields = {"run": str(run.path), "reason": str(error)}
            _logger.warning("a run cannot be read", extra={"fields": fields})
        else:
            yield told


def _is_own(run: Run, path: Path) -> bool:
    """Say whether a file is there and lies in the run: a link, of the file or of its folder, may lead out of it."""
    return path.is_file() and path.resolve().is_relative_to(run.path.resolve())


@contextmanager
def _checking(run: Run) -> Iterator[None]:
    """Say of JSON that can be read but holds what no run writes that the run is damaged."""
    try:
        yield
    except _NO_RUN_WRITES as error:
        raise RunError(
            f"{run.path} is damaged: its JSON files hold what no run writes ({type(error).__name__}: {error}); "
            "give its command again in another folder"
        ) from error


def _title(name: str) -> str:
    _, _, what = name.partition("-")
    if what.startswith(_HITS):
        return f"Hits by {what.removeprefix(_HITS)} distance"
    return _TITLES.get(name, what.replace("_", " ").capitalize())


def _stage(name: str, entry: Mapping[str, Any] | None) -> dict[str, Any]:
    known = entry or {}
    return {
        "name": name,
        "done": entry is not None,
        "seconds": known.get("seconds"),
        "finished": known.get("finished"),
    }


def _read(run: Run, name: str) -> Mapping[str, Any]:
    read = run.read_json(name) if run.has(name) else {}
    return read if isinstance(read, Mapping) else {}
