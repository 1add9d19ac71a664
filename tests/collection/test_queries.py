"""One may ask about a path, a file's bytes, an array or a Pillow image, and gets the same square."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zehn import images
from zehn.collection import queries
from zehn.errors import ImageError, InputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_all_ways_to_give_an_image_are_one(path: Path) -> None:
    whole = images.read_image(path)
    with Image.open(path) as picture:
        for given in (path, str(path), path.read_bytes(), whole, whole / 255, picture, [path], whole[None]):
            squares = queries.squares_of(given, 32, "crop")
            np.testing.assert_array_equal(squares, images.read_square(path, 32)[None])


def test_several_at_once_may_be_of_several_kinds_and_sizes(path: Path) -> None:
    squares = queries.squares_of([path, np.zeros((9, 200, 3), np.uint8)], 32, "pad")
    assert squares.shape == (2, 32, 32, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I", "F", "I;16", "HSV", "YCbCr"])
def test_pillow_images_of_any_mode(mode: str) -> None:
    assert queries.squares_of(Image.new(mode, (40, 40)), 32, "crop").shape == (1, 32, 32, 3)


def test_a_pillow_image_held_sideways_is_put_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    upside_down = np.zeros((40, 40, 3), np.uint8)
    upside_down[:20] = 255
    Image.fromarray(upside_down).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as picture:
        square = queries.squares_of(picture, 32, "crop")[0]
    assert square[0, 0, 0] == 0
    np.testing.assert_array_equal(square, images.read_square(tmp_path / "a.png", 32))


@pytest.mark.parametrize("nothing", [[], (), np.empty((0, 32, 32, 3), np.uint8)])
def test_nothing_to_ask_is_said_to_be_so(nothing: Any) -> None:
    with pytest.raises(InputError, match="at least one image"):
        queries.squares_of(nothing, 32, "crop")


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="came dict; give one of these"):
        queries.squares_of({}, 32, "crop")
    with pytest.raises(ImageError, match=r"absent.png: the file cannot be read"):
        queries.squares_of(tmp_path / "absent.png", 32, "crop")
