"""What all figures share: one palette, one typeface, one page width, and how a figure becomes a file."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zehn.store import write_atomically

TEXT_WIDTH = 6.5
"""Width of the text block of the report's A4 page, in inches."""
LANDSCAPE_WIDTH = 9.9
"""Width of the text block of the report's A4 page turned on its side, in inches."""
PAGE_HEIGHT = 9.0
"""What a full-page figure may take of an A4 page's height, in inches; the caption stands below it."""

INK, MUTED, RULE, WASH, PAPER = "#1D2433", "#667085", "#D5D9E0", "#EEF1F4", "#FFFFFF"
ACCENT, SIGNAL = "#0A5161", "#AB3D00"

CLASS_COLOURS = (
    "#2B1FB0", "#62CBFF", "#D87A00", "#9DDB94", "#AB3D00", "#0A5161", "#C1626E", "#3AB3A4", "#662D2D", "#2A80F0",
)  # fmt: skip
"""Ten colours of classes, no two closer than CIEDE2000 14 for normal, deuteranopic and protanopic eyes (simulated after
Machado, Oliveira and Fernandes 2009, doi:10.1109/TVCG.2009.113; Paul Tol's "muted" keeps 8.6)."""
CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*", ">")
"""Ten markers, so that no class is told apart by colour alone."""
N_NAMED = 20
"""Classes that a legend names at most."""

SPLITS: Mapping[str, Mapping[str, Any]] = {
    "train": {"color": ACCENT, "linestyle": "-", "marker": "o"},
    "validation": {"color": "#D87A00", "linestyle": "--", "marker": "s"},
    "test": {"color": "#2B1FB0", "linestyle": ":", "marker": "^"},
}
"""Colour, line and marker of each part of the data."""
MODELS: Mapping[str, Mapping[str, Any]] = {
    "old": {"color": "#D87A00", "linestyle": "--", "marker": "s"},
    "new": {"color": ACCENT, "linestyle": "-", "marker": "o"},
}
"""Colour, line and marker of a model before and after it was retrained."""

SMALL, NORMAL, LARGE = 7.0, 8.0, 9.5
"""Sizes of text in points."""

STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": NORMAL,
    "text.color": INK,
    "axes.titlesize": NORMAL,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 6.0,
    "axes.labelsize": SMALL,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "figure.dpi": 200.0,
    "savefig.facecolor": PAPER,
    "savefig.bbox": None,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "text.parse_math": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "zehn",
}
"""Matplotlib's settings for every figure; pass to ``matplotlib.rc_context``."""

_METADATA: Mapping[str, Mapping[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": "Zehn", "Producer": None},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": "Zehn"},
}

styled = mpl.rc_context(STYLE)
"""Decorator that draws with :data:`STYLE` and leaves the caller's settings as they were."""


def render(figure: Figure, kind: str) -> bytes:
    """Return a figure as the bytes of a "pdf", "svg" or "png" file, the same bytes for the same figure every time."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a name in another script
        figure.savefig(buffer, format=kind, dpi=figure.dpi, metadata=dict(_METADATA[kind]))
    return buffer.getvalue()


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as ``stem`` + ``.png`` and, where it is line art, ``.pdf`` too; return the paths.

    Line art is what shows no image. Its PNG has 200 dots per inch; that of a grid of images a whole number of dots for
    every pixel.

    Raises:
        RunError: the folder cannot be written to.

    """
    kinds = ("png",) if any(axes.images for axes in figure.axes) else ("pdf", "png")
    paths = []
    for kind in kinds:
        path = stem.with_name(f"{stem.name}.{kind}")
        write_atomically(path, render(figure, kind))
        paths.append(path)
    return paths


def class_style(index: int) -> tuple[str, str]:
    """Return colour and marker of a class; no two of the first hundred classes share both."""
    n_colours = len(CLASS_COLOURS)
    return CLASS_COLOURS[index % n_colours], CLASS_MARKERS[(index + index // n_colours) % len(CLASS_MARKERS)]


def class_name(class_names: Sequence[str], index: int) -> str:
    """Return the name of a class, or its number where it has none."""
    name = class_names[index] if 0 <= index < len(class_names) else str(index)
    return f" {name}" if name.startswith("_") else name  # matplotlib's legends leave out names that begin so


def shorten(text: str, n_characters: int) -> str:
    """Cut a text to so many characters, an ellipsis counted; what cannot be printed becomes a dot."""
    text = "".join(character if character.isprintable() else "·" for character in text)
    return text if len(text) <= n_characters else f"{text[: max(n_characters - 1, 0)].rstrip()}…"


def clear(axes: Axes) -> None:
    """Take ticks, their labels and the frame from axes whose coordinates mean nothing."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


def reach(interval: Mapping[str, float]) -> tuple[float, float]:
    """Return how far an interval goes below its mean and above it.

    At least 0: rounding, or a ratio of few queries, can leave the mean a little outside.
    """
    mean, low, high = interval["mean"], interval["low"], interval["high"]
    return max(mean - low, 0.0), max(high - mean, 0.0)


def message(text: str) -> Figure:
    """Return a slim figure that says in words why there is nothing to draw."""
    figure = Figure(figsize=(TEXT_WIDTH, 0.6))
    figure.text(0.5, 0.5, text, ha="center", va="center", color=MUTED, style="italic")
    return figure
