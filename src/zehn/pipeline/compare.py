"""Two runs' figures side by side, and their models on the same queries."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zehn import codes, config, evaluate, store
from zehn.errors import RunError
from zehn.measures.names import HEADLINE, MEASURES, PRECISIONS, RECONSTRUCTION
from zehn.pipeline.workshop import CODES_PATH
from zehn.progress import Progress

_SHOWN = tuple(name for name in MEASURES if name in (*PRECISIONS[::2], *HEADLINE))


def compare(first: Path, second: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Set two runs' figures side by side, and compare their models on the same queries.

    The queries are all test images, the database all images (the main protocol), the distance that of the figures.

    Args:
        first: One run folder.
        second: The other one.
        progress: Told how many queries are ranked by each run's codes.

    Returns:
        ``{"runs": [name, name], "settings": [{name, first, second}], "figures": [{name, first, second, difference}],
        "paired": [{measure, difference: Interval, p_value}], "overlap": float}``: the settings that differ, every
        headline figure that both runs have, each with its 95 % interval where there is one, the paired test of P@10,
        mAP@1000 and MAP@R (nothing without labels), and the share of its ten hits that a query has in both runs.
        Differences are second − first.

    Raises:
        RunError: one of the folders is no run, or has not been queried yet, or the runs are of different data.
        DataError: a file of codes is damaged.

    """
    runs = [store.Run.open(folder) for folder in (first, second)]
    evaluations = [_evaluation(run) for run in runs]
    figures = [_figures(evaluation) for evaluation in evaluations]
    shared = [name for name in figures[0] if name in figures[1]]
    return {
        "runs": [str(first), str(second)],
        "settings": _differences(*(dataclasses.asdict(config.read(run.path / "config.toml")) for run in runs)),
        "figures": [_row(name, figures[0][name], figures[1][name]) for name in shared],
        **_compare_codes(runs, evaluations, progress),
    }


def _compare_codes(
    runs: Sequence[store.Run], evaluations: Sequence[Mapping[str, Any]], progress: Progress | None
) -> dict[str, Any]:
    one, two = (codes.read(run.path / CODES_PATH) for run in runs)
    sizes = [tuple(evaluation["dataset"][key] for key in ("name", "n_train", "n_test")) for evaluation in evaluations]
    alike = np.array_equal(one.ids, two.ids) and _are_equal(one.labels, two.labels)
    if sizes[0] != sizes[1] or not alike:
        said = [f"{run.path} ({size[0]}, {size[1]} + {size[2]} images)" for run, size in zip(runs, sizes, strict=True)]
        raise RunError(
            f"the runs are of different data: {said[0]} and {said[1]} differ in their images or labels; compare runs "
            "of the same data set, number of images and, where it was cut down, seed"
        )
    _, n_train, n_test = sizes[0]
    queries = np.arange(n_train, n_train + n_test)
    distance = evaluations[0]["distance"]
    return evaluate.compare_codes(
        one.codes, two.codes, one.labels, queries, n_train=n_train, distance=distance, progress=progress
    )


def _are_equal(first: NDArray[Any] | None, second: NDArray[Any] | None) -> bool:
    if first is None or second is None:
        return first is second
    return np.array_equal(first, second)


def _evaluation(run: store.Run) -> dict[str, Any]:
    for name, what, command in (("query/query.json", "queried", "query"), (CODES_PATH, "checked", "check")):
        if not run.has(name):
            raise RunError(f"{run.path} has not been {what} yet; do so with: zehn {command} {run.path}")
    return run.read_json("query/query.json")["evaluation"]


def _figures(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for protocol, scores in evaluation["protocols"].items():
        figures |= {f"{protocol}: {name}": (scores or {}).get(name) for name in _SHOWN}
    figures |= {f"reconstruction: {name}": evaluation["reconstruction"].get(name) for name in RECONSTRUCTION}
    return {name: value for name, value in figures.items() if value is not None}


def _row(name: str, first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, Any]:
    return {"name": name, "first": first, "second": second, "difference": second["mean"] - first["mean"]}


def _differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[dict[str, Any]]:
    one, two = dict(_flattened(first)), dict(_flattened(second))
    names = sorted({*one, *two})
    return [
        {"name": name, "first": one.get(name), "second": two.get(name)}
        for name in names
        if one.get(name) != two.get(name)
    ]


def _flattened(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in settings.items():
        deeper = isinstance(value, Mapping)
        rows += _flattened(value, f"{prefix}{name}.") if deeper else [(f"{prefix}{name}", value)]
    return rows
