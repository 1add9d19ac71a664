"""The picture of an autoencoder: both halves, shape and parameter count at each layer.

The image enters at the top left, runs down the encoder to the code, and climbs the decoder to the top right. A box is
as wide as its layer's output is large (on a logarithmic scale), so that the bottleneck can be seen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from zehn.errors import InputError
from zehn.figures.style import (
    ACCENT,
    INK,
    LARGE,
    MUTED,
    PAGE_HEIGHT,
    PAPER,
    RULE,
    SIGNAL,
    SMALL,
    TEXT_WIDTH,
    WASH,
    shorten,
    styled,
)


@dataclass(frozen=True)
class _Box:
    """One layer, or several drawn as one."""

    label: str
    shape: tuple[int, ...]
    n_parameters: int
    family: str

    @property
    def size(self) -> int:
        """How many numbers the layer gives for one image."""
        return math.prod(self.shape)

    @property
    def side(self) -> str:
        """Height and width of what it gives, as text ("16²"); empty where it gives a plain vector."""
        if len(self.shape) != 3:
            return ""
        return f"{self.shape[1]}²" if self.shape[1] == self.shape[2] else f"{self.shape[1]}:{self.shape[2]}"


@dataclass(frozen=True)
class _Scale:
    """How layers become boxes: the distance of two of them, where the lowest ends, and the largest output."""

    pitch: float
    bottom: float
    largest: int

    def width(self, size: int) -> float:
        """Return the width of the box of a layer that gives so many numbers, in inches."""
        share = math.log(max(size, 1)) / math.log(max(self.largest, 2))
        return _WIDTHS[0] + (_WIDTHS[1] - _WIDTHS[0]) * max(0.0, 2 * share - 1) ** _FUNNEL


_NAMES = {
    "Conv2d": "convolution",
    "ConvTranspose2d": "transposed conv.",
    "Linear": "dense",
    "BatchNorm2d": "batch norm",
    "BatchNorm1d": "batch norm",
    "AdaptiveAvgPool2d": "average pool",
    "AvgPool2d": "average pool",
    "MaxPool2d": "max pool",
    "Unflatten": "to channels",
    "Flatten": "to a vector",
    "ReLU": "ReLU",
    "GELU": "GELU",
    "SiLU": "SiLU",
    "CELU": "CELU",
}
_EDGES = ("Crop", "Pad", "Identity")
"""Layers that are there for odd image sizes and leave all others as they are."""
_FAMILIES = {"conv": "convolution", "block": "block", "stage": "block", "linear": "dense", "residual": "block"}
_FILLS = {"convolution": "#D8E8EB", "block": "#BBD8DE", "dense": "#DEDCF3", "": WASH}
_STRIPES = {"convolution": "#4F93A0", "block": ACCENT, "dense": "#2B1FB0", "": RULE}

_TOP, _FOOT, _PILL = 0.72, 0.55, 0.2
"""Room above the layers and below them, and the height of a pill, in inches."""
_ENDS = {"encoder": "image", "decoder": "reconstruction"}
_PITCH_MOST, _PITCH_LEAST = 0.29, 0.165
"""Distance of two layers, in inches: the least that text of 7 points can be read at."""
_FUNNEL = 1.5
"""How much more the widths of boxes differ than the logarithms of what they hold."""
_WIDTHS = (1.45, 2.2)
_OUTER, _COUNTS = 0.09, 0.66
"""Where the sides stand, from the edge of the page, and room for parameter counts beside the boxes, in inches."""
_CENTRES = {"encoder": 0.3 + _WIDTHS[1] / 2, "decoder": TEXT_WIDTH - 0.3 - _COUNTS - _WIDTHS[1] / 2}
_CHARACTER = 0.063
"""Mean width of a character, in inches."""


@styled
def architecture(layers: Sequence[Mapping[str, Any]], *, title: str = "") -> Figure:
    """Draw an autoencoder from ``models.describe``'s layers (dicts: half, name, kind, shape, n_parameters).

    Every layer has its box as long as all fit on a page with text of at least 7 points; beyond that, layers without
    parameters join the layer before them, and then layers alike in a row join to one box ("3 × …", parameters summed).

    Raises:
        InputError: a half without layers.

    """
    halves = [[layer for layer in layers if layer["half"] == half] for half in _CENTRES]
    if not all(halves):
        raise InputError("expected layers of an encoder and of a decoder; give what models.describe(network) returns")
    image = tuple(halves[1][-1]["shape"])
    encoder, decoder = (_fit(_boxes(half, before)) for half, before in zip(halves, (image, ()), strict=True))
    n_rows = max(len(encoder), len(decoder))
    pitch = min(_PITCH_MOST, max(_PITCH_LEAST, _room() / n_rows))
    height = _TOP + n_rows * pitch + _FOOT
    figure = Figure(figsize=(TEXT_WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, TEXT_WIDTH), ylim=(height, 0))
    axes.axis("off")
    axes.text(0, 0.1, title, size=LARGE, weight="bold", va="center")
    scale = _Scale(pitch, height - _FOOT, max(box.size for box in (*encoder, *decoder)))
    _draw_half(axes, "encoder", encoder, scale, image=image)
    _draw_half(axes, "decoder", decoder[::-1], scale, image=image)
    _draw_code(axes, encoder[-1].size, scale.bottom)
    return figure


def _room() -> float:
    return PAGE_HEIGHT - _TOP - _FOOT


def _boxes(layers: Sequence[Mapping[str, Any]], before: tuple[int, ...]) -> list[_Box]:
    """Make a box of every layer that does something to what comes ``before`` it."""
    boxes = []
    for layer in layers:
        box = _box(layer)
        if layer["kind"] not in _EDGES or box.shape != before:
            boxes.append(box)
        before = box.shape
    return boxes


def _box(layer: Mapping[str, Any]) -> _Box:
    kind = str(layer["kind"])
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", kind).lower()
    family = next((family for part, family in _FAMILIES.items() if part in words), "")
    return _Box(_NAMES.get(kind, words), tuple(layer["shape"]), int(layer["n_parameters"]), family)


def _fit(boxes: list[_Box]) -> list[_Box]:
    """Join boxes until they fit on a page."""
    n_most = int(_room() / _PITCH_LEAST)
    for join in (_join_bare, _join_alike, _join_shapes):
        if len(boxes) > n_most:
            boxes = join(boxes)
    return boxes


def _join_bare(boxes: list[_Box]) -> list[_Box]:
    """Let layers without parameters join the layer before them."""
    joined: list[_Box] = []
    for box in boxes:
        if joined and not box.n_parameters and box.shape == joined[-1].shape:
            joined[-1] = replace(joined[-1], label=f"{joined[-1].label}, {box.label}")
        else:
            joined.append(box)
    return joined


def _join_alike(boxes: list[_Box]) -> list[_Box]:
    groups = [list(group) for _, group in groupby(boxes, key=lambda box: (box.label, box.shape))]
    return [_merged(group, group[0].label) for group in groups]


def _join_shapes(boxes: list[_Box]) -> list[_Box]:
    groups = [list(group) for _, group in groupby(boxes, key=lambda box: box.shape)]
    return [_merged(group, "layers" if len(group) > 1 else group[0].label) for group in groups]


def _merged(group: list[_Box], label: str) -> _Box:
    n_parameters = sum(box.n_parameters for box in group)
    return replace(group[-1], label=f"{len(group)} × {label}" if len(group) > 1 else label, n_parameters=n_parameters)


def _draw_half(axes: Axes, half: str, rows: list[_Box], scale: _Scale, *, image: tuple[int, ...]) -> None:
    """Draw one half, its rows from top to bottom, and the image that it begins or ends with."""
    centre, top = _CENTRES[half], scale.bottom - len(rows) * scale.pitch
    total = sum(box.n_parameters for box in rows)
    axes.text(centre, top - 0.36, f"{half} · {total:,} parameters", ha="center", va="center", weight="bold")
    _draw_pill(axes, centre, top - _PILL / 2 - 0.08, f"{_ENDS[half]}   {_shape(image)}", 1.75, colour=INK)
    _write_count(axes, centre, top - _PILL / 2 - 0.08, "parameters", MUTED)
    _draw_link(axes, half, centre, top - 0.08, top + 0.12 * scale.pitch)
    for index, box in enumerate(rows):
        y = top + (index + 0.5) * scale.pitch
        _draw_box(axes, box, centre, y, scale)
        _draw_link(axes, half, centre, y + 0.38 * scale.pitch, y + 0.62 * scale.pitch)
    _draw_sides(axes, half, rows, top, scale.pitch)


def _draw_box(axes: Axes, box: _Box, centre: float, y: float, scale: _Scale) -> None:
    width, height = scale.width(box.size), 0.76 * scale.pitch
    left, right = centre - width / 2, centre + width / 2
    axes.add_patch(Rectangle((left, y - height / 2), width, height, facecolor=_FILLS[box.family], linewidth=0))
    axes.add_patch(Rectangle((left, y - height / 2), 0.05, height, facecolor=_STRIPES[box.family], linewidth=0))
    colour = INK if box.n_parameters else MUTED
    look: dict[str, Any] = {"va": "center", "size": SMALL, "color": colour}
    shape = _shape(box.shape)
    label = shorten(box.label, int((width - 0.2) / _CHARACTER) - len(shape))
    axes.text(left + 0.1, y, label, weight="bold" if box.n_parameters else "normal", **look)
    axes.text(right - 0.06, y, shape, ha="right", **look)
    if box.n_parameters:
        _write_count(axes, centre, y, f"{box.n_parameters:,}", INK)


def _write_count(axes: Axes, centre: float, y: float, text: str, colour: str) -> None:
    axes.text(centre + _WIDTHS[1] / 2 + _COUNTS, y, text, ha="right", va="center", size=SMALL, color=colour)


def _draw_link(axes: Axes, half: str, x: float, top: float, bottom: float) -> None:
    """Join two boxes by a short arrow, downwards in the encoder and upwards in the decoder."""
    start, end = (top, bottom) if half == "encoder" else (bottom, top)
    style = "-|>,head_length=2.6,head_width=1.7"
    arrow = FancyArrowPatch(
        (x, start), (x, end), arrowstyle=style, mutation_scale=1, shrinkA=0, shrinkB=0, linewidth=0.6, color=MUTED
    )
    axes.add_patch(arrow)


def _draw_pill(axes: Axes, x: float, y: float, text: str, width: float, *, colour: str) -> None:
    style = f"round,pad=0,rounding_size={_PILL / 2}"
    pill = FancyBboxPatch((x - width / 2, y - _PILL / 2), width, _PILL, boxstyle=style, facecolor=colour, linewidth=0)
    axes.add_patch(pill)
    axes.text(x, y, text, ha="center", va="center", size=SMALL, color=PAPER, weight="bold")


def _draw_code(axes: Axes, n_components: int, bottom: float) -> None:
    """Draw the code between the halves, below them."""
    y = bottom + 0.4
    left, right = _CENTRES["encoder"], _CENTRES["decoder"]
    width = 1.9
    middle = (left + right) / 2
    line: dict[str, Any] = {"color": SIGNAL, "linewidth": 1.2, "solid_joinstyle": "round"}
    axes.plot([left, left, middle - width / 2], [bottom, y, y], **line)
    axes.plot([middle + width / 2, right, right], [y, y, bottom], **line)
    _draw_pill(axes, middle, y, f"the code: {n_components} numbers", width, colour=SIGNAL)


def _draw_sides(axes: Axes, half: str, rows: list[_Box], top: float, pitch: float) -> None:
    """Bracket the rows whose outputs have the same height and width, on the outer edge of the half."""
    outer = _OUTER if half == "encoder" else TEXT_WIDTH - _OUTER
    inner = outer + (0.12 if half == "encoder" else -0.12)
    for side, group in groupby(range(len(rows)), key=lambda index: rows[index].side):
        members = list(group)
        if side:
            first, last = top + (members[0] + 0.14) * pitch, top + (members[-1] + 0.86) * pitch
            axes.plot([inner, inner], [first, last], color=MUTED, linewidth=0.8)
            axes.text(outer, (first + last) / 2, side, ha="center", va="center", size=SMALL, color=MUTED)


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
