"""Image files that change, shrink or vanish while they are read: told, never half an image, right at an update."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image

from zehn import Collection, images
from zehn.errors import ImageError

from .conftest import Draw
from .programs import IS_FULL

N_ROUNDS = 100 if IS_FULL else 4


@contextmanager
def busy(change: Callable[[], None]) -> Iterator[None]:
    """Change something over and over in another thread for as long as the block lasts."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            change()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join()


def matches(collection: Collection) -> bool:
    """Say whether what is known of each image is what its file holds."""
    return all(
        record.sha256 == sha256(Path(os.fsdecode(record.path)).read_bytes()).digest() for record in collection.records()
    )


@pytest.mark.parametrize("how", ["written anew", "cut short and written", "vanishing"])
def test_files_that_change_while_they_are_added(how: str, photos: Path, tmp_path: Path, draw: Draw) -> None:
    victim = photos / "000.png"
    contents = [draw(tmp_path / f"{seed}.png", seed, (400, 400), compress_level=0).read_bytes() for seed in (100, 101)]
    turn = iter(range(10**9))

    def change() -> None:
        content = contents[next(turn) % 2]
        if how == "vanishing":
            victim.unlink(missing_ok=True)
        elif how == "written anew":
            (tmp_path / "beside").write_bytes(content)
            (tmp_path / "beside").replace(victim)
        with victim.open("wb") as file:  # in place: a reader may see a part of it
            for start in range(0, len(content), 50_000):
                file.write(content[start : start + 50_000])
                file.flush()

    with Collection.create(tmp_path / "own.zehn") as collection:
        for _ in range(N_ROUNDS):
            with busy(change):
                collection.add(photos)
                changes = collection.update()
            assert {one.path for one in changes.skipped} <= {str(victim)}
            assert collection.verify() == []
            assert len(collection) in (39, 40)
            # when it has come to rest, the next update brings what it is
            victim.write_bytes(contents[0])
            os.utime(victim, (next(turn), next(turn)))
            collection.update()
            assert len(collection) == 40
            assert matches(collection)


def test_a_file_that_shrinks_between_its_size_and_its_bytes(
    draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw(tmp_path / "a.png", 0, (200, 200), compress_level=0)
    real = os.fstat

    def fstat(number: int) -> os.stat_result:
        status = real(number)
        os.truncate(path, 50)
        return status

    monkeypatch.setattr(os, "fstat", fstat)
    assert len(images.read_bytes(path)) == 50
    with pytest.raises(ImageError, match="damaged or cut short"):
        images.read_image(path)


def test_a_file_that_grows_without_end_is_not_read_without_end(
    draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw(tmp_path / "a.png", 0, (20, 20))
    n_bytes, real = path.stat().st_size, os.fstat

    def fstat(number: int) -> os.stat_result:
        status = real(number)
        with path.open("ab") as file:
            file.write(bytes(1_000_000))
        return status

    monkeypatch.setattr(os, "fstat", fstat)
    assert len(images.read_bytes(path)) == n_bytes + 1


def test_a_folder_that_vanishes_while_it_is_added(photos: Path, tmp_path: Path) -> None:
    """Its files are gone between the listing and the reading: they are listed as skipped."""
    seen: list[str] = []

    def remove_the_rest(what: str, n_done: int, n_all: int) -> None:
        seen.append(what)
        for path in photos.glob("*.png"):
            path.unlink()

    big = photos / "big"
    big.mkdir()
    for number in range(200):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(big / f"{number}.png")
    with Collection.create(tmp_path / "own.zehn") as collection:
        collection.n_workers = 0
        changes = collection.add(photos, progress=remove_the_rest)
        assert changes.n_added + len(changes.skipped) == 240
        assert all("No such file" in one.reason for one in changes.skipped)
        assert collection.verify() == []
    assert seen
