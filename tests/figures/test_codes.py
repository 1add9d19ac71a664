from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure

from zehn.figures import pairplot, render, umap_scatter
from zehn.figures.codes import pairplot_width
from zehn.figures.style import TEXT_WIDTH

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def test_pairplot_shows_the_lower_triangle_and_names_classes(
    rng: np.random.Generator, texts: Callable[[Figure], list[str]]
) -> None:
    figure = pairplot(rng.normal(size=(50, 3)).astype(np.float32), np.arange(50) % 10, CLASS_NAMES)
    shown = texts(figure)
    assert {*CLASS_NAMES, "z1", "z2", "z3", "50 codes, 3 dimensions"} <= set(shown)
    # 6 panels of the lower triangle; seaborn draws each histogram of the diagonal on a twin of its panel
    assert len([axes for axes in figure.axes if axes.collections]) == 3
    assert figure.get_figwidth() == pytest.approx(pairplot_width(3))


def test_pairplot_of_many_dimensions_shows_the_first_and_says_so(
    rng: np.random.Generator, texts: Callable[[Figure], list[str]]
) -> None:
    figure = pairplot(rng.normal(size=(20, 64)), n_dimensions=4)
    shown = texts(figure)
    assert "20 codes, first 4 of 64 dimensions" in shown
    assert "z4" in shown
    assert "z5" not in shown
    assert pairplot_width(64) == TEXT_WIDTH


@pytest.mark.parametrize("labels", [None, np.arange(30)])
def test_pairplot_without_classes_or_with_too_many_has_no_legend(
    labels: np.ndarray | None, rng: np.random.Generator
) -> None:
    assert pairplot(rng.normal(size=(30, 2)), labels).legends == []


def test_pairplot_survives_a_dead_dimension(rng: np.random.Generator) -> None:
    codes = rng.normal(size=(30, 3))
    codes[:, 1] = 0.5
    assert render(pairplot(codes, np.arange(30) % 2), "png")


def test_umap_names_classes_at_their_medians_and_says_how_good_it_is(
    rng: np.random.Generator, texts: Callable[[Figure], list[str]], check_fit: Callable[[Figure, float], None]
) -> None:
    labels = np.arange(4000) % 10
    points = (np.stack([np.cos(labels), np.sin(labels)], axis=1) * 9 + rng.normal(size=(4000, 2))).astype(np.float32)
    figure = umap_scatter(points, labels, CLASS_NAMES, trustworthiness=0.9123, purity=0.3456)
    shown = texts(figure)
    assert all(shown.count(name) == 2 for name in CLASS_NAMES)
    assert "4,000 codes · trustworthiness 0.912 · 10-NN class purity 0.346" in shown
    check_fit(figure, 7.0)
    assert len(render(figure, "pdf")) < 2_000_000


def test_labels_of_coinciding_classes_do_not_cover_each_other(rng: np.random.Generator) -> None:
    figure = umap_scatter(rng.normal(size=(500, 2)), np.arange(500) % 10, CLASS_NAMES)
    render(figure, "png")
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 10
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_umap_without_labels_has_neither_names_nor_legend(rng: np.random.Generator) -> None:
    figure = umap_scatter(rng.normal(size=(60, 2)))
    assert figure.legends == []
    assert list(figure.axes[0].texts) == []


def test_umap_of_300_classes_names_twenty_in_the_legend(
    rng: np.random.Generator, texts: Callable[[Figure], list[str]]
) -> None:
    figure = umap_scatter(rng.normal(size=(900, 2)), np.arange(900) % 300)
    assert "and 280 more" in texts(figure)
    assert len(figure.legends[0].get_texts()) == 21
    assert list(figure.axes[0].texts) == []
