"""Pictures of a comparison of two models on distorted queries, the old beside the new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from zehn.figures.style import INK, MODELS, RULE, SMALL, TEXT_WIDTH, message, reach, shorten, styled

NOISE, PERSPECTIVE = "gaussian_noise", "perspective"
"""The kinds of distortion that have a strength of their own, and are therefore curves."""

_KINDS = {NOISE: "Gaussian noise, σ", PERSPECTIVE: "perspective, strength"}
_PANELS = {
    "P@10 kept": "P@10 kept",
    "recall@1": "Recall@1",
    "overlap": "Overlap of hits",
    "psnr": "PSNR, dB",
}
_N_NAME = 28
_ROW = 0.27
"""Height of the two bars of a corruption, in inches."""
_BAR = 0.37

Robust = Mapping[str, Any]
"""``robust.json``."""


@styled
def robustness_curves(robust: Robust) -> Figure:
    """Draw what two models keep under noise and perspective of growing strength, with 95 % intervals.

    A row of panels for each kind, a panel for each of P@10 kept, recall@1 of the clean original, the overlap with the
    clean query's hits, and PSNR (from strength 0, the clean images); what was not measured is left out.
    """
    rows = {kind: _of_kind(robust, kind) for kind in _KINDS if _of_kind(robust, kind)}
    measures = [name for name in _PANELS if any(row["old"].get(name) for found in rows.values() for row in found)]
    if not rows or not measures:
        return message("Neither noise nor perspective was measured.")
    figure = Figure(figsize=(TEXT_WIDTH, 0.45 + 1.62 * len(rows)))
    panels = figure.subplots(len(rows), len(measures), squeeze=False)
    for line, (kind, found) in zip(panels, rows.items(), strict=True):
        for axes, measure in zip(line, measures, strict=True):
            _draw_measure(axes, found, measure, robust["clean"] if measure == "psnr" else None)
            axes.set_title(_PANELS[measure], fontsize=SMALL)
            axes.set_xlabel(_KINDS[kind])
    _add_legend(figure, robust)
    height = figure.get_figheight()
    figure.subplots_adjust(
        left=0.065, right=0.99, bottom=0.36 / height, top=1 - 0.46 / height, hspace=0.56, wspace=0.38
    )
    return figure


@styled
def corruption_bars(robust: Robust, *, severity: int = 3) -> Figure:
    """Draw what two models keep under corruptions that training never saw.

    At the left P@10 kept for each kind at one severity, with 95 % intervals, at the right the mean over all kinds at
    every severity. Without labels it is the overlap with the clean query's ten hits instead.
    """
    measure = unseen_measure(robust)
    found = [row for row in robust["distortions"] if not row["seen"]]
    shown = [row for row in found if round(row["strength"]) == severity and row["old"].get(measure)]
    if not shown:
        return message("No corruption was measured.")
    several = len({row["strength"] for row in found}) > 1
    height = 0.86 + _ROW * len(shown)
    figure = Figure(figsize=(TEXT_WIDTH, max(height, 2.2 if several else 0.0)))
    panels = figure.subplots(1, 1 + several, width_ratios=(1.75, 1)[: 1 + several], squeeze=False)[0]
    named = "P@10 kept" if measure != "overlap" else "Overlap of hits"
    panels[0].set_title(f"{named}, severity {severity}", fontsize=SMALL)
    _draw_pairs(panels[0], shown, measure)
    if several:
        panels[1].set_title(f"{named}, mean of all kinds", fontsize=SMALL)
        _draw_means(panels[1], found, measure)
    _add_legend(figure, robust)
    height = figure.get_figheight()
    figure.subplots_adjust(left=0.165, right=0.985, bottom=0.36 / height, top=1 - 0.46 / height, wspace=0.2)
    return figure


def unseen_measure(robust: Robust) -> str:
    """Return what corruptions are judged by: P@10 kept, or without labels the overlap of hits."""
    known = any(row["old"].get("P@10 kept") for row in robust["distortions"] if not row["seen"])
    return "P@10 kept" if known else "overlap"


def kind_name(kind: str) -> str:
    """Return a kind of distortion in words, "gaussian blur"."""
    return kind.replace("_", " ")


def _of_kind(robust: Robust, kind: str) -> list[Mapping[str, Any]]:
    return sorted((row for row in robust["distortions"] if row["kind"] == kind), key=lambda row: float(row["strength"]))


def _draw_measure(axes: Axes, rows: Sequence[Mapping[str, Any]], measure: str, clean: Any) -> None:
    axes.grid(visible=True, axis="y")
    for which, look in MODELS.items():
        points = [(row["strength"], row[which][measure]) for row in rows if row[which].get(measure)]
        if clean is not None and clean[which].get(measure):
            points = [(0.0, clean[which][measure]), *points]
        if not points:
            continue
        strengths = [strength for strength, _ in points]
        means = [at["mean"] for _, at in points]
        reaches = np.array([reach(at) for _, at in points]).T
        axes.errorbar(strengths, means, yerr=reaches, label=which, capsize=1.8, elinewidth=0.8, **look)
    axes.set_xlim(0, max(row["strength"] for row in rows) * 1.06)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    if measure != "psnr":
        axes.set_ylim(0, max(1.04, axes.get_ylim()[1]))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))


def _draw_pairs(axes: Axes, rows: Sequence[Mapping[str, Any]], measure: str) -> None:
    """Draw the old model's bar above the new one's for every row."""
    axes.grid(visible=True, axis="x")
    for which, shift, look in (
        ("old", -_BAR / 2, {"facecolor": RULE, "edgecolor": MODELS["old"]["color"], "hatch": "////", "linewidth": 0.5}),
        ("new", _BAR / 2, {"color": MODELS["new"]["color"]}),
    ):
        for place, row in enumerate(rows):
            if interval := row[which].get(measure):
                _draw_bar(axes, place + shift, interval, look)
    axes.set_yticks(range(len(rows)), [shorten(kind_name(row["kind"]), _N_NAME) for row in rows], color=INK)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_xlim(0, max(1.0, *(row[which][measure]["high"] for row in rows for which in MODELS)) * 1.13)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))


def _draw_bar(axes: Axes, place: float, interval: Mapping[str, float], look: Mapping[str, Any]) -> None:
    mean, high, (below, above) = interval["mean"], interval["high"], reach(interval)
    axes.barh(place, mean, height=_BAR, **look)
    axes.errorbar(mean, place, xerr=[[below], [above]], color=INK, linewidth=0.8, capsize=1.2, capthick=0.6)
    at: dict[str, Any] = {"textcoords": "offset points", "va": "center_baseline", "fontsize": 6}
    axes.annotate(f"{100 * mean:.0f} %", (high, place), (3, 0), **at)


def _draw_means(axes: Axes, rows: Sequence[Mapping[str, Any]], measure: str) -> None:
    axes.grid(visible=True, axis="y")
    severities = sorted({round(row["strength"]) for row in rows})
    for which, look in MODELS.items():
        means = [_mean([row for row in rows if round(row["strength"]) == at], which, measure) for at in severities]
        axes.plot(severities, means, label=which, **look)
    axes.set_xlabel("severity")
    axes.set_xticks(severities)
    axes.set_xlim(min(severities) - 0.4, max(severities) + 0.4)
    axes.set_ylim(0, max(1.04, axes.get_ylim()[1]))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))


def _mean(rows: Sequence[Mapping[str, Any]], which: str, measure: str) -> float:
    values = [row[which][measure]["mean"] for row in rows if row[which].get(measure)]
    return float(np.mean(values)) if values else float("nan")


def _add_legend(figure: Figure, robust: Robust) -> None:
    """Name both models, as they were called and when they were made."""
    handles = [
        Line2D([], [], label=f"{moment}: {shorten(str(robust['models'][which]['name']), _N_NAME)}", **MODELS[which])
        for which, moment in (("old", "before"), ("new", "after"))
    ]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.05, 1.0), ncols=2, handlelength=3)
