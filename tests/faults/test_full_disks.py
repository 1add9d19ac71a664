"""A disk that is full: one clear line, exit code 2, the old state intact, and it goes on once there is room again.

Where no small disk may be mounted, tests/engines/test_embedded.py and tests/collection/test_exchange.py limit the size
of files instead (``RLIMIT_FSIZE``).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from zehn import store
from zehn.scale.encoding import parts
from zehn.scale.encoding.storage import Folder

from .conftest import TINY
from .disks import fill, free_bytes, make_room, small_disk
from .programs import IS_FULL, done, refused, unfinished

FULL = "the disk is full"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 32) as mounted:
        yield mounted


def test_making_a_collection(disk: Path) -> None:
    fill(disk, kilobytes_left=1000)
    assert FULL in refused("index", "create", disk / "own.zehn")
    assert [path.name for path in disk.iterdir()] == [".ballast"]
    make_room(disk)
    done("index", "create", disk / "own.zehn")


def test_adding_removing_and_compacting(disk: Path, photos: Path) -> None:
    path = disk / "own.zehn"
    done("index", "create", path)
    done("index", "add", path, photos / "000.png", photos / "001.png")
    fill(disk, kilobytes_left=48)
    said = refused("index", "add", path, photos)
    assert FULL in said
    assert "give the same command again" in said
    verified(path, n_images=2)
    make_room(disk)
    assert "38 added, 0 changed, 2 unchanged" in done("index", "add", path, photos)

    fill(disk)
    assert free_bytes(disk) == 0
    assert FULL in refused("index", "remove", path, photos)
    assert FULL in refused("index", "compact", path)
    # whatever only reads goes on, without a byte of room
    verified(path, n_images=40)
    assert len(done("search", photos / "003.png", "--collection", path, "--k", "3", "--paths-only").split()) == 3
    make_room(disk)
    done("index", "remove", path, photos)
    done("index", "compact", path)
    verified(path, n_images=0)


def test_encoding(disk: Path, photos: Path) -> None:
    out, words = disk / "codes", ["encode", photos, "--workers", "1", "--batch", "4", "--out"]
    fill(disk, kilobytes_left=64)
    assert FULL in refused(*words, out)
    there = parts.read_all(Folder(str(out)), [path.name for path in out.glob("part-*")])
    n_there = sum(part.n_images for part in there.values())
    assert 0 < n_there < 40
    assert unfinished(disk) == []
    make_room(disk)
    assert f"{40 - n_there} of them new" in done(*words, out)
    fill(disk)
    assert FULL in refused("encode", photos, "--out", disk / "codes.npz")
    assert not (disk / "codes.npz").exists()


def test_exporting_and_backing_up(disk: Path, photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.zehn"
    done("index", "create", path)
    done("index", "add", path, photos)
    fill(disk, kilobytes_left=4)
    for ending in ("npz", "parquet"):
        assert FULL in refused("index", "export", path, disk / f"codes.{ending}")
    assert FULL in refused("index", "backup", path, disk / "backup.zehn")
    assert [one.name for one in disk.iterdir()] == [".ballast"]


def test_reporting(disk: Path, finished_run: Path) -> None:
    run = disk / "run"
    shutil.copytree(finished_run, run)
    done("report", run)
    before = {name: (run / name).read_bytes() for name in ("report.pdf", "report.json")}
    fill(disk)
    assert FULL in refused("report", run)
    assert {name: (run / name).read_bytes() for name in before} == before
    assert unfinished(run) == []
    make_room(disk)
    # the drawings are made elsewhere, and that may be what is full
    fill(disk, kilobytes_left=40)
    assert FULL in refused("report", finished_run, environment={"TMPDIR": str(disk)})
    make_room(disk)
    done("report", run)


@pytest.mark.skipif(not IS_FULL, reason="trains three times; python -m tests.faults does")
@pytest.mark.parametrize("kilobytes", [0, 40, 300, 700, 1000])
def test_training(disk: Path, tmp_path: Path, kilobytes: int) -> None:
    words = ["train", "--preset", "smoke", *TINY, "--out"]
    done(*words, tmp_path / "whole")
    fill(disk, kilobytes)
    assert FULL in refused(*words, disk / "run")
    make_room(disk)
    can_resume = (disk / "run/train/checkpoints/last.ckpt").exists()
    done(*words, disk / "run", *(["--resume"] if can_resume else []))
    expected = store.load_model(tmp_path / "whole/train/model.h5").fingerprint
    assert store.load_model(disk / "run/train/model.h5").fingerprint == expected
    assert unfinished(disk) == []


def verified(path: Path, *, n_images: int) -> None:
    assert f"{n_images} images; all is well" in done("index", "verify", path)
