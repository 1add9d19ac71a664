"""Pictures of codes: the pairplot and the map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Integer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from zehn.figures.style import (
    ACCENT,
    INK,
    MUTED,
    N_NAMED,
    PAPER,
    SMALL,
    TEXT_WIDTH,
    class_name,
    class_style,
    clear,
    shorten,
    styled,
)
from zehn.plugins import require

Labels = Integer[np.ndarray, " n"]

N_PAIRED = 10
"""Dimensions that a pairplot shows at most."""
_N_LAYERS = 12
"""The points of a map are drawn in so many mixed layers, so that no class lies on top of all others."""
_N_NAME = 14
_CHARACTER = 4.6
"""Mean width of a character of small bold text, in points."""
_N_PUSHES = 500
_TICK_MARGIN = 0.15
"""Share of a panel's range, at either end, that bears no tick."""
_MAP_WIDTH, _MAP_HEIGHTS = 5.3, (3.0, 4.1)
"""Width of a map in inches, and its least and largest height."""
_LARGEST_PANEL = 1.6
"""Side of a panel of the pairplot at most, in inches."""
_CROWDED = 3_000
"""More points than this are drawn small, and as pixels inside a vector file."""


def pairplot_width(n_components: int) -> float:
    """Return the width of the pairplot of codes of so many dimensions, in inches."""
    return min(TEXT_WIDTH, _LARGEST_PANEL * min(n_components, N_PAIRED))


@styled
def pairplot(
    codes: Float[np.ndarray, "n d"],
    labels: Labels | None = None,
    class_names: Sequence[str] = (),
    *,
    n_dimensions: int = N_PAIRED,
) -> Figure:
    """Draw seaborn's pairplot of some codes, of their first ``n_dimensions`` where they have more (and say so).

    The lower triangle alone is drawn: the upper one would repeat it, so it holds the legend instead. Classes are told
    apart as long as there are at most :data:`~zehn.figures.style.N_NAMED` of them.
    """
    n_shown = min(codes.shape[1], n_dimensions)
    present = [] if labels is None else [int(label) for label in np.unique(labels)]
    classes = present if len(present) <= N_NAMED else []
    figure = _plot_pairs(codes[:, :n_shown], labels if classes else None, classes)
    _tidy_pairs(figure, n_shown)
    _explain_pairs(figure, codes.shape, n_shown, classes, class_names)
    return figure


@styled
def umap_scatter(
    points: Float[np.ndarray, "n 2"],
    labels: Labels | None = None,
    class_names: Sequence[str] = (),
    *,
    trustworthiness: float | None = None,
    purity: float | None = None,
) -> Figure:
    """Draw the UMAP of codes, coloured by class, every class named in a legend and at the median of its points.

    Args:
        points: the map's coordinates.
        labels: class of every point; without them all points look the same.
        class_names: names of the classes. With more than :data:`~zehn.figures.style.N_NAMED` the legend names the
            largest of them, and none is named on the map.
        trustworthiness: of the map, 0 to 1, said below it.
        purity: share of a point's ten nearest neighbours on the map that are of its class, said below it.

    """
    width, height = np.maximum(np.ptp(points, axis=0), 1e-9)
    figure = Figure(figsize=(TEXT_WIDTH, float(np.clip(_MAP_WIDTH * height / width, *_MAP_HEIGHTS))))
    axes = figure.add_axes((0.01, 0.05, 0.82 if labels is not None else 0.98, 0.94))
    clear(axes)
    _draw_points(axes, points, labels)
    axes.set_aspect("equal", adjustable="datalim")
    if labels is not None:
        named, n_classes = _largest(labels), len(np.unique(labels))
        if n_classes == len(named):
            _name_medians(axes, points, labels, named, class_names)
        _add_legend(figure, (0.845, 0.985), named, class_names, n_classes=n_classes)
    figure.text(0.01, 0.012, _describe(len(points), trustworthiness, purity), fontsize=SMALL, color=MUTED)
    return figure


def _plot_pairs(codes: Float[np.ndarray, "n d"], labels: Labels | None, classes: Sequence[int]) -> Figure:
    pandas, seaborn, pyplot = (require(name, "report") for name in ("pandas", "seaborn", "matplotlib.pyplot"))
    names = [f"z{index + 1}" for index in range(codes.shape[1])]
    frame = pandas.DataFrame(codes.astype(float), columns=names)
    hue: dict[str, Any] = {}
    if labels is not None:
        frame["class"] = labels
        colours, markers = zip(*(class_style(label) for label in classes), strict=True)
        hue = {"hue": "class", "palette": dict(zip(classes, colours, strict=True)), "markers": list(markers)}
    plain = {} if hue else {"color": ACCENT}
    grid = seaborn.pairplot(
        frame,
        vars=names,
        corner=True,
        diag_kind="hist",
        height=TEXT_WIDTH / len(names),
        plot_kws={"s": 11, "linewidth": 0.2, **plain},
        diag_kws={"linewidth": 0, "bins": 10, **plain, **({"multiple": "stack"} if hue else {})},
        **hue,
    )
    pyplot.close(grid.figure)
    for legend in list(grid.figure.legends):
        legend.remove()
    return grid.figure


