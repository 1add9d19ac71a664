from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from zehn.figures import distorted_queries, distortions
from zehn.figures.style import LANDSCAPE_WIDTH, TEXT_WIDTH

CLASS_NAMES = ("cat", "automobile")


def images(rng: np.random.Generator, *shape: int, size: int = 32) -> np.ndarray:
    return rng.integers(0, 256, (*shape, size, size, 3), dtype=np.uint8)


def queries(n_queries: int, n_hits: int = 10, *, labelled: bool = True) -> list[dict[str, Any]]:
    """Return queries of which the old model finds every second class, and the new one the original first."""

    def hit(query: int, rank: int, *, found: bool) -> dict[str, Any]:
        match = rank % 2 == 0 or found
        label = int(not match)
        own = 100 + query if found and rank == 1 else rank
        return {
            "id": own, "rank": rank, "distance": rank / 4,
            "label": label if labelled else None, "match": match if labelled else None,
        }  # fmt: skip

    ranks = range(1, n_hits + 1)
    return [
        {
            "id": 100 + query, "label": 0 if labelled else None, "class_name": "cat" if labelled else None,
            "kind": "perspective", "strength": 0.5,
            "old": [hit(query, rank, found=False) for rank in ranks],
            "new": [hit(query, rank, found=True) for rank in ranks],
        }
        for query in range(n_queries)
    ]  # fmt: skip


def draw(rng: np.random.Generator, n_queries: int, n_hits: int = 10, *, labelled: bool = True) -> Figure:
    asked = queries(n_queries, n_hits, labelled=labelled)
    pair = images(rng, n_queries), images(rng, n_queries)
    found = images(rng, n_queries, n_hits), images(rng, n_queries, n_hits)
    return distorted_queries(asked, *pair, *found, class_names=CLASS_NAMES if labelled else ())


def test_distortions_stand_beside_their_images(
    rng: np.random.Generator, texts: Callable[[Figure], list[str]], check_fit: Callable[[Figure, float], None]
) -> None:
    clean, noised, projected = images(rng, 3), images(rng, 5, 3), images(rng, 2, 3)
    figure = distortions(clean, noised, projected, noise=(0.04, 0.07, 0.1, 0.15, 0.2), perspective=(0.2, 0.5))
    assert {"clean", "Gaussian noise, σ", "perspective, strength", "0.04", "0.50"} <= set(texts(figure))
    assert figure.get_figwidth() == pytest.approx(TEXT_WIDTH, abs=0.02)
    drawn = np.asarray(figure.axes[0].images[0].get_array())
    times = next(n for n in range(1, 30) if np.array_equal(_first(drawn, 32 * n)[::n, ::n], clean[0]))
    assert times > 1
    check_fit(figure, 6.0)


def test_one_kind_of_distortion_is_drawn_alone(rng: np.random.Generator, texts: Callable[[Figure], list[str]]) -> None:
    clean, many, none = images(rng, 2), images(rng, 3, 2), images(rng, 0, 2)
    noise = texts(distortions(clean, many, none, noise=(0.1, 0.2, 0.3), perspective=()))
    perspective = texts(distortions(clean, none, many, noise=(), perspective=(0.1, 0.2, 0.3)))
    assert "Gaussian noise, σ" in noise
    assert "perspective, strength" not in noise
    assert "perspective, strength" in perspective
    assert "Gaussian noise, σ" not in perspective


def _first(board: np.ndarray, side: int) -> np.ndarray:
    """Return the square of pixels at the upper left of what is not white paper."""
    filled = np.argwhere((board != 255).any(axis=2))
    y, x = filled.min(axis=0)
    return board[y : y + side, x : x + side]


def test_distorted_queries_mark_matches_and_the_original(
    rng: np.random.Generator, texts: Callable[[Figure], list[str]]
) -> None:
    shown = texts(draw(rng, 10))
    assert shown.count("✓") == 10 * 5 + 10 * 9
    assert shown.count("original") == 10
    assert shown.count("0.50") == 10
    assert {"clean", "query", "hits before", "hits after"} <= set(shown)
    assert any("50 of 100 hits before, 100 of 100 after" in text for text in shown)


def test_without_labels_distances_stand_below_hits(
    rng: np.random.Generator, texts: Callable[[Figure], list[str]]
) -> None:
    shown = texts(draw(rng, 2, labelled=False))
    assert "✓" not in shown
    assert {"100", "0.25", "original"} <= set(shown)
    assert any("no labels" in text for text in shown)


@pytest.mark.parametrize(("n_queries", "n_hits"), [(1, 1), (10, 10), (20, 12)])
def test_distorted_queries_fit_a_page_turned_on_its_side(
    n_queries: int,
    n_hits: int,
    rng: np.random.Generator,
    texts: Callable[[Figure], list[str]],
    check_fit: Callable[[Figure, float], None],
) -> None:
    figure = draw(rng, n_queries, n_hits)
    assert figure.get_figwidth() == pytest.approx(LANDSCAPE_WIDTH, abs=0.02)
    assert figure.get_figheight() < 6.4
    assert any("(the first of 20)" in text for text in texts(figure)) == (n_queries == 20)
    check_fit(figure, 5.0)
