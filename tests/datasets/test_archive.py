"""Only the wanted files come out of an archive, only into the folder, and a hostile archive is refused."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zehn.datasets import _archive
from zehn.errors import DataError

TOP = "stuff"
WANTED = ("a", "b")


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def pack(path: Path, *extra: tarfile.TarInfo, names: tuple[str, ...] = ("stuff/a", "stuff/b")) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(entry(TOP, tarfile.DIRTYPE))
        for name in names:
            info = entry(name)
            info.size = 4
            archive.addfile(info, io.BytesIO(b"data"))
        for info in extra:
            archive.addfile(info)
    return path


def files_under(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_wanted_files_come_out(tmp_path: Path) -> None:
    pack(tmp_path / "x.tar.gz", entry("stuff/readme"))
    _archive.unpack(tmp_path / "x.tar.gz", tmp_path / "home" / TOP, WANTED)
    assert files_under(tmp_path / "home") == ["stuff", "stuff/a", "stuff/b"]
    assert (tmp_path / "home" / TOP / "a").read_bytes() == b"data"


@pytest.mark.parametrize(
    "hostile",
    [
        lambda: entry("../evil"),
        lambda: entry("stuff/../../evil"),
        lambda: entry("/tmp/evil"),  # noqa: S108
        lambda: entry("other/evil"),
        lambda: entry("stuff/link", tarfile.SYMTYPE, "/etc/passwd"),
        lambda: entry("stuff/hard", tarfile.LNKTYPE, "../../etc/passwd"),
        lambda: entry("stuff/device", tarfile.CHRTYPE),
        lambda: entry("stuff/pipe", tarfile.FIFOTYPE),
    ],
)
def test_a_hostile_member_stops_everything(tmp_path: Path, hostile: Callable[[], tarfile.TarInfo]) -> None:
    pack(tmp_path / "x.tar.gz", hostile())
    with pytest.raises(DataError, match="which does not belong there; nothing was unpacked"):
        _archive.unpack(tmp_path / "x.tar.gz", tmp_path / "home" / TOP, WANTED)
    assert files_under(tmp_path) == ["home", "x.tar.gz"]


def test_a_member_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_archive, "_MOST_MEMBER_BYTES", 3)
    with pytest.raises(DataError, match="holds 'stuff/a', which does not belong"):
        _archive.unpack(pack(tmp_path / "x.tar.gz"), tmp_path / "home" / TOP, WANTED)


def test_a_missing_file_and_damage_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lacks b; delete it and fetch it again"):
        _archive.unpack(pack(tmp_path / "x.tar.gz", names=("stuff/a",)), tmp_path / "home" / TOP, WANTED)
    (tmp_path / "short.tar.gz").write_bytes((tmp_path / "x.tar.gz").read_bytes()[:60])
    (tmp_path / "text.tar.gz").write_bytes(b"no archive at all")
    for name in ("short.tar.gz", "text.tar.gz"):
        with pytest.raises(DataError, match=rf"{name} is damaged"):
            _archive.unpack(tmp_path / name, tmp_path / "home" / TOP, WANTED)
    assert files_under(tmp_path / "home") == []


def test_what_another_process_unpacked_meanwhile_stays(tmp_path: Path) -> None:
    folder = tmp_path / "home" / TOP
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(b"made")
    _archive.unpack(pack(tmp_path / "x.tar.gz"), folder, WANTED)
    assert (folder / "a").read_bytes() == b"made"


def test_a_folder_that_is_not_whole_is_given_what_it_lacks(tmp_path: Path) -> None:
    folder = tmp_path / "home" / TOP
    folder.mkdir(parents=True)
    (folder / "b").write_bytes(b"da")
    (folder / "notes").write_bytes(b"somebody's own")
    _archive.unpack(pack(tmp_path / "x.tar.gz"), folder, WANTED)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "a": b"data", "b": b"data", "notes": b"somebody's own",
    }  # fmt: skip
    assert files_under(tmp_path / "home") == ["stuff", "stuff/a", "stuff/b", "stuff/notes"]


def test_an_unwritable_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot unpack .*File exists; free some space"):
        _archive.unpack(pack(tmp_path / "x.tar.gz"), tmp_path / "file" / TOP, WANTED)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, full_disk: Callable[[int], Any]) -> None:
    pack(tmp_path / "x.tar.gz")
    with full_disk(2), pytest.raises(DataError, match=r"cannot unpack .*File too large; free some space"):
        _archive.unpack(tmp_path / "x.tar.gz", tmp_path / "home" / TOP, WANTED)
    assert files_under(tmp_path / "home") == []
