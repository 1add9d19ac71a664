"""What all figures share: one palette, one typeface, one page width, and how a figure becomes a file."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

TEXT_WIDTH = 6.5
"""Width of the text block of the report's A4 page, in inches."""


def render(figure: Figure, kind: str) -> bytes:
    """Return a figure as the bytes of a "pdf", "svg" or "png" file, the same bytes for the same figure every time."""
    raise NotImplementedError


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as ``stem`` + ``.png`` and, where it is line art, ``.pdf`` too; return the paths."""
    raise NotImplementedError
