"""Pictures of measured figures: precision bars, the overlap of top tens, the evolution of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from zehn.figures.style import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    RULE,
    SIGNAL,
    SMALL,
    TEXT_WIDTH,
    message,
    reach,
    shorten,
    styled,
)

PRECISIONS = ("P@1", "P@5", "P@10", "P@50", "P@100")
"""The measures that the bars show, one panel each."""

_NO_LABELS = "These images have no labels: there is nothing to measure precision against."
_N_NAME = 18
_SHADES = LinearSegmentedColormap.from_list("zehn", ["#F4F7F8", "#8FBAC2", ACCENT])
OVERLAP_WIDTH = 4.8
"""Width of the heat map of overlaps, in inches."""
_CELL, _N_LEVEL = 0.25, 6
"""Height of a cell of the heat map in inches, and how many names stand level below it before they are tilted."""
_OWN, _OTHER = "#4F93A0", "#9DB8BE"
_ROW = 0.155
"""Height of one row of bars, in inches."""


@styled
def precision(
    scores: Mapping[str, Mapping[str, Any]], baselines: Mapping[str, Mapping[str, Any] | None] | None = None
) -> Figure:
    """Draw P@k with 95 % intervals for distances and baselines.

    ``scores`` is ``query.json``'s "scores", ``baselines`` its "evaluation" → "baselines"; rows without a measured
    precision (no labels) are left out, and if none is left the figure says so.
    """
    rows = [*_measured(scores, own=True), *_measured(baselines or {}, own=False)]
    if not rows:
        return message(_NO_LABELS)
    measures = [name for name in PRECISIONS if any(values.get(name) for _, values, _ in rows)]
    figure = Figure(figsize=(TEXT_WIDTH, 0.52 + _ROW * len(rows)))
    panels = figure.subplots(1, len(measures), sharey=True, sharex=True, squeeze=False)[0]
    for axes, measure in zip(panels, measures, strict=True):
        _draw_bars(axes, rows, measure)
    panels[0].set_yticks(range(len(rows)), [shorten(name, _N_NAME) for name, _, _ in rows], color=INK)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    figure.subplots_adjust(left=0.195, right=0.985, bottom=0.24 / figure.get_figheight(), top=_top(figure), wspace=0.12)
    return figure


@styled
def overlap(overlaps: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw the share of hits that each two distances have in common in their top tens, as a heat map.

    Every number is written into its cell; a pair that is missing is left blank.
    """
    names = list(overlaps)
    shares = np.array([[overlaps[a].get(b, np.nan if a != b else 1.0) for b in names] for a in names], dtype=float)
    left, edge, foot = 0.95, 0.05, 0.3 if len(names) <= _N_LEVEL else 0.75
    width, height = OVERLAP_WIDTH, edge + _CELL * len(names) + foot
    figure = Figure(figsize=(width, height))
    axes = figure.subplots()
    axes.pcolormesh(np.ma.masked_invalid(shares), cmap=_SHADES, vmin=0, vmax=1, edgecolors=PAPER, linewidth=1.5)
    for (row, column), share in np.ndenumerate(shares):
        _write_cell(axes, row, column, share)
    ticks = np.arange(len(names)) + 0.5
    tilt: dict[str, Any] = {} if len(names) <= _N_LEVEL else {"rotation": 35, "ha": "right"}
    axes.set_xticks(ticks, names, **tilt)
    axes.set_yticks(ticks, names)
    axes.invert_yaxis()
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)
    figure.subplots_adjust(left=left / width, right=1 - edge / width, top=1 - edge / height, bottom=foot / height)
    return figure


