"""The paragraph that says what retraining gained on distorted queries and what it cost, from the figures alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_NAMES = {"gaussian_noise": "noise σ", "perspective": "perspective"}
_FIRST = ("P@10 kept", "overlap")
"""What a distortion is summed up by: the first of these that was measured."""
_KEPT, _LOSS = "P@10 kept", "a loss"
_ROUNDING = 1e-6
"""What the bounds of an interval, resampled in float32, may be off by."""

Robust = Mapping[str, Any]


def explain(robust: Robust, strengths: Mapping[str, float]) -> str:
    """Return the paragraph, drawn from ``compare_robustness``' figures alone.

    Args:
        robust: What it returns, the paragraph aside.
        strengths: Of which kinds to speak, and at which strength, or the nearest to it that was measured.

    """
    sentences = [
        *(_tell_distortion(_nearest(robust, kind, strength)) for kind, strength in strengths.items()),
        _tell_unseen(robust),
        _tell_cost(robust),
        _tell_limits(robust),
    ]
    return " ".join(filter(None, sentences))


def _nearest(robust: Robust, kind: str, strength: float) -> Mapping[str, Any] | None:
    rows = [row for row in robust["distortions"] if row["kind"] == kind]
    return min(rows, key=lambda row: abs(row["strength"] - strength), default=None)


def _tell_distortion(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    where, differences = f"{_NAMES[row['kind']]} {row['strength']:g}", _differences(row["paired"])
    measure = next(name for name in _FIRST if name in differences)
    old, new = (row[side][measure]["mean"] for side in ("old", "new"))
    what = {
        "P@10 kept": "of its clean P@10",
        "overlap": "of the clean query's ten hits",
    }[measure]
    recalls = (row[side]["recall@1"]["mean"] for side in ("old", "new"))
    return (
        f"Under {where} the new model keeps {_percent(new)} {what} where the old one kept {_percent(old)} "
        f"({_points(differences[measure])}), and finds the clean original first in {_told_recall(*recalls)} "
        f"({_points(differences['recall@1'])})."
    )


def _told_recall(old: float, new: float) -> str:
    return f"{_percent(new)} of cases instead of {_percent(old)}"


def _tell_unseen(robust: Robust) -> str:
    unseen = robust["unseen"]
    if unseen is None or unseen["paired"] is None:
        return ""
    n_kinds = len({row["kind"] for row in robust["distortions"] if not row["seen"]})
    kinds = "one corruption" if n_kinds == 1 else f"{n_kinds} corruptions"
    return (
        f"Over {kinds} that neither generator makes, at severity {unseen['severity']} of 5, it keeps "
        f"{_percent(unseen['new']['mean'])} of its P@10 on average where the old one kept "
        f"{_percent(unseen['old']['mean'])} ({_points(unseen['paired']['difference'])}){_tell_worse(robust)}."
    )


def _tell_worse(robust: Robust) -> str:
    """Name the corruptions, at the severity that is averaged, that the new model stands worse beyond chance."""
    rows = [row for row in robust["distortions"] if not row["seen"] and row["strength"] == robust["unseen"]["severity"]]
    worse = [row for row in rows if _judge(_differences(row["paired"])[_KEPT]) == _LOSS]
    told = [f"{row['kind'].replace('_', ' ')} ({_change(row)})" for row in worse]
    return f", but less of it under {', '.join(told)}" if told else ""


def _change(row: Mapping[str, Any]) -> str:
    return " → ".join(_percent(row[side][_KEPT]["mean"]) for side in ("old", "new"))


def _tell_cost(robust: Robust) -> str:
    differences = _differences(robust["clean"]["paired"])
    old, new = (robust["clean"][side] for side in ("old", "new"))
    named = {"P@10": ("P@10", 4, ""), "psnr": ("the PSNR of reconstructions", 2, " dB")}
    told = [
        f"{name} went from {old[measure]['mean']:.{n}f} to {new[measure]['mean']:.{n}f}{unit} "
        f"({_spread(differences[measure], n)})"
        for measure, (name, n, unit) in named.items()
        if measure in differences
    ]
    return (
        f"On clean queries {' and '.join(told)}; {_percent(robust['clean']['overlap'])} of the old model's ten hits "
        "are the new one's too."
    )


def _tell_limits(robust: Robust) -> str:
    labels = "" if robust["clean"]["old"]["P@10"] is not None else ", and whether hits are of one kind, without labels"
    return (
        f"Measured on {robust['n_queries']:,} queries among {robust['n_database']:,} images by {robust['distance']} "
        f"distance; one training of each model cannot tell what another seed would give{labels}."
    )


def _differences(paired: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, float]]:
    return {row["measure"]: row["difference"] for row in paired}


def _points(difference: Mapping[str, float]) -> str:
    """Tell a difference of shares in percentage points."""
    scaled = {key: 100 * value for key, value in difference.items()}
    return f"{_signed(scaled['mean'], 1)} points, 95 % interval {_bounds(scaled, 1)}, {_judge(difference)}"


def _spread(difference: Mapping[str, float], n_named: int) -> str:
    return f"{_signed(difference['mean'], n_named)}, 95 % interval {_bounds(difference, n_named)}, {_judge(difference)}"


def _bounds(difference: Mapping[str, float], n_named: int) -> str:
    return f"{_signed(difference['low'], n_named)} to {_signed(difference['high'], n_named)}"


def _judge(difference: Mapping[str, float]) -> str:
    if difference["low"] > _ROUNDING:
        return "a gain"
    return _LOSS if difference["high"] < -_ROUNDING else "may be chance"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _signed(value: float, n_named: int) -> str:
    rounded = round(value, n_named) + 0.0  # turns −0 into 0
    return f"{rounded:+.{n_named}f}".replace("-", "−") if rounded else f"{0:.{n_named}f}"
