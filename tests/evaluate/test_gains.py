"""The paragraph on what retraining gained, from figures that are made up."""

from __future__ import annotations

from typing import Any

import pytest

from zehn.evaluate.gains import explain

STRENGTHS = {"gaussian_noise": 0.10, "perspective": 0.5}


def interval(mean: float, spread: float = 0.0) -> dict[str, float]:
    return {"mean": mean, "low": mean - spread, "high": mean + spread}


def pair(measure: str, mean: float, spread: float) -> dict[str, Any]:
    return {"measure": measure, "difference": interval(mean, spread), "p_value": 0.01}


def row(kind: str, strength: float, old: float, new: float, spread: float = 0.02) -> dict[str, Any]:
    measures = ("P@10 kept", "recall@1", "overlap")
    return {
        "kind": kind, "strength": strength, "seen": kind in STRENGTHS,
        "old": dict.fromkeys(measures, interval(old)), "new": dict.fromkeys(measures, interval(new)),
        "paired": [pair(measure, new - old, spread) for measure in measures],
    }  # fmt: skip


def robust(**changes: Any) -> dict[str, Any]:
    side = {"P@10": interval(0.5), "psnr": interval(16.0)}
    figures = {
        "distance": "euclidean", "n_queries": 2_000, "n_database": 60_000,
        "clean": {
            "old": side, "new": {"P@10": interval(0.4962), "psnr": interval(15.5)},
            "paired": [pair("P@10", -0.0038, 0.005), pair("psnr", -0.5, 0.1)], "overlap": 0.612,
        },
        "distortions": [
            row("gaussian_noise", 0.04, 0.9, 0.99), row("gaussian_noise", 0.12, 0.52, 0.93),
            row("perspective", 0.3, 0.7, 0.9), row("fog", 3, 0.8, 0.8),
        ],
        "unseen": {
            "severity": 3, "old": interval(0.8), "new": interval(0.7), "paired": pair("P@10 kept", -0.1, 0.02),
        },
    }  # fmt: skip
    return figures | changes


def test_it_tells_gains_losses_and_chance_by_the_intervals() -> None:
    told = explain(robust(), STRENGTHS)
    assert told == (
        "Under noise σ 0.12 the new model keeps 93.0 % of its clean P@10 where the old one kept 52.0 % (+41.0 points, "
        "95 % interval +39.0 to +43.0, a gain), and finds the clean original first in 93.0 % of cases instead of 52.0 "
        "% (+41.0 points, 95 % interval +39.0 to +43.0, a gain). Under perspective 0.3 the new model keeps 90.0 % of "
        "its clean P@10 where the old one kept 70.0 % (+20.0 points, 95 % interval +18.0 to +22.0, a gain), and finds "
        "the clean original first in 90.0 % of cases instead of 70.0 % (+20.0 points, 95 % interval +18.0 to +22.0, a "
        "gain). Over one corruption that neither generator makes, at severity 3 of 5, it keeps 70.0 % of its P@10 on "
        "average where the old one kept 80.0 % (−10.0 points, 95 % interval −12.0 to −8.0, a loss). On clean queries "
        "P@10 went from 0.5000 to 0.4962 (−0.0038, 95 % interval −0.0088 to +0.0012, may be chance) and the PSNR "
        "of reconstructions went from 16.00 to 15.50 dB (−0.50, 95 % interval −0.60 to −0.40, a loss); 61.2 % of the "
        "old model's ten hits are the new one's too. Measured on 2,000 queries among 60,000 images by euclidean "
        "distance; one training of each model cannot tell what another seed would give."
    )


@pytest.mark.parametrize(
    ("mean", "spread", "words"),
    [(0.02, 0.02, "may be chance"), (0.02, 0.0199, "a gain"), (-0.02, 0.0199, "a loss"), (0.0, 0.0, "chance")],
)
def test_an_interval_that_touches_zero_is_chance(mean: float, spread: float, words: str) -> None:
    told = explain(robust(distortions=[row("perspective", 0.5, 0.5, 0.5 + mean, spread)], unseen=None), STRENGTHS)
    assert words in told.partition(". On clean")[0]
    assert "corruption" not in told


def test_what_was_not_measured_is_not_told() -> None:
    clean = {**robust()["clean"], "old": {"P@10": None, "psnr": interval(16.0)}, "paired": [pair("psnr", -0.5, 0.1)]}
    told = explain(robust(distortions=[], unseen=None, clean=clean), STRENGTHS)
    assert told.startswith("On clean queries the PSNR of reconstructions went from 16.00")
    assert "P@10" not in told
    assert "σ" not in told
