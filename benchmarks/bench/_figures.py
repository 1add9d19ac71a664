"""Numbers of what was timed: medians, ratios with bootstrap intervals, exponents of growth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_N_RESAMPLES = 2_000
_LEAST_FOR_P99 = 100
_Z95 = 1.96


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


def median(turns: Sequence[Sequence[float]]) -> float:
    """Return the median of all pieces of all turns, in seconds."""
    return float(np.median(np.concatenate([np.asarray(turn) for turn in turns])))


def p99(turns: Sequence[Sequence[float]]) -> float | None:
    """Return the 99th percentile of all pieces, None where there are too few."""
    pieces = np.concatenate([np.asarray(turn) for turn in turns])
    return float(np.percentile(pieces, 99)) if len(pieces) >= _LEAST_FOR_P99 else None


def times_as_fast(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]], *, seed: int = 0) -> Estimate:
    """Return how many times as fast ours is as theirs: the ratio of the medians of both, turns drawn together.

    Turns that were taken beside each other share what the machine did meanwhile, so the bootstrap draws whole turns,
    the same ones of both.
    """
    n = min(len(ours), len(theirs))
    medians = [np.array([np.median(turn) for turn in side[:n]]) for side in (ours, theirs)]
    whole = float(np.median(medians[1]) / np.median(medians[0]))
    drawn = np.random.default_rng(seed).integers(0, n, (_N_RESAMPLES, n))
    ratios = np.median(medians[1][drawn], axis=1) / np.median(medians[0][drawn], axis=1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Estimate(whole, float(low), float(high))


def best_of(results: Mapping[str, Any], *, with_beside: bool = False) -> str | None:
    """Return the name of the quickest peer that is not Zehn; those beside count only if asked for."""
    there = {
        name: median(result["turns"])
        for name, result in results.items()
        if result["turns"] and not name.startswith("zehn") and (with_beside or not result["is_beside"])
    }
    return min(there, key=lambda name: there[name]) if there else None


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> Estimate | None:
    """Return b of seconds ≈ a · size^b by least squares of logarithms, with its interval; None below three sizes."""
    if len(sizes) < 3:
        return None
    x, y = np.log(np.asarray(sizes, float)), np.log(np.asarray(seconds, float))
    slope, intercept = np.polyfit(x, y, 1)
    left = y - (slope * x + intercept)
    spread = np.sqrt((left**2).sum() / (len(x) - 2) / ((x - x.mean()) ** 2).sum())
    return Estimate(float(slope), float(slope - _Z95 * spread), float(slope + _Z95 * spread))


def extrapolated(sizes: Sequence[float], seconds: Sequence[float], size: float) -> float | None:
    """Return what the fitted power of size says for another one; None below three sizes."""
    if len(sizes) < 3:
        return None
    slope, intercept = np.polyfit(np.log(np.asarray(sizes, float)), np.log(np.asarray(seconds, float)), 1)
    return float(np.exp(intercept + slope * np.log(size)))


def shown_seconds(seconds: float) -> str:
    """Return a time in the unit in which it is read most easily."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1 or unit == "µs":
            return f"{seconds * factor:.3g} {unit}"
    raise AssertionError


def shown_rate(rate: float) -> str:
    """Return a rate with three digits that mean something."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
