from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from zehn.figures import cover, hits, reconstructions, samples
from zehn.figures.grids import is_wide
from zehn.figures.style import LANDSCAPE_WIDTH, TEXT_WIDTH

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def images(rng: np.random.Generator, *shape: int, size: int = 32) -> np.ndarray:
    return rng.integers(0, 256, (*shape, size, size, 3), dtype=np.uint8)


def contains(drawn: np.ndarray, image: np.ndarray) -> bool:
    """Say whether a drawing holds an image enlarged by a whole number, pixel for pixel."""
    for times in range(1, 9):
        large = image.repeat(times, axis=0).repeat(times, axis=1)
        height, width = large.shape[:2]
        corners = np.argwhere((drawn[: 1 - height, : 1 - width] == large[0, 0]).all(axis=2))
        if any((drawn[y : y + height, x : x + width] == large).all() for y, x in corners):
            return True
    return False


def make_hits(
    rng: np.random.Generator, n_queries: int, n_hits: int = 10, *, labelled: bool = True
) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]], np.ndarray, np.ndarray]:
    queries = [
        {"id": 50_000 + i, "label": i % 10 if labelled else None, "class_name": CLASS_NAMES[i % 10]}
        for i in range(n_queries)
    ]
    found = [
        [
            {
                "id": 100 * i + rank, "rank": rank, "distance": 0.25 * rank, "label": rank % 10 if labelled else None,
                "match": rank % 10 == i % 10 if labelled else None,
            }
            for rank in range(1, n_hits + 1)
        ]
        for i in range(n_queries)
    ]  # fmt: skip
    return queries, found, images(rng, n_queries), images(rng, n_queries, n_hits)


def test_samples_show_images_of_every_class_pixel_for_pixel(
    rng: np.random.Generator, texts: Callable[[Figure], list[str]], pixels: Callable[[Figure], np.ndarray]
) -> None:
    pictures, labels = images(rng, 10), np.arange(10)
    figure = samples(pictures, labels, CLASS_NAMES)
    assert set(CLASS_NAMES) <= set(texts(figure))
    drawn = pixels(figure)
    assert all(contains(drawn, picture) for picture in pictures)


