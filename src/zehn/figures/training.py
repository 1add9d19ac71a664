"""Training curves, of a first training and of one that goes on with distorted images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from zehn.figures.style import ACCENT, MUTED, SIGNAL, SMALL, SPLITS, TEXT_WIDTH, clear, styled

Curve = tuple[Sequence[float], Sequence[float]]
"""Epochs, and the value at each."""
Scalars = Mapping[str, Curve]
"""What TensorBoard holds: for every tag its curve."""
Splits = Mapping[str, tuple[str, Mapping[str, Any]]]
"""Of each part of the data the name in the legend, and the look of its curves."""

_PANELS = {
    "loss": "Loss (smaller is better)",
    "channel_accuracy": "Channel accuracy (share of pixels)",
    "psnr": "PSNR (dB, larger is better)",
    "learning_rate": "Learning rate",
}
_LABELLED_SPLITS = {split: (split, look) for split, look in SPLITS.items()}
"""What a curve of each part of the data is called, and how it looks."""
_DISTORTED = "distorted"
_RETRAINED_SPLITS = {
    "train": ("train, some distorted", SPLITS["train"]),
    "validation": ("validation, clean", SPLITS["validation"]),
    _DISTORTED: ("validation, distorted", {"color": "#2B1FB0", "linestyle": ":", "marker": "^"}),
}
_SCHEDULE = {
    "share": ("share", {"color": ACCENT, "linestyle": "-", "marker": "o"}),
    "strength": ("strength", {"color": SIGNAL, "linestyle": "--", "marker": "D"}),
}
"""What decides how much is distorted in an epoch."""
_FEW_POINTS = 20
"""Up to so many points a curve shows a marker at each of them."""


@styled
def training_curves(scalars: Scalars, *, best_epoch: int | None = None) -> Figure:
    """Draw loss, channel accuracy and PSNR of train, validation and test, and the learning rate, by epoch.

    Args:
        scalars: what ``train.read_scalars`` returns: {"loss/train": (epochs, values), …, "learning_rate": …}; a tag
            that is missing is left out.
        best_epoch: the epoch whose weights were kept, marked by a line.

    """
    figure = Figure(figsize=(TEXT_WIDTH, 4.3))
    panels = figure.subplots(2, 2, sharex=True)
    for axes, (measure, title) in zip(panels.flat, _PANELS.items(), strict=True):
        axes.set_title(title)
        _draw_measure(axes, scalars, measure, _LABELLED_SPLITS)
    _finish(figure, panels, scalars, best_epoch)
    return figure


@styled
def robust_training(history: Mapping[str, Any], *, best_epoch: int | None = None) -> Figure:
    """Draw how a training with distorted images went on: measures of clean and distorted images, and the schedule.

    Args:
        history: ``robust/train/history.json``; an epoch 0 is what was there before.
        best_epoch: the epoch whose weights were kept, marked by a line.

    """
    scalars = scalars_of(history)
    figure = Figure(figsize=(TEXT_WIDTH, 3.85))
    panels = figure.subplots(2, 2, sharex=True)
    for axes, measure in zip(panels.flat, ("loss", "channel_accuracy", "psnr"), strict=False):
        axes.set_title(_PANELS[measure])
        _draw_measure(axes, scalars, measure, _RETRAINED_SPLITS)
    _draw_schedule(panels.flat[3], scalars)
    _finish(figure, panels, scalars, best_epoch)
    return figure


def scalars_of(history: Mapping[str, Any]) -> dict[str, tuple[list[float], list[float]]]:
    """Return the scalars of ``history.json`` in the form that :func:`training_curves` takes.

    Those of a training with distorted images have "…/distorted" (validation images), "share" and "strength" besides.
    """
    collected: dict[str, list[tuple[float, float]]] = {}
    for entry in history["epochs"]:
        for split in (*SPLITS, _DISTORTED):
            for measure, value in (entry.get(split) or {}).items():
                collected.setdefault(f"{measure}/{split}", []).append((entry["epoch"], value))
        whole = {**entry, **(entry.get("distortion") or {})}
        for tag in ("learning_rate", "images_per_second", *_SCHEDULE):
            if whole.get(tag) is not None:
                collected.setdefault(tag, []).append((entry["epoch"], whole[tag]))
    return {tag: ([x for x, _ in pairs], [y for _, y in pairs]) for tag, pairs in collected.items()}


def _draw_measure(axes: Axes, scalars: Scalars, measure: str, splits: Splits) -> None:
    axes.grid(visible=True, axis="y")
    drawn = False
    for split, (label, look) in splits.items():
        if f"{measure}/{split}" in scalars:
            _draw_curve(axes, scalars[f"{measure}/{split}"], label, look)
            drawn = True
    if measure in scalars:
        _draw_curve(axes, scalars[measure], "", {"color": MUTED, "marker": "."})
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        drawn = True
    if not drawn:
        _excuse(axes)


def _draw_schedule(axes: Axes, scalars: Scalars) -> None:
    axes.set_title("Share of distorted images, strength")
    axes.grid(visible=True, axis="y")
    known = [tag for tag in _SCHEDULE if tag in scalars]
    for tag in known:
        label, look = _SCHEDULE[tag]
        _draw_curve(axes, scalars[tag], label, look)
    if not known:
        return _excuse(axes)
    axes.set_ylim(0, 1.28)  # room for the legend above the curves
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.legend(loc="upper left", ncols=2, handlelength=2.2, columnspacing=1.2, borderaxespad=0.1)
    return None


def _excuse(axes: Axes) -> None:
    clear(axes)
    axes.text(0.5, 0.5, "not logged", ha="center", va="center", color=MUTED, transform=axes.transAxes)


def _draw_curve(axes: Axes, curve: Curve, label: str, look: Mapping[str, Any]) -> None:
    steps, values = curve
    shown = dict(look) if len(steps) <= _FEW_POINTS else {**look, "marker": ""}
    axes.plot(steps, values, label=label, **shown)


def _finish(figure: Figure, panels: Any, scalars: Scalars, best_epoch: int | None) -> None:
    """Name the epochs and the curves, and mark the epoch that was kept."""
    for axes in panels[1]:
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if best_epoch is not None:
        for axes in panels.flat:
            axes.axvline(best_epoch, color=SIGNAL, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
        figure.text(0.985, 0.985, f"┊ best epoch: {best_epoch}", color=SIGNAL, ha="right", va="top", fontsize=SMALL)
    _widen(panels.flat[0], scalars)
    _add_legend(figure, panels.flat[0])
    figure.subplots_adjust(left=0.085, right=0.985, bottom=0.1, top=0.875, hspace=0.3, wspace=0.22)


def _widen(axes: Axes, scalars: Scalars) -> None:
    steps = {step for steps, _ in scalars.values() for step in steps}
    if len(steps) == 1:
        (only,) = steps
        axes.set_xlim(only - 1, only + 1)


def _add_legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="upper left", bbox_to_anchor=(0.07, 1.0), ncols=len(labels), handlelength=3)
