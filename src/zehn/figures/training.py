"""Training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from zehn.figures.style import MUTED, SIGNAL, SMALL, SPLITS, TEXT_WIDTH, clear, styled

Scalars = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""What TensorBoard holds: for every tag its epochs and its values."""

_PANELS = {
    "loss": "Loss (smaller is better)",
    "channel_accuracy": "Channel accuracy (share of pixels)",
    "psnr": "PSNR (dB, larger is better)",
    "learning_rate": "Learning rate",
}
_FEW_POINTS = 12
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
        _draw_measure(axes, scalars, measure)
        if best_epoch is not None:
            axes.axvline(best_epoch, color=SIGNAL, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
    for axes in panels[1]:
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if best_epoch is not None:
        figure.text(0.985, 0.985, f"┊ best epoch: {best_epoch}", color=SIGNAL, ha="right", va="top", fontsize=SMALL)
    _widen(panels.flat[0], scalars)
    _add_legend(figure, panels.flat[0])
    figure.subplots_adjust(left=0.085, right=0.985, bottom=0.1, top=0.875, hspace=0.3, wspace=0.22)
    return figure


def scalars_of(history: Mapping[str, Any]) -> dict[str, tuple[list[float], list[float]]]:
    """Return the scalars of ``history.json`` in the form that :func:`training_curves` takes."""
    collected: dict[str, list[tuple[float, float]]] = {}
    for entry in history["epochs"]:
        for split in SPLITS:
            for measure, value in (entry.get(split) or {}).items():
                collected.setdefault(f"{measure}/{split}", []).append((entry["epoch"], value))
        for tag in ("learning_rate", "images_per_second"):
            if entry.get(tag) is not None:
                collected.setdefault(tag, []).append((entry["epoch"], entry[tag]))
    return {tag: ([x for x, _ in pairs], [y for _, y in pairs]) for tag, pairs in collected.items()}


def _draw_measure(axes: Axes, scalars: Scalars, measure: str) -> None:
    axes.grid(visible=True, axis="y")
    drawn = False
    for split, style in SPLITS.items():
        if f"{measure}/{split}" in scalars:
            _draw_curve(axes, scalars[f"{measure}/{split}"], split, style)
            drawn = True
    if measure in scalars:
        _draw_curve(axes, scalars[measure], "", {"color": MUTED, "marker": "."})
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        drawn = True
    if not drawn:
        clear(axes)
        axes.text(0.5, 0.5, "not logged", ha="center", va="center", color=MUTED, transform=axes.transAxes)


def _draw_curve(
    axes: Axes, curve: tuple[Sequence[float], Sequence[float]], label: str, style: Mapping[str, Any]
) -> None:
    steps, values = curve
    shown = dict(style) if len(steps) <= _FEW_POINTS else {**style, "marker": ""}
    axes.plot(steps, values, label=label, **shown)


def _widen(axes: Axes, scalars: Scalars) -> None:
    steps = {step for steps, _ in scalars.values() for step in steps}
    if len(steps) == 1:
        (only,) = steps
        axes.set_xlim(only - 1, only + 1)


def _add_legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="upper left", bbox_to_anchor=(0.07, 1.0), ncols=len(labels), handlelength=3)
