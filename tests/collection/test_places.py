"""A name is a file at home; a path is a path."""

from __future__ import annotations

from pathlib import Path

import pytest

from zehn.collection import places
from zehn.errors import ConfigError


def test_a_name_is_kept_at_home(home: Path) -> None:
    assert places.address_of("photos") == str(home / "photos.zehn")
    assert places.name_of(str(home / "photos.zehn")) == "photos"
    assert places.collections() == []
    home.mkdir(parents=True)
    for name in ("b.zehn", "a.zehn", "a.zehn-wal", "notes.txt"):
        (home / name).touch()
    assert places.collections() == ["a", "b"]


def test_a_path_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert places.address_of("./photos") == str(tmp_path / "photos")
    assert places.address_of("photos.zehn") == str(tmp_path / "photos.zehn")
    assert places.address_of(Path("photos")) == str(tmp_path / "photos")
    assert places.address_of("postgresql://host/photos") == "postgresql://host/photos"
    assert places.name_of(str(tmp_path / "photos.zehn")) == str(tmp_path / "photos.zehn")


def test_without_a_variable_home_is_the_users_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZEHN_HOME")
    assert places.home_path().name == "collections"
    assert "zehn" in places.home_path().parts


@pytest.mark.parametrize("name", ["", ".hidden"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="expected the name of a collection"):
        places.address_of(name)
