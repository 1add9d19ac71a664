"""Sources: what is found in them, and that units are the same whenever nothing changed."""

from __future__ import annotations

import os
import random
from pathlib import Path

import fsspec
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zehn.errors import ConfigError, DataError, RunError, UnknownNameError
from zehn.scale.encoding import sources
from zehn.scale.encoding.sources import File, Unit
from zehn.scale.encoding.storage import Folder

from .conftest import Draw


def refuse(path: str, reason: str) -> None:
    raise AssertionError(f"{path}: {reason}")


def names_in(source: str, **options: str) -> list[str]:
    return [Path(file.path).name for file in sources.find(source, refuse, **options)]


def units_of(files: list[File], batch: int) -> list[Unit]:
    return list(sources.divide(files, batch, refuse))


def some_files(n: int) -> list[File]:
    return [File(f"/photos/{number:05}.png", 100 + number, str(number)) for number in range(n)]


def table(path: Path, **columns: object) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns or {"image": [b"x"] * 10}), path, row_group_size=3)
    return path


def test_a_folder_holds_images_and_archives_and_nothing_hidden(photos: Path) -> None:
    (photos / "a.tar").write_bytes(b"")
    (photos / ".hidden.tar").write_bytes(b"")
    (photos / ".cache").mkdir()
    (photos / ".cache" / "b.tar").write_bytes(b"")
    table(photos / "rows.parquet")
    found = names_in(str(photos))
    assert found[:2] == ["a.tar", "rows.parquet"]
    assert found[2:] == [f"{number:02}.png" for number in range(12)]


def test_a_pattern_a_file_and_a_url_of_this_machine(photos: Path) -> None:
    cats = [f"{number:02}.png" for number in range(6)]
    assert names_in(f"{photos}/c*/*.png") == cats
    assert names_in(f"{photos}/**/*.png") == [f"{number:02}.png" for number in range(12)]
    assert names_in(str(photos / "c*")) == cats
    (photos / "a.tar").write_bytes(b"")
    assert names_in(f"{photos}/**") == ["a.tar", *(f"{number:02}.png" for number in range(12))]
    assert names_in(f"folder:{photos / 'cats'}") == cats
    assert names_in(str(photos / "cats" / "00.png")) == ["00.png"]
    assert sources.find(f"file://{photos}/cats", refuse) == sources.find(str(photos / "cats"), refuse)


def test_a_shard_named_outright_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(b"")
    assert names_in(str(tmp_path / "a.tgz")) == ["a.tgz"]


def test_the_codes_may_lie_below_the_source(photos: Path) -> None:
    (photos / "codes").mkdir()
    table(photos / "codes" / "part-1.parquet")
    (photos / "codes-of-old").mkdir()
    table(photos / "codes-of-old" / "part-1.parquet")
    assert names_in(str(photos), apart_from=str(photos / "codes")).count("part-1.parquet") == 1


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("absent", DataError, "no file or folder absent"),
        ("*.nothing", DataError, "nothing to encode"),
        (".", DataError, r"nothing to encode in \.: expected images \(.*tar shards or Parquet"),
        ("memory://absent", DataError, "nothing at memory://absent"),
        ("s4://bucket/photos", UnknownNameError, "unknown protocol 's4'; did you mean 's3'"),
    ],
)
def test_what_is_no_source_says_so(
    source: str, error: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        sources.find(source, refuse)


def test_a_protocol_whose_package_is_missing_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(ConfigError, match=r"s3:// cannot be opened.*s3fs"):
        sources.find("s3://bucket/photos", refuse)


@pytest.mark.parametrize("url", ["sftp://me:secret@host/photos", "simplecache::sftp://me:secret@host/photos"])
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match=r"URL without a password.*put it into the environment") as caught:
        sources.find(url, refuse)
    assert "secret" not in str(caught.value)


def test_whatever_a_store_raises_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoCredentialsError(Exception):
        """Such as botocore's, which is no OSError."""

    def fail(*_: object, **__: object) -> None:
        raise NoCredentialsError

    for name in ("info", "pipe_file", "open"):
        monkeypatch.setattr(fsspec.filesystem("memory"), name, fail)
    with pytest.raises(DataError, match=r"memory://bucket cannot be listed: NoCredentialsError"):
        sources.find("memory://bucket", refuse)
    with pytest.raises(RunError, match=r"cannot write memory://bucket/a: NoCredentialsError"):
        Folder("memory://bucket").write("a", b"")
    with pytest.raises(OSError, match=r"memory://bucket/a cannot be opened: NoCredentialsError"):
        Folder("memory://bucket").read("a")


def test_units_are_bounded_and_hold_each_file_once() -> None:
    files = some_files(5_000)
    units = units_of(files, 200)
    assert [file for unit in units for file in unit.files] == files
    assert max(len(unit.files) for unit in units) <= 200
    assert min(len(unit.files) for unit in units[:-1]) >= 50
    assert all(unit.n_images == len(unit.files) for unit in units)


