"""Grids of images: samples, reconstructions, hits, the cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Integer, UInt8
from matplotlib.figure import Figure

from zehn.figures.board import Board, Layout, edges, fitting
from zehn.figures.style import (
    ACCENT,
    LANDSCAPE_WIDTH,
    MUTED,
    N_NAMED,
    SMALL,
    TEXT_WIDTH,
    class_name,
    shorten,
    styled,
)

N_QUERIES_SHOWN, N_HITS_SHOWN = 20, 10
"""Queries and hits that one figure holds."""

_N_UPRIGHT = 10
"""Queries side by side on an upright page, at most."""
_TINY = 5.2
"""Size of the class names under hits, in points."""
_GAP = 0.05
"""Room between two images, in inches."""
_LINE = 0.13
"""Room for a line of small text, in inches."""
_N_BAND = 10
"""Images side by side before a figure of reconstructions begins another band."""
_N_SAMPLES, _MOSAIC = 6, (4, 13)
_NAMES = 0.72
"""Room for the names of classes beside their samples, in inches."""
_COVER = (5, 9)
"""Queries and hits on the cover."""

Images = UInt8[np.ndarray, "n h w 3"]
Hits = Sequence[Sequence[Mapping[str, Any]]]


def is_wide(n_queries: int) -> bool:
    """Say whether the figure of so many queries' hits is made for a page turned on its side."""
    return n_queries > _N_UPRIGHT


