"""Queries and their hits as pictures: a grid in a PNG, or coloured half blocks in a terminal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from zehn import images, store
from zehn.collection import defaults
from zehn.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from zehn.collection import Collection, Hit

_CELL = defaults.THUMBNAIL_SIZE
"""Side of the pictures in a PNG, in pixels: thumbnails will do."""
_MARGIN, _TEXT = 8, 11
"""Room between pictures and height of the text, in pixels."""
_N_COLUMNS, _N_CHARACTERS = 11, 15
_LEAST, _MOST = 8, 32
"""Characters that a picture may be wide in a terminal."""
_GAP = 1
_RESET = "\x1b[0m"

Picture = UInt8[np.ndarray, "_ _ 3"]
"""(H, W, 3); those of one list may be of several sizes."""


def show(collection: Collection, queries: Sequence[str], found: Sequence[Sequence[Hit]], out: str) -> str:
    """Draw queries and their hits into a PNG file and return its path or, for an empty path, as text for a terminal.

    Raises:
        InputError: there are no hits.
        UnknownNameError: the file's name does not end in .png.
        RunError: the disk is full, or the place cannot be written to.

    """
    if not any(found):
        raise InputError("there are no hits to draw; loosen the filter, or add images")
    asked = [images.read_image(Path(os.path.expanduser(query))) for query in queries]  # noqa: PTH111 – as queries.py
    pictures = [[collection.picture(hit.id, max_side=_CELL) for hit in hits] for hits in found]
    if not out:
        rows = zip(asked, pictures, found, strict=True)
        return "\n\n".join(in_terminal([[query, *row], *_kept(hits)]) for query, row, hits in rows)
    if Path(out).suffix.lower() != ".png":
        raise UnknownNameError("ending of a grid of pictures", Path(out).suffix, [".png"])
    return str(_write(Path(out), queries, found, asked, pictures))


def in_terminal(rows: Sequence[Sequence[Picture]]) -> str:
    """Return rows of pictures as text with ANSI colours, two pixels a character, as wide as the terminal allows."""
    width = shutil.get_terminal_size().columns
    side = max(_LEAST, min(_MOST, width // max(map(len, rows)) - _GAP)) // 2 * 2
    n_fitting = max(1, (width + _GAP) // (side + _GAP))
    return "\n\n".join(
        _one_row([images.resize(picture, side, "pad") for picture in row[start : start + n_fitting]])
        for row in rows
        for start in range(0, len(row), n_fitting)
    )


def _write(
    out: Path,
    queries: Sequence[str],
    found: Sequence[Sequence[Hit]],
    asked: Sequence[Picture],
    pictures: Sequence[Sequence[Picture]],
) -> Path:
    """Draw a band of each query and its hits, and below them what their codes kept where hits are explained."""
    rows: list[tuple[list[str], list[Picture]]] = []
    for query, picture, row, hits in zip(queries, asked, pictures, found, strict=True):
        captions = [shorten(Path(query).name), *(f"{hit.rank} · {hit.distance:.3g}" for hit in hits)]
        bands = [(captions, [picture, *row]), *(([], kept) for kept in _kept(hits))]
        for start in range(0, len(row) + 1, _N_COLUMNS):
            rows += [(texts[start : start + _N_COLUMNS], cells[start : start + _N_COLUMNS]) for texts, cells in bands]
    return store.write_atomically(out, _png_of(rows))


def shorten(name: str) -> str:
    """Cut a file's name to what fits below a picture; what cannot be printed becomes a dot."""
    shown = "".join(character if character.isprintable() else "·" for character in name)
    return shown if len(shown) <= _N_CHARACTERS else f"{shown[: _N_CHARACTERS - 1]}…"


def _png_of(rows: Sequence[tuple[Sequence[str], Sequence[Picture]]]) -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    n_columns = max(len(cells) for _, cells in rows)
    sheet = Image.new("RGB", (_MARGIN + n_columns * (_CELL + _MARGIN), sum(map(_height_of, rows)) + _MARGIN), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    top = _MARGIN
    for captions, cells in rows:
        for column, cell in enumerate(cells):
            left = _MARGIN + column * (_CELL + _MARGIN)
            sheet.paste(Image.fromarray(images.resize(cell, _CELL, "pad")), (left, top))
            if captions:
                place = (left + _CELL / 2, top + _CELL + _MARGIN / 2)
                pen.text(place, captions[column], fill="black", font=font, anchor="mt")
        top += _height_of((captions, cells))
    buffer = BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _height_of(row: tuple[Sequence[str], Sequence[Picture]]) -> int:
    return _CELL + _MARGIN + (_TEXT + _MARGIN if row[0] else 0)


def _kept(hits: Sequence[Hit]) -> list[list[Picture]]:
    """Return one more row: what the codes of query and hits kept, where hits are explained."""
    reasons = [hit.explanation for hit in hits if hit.explanation is not None]
    return [[reasons[0].query_reconstruction, *(why.hit_reconstruction for why in reasons)]] if reasons else []


def _one_row(pictures: Sequence[Picture]) -> str:
    side = len(pictures[0])
    return "\n".join(
        (" " * _GAP).join(_line(picture[row], picture[row + 1]) for picture in pictures) for row in range(0, side, 2)
    )


def _line(upper: UInt8[np.ndarray, "w 3"], lower: UInt8[np.ndarray, "w 3"]) -> str:
    cells = (
        f"\x1b[38;2;{';'.join(map(str, above))};48;2;{';'.join(map(str, below))}m▀"
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True)
    )
    return "".join(cells) + _RESET
