"""Folders of small images, and what was made of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zehn import codes, images, store
from zehn.scale.encoding import parts
from zehn.scale.encoding.parts import Row
from zehn.scale.encoding.storage import Folder

Draw = Callable[..., Path]
N = 12


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where collections that have a name go, never the user's own."""
    monkeypatch.setenv("ZEHN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def photos(tmp_path: Path, draw: Draw) -> Path:
    """Twelve images in two sub-folders, and what is none."""
    for seed in range(N):
        draw(tmp_path / "photos" / ("cats" if seed < 6 else "dogs") / f"{seed:02}.png", seed)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path / "photos"


@pytest.fixture(scope="session")
def model() -> store.Model:
    return store.load_model("cifar10")


def rows_of(out: Path | str) -> dict[bytes, tuple[Row, Any]]:
    """All that the part files of a folder hold, by path."""
    folder = Folder(str(out))
    found: dict[bytes, tuple[Row, Any]] = {}
    for name in sorted(folder.names()):
        if name.startswith(parts.PREFIX):
            for row, code in zip(*parts.read_rows(folder, name), strict=True):
                assert row.path not in found
                found[row.path] = (row, code)
    return found


def expected_codes(model: store.Model, files: list[Path]) -> dict[bytes, Any]:
    """The codes of image files as one pass on one machine makes them, by path."""
    squares = np.stack([images.read_square(path, model.image_size) for path in files])
    return dict(zip(map(os.fsencode, files), codes.encode(model, squares), strict=True))


def check_codes(out: Path | str, model: store.Model, files: list[Path]) -> None:
    expected, came = expected_codes(model, files), rows_of(out)
    assert came.keys() == expected.keys()
    for path, code in expected.items():
        np.testing.assert_allclose(came[path][1], code, atol=1e-4)
