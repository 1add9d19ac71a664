"""Ratios of means against the delta method, plain loops over resamples, and what cannot be divided."""

from __future__ import annotations

import numpy as np
import pytest

from zehn import measures
from zehn.errors import InputError


def test_a_ratio_s_interval_is_that_of_a_loop_over_resamples() -> None:
    generator = np.random.default_rng(0)
    whole = generator.random(150)
    parts = {"a": whole * generator.random(150), "b": generator.random(150)}
    resamples = measures.Resamples(150, 400, seed=5)
    drawn, rows = measures.generator(5, measures.Purpose.RESAMPLES), []
    for _ in range(400):
        chosen = drawn.integers(0, 150, 150)
        rows.append([values[chosen].mean() / whole[chosen].mean() for values in parts.values()])
    low, high = np.quantile(rows, [0.025, 0.975], axis=0)
    for place, (name, found) in enumerate(resamples.ratios(parts, whole).items()):
        assert found.mean == pytest.approx(parts[name].mean() / whole.mean())
        assert (found.low, found.high) == pytest.approx((low[place], high[place]), abs=1e-6)


def test_a_ratio_is_surer_than_its_mean_where_both_go_together() -> None:
    whole = np.random.default_rng(1).random(200)
    resamples = measures.Resamples(200, 300)
    kept = resamples.ratios({"": 0.7 * whole}, whole)[""]
    assert (kept.low, kept.mean, kept.high) == pytest.approx((0.7, 0.7, 0.7), abs=1e-6)


def test_two_ratios_are_compared_on_the_same_queries() -> None:
    generator = np.random.default_rng(2)
    wholes = 0.5 + generator.random((2, 400))
    parts = wholes * [[0.9], [0.6]] + generator.normal(0, 0.1, (2, 400))
    resamples = measures.Resamples(400, 2_000, seed=1)
    found = resamples.compare_ratios({"x": parts[0]}, wholes[0], {"x": parts[1]}, wholes[1])["x"]
    difference = found["difference"]
    ratios = parts.mean(axis=1) / wholes.mean(axis=1)
    assert difference["mean"] == pytest.approx(ratios[0] - ratios[1])
    linear = (parts - wholes * ratios[:, None]) / wholes.mean(axis=1)[:, None]
    error = (linear[0] - linear[1]).std() / 20
    assert difference["high"] - difference["low"] == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert found["p_value"] == 0.0001
    back = resamples.compare_ratios({"x": parts[1]}, wholes[1], {"x": parts[0]}, wholes[0])["x"]
    assert back["difference"]["mean"] == pytest.approx(-difference["mean"])
    assert back["difference"]["low"] == pytest.approx(-difference["high"])


def test_equal_ratios_differ_by_chance_alone() -> None:
    """Under the null the p-value is small about as often as it should be."""
    generator, small = np.random.default_rng(3), 0
    resamples = measures.Resamples(100, 50)
    for _ in range(60):
        wholes = 0.5 + generator.random((2, 100))
        parts = 0.8 * wholes + generator.normal(0, 0.2, (2, 100))
        small += resamples.compare_ratios({"": parts[0]}, wholes[0], {"": parts[1]}, wholes[1])[""]["p_value"] < 0.1
    assert 1 <= small <= 14
    same = resamples.compare_ratios({"": parts[0]}, wholes[0], {"": parts[0]}, wholes[0])[""]
    assert same == {"difference": {"mean": 0.0, "low": 0.0, "high": 0.0}, "p_value": 1.0}


def test_resamples_of_nothing_are_left_out() -> None:
    whole = np.array([1.0, 0.0, 0.0])
    found = measures.Resamples(3, 200).ratios({"": np.array([0.5, 0.0, 0.0])}, whole)[""]
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5), abs=1e-6)
    only = next(seed for seed in range(50) if not measures.Resamples(3, 1, seed)._counts[0, 0])
    assert measures.Resamples(3, 1, only).ratios({"": whole}, whole)[""] == measures.Interval(1.0, 1.0, 1.0)


def test_a_share_of_nothing_is_refused() -> None:
    resamples = measures.Resamples(4, 20)
    with pytest.raises(InputError, match="whose mean is above 0, came 0; there is no share of nothing"):
        resamples.ratios({"": np.ones(4)}, np.zeros(4))
    with pytest.raises(InputError, match="expected 4 finite values"):
        resamples.ratios({"": np.ones(5)}, np.ones(4))
    with pytest.raises(InputError, match="whole: expected 4 finite values"):
        resamples.compare_ratios({"": np.ones(4)}, np.full(4, np.nan), {"": np.ones(4)}, np.ones(4))
