"""A home for collections, and folders of small images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Draw = Callable[..., Path]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where collections that have a name go, never the user's own."""
    monkeypatch.setenv("ZEHN_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "collections"


@pytest.fixture
def folder(tmp_path: Path, draw: Draw) -> Path:
    """Twelve images in two sub-folders, cats and dogs."""
    for seed in range(12):
        draw(tmp_path / "photos" / ("cats" if seed < 6 else "dogs") / f"{seed:02}.png", seed)
    return tmp_path / "photos"
