"""The figures of single classes against the same figures of their queries alone."""

from __future__ import annotations

import numpy as np
import pytest

from zehn import measures
from zehn.evaluate.classes import score_classes


def test_a_class_is_scored_by_its_own_queries() -> None:
    generator = np.random.default_rng(0)
    classes = np.array([2] * 30 + [0] * 50 + [5])
    values = {"P@10": generator.random(81), "20-NN accuracy": generator.random(81), "P@1": generator.random(81)}
    rows = score_classes(values, classes, ("cat", "dog", "bird"), measures.Resamples(81, 100, 3))
    assert [(row["label"], row["name"], row["n_queries"]) for row in rows] == [
        (0, "cat", 50),
        (2, "bird", 30),
        (5, "5", 1),
    ]
    for row in rows:
        own = values["P@10"][classes == row["label"]]
        assert row["P@10"] == pytest.approx(measures.interval(own, 100, seed=3).as_dict(), abs=1e-6)
        assert row["mAP@1000"] is None
        assert "P@1" not in row
    means = [row["20-NN accuracy"]["mean"] * row["n_queries"] for row in rows]
    assert sum(means) / 81 == pytest.approx(values["20-NN accuracy"].mean())
