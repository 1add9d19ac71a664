from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from skimage.color import deltaE_ciede2000, rgb2lab

from zehn.errors import RunError
from zehn.figures import render, save
from zehn.figures.style import CLASS_COLOURS, CLASS_MARKERS, class_name, class_style, shorten

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB
EYES = {
    "normal": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}


def seen(colours: tuple[str, ...], eye: str) -> np.ndarray:
    """Return how colours look to an eye, in CIELAB."""
    rgb = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ np.array(EYES[eye]).T
    linear = linear.clip(0, 1)
    return rgb2lab(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)[None])[0]


@pytest.mark.parametrize("eye", EYES)
def test_class_colours_can_be_told_apart(eye: str) -> None:
    lab = seen(CLASS_COLOURS, eye)
    differences = deltaE_ciede2000(lab[:, None], lab[None])
    assert differences[~np.eye(len(lab), dtype=bool)].min() >= 14


def test_class_colours_stand_out_from_paper() -> None:
    lab = seen(CLASS_COLOURS, "normal")
    assert deltaE_ciede2000(lab, seen(("#FFFFFF",), "normal")).min() >= 20


def test_the_first_hundred_classes_differ_in_colour_or_marker() -> None:
    styles = [class_style(index) for index in range(100)]
    assert len(set(styles)) == 100
    assert len({marker for _, marker in styles[:10]}) == len(CLASS_MARKERS)


def test_render_gives_the_same_bytes_every_time() -> None:
    def draw() -> Figure:
        figure = Figure(figsize=(2, 1))
        figure.subplots().plot([1, 2, 3], label="a")
        return figure

    for kind in ("pdf", "svg", "png"):
        assert render(draw(), kind) == render(draw(), kind)


def test_line_art_is_saved_as_vectors_and_images_are_not(tmp_path: Path) -> None:
    line, grid = Figure(figsize=(2, 1)), Figure(figsize=(2, 1))
    line.subplots().plot([1, 2])
    grid.subplots().imshow(np.zeros((4, 4)))
    assert [path.name for path in save(line, tmp_path / "a" / "line.art")] == ["line.art.pdf", "line.art.png"]
    assert [path.name for path in save(grid, tmp_path / "grid")] == ["grid.png"]
    assert (tmp_path / "a" / "line.art.pdf").read_bytes().startswith(b"%PDF")


def test_save_says_what_is_wrong_with_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot write .*file"):
        save(Figure(figsize=(1, 1)), tmp_path / "file" / "figure")


def test_shorten_counts_the_ellipsis_and_hides_what_cannot_be_printed() -> None:
    assert shorten("automobile", 10) == "automobile"
    assert shorten("automobile", 5) == "auto…"
    assert shorten("a\nb\x00", 9) == "a·b·"


def test_class_name_falls_back_on_the_number() -> None:
    assert class_name(("cat",), 0) == "cat"
    assert class_name(("cat",), 1) == "1"
    assert class_name(("_hidden",), 0) == " _hidden"


def test_names_are_never_read_as_formulas_or_refused_for_their_script() -> None:
    figure = Figure(figsize=(3, 1))
    figure.text(0.5, 0.5, "plain")
    from zehn.figures import precision

    interval = {"mean": 0.3, "low": 0.2, "high": 0.4}
    drawn = precision({r"$\frac$": {"P@1": interval}, "猫": {"P@1": interval}})
    assert render(drawn, "pdf").startswith(b"%PDF")
