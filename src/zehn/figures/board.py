"""A board on which images lie in a grid, pixel for pixel, with text and marks over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from zehn.figures.style import ACCENT, INK, PAPER, RULE

POINT = 1 / 72
"""One point of text, in inches."""
_CHARACTER = 0.62
"""Mean width of a character in units of the size of the text."""
_DOTS = 288
"""Resolution that a grid aims at, in dots per inch: twice that of a good screen."""
_BADGE = 7.0
"""Side of the mark in the corner of a matching hit, in points."""
_OVERSIZE = 1.5
"""An image with so many times more pixels than its place has dots is made smaller."""


@dataclass(frozen=True)
class Layout:
    """Where the cells of a grid are, in inches from the top left corner."""

    lefts: tuple[float, ...]
    tops: tuple[float, ...]
    cell: float
    """Side of every cell."""
    right: float = 0.0
    """Margin to the right of the last column."""
    bottom: float = 0.0
    """Margin below the last row."""

    @property
    def width(self) -> float:
        """Width of the whole figure."""
        return self.lefts[-1] + self.cell + self.right

    @property
    def height(self) -> float:
        """Height of the whole figure."""
        return self.tops[-1] + self.cell + self.bottom


def edges(n: int, pitch: float, start: float = 0.0, breaks: Mapping[int, float] | None = None) -> tuple[float, ...]:
    """Return the near edges of ``n`` cells, ``pitch`` apart, with extra room before the cells that ``breaks`` names."""
    extra = breaks or {}
    return tuple(start + index * pitch + sum(room for at, room in extra.items() if at <= index) for index in range(n))


class Board:
    """A grid under construction.

    Every image is enlarged by a whole number (nearest neighbour: a pixel stays a square) onto one array, and the
    figure's resolution makes one element of that array one dot. Images too large for their cell are made smaller.
    """

    def __init__(self, layout: Layout, image_size: int) -> None:
        """``image_size`` is the side of the images in pixels."""
        self.layout = layout
        self._size = image_size
        target = round(layout.cell * _DOTS)
        self._side = target if image_size > _OVERSIZE * target else image_size * max(1, round(target / image_size))
        self._dots = self._side / layout.cell
        n_rows, n_columns = round(layout.height * self._dots), round(layout.width * self._dots)
        self._pixels = np.full((n_rows, n_columns, 3), 255, dtype=np.uint8)
        self._extent = (0.0, n_columns / self._dots, n_rows / self._dots, 0.0)
        self.figure = Figure(figsize=(self._extent[1], self._extent[2]), dpi=self._dots)
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.axis("off")

    def place(self, row: int, column: int, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """Lay one image into a cell."""
        x, y = (round(edge * self._dots) for edge in self._corner(row, column))
        self._pixels[y : y + self._side, x : x + self._side] = self._enlarge(image)

    def mark(self, row: int, column: int, colour: str = ACCENT, *, tick: bool = True) -> None:
        """Frame a cell and set a tick into its corner."""
        (x, y), side = self._corner(row, column), self.layout.cell
        self.axes.add_patch(Rectangle((x, y), side, side, fill=False, edgecolor=colour, linewidth=1.3, zorder=3))
        if tick:
            badge = min(_BADGE * POINT, side / 3)
            corner = (x + side - badge, y + side - badge)
            self.axes.add_patch(Rectangle(corner, badge, badge, facecolor=colour, linewidth=0, zorder=4))
            centre = (corner[0] + badge / 2, corner[1] + badge / 2)
            size = badge / POINT * 0.8
            self.axes.text(*centre, "✓", color=PAPER, size=size, ha="center", va="center_baseline", zorder=5)

    def write(self, x: float, y: float, text: str, **look: object) -> None:
        """Write a text at a place in inches from the top left corner."""
        self.axes.text(x, y, text, **{"color": INK, "va": "center", **look})  # type: ignore[arg-type]

    def rule(self, x: float, y: float, end: float) -> None:
        """Draw a thin line across, from ``x`` to ``end``, in inches."""
        self.axes.plot([x, end], [y, y], color=RULE, linewidth=0.7, zorder=1)

    def finish(self) -> Figure:
        """Return the figure with all images on it."""
        self.axes.imshow(self._pixels, extent=self._extent, interpolation="nearest", aspect="auto", zorder=0)
        return self.figure

    def _corner(self, row: int, column: int) -> tuple[float, float]:
        return self.layout.lefts[column], self.layout.tops[row]

    def _enlarge(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "side side 3"]:
        if image.shape[:2] == (self._size, self._size) and self._side % self._size == 0:
            times = self._side // self._size
            return image.repeat(times, axis=0).repeat(times, axis=1)
        resized = Image.fromarray(image).resize((self._side, self._side), Image.Resampling.LANCZOS)
        return np.asarray(resized, dtype=np.uint8)


def fitting(width: float, size: float) -> int:
    """Return how many characters of a size, in points, fit into a width, in inches; at least three."""
    return max(3, int(width / (_CHARACTER * size * POINT)))
