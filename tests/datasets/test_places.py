"""The named folder is looked in first, then those of the variable, then the cache; nothing half-made stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from zehn.datasets import _places
from zehn.errors import ConfigError


def test_the_order_of_the_search(monkeypatch: pytest.MonkeyPatch, cache_path: Path) -> None:
    monkeypatch.setenv(_places.DATA_VARIABLE, os.pathsep.join(["/one", "", "/two", "/named"]))
    expected = [Path("/named"), Path("/one"), Path("/two"), cache_path / "data"]
    assert _places.search_paths("/named") == expected
    assert _places.search_paths(None) == [Path("/one"), Path("/two"), Path("/named"), cache_path / "data"]


def test_downloads_go_to_the_named_folder_or_the_cache(cache_path: Path) -> None:
    assert _places.download_path("~/x") == Path.home() / "x"
    assert _places.download_path(None) == cache_path / "data"


def test_the_users_cache_folder_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(_places.CACHE_VARIABLE)
    assert _places.cache_path().name == "zehn"


def test_staging_leaves_nothing_unless_it_is_renamed(tmp_path: Path) -> None:
    with _places.staging(tmp_path / "new") as path:
        (path / "file").touch()
    with _places.staging(tmp_path / "new") as path:
        path.rename(tmp_path / "new" / "kept")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["kept"]


def test_staging_removes_what_a_killed_process_left_a_day_ago(tmp_path: Path) -> None:
    old, fresh = tmp_path / ".unfinished-old", tmp_path / ".unfinished-fresh"
    for folder, age in ((old, 2), (fresh, 0)):
        folder.mkdir()
        (folder / "part").touch()
        then = time.time() - age * 86_400
        for path in (folder / "part", folder):
            os.utime(path, (then, then))
    with _places.staging(tmp_path):
        assert not old.exists()
        assert fresh.exists()


def test_the_home_of_nobody_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = "came '~nobody-such/x', and there is no such user"
    with pytest.raises(ConfigError, match=f"as the folder of data sets, {refusal}"):
        _places.download_path("~nobody-such/x")
    monkeypatch.setenv(_places.DATA_VARIABLE, "/one:~nobody-such/x")
    with pytest.raises(ConfigError, match=rf"as \$ZEHN_DATA, {refusal}"):
        _places.search_paths(None)
    monkeypatch.setenv(_places.CACHE_VARIABLE, "~nobody-such/x")
    with pytest.raises(ConfigError, match=rf"as \$ZEHN_CACHE, {refusal}"):
        _places.cache_path()
