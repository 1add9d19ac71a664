"""Two processes that write at once: to a collection they take turns, to a run folder the second one is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zehn import Collection, store
from zehn.datasets import Skipped
from zehn.errors import RunError
from zehn.scale import encoding
from zehn.scale.encoding import job, parts
from zehn.scale.encoding.storage import Folder
from zehn.scale.encoding.worker import Worker

from .conftest import TINY, Draw
from .programs import IS_FULL, SECONDS, begun, done, refused

HOLD = (
    "import sys; from zehn.store import Run; run = Run.create(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
)


def test_two_that_add_to_one_collection(tmp_path: Path, draw: Draw) -> None:
    path = tmp_path / "own.zehn"
    for seed in range(48):
        folder = "both" if seed < 16 else "one" if seed < 32 else "other"
        draw(tmp_path / folder / f"{seed:03}.png", seed, (16, 16))
    done("index", "create", path)
    writers = [begun("index", "add", path, tmp_path / "both", tmp_path / name) for name in ("one", "other")]
    for writer in writers:
        said = writer.communicate(timeout=SECONDS)
        assert writer.returncode == 0, said
    with Collection.open(path, read_only=True) as collection:
        assert collection.verify() == []
        assert len({record.path for record in collection.records()}) == len(collection) == 48
        assert len(collection.info()["folders"]) == 3


def test_two_that_make_one_collection(tmp_path: Path) -> None:
    writers = [begun("index", "create", tmp_path / "own.zehn") for _ in range(2)]
    said = [writer.communicate(timeout=SECONDS) for writer in writers]
    codes = sorted(writer.returncode for writer in writers)
    assert codes == [0, 2], said
    assert any("there is a collection at" in err or "is at" in err for _, err in said), said
    assert [path.name for path in tmp_path.iterdir()] == ["own.zehn"]


def test_a_run_folder_has_one_writer(finished_run: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, finished_run], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        training = [["train", "--preset", "smoke", *TINY, "--out", finished_run]]
        for words in [["report", finished_run], *(training if IS_FULL else [])]:
            said = refused(*words)
            assert f"{finished_run} is being written by another process ({holder.pid}); wait for it to end" in said
        holder.communicate()
    # whoever ends lets go, however it ends
    with store.Run.open(finished_run, for_writing=True):
        pass


def test_two_that_encode_into_one_folder(photos: Path, tmp_path: Path) -> None:
    words = ["encode", photos, "--workers", "1", "--batch", "4", "--out", tmp_path / "codes"]
    writers = [begun(*words) for _ in range(2)]
    for writer in writers:
        said = writer.communicate(timeout=SECONDS)
        assert writer.returncode == 0, said
    assert ", 0 of them new" in done(*words)
    assert list((tmp_path / "codes").glob(".*")) == []


def test_a_unit_that_another_run_has_done_meanwhile_is_done(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how, folder, notes = encoding.Options(batch=4), Folder(str(tmp_path / "codes")), list[Skipped]()
    encoding.encode(photos, folder.address, n_workers=0, options=how)
    begun_job = job._job_of("cifar10", how, folder)
    first, second = job._divide(str(photos), begun_job, how, notes)[:2]
    folder.remove(parts.file_name(second.name))

    def write(self: Folder, name: str, data: bytes) -> None:
        raise RunError("cannot write") from FileNotFoundError(name)

    monkeypatch.setattr(Folder, "write", write)
    done_by_another = Worker(begun_job)(first)
    assert done_by_another.error == ""
    assert done_by_another.n_images == first.unit.n_images
    assert Worker(begun_job)(second).error == "cannot write"
