"""A home for collections, and the smallest of data sets, models and runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.report.conftest import RunMaker

Draw = Callable[..., Path]

TINY = tuple(
    word
    for setting in (
        "data.name=digits",
        "data.n_train=200",
        "data.n_test=40",
        "model.architecture=dense",
        "model.options={n_hidden=16}",
        "model.n_components=4",
        "train.epochs=12",
        "train.precision=float32",
    )
    for word in ("--set", setting)
)
"""A training of seconds, as words of ``zehn train`` or ``zehn run``."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where collections that have a name go, never the user's own."""
    monkeypatch.setenv("ZEHN_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "collections"


@pytest.fixture
def photos(tmp_path: Path, draw: Draw) -> Path:
    """Forty small images, which a code can tell from each other."""
    for seed in range(40):
        draw(tmp_path / "photos" / f"{seed:03}.png", seed, (16, 16))
    return tmp_path / "photos"


@pytest.fixture(scope="session")
def drawn_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with all that a report is drawn from; tests take a copy."""
    path = tmp_path_factory.mktemp("runs") / "drawn"
    RunMaker(path).make()
    return path


@pytest.fixture
def finished_run(drawn_run: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    return Path(shutil.copytree(drawn_run, tmp_path / "run"))
