"""A home for collections, and folders of small images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Draw = Callable[..., Path]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where collections that have a name go, never the user's own."""
    monkeypatch.setenv("ZEHN_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "collections"


@pytest.fixture
def draw() -> Draw:
    """Write one image of coarse random patches, which a code can tell from others."""

    def write(path: Path, seed: int, size: tuple[int, int] = (48, 40), **options: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        patches = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(patches).resize(size, Image.Resampling.NEAREST).save(path, **options)
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path, draw: Draw) -> Path:
    """Twelve images in two sub-folders, cats and dogs."""
    for seed in range(12):
        draw(tmp_path / "photos" / ("cats" if seed < 6 else "dogs") / f"{seed:02}.png", seed)
    return tmp_path / "photos"
