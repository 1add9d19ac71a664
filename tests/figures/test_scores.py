from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from matplotlib.figure import Figure

from zehn.figures import evolution, overlap, precision

MEASURES = ("P@1", "P@5", "P@10", "P@50", "P@100")


def interval(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}


def scores(mean: float | None) -> dict[str, Any]:
    return {name: None if mean is None else interval(mean) for name in MEASURES} | {"ms_per_query": 0.4}


def test_precision_shows_every_row_in_every_panel(
    texts: Callable[[Figure], list[str]], check_fit: Callable[[Figure, float], None]
) -> None:
    figure = precision({"euclidean": scores(0.4321), "cosine": scores(0.3)}, {"raw pixels": scores(0.2), "none": None})
    shown = texts(figure)
    assert {*MEASURES, "euclidean", "cosine", "raw pixels"} <= set(shown)
    assert "none" not in shown
    assert shown.count("0.432") == 5
    assert len(figure.axes[0].patches) == 3
    check_fit(figure, 6.0)


def test_precision_draws_intervals_to_scale() -> None:
    figure = precision({"euclidean": scores(0.4)})
    (bar,) = figure.axes[0].patches
    assert bar.get_width() == pytest.approx(0.4)  # type: ignore[attr-defined]
    (container,) = [one for one in figure.axes[0].containers if hasattr(one, "lines")]
    (segments,) = container.lines[2][0].get_segments()
    assert sorted(segments[:, 0]) == pytest.approx([0.39, 0.41])


def test_precision_without_labels_says_why_it_is_empty(texts: Callable[[Figure], list[str]]) -> None:
    (text,) = texts(precision({"euclidean": scores(None)}, None))
    assert "no labels" in text


@pytest.mark.parametrize("n_distances", [1, 2, 6, 9])
def test_overlap_writes_every_share_into_its_cell(
    n_distances: int, texts: Callable[[Figure], list[str]], check_fit: Callable[[Figure, float], None]
) -> None:
    names = [f"distance{i}" for i in range(n_distances)]
    shares = {a: {b: 1.0 if a == b else 0.25 for b in names} for a in names}
    figure = overlap(shares)
    shown = texts(figure)
    assert shown.count("1.00") == n_distances
    assert shown.count("0.25") == n_distances * (n_distances - 1)
    check_fit(figure, 7.0)


def test_overlap_leaves_a_missing_pair_blank(texts: Callable[[Figure], list[str]]) -> None:
    shown = texts(overlap({"a": {"b": 0.5}, "b": {}}))
    assert shown.count("1.00") == 2
    assert shown.count("0.50") == 1


def rung(name: str, mse: float, precision_at_10: float | None = 0.2) -> dict[str, Any]:
    return {
        "architecture": name, "mse": mse, "n_parameters": 1_234_567, "seconds": 61.0,
        "P@10": None if precision_at_10 is None else interval(precision_at_10),
    }  # fmt: skip


def test_evolution_marks_the_best_of_each_measure(
    texts: Callable[[Figure], list[str]], check_fit: Callable[[Figure, float], None]
) -> None:
    figure = evolution([rung("dense", 0.03, 0.25), rung("conv", 0.02, 0.21)])
    bold = [text.get_text() for axes in figure.axes for text in axes.texts if text.get_fontweight() == "bold"]
    assert bold == ["0.0200", "0.250"]
    assert {"dense", "conv", "1,234,567"} <= set(texts(figure))
    check_fit(figure, 7.0)


def test_evolution_leaves_out_what_no_rung_has(texts: Callable[[Figure], list[str]]) -> None:
    shown = texts(evolution([rung("dense", 0.03, None), rung("conv", 0.02, None)]))
    assert not any("P@10" in text for text in shown)
    assert "not measured" in texts(evolution([rung("dense", 0.03, None), rung("conv", 0.02)]))


def test_a_mean_that_rounding_leads_out_of_its_interval_is_drawn() -> None:
    outside = {"mean": 0.4 + 6e-17, "low": 0.4 + 1e-16, "high": 0.4}
    precision({"euclidean": dict.fromkeys(MEASURES, outside)})