@styled
def samples(
    images: Images,
    labels: Integer[np.ndarray, " n"] | None = None,
    class_names: Sequence[str] = (),
    *,
    seed: int = 0,
) -> Figure:
    """Draw a few images of every class, a seeded choice.

    Without labels, or with more classes than :data:`~zehn.figures.style.N_NAMED`, a mosaic of images of the whole.
    """
    generator = np.random.default_rng(seed)
    if labels is None or len(np.unique(labels)) > N_NAMED:
        return _draw_mosaic(images, generator)
    classes = [int(label) for label in np.unique(labels)]
    n_blocks = 2 if len(classes) > 2 else 1
    cell = (TEXT_WIDTH - 2 * _NAMES - 2 * _N_SAMPLES * _GAP) / (2 * _N_SAMPLES)
    lefts = edges(n_blocks * _N_SAMPLES, cell + _GAP, _NAMES, {_N_SAMPLES: _NAMES})
    n_rows = -(-len(classes) // n_blocks)
    right = TEXT_WIDTH - lefts[-1] - cell
    board = Board(Layout(lefts, edges(n_rows, cell + _GAP), cell, right), images.shape[1])
    for index, label in enumerate(classes):
        block, row = divmod(index, n_rows)
        own = np.flatnonzero(labels == label)
        name = shorten(class_name(class_names, label), fitting(_NAMES, SMALL))
        board.write(lefts[block * _N_SAMPLES] - 0.07, row * (cell + _GAP) + cell / 2, name, ha="right", size=SMALL)
        for column, chosen in enumerate(generator.permutation(own)[:_N_SAMPLES]):
            board.place(row, block * _N_SAMPLES + column, images[chosen])
    return board.finish()


@styled
def reconstructions(
    images: Images,
    decoded: Images | Float[np.ndarray, "n h w 3"],
    *,
    captions: Sequence[str] = (),
) -> Figure:
    """Draw images in one row and their reconstructions right below, with the mean squared error of each.

    Args:
        images: the originals.
        decoded: what the decoder makes of their codes, uint8, or float in [0, 1].
        captions: a class name for each image, or nothing.

    """
    decoded = _as_uint8(decoded)
    errors = np.square((images.astype(float) - decoded.astype(float)) / 255).mean(axis=(1, 2, 3))
    left, caption = 0.7, _LINE if any(captions) else 0.0
    cell = (TEXT_WIDTH - left - (_N_BAND - 1) * _GAP) / _N_BAND
    band = caption + 2 * cell + _GAP + _LINE + 0.1
    n_bands = -(-len(images) // _N_BAND)
    tops = [caption + band * index + row * (cell + _GAP) for index in range(n_bands) for row in (0, 1)]
    lefts = edges(min(len(images), _N_BAND), cell + _GAP, left)
    layout = Layout(lefts, tuple(tops), cell, right=TEXT_WIDTH - lefts[-1] - cell, bottom=_LINE + 0.03)
    board = Board(layout, images.shape[1])
    for index, error in enumerate(errors):
        (band_index, column), x = divmod(index, _N_BAND), lefts[index % _N_BAND] + cell / 2
        top = tops[2 * band_index]
        board.place(2 * band_index, column, images[index])
        board.place(2 * band_index + 1, column, decoded[index])
        board.write(x, top + 2 * cell + _GAP + _LINE * 0.6, f"{error:.4f}", ha="center", size=_TINY, color=MUTED)
        if any(captions):
            text = shorten(captions[index], fitting(cell + _GAP, _TINY))
            board.write(x, top - _LINE / 2, text, ha="center", size=_TINY)
    for index in range(n_bands):
        _name_rows(board, tops[2 * index], cell)
    return board.finish()


@styled
def hits(
    queries: Sequence[Mapping[str, Any]],
    hits: Hits,
    query_images: Images,
    hit_images: UInt8[np.ndarray, "q k h w 3"],
    *,
    distance: str,
    class_names: Sequence[str] = (),
) -> Figure:
    """Draw queries in the top row and the hits of each below it, nearest first, those of its class marked.

    At most :data:`N_QUERIES_SHOWN` queries with :data:`N_HITS_SHOWN` hits each. Under a hit stands its class, or its
    distance where there are no classes. More than ten queries make a figure for a page turned on its side.

    Args:
        queries: ``query.json``'s "queries".
        hits: ``query.json``'s "hits"[distance].
        query_images: image of every query.
        hit_images: images of the hits of every query, nearest first.
        distance: name of the distance that found them.
        class_names: names of the classes that "label" counts.

    """
    n_queries, n_hits = min(len(queries), N_QUERIES_SHOWN), min(hit_images.shape[1], N_HITS_SHOWN)
    width, n_columns = (LANDSCAPE_WIDTH, N_QUERIES_SHOWN) if is_wide(n_queries) else (TEXT_WIDTH, _N_UPRIGHT)
    left, right = 0.4, 0.08
    cell = (width - left - right - (n_columns - 1) * _GAP) / n_columns
    lefts = edges(n_queries, cell + _GAP, left)
    tops = edges(1 + n_hits, cell + _LINE, _LINE)
    layout = Layout(lefts, tops, cell, right=width - lefts[-1] - cell, bottom=2 * _LINE + 0.05)
    board = Board(layout, query_images.shape[1])
    board.rule(left, tops[1] - _LINE / 2, lefts[-1] + cell)
    for row in range(n_hits + 1):
        board.write(left - 0.08, tops[row] + cell / 2, str(row or "query"), ha="right", size=_TINY + 1, color=MUTED)
    for column, query in enumerate(queries[:n_queries]):
        board.place(0, column, query_images[column])
        board.write(
            lefts[column] + cell / 2, _LINE / 2, _name(query, cell, class_names), ha="center", size=_TINY, weight="bold"
        )
        for row, hit in enumerate(hits[column][:n_hits], start=1):
            board.place(row, column, hit_images[column, row - 1])
            _caption_hit(board, row, column, hit, class_names)
    note = _describe(queries, hits, n_queries, n_hits, distance)
    board.write(left, board.layout.height - _LINE / 2, note, size=SMALL, color=MUTED)
    return board.finish()


@styled
def cover(
    queries: Sequence[Mapping[str, Any]],
    hits: Hits,
    query_images: Images,
    hit_images: UInt8[np.ndarray, "q k h w 3"],
) -> Figure:
    """Draw the report's title picture: a few queries at the left, the nearest hits of each in a row beside it."""
    n_rows, n_hits = min(len(queries), _COVER[0]), min(hit_images.shape[1], _COVER[1])
    lead, edge = 0.16, 0.01
    cell = (TEXT_WIDTH - lead - edge - _COVER[1] * _GAP) / (_COVER[1] + 1)
    lefts = edges(1 + n_hits, cell + _GAP, 0, {1: lead})
    right = TEXT_WIDTH - lefts[-1] - cell
    board = Board(Layout(lefts, edges(n_rows, cell + _GAP, edge), cell, right, edge), query_images.shape[1])
    for row in range(n_rows):
        board.place(row, 0, query_images[row])
        for column in range(n_hits):
            board.place(row, column + 1, hit_images[row, column])
            if hits[row][column].get("match"):
                board.mark(row, column + 1)
    return board.finish()


def _draw_mosaic(images: Images, generator: np.random.Generator) -> Figure:
    n_rows, n_columns = _MOSAIC
    cell = (TEXT_WIDTH - (n_columns - 1) * _GAP) / n_columns
    chosen = generator.permutation(len(images))[: n_rows * n_columns]
    tops = edges(-(-len(chosen) // n_columns), cell + _GAP)
    board = Board(Layout(edges(n_columns, cell + _GAP), tops, cell), images.shape[1])
    for index, position in enumerate(chosen):
        board.place(index // n_columns, index % n_columns, images[position])
    return board.finish()


def _name_rows(board: Board, top: float, cell: float) -> None:
    look: dict[str, Any] = {"ha": "right", "size": SMALL}
    x = board.layout.lefts[0] - 0.09
    board.write(x, top + cell / 2, "image", **look)
    board.write(x, top + cell * 1.5 + _GAP, "its code,\ndecoded", **look)
    board.write(x, top + 2 * cell + _GAP + _LINE * 0.6, "MSE", ha="right", size=_TINY, color=MUTED)


def _caption_hit(board: Board, row: int, column: int, hit: Mapping[str, Any], class_names: Sequence[str]) -> None:
    x, y, cell = board.layout.lefts[column], board.layout.tops[row], board.layout.cell
    matches = bool(hit.get("match"))
    if matches:
        board.mark(row, column)
    text = _name(hit, cell, class_names) if _is_labelled(hit) else f"{hit['distance']:.3g}"
    look: dict[str, Any] = {"color": ACCENT, "weight": "bold"} if matches else {"color": MUTED}
    board.write(x + cell / 2, y + cell + _LINE * 0.5, text, ha="center", size=_TINY, **look)


def _is_labelled(entry: Mapping[str, Any]) -> bool:
    return entry.get("label") is not None


def _name(entry: Mapping[str, Any], width: float, class_names: Sequence[str]) -> str:
    name = class_name(class_names, entry["label"]) if _is_labelled(entry) else str(entry["id"])
    return shorten(name, fitting(width + _GAP, _TINY))


def _describe(queries: Sequence[Any], hits: Hits, n_queries: int, n_hits: int, distance: str) -> str:
    of_all = f" (the first of {len(queries)})" if len(queries) > n_queries else ""
    text = f"{distance} distance · {n_queries} queries{of_all}, their {n_hits} nearest below"
    shown = [hit for column in hits[:n_queries] for hit in column[:n_hits]]
    if not any(_is_labelled(hit) for hit in shown):
        return f"{text} with their distances · no labels, so no hit is marked"
    n_matches = sum(bool(hit.get("match")) for hit in shown)
    return f"{text} · ✓ and frame: same class as the query, {n_matches} of {len(shown)} hits"


def _as_uint8(images: np.ndarray) -> Images:
    if images.dtype == np.uint8:
        return images
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
