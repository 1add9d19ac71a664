"""Two runs' figures side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zehn import config, store
from zehn.errors import RunError

_MEASURES = ("P@1", "P@10", "P@100", "mAP@1000", "MAP@R", "20-NN accuracy")
_RECONSTRUCTION = ("mse", "psnr", "ssim", "channel_accuracy")


def compare(first: Path, second: Path) -> dict[str, Any]:
    """Set two runs' figures side by side.

    Returns:
        ``{"runs": [name, name], "settings": [{name, first, second}], "figures": [{name, first, second, difference}]}``:
        the settings that differ and every headline figure that both runs have, each with its 95 % interval where there
        is one.

    Raises:
        RunError: one of the folders is no run, or has not been queried yet.

    """
    runs = [store.Run.open(folder) for folder in (first, second)]
    figures = [_figures(run) for run in runs]
    shared = [name for name in figures[0] if name in figures[1]]
    return {
        "runs": [str(first), str(second)],
        "settings": _differences(*(dataclasses.asdict(config.read(run.path / "config.toml")) for run in runs)),
        "figures": [_row(name, figures[0][name], figures[1][name]) for name in shared],
    }


def _figures(run: store.Run) -> dict[str, Any]:
    if not run.has("query/query.json"):
        raise RunError(f"{run.path} has not been queried yet; do so with: zehn query {run.path}")
    evaluation = run.read_json("query/query.json")["evaluation"]
    figures: dict[str, Any] = {}
    for protocol, scores in evaluation["protocols"].items():
        figures |= {f"{protocol}: {name}": (scores or {}).get(name) for name in _MEASURES}
    figures |= {f"reconstruction: {name}": evaluation["reconstruction"].get(name) for name in _RECONSTRUCTION}
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
