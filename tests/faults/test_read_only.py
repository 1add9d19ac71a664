"""A file system that refuses every write, to root too: what reads goes on, what writes ends with one clear line."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import TINY
from .disks import read_only, small_disk
from .programs import IS_FULL, done, refused


@pytest.fixture
def disk(tmp_path: Path, photos: Path, finished_run: Path) -> Iterator[Path]:
    """A disk with a collection under its name, a run and a few photos, that cannot be written to any more."""
    with small_disk(tmp_path / "disk", 64) as mounted:
        shutil.copytree(photos, mounted / "photos")
        shutil.copytree(finished_run, mounted / "run")
        environment = {"ZEHN_HOME": str(mounted / "home")}
        done("index", "create", "mine", environment=environment)
        done("index", "add", "mine", mounted / "photos", environment=environment)
        with read_only(mounted):
            yield mounted


def test_what_reads_goes_on(disk: Path, tmp_path: Path) -> None:
    home = {"ZEHN_HOME": str(disk / "home")}
    assert done("index", "list", environment=home).split() == ["mine"]
    assert "40" in done("index", "info", "mine", environment=home)
    assert "40 images; all is well" in done("index", "verify", "mine", environment=home)
    found = done("search", disk / "photos/007.png", "--k", "1", "--paths-only", environment=home)
    assert found.split() == [str(disk / "photos/007.png")]
    done("index", "export", "mine", tmp_path / "codes.npz", environment=home)
    done("index", "backup", "mine", tmp_path / "backup.zehn", environment=home)
    done("encode", disk / "photos", "--out", tmp_path / "encoded.npz")


def test_what_writes_says_that_it_cannot(disk: Path, photos: Path) -> None:
    home, out = {"ZEHN_HOME": str(disk / "home")}, "read-only"
    commands: list[list[object]] = [
        ["index", "add", "mine", photos],
        ["index", "update", "mine"],
        ["index", "remove", "mine", "--ids", "0"],
        ["index", "compact", "mine"],
        ["index", "create", "another"],
        ["index", "create", disk / "another.zehn"],
        ["encode", photos, "--out", disk / "codes.npz"],
        ["encode", photos, "--workers", "1", "--out", disk / "codes"],
        ["report", disk / "run"],
    ]
    if IS_FULL:
        commands.append(["train", "--preset", "smoke", *TINY, "--out", disk / "new"])
    for words in commands:
        said = refused(*words, environment=home)
        assert out in said.lower(), said
        assert str(disk) in said, said
