"""Grids of distorted images: what the generators do, and what distorted queries find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure

from zehn.figures.board import Board, Layout, edges, fitting
from zehn.figures.style import ACCENT, LANDSCAPE_WIDTH, MUTED, SIGNAL, SMALL, TEXT_WIDTH, class_name, shorten, styled

N_ROWS, N_HITS = 10, 10
"""Queries that one figure holds at most, and hits of each by either model."""

_TINY = 5.2
"""Size of the words under images, in points."""
_GAP, _BREAK, _LINE = 0.04, 0.14, 0.13
"""Room between two images, more room between two groups of them, and room for a line of small text, in inches."""
_EDGE = 0.02

Images = UInt8[np.ndarray, "n h w 3"]
Rows = UInt8[np.ndarray, "_ n h w 3"]
HitImages = UInt8[np.ndarray, "n _ h w 3"]


@styled
def distortions(
    images: Images, noised: Rows, projected: Rows, *, noise: Sequence[float], perspective: Sequence[float]
) -> Figure:
    """Draw a few images, what Gaussian noise makes of them at each strength, and what projective transforms do.

    Args:
        images: the clean images, a row each.
        noised: the same images with noise, for every strength in ``noise``.
        projected: the same images seen from elsewhere, for every strength in ``perspective``.
        noise: standard deviations, on pixels from 0 to 1.
        perspective: how far corners moved at most, as shares of half the side.

    """
    columns = [images, *noised, *projected]
    kinds = ((1, noised, "Gaussian noise, σ"), (1 + len(noised), projected, "perspective, strength"))
    groups = {0: "clean"} | {column: title for column, made, title in kinds if len(made)}
    breaks = dict.fromkeys(list(groups)[1:], _BREAK)
    room = TEXT_WIDTH - 2 * _EDGE - (len(columns) - 1) * _GAP - sum(breaks.values())
    cell = room / len(columns)
    lefts = edges(len(columns), cell + _GAP, _EDGE, breaks)
    tops = edges(len(images), cell + _GAP, 2 * _LINE + 0.05)
    board = Board(Layout(lefts, tops, cell, TEXT_WIDTH - lefts[-1] - cell, _EDGE), images.shape[1])
    for column, title in groups.items():
        board.write(lefts[column], _LINE * 0.55, title, size=SMALL, weight="bold")
    for column, strength in enumerate((*noise, *perspective), start=1):
        board.write(lefts[column] + cell / 2, _LINE * 1.6, f"{strength:.2f}", ha="center", size=_TINY + 1, color=MUTED)
    for column, distorted in enumerate(columns):
        for row, image in enumerate(distorted):
            board.place(row, column, image)
    return board.finish()


@styled
def distorted_queries(
    queries: Sequence[Mapping[str, Any]],
    clean: Images,
    distorted: Images,
    old_hits: HitImages,
    new_hits: HitImages,
    *,
    class_names: Sequence[str] = (),
) -> Figure:
    """Draw distorted queries, a row each: the clean image, what was asked, the hits of the old model and of the new.

    At most :data:`N_ROWS` queries with :data:`N_HITS` hits each, on a page turned on its side; matches are marked as in
    :func:`zehn.figures.hits`, and the clean original, where it is found, by a frame of its own.

    Args:
        queries: ``robust.json``'s "queries", those of one kind for instance.
        clean: the image of every query before it was distorted.
        distorted: the image that was asked about.
        old_hits: images of every query's hits by the old model, nearest first.
        new_hits: those by the new model.
        class_names: names of the classes that "label" counts.

    """
    n_rows, n_old, n_new = min(len(queries), N_ROWS), min(old_hits.shape[1], N_HITS), min(new_hits.shape[1], N_HITS)
    starts = {"clean": 0, "query": 1, "old": 2, "new": 2 + n_old}
    board = _prepare(n_rows, starts, 2 + n_old + n_new, clean.shape[1])
    for row, query in enumerate(queries[:n_rows]):
        _place(board, row, 0, clean[row], _name(query, class_names), weight="bold")
        _place(board, row, 1, distorted[row], f"{query['strength']:.2f}", color=MUTED)
        for which, images, n_hits in (("old", old_hits, n_old), ("new", new_hits, n_new)):
            for rank, hit in enumerate(query[which][:n_hits]):
                _place_hit(board, (row, starts[which] + rank), images[row, rank], hit, query, class_names)
    note = _describe(queries, n_rows, max(n_old, n_new))
    board.write(_EDGE, board.layout.height - _LINE / 2, note, size=SMALL, color=MUTED)
    return board.finish()


_TITLES = {"clean": "clean", "query": "query", "old": "hits before", "new": "hits after"}


def _prepare(n_rows: int, starts: Mapping[str, int], n_columns: int, image_size: int) -> Board:
    """Return a board with the titles of its groups of columns."""
    breaks = {column: _BREAK for column in starts.values() if column > 1}
    room = LANDSCAPE_WIDTH - 2 * _EDGE - (2 + 2 * N_HITS - 1) * _GAP - 2 * _BREAK
    cell = room / (2 + 2 * N_HITS)
    lefts = edges(n_columns, cell + _GAP, _EDGE, breaks)
    tops = edges(n_rows, cell + _LINE + 0.02, _LINE + 0.04)
    layout = Layout(lefts, tops, cell, right=LANDSCAPE_WIDTH - lefts[-1] - cell, bottom=2 * _LINE + 0.06)
    board = Board(layout, image_size)
    for name, column in starts.items():
        board.write(lefts[column], _LINE * 0.5, _TITLES[name], size=SMALL, weight="bold")
    return board


def _place(board: Board, row: int, column: int, image: UInt8[np.ndarray, "h w 3"], text: str, **look: Any) -> None:
    """Lay an image into a cell and write a word under it."""
    x, y, cell = board.layout.lefts[column], board.layout.tops[row], board.layout.cell
    board.place(row, column, image)
    word = shorten(text, fitting(cell + _GAP, _TINY))
    board.write(x + cell / 2, y + cell + _LINE * 0.5, word, ha="center", size=_TINY, **look)


def _place_hit(
    board: Board,
    place: tuple[int, int],
    image: UInt8[np.ndarray, "h w 3"],
    hit: Mapping[str, Any],
    query: Mapping[str, Any],
    class_names: Sequence[str],
) -> None:
    if hit["id"] == query["id"]:
        board.mark(*place, SIGNAL, tick=False)
        return _place(board, *place, image, "original", color=SIGNAL, weight="bold")
    if hit.get("match"):
        board.mark(*place)
        return _place(board, *place, image, _name(hit, class_names), color=ACCENT, weight="bold")
    text = _name(hit, class_names) if hit.get("label") is not None else f"{hit['distance']:.3g}"
    return _place(board, *place, image, text, color=MUTED)


def _name(entry: Mapping[str, Any], class_names: Sequence[str]) -> str:
    return class_name(class_names, entry["label"]) if entry.get("label") is not None else str(entry["id"])


def _describe(queries: Sequence[Mapping[str, Any]], n_rows: int, n_hits: int) -> str:
    shown = queries[:n_rows]
    of_all = f" (the first of {len(queries)})" if len(queries) > n_rows else ""
    parts = [f"{n_rows} distorted queries{of_all}, the strength below each, their {n_hits} nearest beside it"]
    hits = {which: [hit for query in shown for hit in query[which][:n_hits]] for which in ("old", "new")}
    if any(hit.get("match") is not None for found in hits.values() for hit in found):
        counts = [f"{sum(bool(hit.get('match')) for hit in found)} of {len(found)}" for found in hits.values()]
        parts.append(f"✓ and frame: same class, {counts[0]} hits before, {counts[1]} after")
    else:
        parts.append("no labels, so no hit is marked; below hits their distances")
    if any(hit["id"] == query["id"] for query in shown for which in ("old", "new") for hit in query[which][:n_hits]):
        parts.append("frame without ✓: the clean image itself")
    return " · ".join(parts)