def test_the_seed_chooses_the_samples(rng: np.random.Generator, pixels: Callable[[Figure], np.ndarray]) -> None:
    pictures, labels = images(rng, 200), np.arange(200) % 4
    first, again, other = (pixels(samples(pictures, labels, seed=seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("n_classes", [None, 1, 2, 3, 15, 300])
def test_samples_fit_whatever_the_number_of_classes(
    n_classes: int | None, rng: np.random.Generator, check_fit: Callable[[Figure, float], None]
) -> None:
    labels = None if n_classes is None else np.arange(330) % n_classes
    figure = samples(images(rng, 330), labels, ["a class with a long name"] * (n_classes or 0))
    assert figure.get_figwidth() == pytest.approx(TEXT_WIDTH, abs=0.02)
    assert figure.get_figheight() < 5
    check_fit(figure, 7.0)


def test_reconstructions_stand_below_their_images_with_the_error(
    rng: np.random.Generator, texts: Callable[[Figure], list[str]], pixels: Callable[[Figure], np.ndarray]
) -> None:
    originals, decoded = images(rng, 3), images(rng, 3)
    figure = reconstructions(originals, decoded, captions=["cat", "dog", "ship"])
    shown = texts(figure)
    error = np.mean((originals[0] / 255 - decoded[0] / 255) ** 2)
    assert f"{error:.4f}" in shown
    assert {"cat", "dog", "ship", "image", "MSE"} <= set(shown)
    drawn = pixels(figure)
    assert all(contains(drawn, picture) for picture in (*originals, *decoded))


def test_reconstructions_may_be_floats_and_wrap_after_ten(
    rng: np.random.Generator, pixels: Callable[[Figure], np.ndarray], check_fit: Callable[[Figure, float], None]
) -> None:
    originals = images(rng, 13)
    one, two = (reconstructions(originals[:n], originals[:n].astype(np.float32) / 255) for n in (10, 13))
    assert two.get_figheight() > 1.8 * one.get_figheight()
    assert contains(pixels(two), originals[12])
    check_fit(two, 5.0)


def test_hits_are_marked_by_more_than_colour(rng: np.random.Generator, texts: Callable[[Figure], list[str]]) -> None:
    queries, found, asked, shown = make_hits(rng, 20)
    figure = hits(queries, found, asked, shown, distance="euclidean", class_names=CLASS_NAMES)
    n_matches = sum(hit["match"] for column in found for hit in column)
    written = texts(figure)
    assert written.count("✓") == n_matches == 20
    assert any("20 of 200 hits" in text and "euclidean" in text for text in written)
    assert written.count("automobile") == 2 + 20


def test_hits_show_queries_in_the_top_row_and_hits_below(
    rng: np.random.Generator, pixels: Callable[[Figure], np.ndarray]
) -> None:
    queries, found, asked, shown = make_hits(rng, 2, 3, labelled=False)
    drawn = pixels(hits(queries, found, asked, shown, distance="cosine"))
    assert all(contains(drawn, picture) for picture in (*asked, *shown.reshape(-1, 32, 32, 3)))
    half = len(drawn) // 3
    assert contains(drawn[:half], asked[0])
    assert not contains(drawn[:half], shown[0, 1])


def test_hits_without_labels_show_distances_instead(
    rng: np.random.Generator, texts: Callable[[Figure], list[str]]
) -> None:
    queries, found, asked, shown = make_hits(rng, 3, labelled=False)
    written = texts(hits(queries, found, asked, shown, distance="cosine"))
    assert "✓" not in written
    assert {"0.25", "2.5", "50000"} <= set(written)
    assert any("no labels" in text for text in written)


@pytest.mark.parametrize(("n_queries", "width"), [(1, TEXT_WIDTH), (10, TEXT_WIDTH), (11, LANDSCAPE_WIDTH)])
def test_hits_fit_their_page(
    n_queries: int, width: float, rng: np.random.Generator, check_fit: Callable[[Figure, float], None]
) -> None:
    figure = hits(*make_hits(rng, n_queries), distance="manhattan", class_names=["sulphur-crested cockatoo"] * 10)
    assert is_wide(n_queries) == (width == LANDSCAPE_WIDTH)
    assert figure.get_figwidth() == pytest.approx(width, abs=0.02)
    assert figure.get_figheight() < (6.6 if is_wide(n_queries) else 8.6)
    check_fit(figure, 5.0)


def test_more_queries_than_fit_are_cut_and_said_to_be(
    rng: np.random.Generator, texts: Callable[[Figure], list[str]]
) -> None:
    queries, found, asked, shown = make_hits(rng, 25, 12)
    written = texts(hits(queries, found, asked, shown, distance="euclidean", class_names=CLASS_NAMES))
    assert any("the first of 25" in text and "their 10 nearest" in text for text in written)


@pytest.mark.parametrize("size", [28, 32, 64, 256])
def test_images_of_any_size_keep_the_figure_small_enough(size: int, rng: np.random.Generator) -> None:
    figure = samples(images(rng, 12, size=size), np.arange(12) % 3)
    assert figure.get_figwidth() == pytest.approx(TEXT_WIDTH, abs=0.05)
    assert 200 <= figure.dpi <= 450


def test_cover_marks_matches(rng: np.random.Generator, pixels: Callable[[Figure], np.ndarray]) -> None:
    queries, found, asked, shown = make_hits(rng, 8)
    figure = cover(queries, found, asked, shown)
    assert contains(pixels(figure), asked[0])
    ticks = [text for text in figure.axes[0].texts if text.get_text() == "✓"]
    assert len(ticks) == 4  # of five queries with nine hits each, the first has no match among them