def _tidy_pairs(figure: Figure, n_shown: int) -> None:
    side = min(TEXT_WIDTH, _LARGEST_PANEL * n_shown)
    figure.set_size_inches(side, side)
    for axes in figure.axes:
        axes.tick_params(labelsize=5.5, length=1.5, pad=1)
        axes.set_xlabel(axes.get_xlabel(), fontsize=SMALL, color=INK, labelpad=2)
        axes.set_ylabel(axes.get_ylabel(), fontsize=SMALL, color=INK, labelpad=2)
        axes.set_xticks(_inner_ticks(*axes.get_xlim()))
        if axes.yaxis.get_visible():
            axes.set_yticks(_inner_ticks(*axes.get_ylim()))
    figure.align_labels()
    gap = 0.12 if n_shown > 4 else 0.08
    figure.subplots_adjust(
        left=0.48 / side, right=1 - 0.05 / side, bottom=0.38 / side, top=1 - 0.05 / side, wspace=gap, hspace=gap
    )


def _inner_ticks(low: float, high: float) -> list[float]:
    """Return at most two round numbers away from the ends, so that the labels of neighbouring panels keep apart."""
    margin = _TICK_MARGIN * (high - low)
    ticks = [tick for tick in MaxNLocator(4).tick_values(low, high) if low + margin <= tick <= high - margin]
    return [ticks[0], ticks[-1]] if len(ticks) > 1 else ticks


def _explain_pairs(
    figure: Figure, shape: tuple[int, ...], n_shown: int, classes: Sequence[int], class_names: Sequence[str]
) -> None:
    n_codes, n_components = shape
    dimensions = (
        f"{n_components} dimensions" if n_shown == n_components else f"first {n_shown} of {n_components} dimensions"
    )
    text = f"{n_codes} codes, {dimensions}"
    figure.text(0.985, 0.985, text, ha="right", va="top", fontsize=SMALL, color=MUTED)
    if classes:
        _add_legend(figure, (0.985, 0.965), classes, class_names, n_classes=len(classes), corner="upper right")


def _draw_points(axes: Axes, points: Float[np.ndarray, "n 2"], labels: Labels | None) -> None:
    crowded = len(points) > _CROWDED
    look: Any = {"s": 5 if crowded else 14, "alpha": 0.75, "linewidths": 0, "rasterized": crowded}
    order = np.random.default_rng(0).permutation(len(points))
    for layer in np.array_split(order, min(_N_LAYERS, len(points))):
        if labels is None:
            axes.scatter(*points[layer].T, color=ACCENT, **look)
            continue
        for label in np.unique(labels[layer]):
            colour, marker = class_style(int(label))
            axes.scatter(*points[layer[labels[layer] == label]].T, color=colour, marker=marker, **look)


def _largest(labels: Labels) -> list[int]:
    present, counts = np.unique(labels, return_counts=True)
    return sorted(int(label) for label in present[np.argsort(-counts, kind="stable")][:N_NAMED])


def _name_medians(
    axes: Axes, points: Float[np.ndarray, "n 2"], labels: Labels, named: Sequence[int], class_names: Sequence[str]
) -> None:
    axes.apply_aspect()
    names = [shorten(class_name(class_names, label), _N_NAME) for label in named]
    medians = np.array([np.median(points[labels == label], axis=0) for label in named])
    scale = 72 / axes.get_figure(root=True).dpi  # type: ignore[union-attr]
    places = axes.transData.transform(medians) * scale
    sizes = np.array([(len(name) * _CHARACTER + 5.0, 13.0) for name in names])
    moved = axes.transData.inverted().transform(_spread(places, sizes) / scale)
    for label, name, (x, y), median in zip(named, names, moved, medians, strict=True):
        colour, marker = class_style(label)
        axes.plot([median[0], x], [median[1], y], color=INK, linewidth=0.6, zorder=5)
        axes.plot(*median, color=colour, marker=marker, markersize=5, markeredgecolor=PAPER, zorder=5)
        box = {"boxstyle": "round,pad=0.22", "facecolor": PAPER, "edgecolor": colour, "linewidth": 1.1}
        axes.text(x, y, name, ha="center", va="center", fontsize=SMALL, weight="bold", bbox=box, zorder=6)


def _spread(places: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Push boxes (centres and sizes (n, 2), in points) apart until none covers another."""
    places = places + np.linspace(-0.5, 0.5, len(places))[:, None]
    for _ in range(_N_PUSHES):
        apart = places[:, None] - places[None]
        overlaps = (sizes[:, None] + sizes[None]) / 2 - np.abs(apart)
        overlapping = (overlaps > 0).all(axis=2) & ~np.eye(len(places), dtype=bool)
        if not overlapping.any():
            break
        vertical = overlaps[..., 1] <= overlaps[..., 0]
        push = np.stack([~vertical, vertical], axis=2) * np.sign(apart) * (overlaps / 2 + 0.1)
        places = places + 0.5 * (push * overlapping[..., None]).sum(axis=1)
    return places


def _add_legend(
    figure: Figure,
    anchor: tuple[float, float],
    named: Sequence[int],
    class_names: Sequence[str],
    *,
    n_classes: int,
    corner: Literal["upper left", "upper right"] = "upper left",
) -> None:
    handles = []
    for label in named:
        colour, marker = class_style(label)
        name = shorten(class_name(class_names, label), _N_NAME)
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle="", markersize=4.5, label=name))
    if n_classes > len(named):
        handles.append(Line2D([], [], linestyle="", label=f"and {n_classes - len(named)} more"))
    legend = figure.legend(handles=handles, loc=corner, bbox_to_anchor=anchor, handletextpad=0.3, borderaxespad=0)
    legend.set_zorder(6)


def _describe(n_points: int, trustworthiness: float | None, purity: float | None) -> str:
    parts = [f"{n_points:,} codes"]
    if trustworthiness is not None:
        parts.append(f"trustworthiness {trustworthiness:.3f}")
    if purity is not None:
        parts.append(f"10-NN class purity {purity:.3f}")
    return " · ".join(parts)