@styled
def evolution(rungs: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw how the model evolved: MSE, P@10, parameters and seconds of every rung of ``evolve.json``.

    A measure that no rung has (P@10 without labels) is left out; the best rung of a measure is set in colour and bold.
    """
    columns = [column for column in _EVOLUTION if any(_value(rung, column[0]) is not None for rung in rungs)]
    figure = Figure(figsize=(TEXT_WIDTH, 0.65 + 0.32 * len(rungs)))
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axes, (measure, title, form, best) in zip(panels, columns, strict=True):
        axes.set_title(title, fontsize=SMALL)
        _draw_rungs(axes, [rung.get(measure) for rung in rungs], form, best)
    names = [shorten(str(rung["architecture"]), _N_NAME) for rung in rungs]
    panels[0].set_yticks(range(len(rungs)), names, color=INK)
    panels[0].set_ylim(len(rungs) - 0.45, -0.55)
    figure.subplots_adjust(left=0.16, right=0.99, bottom=0.12 / figure.get_figheight(), top=_top(figure), wspace=0.1)
    return figure


_EVOLUTION: tuple[tuple[str, str, Callable[[float], str], Any], ...] = (
    ("mse", "Test MSE ↓", lambda value: f"{value:.4f}", min),
    ("P@10", "P@10 ↑", lambda value: f"{value:.3f}", max),
    ("n_parameters", "Parameters", lambda value: f"{value:,.0f}", None),
    ("seconds", "Training, s", lambda value: f"{value:,.0f}" if value >= 10 else f"{value:.1f}", None),
)


def _top(figure: Figure) -> float:
    return 1 - 0.27 / figure.get_figheight()


def _measured(
    scores: Mapping[str, Mapping[str, Any] | None], *, own: bool
) -> list[tuple[str, Mapping[str, Any], bool]]:
    return [(name, values, own) for name, values in scores.items() if values and any(map(values.get, PRECISIONS))]


def _draw_bars(axes: Axes, rows: Sequence[tuple[str, Mapping[str, Any], bool]], measure: str) -> None:
    axes.set_title(measure)
    axes.grid(visible=True, axis="x")
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2f}".rstrip("0").rstrip(".") or "0"))
    for row, (_, values, own) in enumerate(rows):
        if values.get(measure):
            _draw_bar(axes, row, values[measure], own=own)


def _draw_bar(axes: Axes, row: int, interval: Mapping[str, float], *, own: bool) -> None:
    mean, high, (below, above) = interval["mean"], interval["high"], reach(interval)
    look = {"color": _OWN} if own else {"facecolor": RULE, "edgecolor": MUTED, "hatch": "////", "linewidth": 0.4}
    axes.barh(row, mean, height=0.66, **look)
    axes.errorbar(mean, row, xerr=[[below], [above]], color=INK, linewidth=0.9, capsize=1.6, capthick=0.7)
    axes.annotate(
        f"{mean:.3f}", (high, row), (2.5, -0.3), textcoords="offset points", va="center", fontsize=6, color=INK
    )
    axes.margins(x=0.42)


def _write_cell(axes: Axes, row: int, column: int, share: float) -> None:
    if np.isfinite(share):
        colour = PAPER if share > 0.6 else INK
        axes.text(column + 0.5, row + 0.5, f"{share:.2f}", ha="center", va="center", color=colour)


def _value(rung: Mapping[str, Any], measure: str) -> float | None:
    value = rung.get(measure)
    return value["mean"] if isinstance(value, Mapping) else value


def _draw_rungs(axes: Axes, values: Sequence[Any], form: Callable[[float], str], best: Any) -> None:
    means = [value["mean"] if isinstance(value, Mapping) else value for value in values]
    present = [mean for mean in means if mean is not None]
    champion = best(present) if best is not None and len(present) > 1 else None
    for row, (value, mean) in enumerate(zip(values, means, strict=True)):
        if mean is None:
            axes.text(0, row, " not measured", va="center", fontsize=SMALL, color=MUTED)
            continue
        won = mean == champion
        axes.barh(row, mean, height=0.6, color=ACCENT if won else _OTHER)
        if isinstance(value, Mapping):
            axes.plot([value["low"], value["high"]], [row, row], color=SIGNAL, linewidth=1.1, solid_capstyle="butt")
        end = value["high"] if isinstance(value, Mapping) else mean
        weight = "bold" if won else "normal"
        axes.annotate(
            form(mean),
            (end, row),
            (3, -0.3),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            weight=weight,
        )
    axes.set_xlim(0, max([*present, 0]) * 1.75 or 1)
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0)
    axes.spines[["bottom"]].set_visible(False)
