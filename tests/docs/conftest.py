"""A scratch folder as the pages take it: some photographs, a home, nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

ROOT = Path(__file__).resolve().parents[2]
N_PHOTOS = 10
"""Of each of two kinds."""


def paint(path: Path, seed: int) -> None:
    """Write a picture of a ball over a horizon, in colours and places of its own."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    sky, ground, ball = (tuple(int(value) for value in rng.integers(0, 256, 3)) for _ in range(3))
    picture = Image.new("RGB", (96, 72), sky)
    pen = ImageDraw.Draw(picture)
    x, y = rng.integers(10, 60, 2)
    pen.rectangle((0, 40, 96, 72), fill=ground)
    pen.ellipse((x, y, x + 24, y + 24), fill=ball)
    picture.filter(ImageFilter.GaussianBlur(1)).save(path)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder with ``holiday.jpg``, ``a.jpg``, ``b.jpg`` and ``pictures``, and a home with folders of pictures."""
    folder = tmp_path / "scratch"
    for place in (folder / "pictures", *(tmp_path / "home" / name for name in ("Pictures", "Drawings", "More"))):
        for kind in range(2):
            for number in range(N_PHOTOS):
                paint(place / ("beach", "forest")[kind] / f"{number}.jpg", seed=100 * kind + number)
    for seed, name in enumerate(("holiday.jpg", "a.jpg", "b.jpg")):
        paint(folder / name, seed=500 + seed)
    return folder


@pytest.fixture
def run_page(scratch: Path) -> Callable[..., None]:
    """Run the blocks of a page in the scratch folder; with ``package``, by the copy of Zehn that lies there."""

    def run(page: Path, *words: str, package: Path | None = None) -> None:
        done = subprocess.run(
            [sys.executable, ROOT / "tests" / "docs" / "run_page.py", page, *words],
            cwd=scratch,
            env=_environment(scratch, package),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    return run


def _environment(scratch: Path, package: Path | None) -> dict[str, str]:
    home = scratch.parent / "home"
    own = {
        "HOME": str(home),
        "ZEHN_HOME": str(home / "zehn"),
        "ZEHN_CACHE": str(home / "cache"),
        "ZEHN_DATA": "",
        "WEIGHTS": str(ROOT / "src" / "zehn" / "weights"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    return {**os.environ, **own, **({"PYTHONPATH": str(package)} if package else {})}
