"""Every image file of a folder is found, once, whatever its name and whatever links lead to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zehn.collection import files
from zehn.errors import DataError


def found_in(*paths: Path | bytes, is_labelled: bool = False) -> tuple[list[files.Found], dict[bytes, str]]:
    noted: dict[bytes, str] = {}
    sources = [files.source_of(path, is_labelled=is_labelled) for path in paths]
    return list(files.find(sources, noted.__setitem__)), noted


def names_of(found: list[files.Found]) -> list[str]:
    return [Path(os.fsdecode(one.path)).name for one in found]


def test_images_are_found_by_their_endings_in_order_of_names(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.png", "deep/er/c.webp", ".secret/d.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found, noted = found_in(tmp_path)
    assert names_of(found) == ["a.png", "b.JPG", "c.webp"]
    assert noted == {}


def test_a_file_that_is_named_outright_is_taken_whatever_its_ending(tmp_path: Path) -> None:
    (tmp_path / "scan").touch()
    found, _ = found_in(tmp_path / "scan")
    assert names_of(found) == ["scan"]


def test_what_is_named_twice_is_found_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png").touch()
    found, _ = found_in(tmp_path, tmp_path / "sub", tmp_path / "sub" / "a.png")
    assert len(found) == 1


def test_links_in_a_circle_end_and_folders_proper_go_before_links(tmp_path: Path) -> None:
    real = tmp_path / "z"
    real.mkdir()
    (real / "a.png").touch()
    (real / "up").symlink_to(tmp_path)
    (tmp_path / "a-link").symlink_to(real)
    (tmp_path / "b.png").symlink_to(real / "a.png")
    found, noted = found_in(tmp_path)
    assert [os.path.relpath(one.path, os.fsencode(tmp_path)) for one in found] == [b"b.png", b"z/a.png"]
    assert noted == {}


def test_a_link_that_leads_nowhere_is_listed(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    found, noted = found_in(tmp_path)
    assert found == []
    assert "No such file" in noted[os.fsencode(tmp_path / "a.png")]


def test_pipes_are_no_images(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert found_in(tmp_path) == ([], {})
    found, noted = found_in(tmp_path / "a.png")
    assert found == []
    assert "a pipe" in noted[os.fsencode(tmp_path / "a.png")]


def test_names_may_be_any_bytes(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/\xff\xfe\n odd.png"
    Path(os.fsdecode(odd)).touch()
    found, _ = found_in(tmp_path)
    assert [one.path for one in found] == [odd]
    assert files.said(odd).endswith("\\xff\\xfe\n odd.png")


def test_the_first_folder_below_is_the_label(tmp_path: Path) -> None:
    for name in ("cats/a.png", "cats/small/b.png", "c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found, _ = found_in(tmp_path, is_labelled=True)
    assert {Path(os.fsdecode(one.path)).name: one.label for one in found} == {
        "a.png": "cats", "b.png": "cats", "c.png": None
    }  # fmt: skip
    assert {one.label for one in found_in(tmp_path)[0]} == {None}


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file or folder"):
        files.source_of(tmp_path / "absent")
    with pytest.raises(DataError, match="there is no file or folder"):
        files.source_of("")


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [(b"/a/b", b"/a", True), (b"/a", b"/a", True), (b"/ab", b"/a", False), (b"/x", b"/", True)],
)
def test_what_lies_below_a_folder(path: bytes, folder: bytes, *, expected: bool) -> None:
    assert files.is_below(path, folder) is expected