@given(st.integers(1, 40), st.integers(0, 300))
def test_any_number_of_files_in_units_of_any_size(batch: int, n: int) -> None:
    files = some_files(n)
    units = units_of(files, batch)
    assert [file for unit in units for file in unit.files] == files
    assert all(0 < len(unit.files) <= batch for unit in units)


def test_large_files_make_smaller_units() -> None:
    files = [File(f"/{number}.png", 100 * 1024**2, "0") for number in range(10)]
    assert [len(unit.files) for unit in units_of(files, 1_000)] == [2] * 5
    assert len(units_of([File("/one.png", 2**40, "0")], 1_000)) == 1
    assert [len(part) for part in sources.bounded(files, 64, 64 * 1024**2)] == [1] * 10  # what is fetched at once


def test_one_file_more_changes_the_names_of_few_units() -> None:
    files = some_files(5_000)
    before = {sources.name_of(unit, "model") for unit in units_of(files, 200)}
    chance = random.Random(0)
    for _ in range(10):
        more = sorted([*files, File(f"/photos/{chance.randrange(5_000):05}-b.png", 1, "1")], key=lambda one: one.path)
        after = {sources.name_of(unit, "model") for unit in units_of(more, 200)}
        assert len(after - before) <= 5


def test_a_name_changes_with_everything_that_changes_the_codes() -> None:
    unit = Unit("images", (File("/a.png", 1, "2"), File("/b.png", 3, "4")))
    others = [
        Unit("images", (File("/a.png", 1, "3"), File("/b.png", 3, "4"))),
        Unit("images", (File("/a.png", 2, "2"), File("/b.png", 3, "4"))),
        Unit("images", (File("/b.png", 3, "4"), File("/a.png", 1, "2"))),
        Unit("images", (File("/a.png", 1, "2"),)),
        Unit("table", (File("/a.png", 1, "2"),)),
        Unit("table", (File("/a.png", 1, "2"),), (0,)),
        Unit("table", (File("/a.png", 1, "2"),), (0,), "image"),
    ]
    assert sources.name_of(unit, "m", "crop") == sources.name_of(unit, "m", "crop")
    names = {sources.name_of(unit, *settings) for settings in [("m", "crop"), ("n", "crop"), ("m", "pad")]}
    assert len(names | {sources.name_of(other, "m", "crop") for other in others}) == 10


def test_a_parquet_file_is_divided_at_its_row_groups(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet")
    units = units_of(sources.find(str(path), refuse), 6)
    assert [unit.row_groups for unit in units] == [(0, 1), (2, 3)]
    assert [unit.n_images for unit in units] == [6, 4]
    assert {unit.column for unit in units} == {"image"}
    assert [unit.row_groups for unit in units_of(sources.find(str(path), refuse), 1)] == [(0,), (1,), (2,), (3,)]


@pytest.mark.parametrize(
    ("columns", "wanted", "column"),
    [
        ({"picture": [b"x"], "label": [1]}, "", "picture"),
        ({"hash": [b"x"], "jpg": [b"x"]}, "", "jpg"),
        ({"hash": [b"x"], "jpg": [b"x"]}, "hash", "hash"),
        ({"image": [{"bytes": b"x", "path": "a"}], "label": [1]}, "", "image.bytes"),
    ],
)
def test_the_column_of_images_is_found(tmp_path: Path, columns: dict[str, object], wanted: str, column: str) -> None:
    found = sources.find(str(table(tmp_path / "a.parquet", **columns)), refuse)
    assert [unit.column for unit in sources.divide(found, 10, refuse, column=wanted)] == [column]


@pytest.mark.parametrize(
    ("columns", "wanted", "message"),
    [
        ({"label": [1]}, "", "none holds bytes"),
        ({"one": [b"x"], "two": [b"x"]}, "", "those that hold bytes are: one, two; see --column"),
        ({"one": [b"x"]}, "two", "a column of image bytes called two, those that hold bytes are: one"),
    ],
)
def test_a_parquet_file_without_images_is_noted(
    tmp_path: Path, columns: dict[str, object], wanted: str, message: str
) -> None:
    noted: list[str] = []
    found = sources.find(str(table(tmp_path / "a.parquet", **columns)), refuse)
    assert list(sources.divide(found, 10, lambda *one: noted.append(one[1]), column=wanted)) == []
    assert message in noted[0]


def test_a_damaged_parquet_file_is_noted(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not at all")
    noted: list[str] = []
    found = sources.find(str(tmp_path), refuse)
    assert list(sources.divide(found, 10, lambda *one: noted.append(one[1]))) == []
    assert "the Parquet file cannot be used" in noted[0]


def test_names_that_are_no_utf_8_are_found(tmp_path: Path, draw: Draw) -> None:
    odd = tmp_path / os.fsdecode(b"\xff\xfe.png")
    draw(tmp_path / "a.png", 0).rename(odd)
    found = sources.find(str(tmp_path), refuse)
    assert [file.path for file in found] == [str(odd)]
    assert sources.name_of(units_of(found, 10)[0], "model")
