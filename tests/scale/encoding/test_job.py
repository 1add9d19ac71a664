"""Bulk encoding on one machine: the same codes, each file once, and nothing that stops it for good."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from zehn import codes, images, store
from zehn.collection import keeping
from zehn.errors import ConfigError, DataError, MissingExtraError, RunError, UnknownNameError
from zehn.scale import encoding
from zehn.scale.encoding import job, local, parts, sources, worker
from zehn.scale.encoding.storage import Folder

from .conftest import Draw, N, check_codes, expected_codes, rows_of

BATCH = encoding.Options(batch=5)


def encode(source: Path | str, out: Path | str, **keywords: Any) -> encoding.Encoded:
    return encoding.encode(source, out, **{"n_workers": 0, "options": BATCH, **keywords})


def ignore(path: str, reason: str) -> None:
    """Take no note."""


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.png"))


def shard(path: Path, files: list[Path], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for file in files:
            archive.add(file, f"./{file.parent.name}/{file.name}")
            label = io.BytesIO(b"3")
            about = tarfile.TarInfo(f"./{file.parent.name}/{file.stem}.cls")
            about.size = 1
            archive.addfile(about, label)
    return path


@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_folder_becomes_part_files_with_the_codes_of_one_machine(
    photos: Path, tmp_path: Path, model: store.Model, n_workers: int
) -> None:
    told: list[tuple[str, int, int]] = []
    encoded = encode(photos, tmp_path / "codes", n_workers=n_workers, progress=lambda *one: told.append(one))
    check_codes(tmp_path / "codes", model, files_of(photos))
    assert (encoded.n_images, encoded.n_new, encoded.skipped) == (N, N, ())
    assert encoded.n_parts == len(list((tmp_path / "codes").glob("part-*.parquet"))) >= 3
    assert sum(encoded.nodes.values()) == N
    assert told[0] == ("encoding images", 0, N)
    assert told[-1] == ("encoding images", N, N)
    assert not list((tmp_path / "codes").glob(".*"))


def test_rows_say_what_is_known_of_each_image(photos: Path, tmp_path: Path) -> None:
    encode(photos, tmp_path / "codes")
    path = photos / "cats" / "00.png"
    row, _ = rows_of(tmp_path / "codes")[os.fsencode(path)]
    status = path.stat()
    assert (row.size, row.mtime_ns, row.width, row.height) == (status.st_size, status.st_mtime_ns, 48, 40)
    read = codes.read(next((tmp_path / "codes").glob("part-*.parquet")))
    assert read.fingerprint == store.load_model("cifar10").fingerprint
    assert read.paths is not None
    assert len(set(read.ids.tolist())) == len(read.paths)
    assert read.ids.tolist() == [parts.id_of(os.fsencode(path)) for path in read.paths]


def test_the_manifest_lists_what_is_there(photos: Path, tmp_path: Path) -> None:
    encode(photos, tmp_path / "codes")
    known = json.loads((tmp_path / "codes" / "manifest.json").read_text())
    assert known["is_complete"] is True
    assert known["n_images"] == N == sum(part["n_images"] for part in known["parts"])
    assert {part["name"] for part in known["parts"]} == {path.name for path in (tmp_path / "codes").glob("part-*")}


def test_a_second_run_does_nothing_and_a_changed_file_one_unit(photos: Path, tmp_path: Path) -> None:
    encode(photos, tmp_path / "codes")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "codes").glob("part-*")}
    assert encode(photos, tmp_path / "codes").n_new == 0
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "codes").glob("part-*")}
    os.utime(photos / "cats" / "00.png", (1, 1))
    encoded = encode(photos, tmp_path / "codes")
    assert 0 < encoded.n_new <= BATCH.batch
    assert encoded.n_images == N


def test_what_killed_workers_left_is_removed(photos: Path, tmp_path: Path) -> None:
    encode(photos, tmp_path / "codes")
    name = next((tmp_path / "codes").glob("part-*")).name
    unit = name.removeprefix(parts.PREFIX).removesuffix(parts.SUFFIX)
    for left in (
        f".{name}.12-34.part",
        f".{job.MANIFEST}.12-34.part",
        f".{job.SKIPPED}.12-34.part",
        f"{worker.TRAIL}{unit}",
        ".part-of-others.parquet.1-2.part",
        ".begun-elsewhere",
    ):
        (tmp_path / "codes" / left).write_bytes(b"")
    assert encode(photos, tmp_path / "codes").n_new == 0
    left_over = {path.name for path in (tmp_path / "codes").glob(".*")}
    assert left_over == {".part-of-others.parquet.1-2.part", ".begun-elsewhere"}


def test_two_runs_that_end_at_once_both_write_their_lists(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, lost = Folder.write, list[str]()

    def write(self: Folder, name: str, data: bytes) -> None:
        if name == job.MANIFEST and not lost:  # what was written beside it is gone
            lost.append(name)
            raise RunError("cannot write") from FileNotFoundError(name)
        real(self, name, data)

    monkeypatch.setattr(Folder, "write", write)
    assert encode(photos, tmp_path / "codes").n_images == N
    assert lost
    assert (tmp_path / "codes" / job.MANIFEST).exists()


def test_a_part_that_is_damaged_is_made_again(photos: Path, tmp_path: Path, model: store.Model) -> None:
    encode(photos, tmp_path / "codes")
    victim = next((tmp_path / "codes").glob("part-*"))
    victim.write_bytes(victim.read_bytes()[:200])
    assert 0 < encode(photos, tmp_path / "codes").n_new <= BATCH.batch
    check_codes(tmp_path / "codes", model, files_of(photos))


def test_bad_files_are_counted_and_listed_and_stop_nothing(photos: Path, tmp_path: Path, model: store.Model) -> None:
    (photos / "cats" / "bad.png").write_bytes(b"no image")
    whole = (photos / "dogs" / "07.png").read_bytes()
    (photos / "dogs" / "cut.png").write_bytes(whole[: len(whole) // 2])
    for _ in range(2):  # the second run knows them from the part files
        encoded = encode(photos, tmp_path / "codes")
        assert [Path(one.path).name for one in encoded.skipped] == ["bad.png", "cut.png"]
        lines = (tmp_path / "codes" / "skipped.jsonl").read_text().splitlines()
        assert [json.loads(line)["reason"] for line in lines] == [one.reason for one in encoded.skipped]
    good = [path for path in files_of(photos) if path.stem not in ("bad", "cut")]
    check_codes(tmp_path / "codes", model, good)


def test_units_of_which_nothing_came_are_tried_again_too(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = photos / "cats" / "bad.png"
    bad.write_bytes(b"no image")
    encode(photos, tmp_path / "codes")
    real, asked = local._Process.ask, list[worker.Task]()

    def ask(process: Any, task: worker.Task) -> Any:
        asked.append(task)
        return real(process, task) if len(asked) > 1 else None  # the first time the worker dies at once

    monkeypatch.setattr(local._Process, "ask", ask)
    encode(photos, tmp_path / "codes", n_workers=1, options=encoding.Options(batch=BATCH.batch, retry_skipped=True))
    assert [task.name for task in asked] == [asked[0].name] * 2


def test_what_was_skipped_is_tried_again_when_asked(photos: Path, tmp_path: Path, draw: Draw) -> None:
    bad = photos / "cats" / "bad.png"
    good = draw(tmp_path / "good.png", 77)
    bad.write_bytes(b"x" * good.stat().st_size)
    stamp = (bad.stat().st_atime_ns, bad.stat().st_mtime_ns)
    assert len(encode(photos, tmp_path / "codes").skipped) == 1
    shutil.copy(good, bad)  # as a disk that can be read again: same size, same time
    os.utime(bad, ns=stamp)
    assert len(encode(photos, tmp_path / "codes").skipped) == 1
    options = encoding.Options(batch=BATCH.batch, retry_skipped=True)
    encoded = encode(photos, tmp_path / "codes", options=options)
    assert (encoded.skipped, encoded.n_images) == ((), N + 1)


@pytest.mark.parametrize(("ending", "mode"), [("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz")])
def test_tar_shards_give_the_codes_of_their_files(
    photos: Path, tmp_path: Path, model: store.Model, ending: str, mode: str
) -> None:
    files = files_of(photos)
    (tmp_path / "shards").mkdir()
    for number in range(3):
        shard(tmp_path / "shards" / f"{number}.{ending}", files[4 * number : 4 * number + 4], mode)
    told: list[int] = []
    encoded = encode(f"{tmp_path}/shards/*.{ending}", tmp_path / "codes", progress=lambda *one: told.append(one[1]))
    assert (encoded.n_images, encoded.n_parts, told[-1]) == (N, 3, N)
    came = rows_of(tmp_path / "codes")
    for file, code in expected_codes(model, files).items():
        shard_path = tmp_path / "shards" / f"{files.index(Path(os.fsdecode(file))) // 4}.{ending}"
        inside = shard_path.joinpath(*Path(os.fsdecode(file)).parts[-2:])
        np.testing.assert_allclose(came[os.fsencode(inside)][1], code, atol=1e-4)


def test_a_shard_that_breaks_off_keeps_what_came_before(photos: Path, tmp_path: Path) -> None:
    whole = shard(tmp_path / "a.tar", files_of(photos)).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[: len(whole) * 2 // 3])
    encoded = encode(tmp_path / "a.tar", tmp_path / "codes")
    assert 0 < encoded.n_images < N
    assert [one.path for one in encoded.skipped] == [str(tmp_path / "a.tar")]
    assert "breaks off after" in encoded.skipped[0].reason
    (tmp_path / "b.tar").write_bytes(b"no archive at all")
    assert "breaks off after 0 images" in encode(tmp_path / "b.tar", tmp_path / "other").skipped[0].reason


def test_names_in_a_shard_cannot_climb_out_of_it(tmp_path: Path, draw: Draw) -> None:
    data = draw(tmp_path / "a.png", 0).read_bytes()
    names = ["../../up.png", "/root.png", "a/./b//c.png", ".hidden.png", "twice.png", "./twice.png", "text.txt"]
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in names:
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.LNKTYPE, "twice.png"
        archive.addfile(link)
    encoded = encode(tmp_path / "a.tar", tmp_path / "codes")
    base = f"{tmp_path}/a.tar"
    expected = {f"{base}/up.png", f"{base}/root.png", f"{base}/a/b/c.png", f"{base}/twice.png"}
    assert {os.fsdecode(path) for path in rows_of(tmp_path / "codes")} == expected
    assert [one.reason for one in encoded.skipped] == [
        "the shard holds another file of that name before it",
        "it is a link to twice.png, which lies elsewhere in the shard",
    ]


@pytest.mark.parametrize("is_nested", [False, True])
def test_parquet_files_with_image_bytes(photos: Path, tmp_path: Path, model: store.Model, is_nested: bool) -> None:
    files = files_of(photos)
    data: list[Any] = [path.read_bytes() for path in files]
    data[3], data[8] = None, b"no image"
    column = [{"bytes": one, "path": "x"} for one in data] if is_nested else data
    table = pyarrow.table({"label": list(range(N)), "image": column})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=5)
    encoded = encode(tmp_path / "a.parquet", tmp_path / "codes")
    assert (encoded.n_images, encoded.n_parts) == (N - 2, 3)
    assert sorted(Path(one.path).name for one in encoded.skipped) == ["3", "8"]
    came, expected = rows_of(tmp_path / "codes"), expected_codes(model, files)
    for row in set(range(N)) - {3, 8}:
        code = came[os.fsencode(f"{tmp_path}/a.parquet/{row}")][1]
        np.testing.assert_allclose(code, expected[os.fsencode(files[row])], atol=1e-4)


def test_object_stores_through_fsspec(photos: Path, model: store.Model) -> None:
    memory = fsspec.filesystem("memory")
    for path in files_of(photos):
        memory.pipe_file(f"/bucket/{path.parent.name}/{path.name}", path.read_bytes())
    memory.pipe_file("/bucket/cats/bad.png", b"no image")
    encoded = encode("memory://bucket", "memory://bucket-codes/run")
    assert (encoded.n_images, [one.path for one in encoded.skipped]) == (N, ["memory:///bucket/cats/bad.png"])
    came, expected = rows_of("memory://bucket-codes/run"), expected_codes(model, files_of(photos))
    assert len(came) == len(expected)
    for name, code in expected.items():
        url = b"memory:///bucket/" + b"/".join(name.split(b"/")[-2:])
        np.testing.assert_allclose(came[url][1], code, atol=1e-4)
    assert encode("memory://bucket", "memory://bucket-codes/run").n_new == 0
    memory.pipe_file("/bucket/cats/00.png", memory.cat_file("/bucket/cats/01.png"))
    below = encode("memory://bucket", "memory://bucket/codes")
    assert encode("memory://bucket", "memory://bucket/codes").skipped == below.skipped  # parts are no source
    memory.rm("/bucket/codes", recursive=True)
    assert encode("memory://bucket/*/*.png", "memory://bucket-codes/run").n_images == N
    with pytest.raises(ConfigError, match="memory:// is seen by this process alone"):
        encode("memory://bucket", "memory://bucket-codes/run", n_workers=2)


def test_oblong_images_are_fitted_as_asked(photos: Path, tmp_path: Path, model: store.Model) -> None:
    encode(photos, tmp_path / "codes", options=encoding.Options(fit="pad"))
    path = photos / "cats" / "00.png"
    square = images.read_square(path, model.image_size, "pad")
    code = codes.encode(model, square[None])[0]
    np.testing.assert_allclose(rows_of(tmp_path / "codes")[os.fsencode(path)][1], code, atol=1e-4)


def test_a_folder_keeps_codes_of_one_model(photos: Path, tmp_path: Path) -> None:
    encode(photos, tmp_path / "codes")
    with pytest.raises(DataError, match=r"holds codes made with fingerprint zehn-.*; name another folder"):
        encode(photos, tmp_path / "codes", model="cifar10-reconstruction")
    with pytest.raises(DataError, match="made with fit crop, not pad"):
        encode(photos, tmp_path / "codes", options=encoding.Options(fit="pad"))
    (tmp_path / "codes" / "manifest.json").write_text("{")
    with pytest.raises(DataError, match=r"manifest\.json is damaged"):
        encode(photos, tmp_path / "codes")


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"options": encoding.Options(batch=0)}, ConfigError, "at least one image per unit"),
        ({"options": encoding.Options(fit="croop")}, UnknownNameError, "did you mean 'crop'"),
        ({"options": encoding.Options(device="gpu")}, UnknownNameError, "unknown device 'gpu'"),
        ({"n_workers": -1}, ConfigError, "expected at least one worker"),
        ({"n_workers": 0, "ray": "auto"}, ConfigError, "expected at least one worker"),
        ({"model": "cifra10"}, UnknownNameError, "did you mean 'cifar10'"),
        ({"out": ""}, DataError, "expected a folder for the codes"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    photos: Path, tmp_path: Path, keywords: dict[str, Any], error: type[Exception], message: str
) -> None:
    out = keywords.pop("out", tmp_path / "codes")
    with pytest.raises(error, match=message):
        encode(photos, out, **keywords)
    assert not (tmp_path / "codes").exists()


def test_without_ray_its_extra_is_named(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"zehn\[scale\]"):
        encode(photos, tmp_path / "codes", ray="auto", n_workers=None)


@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_place_that_cannot_be_written_to_stops_the_job(photos: Path, tmp_path: Path, n_workers: int) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot write"):
        encode(photos, tmp_path / "file" / "codes", n_workers=n_workers)


DEADLY = b"deadly"
DIES = f"""
import os, signal
from zehn.scale.encoding import local, worker
real = worker.decode
def decode(item, *rest):
    if item.data == {DEADLY!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(item, *rest)
worker.decode = decode
local.serve()
"""


@pytest.mark.parametrize("n_deadly", [1, 2])
def test_an_image_over_which_workers_die_is_listed_and_the_rest_encoded(
    photos: Path, tmp_path: Path, model: store.Model, monkeypatch: pytest.MonkeyPatch, n_deadly: int
) -> None:
    for number in range(n_deadly):
        (photos / "cats" / f"00{number}.png").write_bytes(DEADLY)
    monkeypatch.setattr(local, "_PROGRAM", DIES)
    encoded = encode(photos, tmp_path / "codes", n_workers=1)
    assert [Path(one.path).name for one in encoded.skipped] == [f"00{number}.png" for number in range(n_deadly)]
    assert all("decoder crashed" in one.reason for one in encoded.skipped)
    check_codes(tmp_path / "codes", model, [path for path in files_of(photos) if len(path.stem) == 2])
    assert not list((tmp_path / "codes").glob(".*"))


def test_workers_that_only_die_are_given_up(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_PROGRAM", "raise SystemExit(1)")
    starts, real = list[Any](), local._Process._start

    def start(process: Any) -> Any:
        starts.append(process)
        return real(process)

    monkeypatch.setattr(local._Process, "_start", start)
    with pytest.raises(RunError, match=r"workers die as they start.*the same command goes on, with --workers 0"):
        encode(photos, tmp_path / "codes", n_workers=1)
    assert len(starts) == 3  # and not three for each unit


def test_a_unit_over_which_workers_always_die_is_given_up(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local._Process, "ask", lambda *_: None)
    with pytest.raises(RunError, match=r"[3-5] units of work cannot be encoded, the first begins with .*workers died"):
        encode(photos, tmp_path / "codes", n_workers=1)


def test_whoever_dies_while_nothing_is_decoded_dies_over_no_image(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = sources.find(str(photos), ignore)
    unit = next(iter(sources.divide(found, BATCH.batch, ignore)))
    task = worker.Task(sources.name_of(unit, "model", "crop"), unit)
    folder = Folder(str(tmp_path / "codes"))
    trail, left, real = worker._Trail(folder, task.name), list[bytes | None](), codes.encode
    folder.write(trail.name, b"{")

    def encode_and_look(*given: Any, **ways: Any) -> Any:
        left.append(folder.read(trail.name))  # what is found if it dies now
        return real(*given, **ways)

    monkeypatch.setattr("zehn.codes.encode", encode_and_look)
    worker.Worker(worker.Job(keeping.file_of(store.load_model("cifar10")), "", "crop", "cpu", folder))(task)
    assert [json.loads(one or b"") for one in left] == [{"at": None, "deaths": {}}]


def test_a_trail_that_cannot_be_read_makes_a_worker_careful(photos: Path, tmp_path: Path, model: store.Model) -> None:
    fingerprint = model.fingerprint
    found = sources.find(str(photos), ignore)
    name = sources.name_of(next(iter(sources.divide(found, BATCH.batch, ignore))), fingerprint, "crop")
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / f"{worker.TRAIL}{name}").write_text("{")
    assert encode(photos, tmp_path / "codes").n_images == N
    assert not list((tmp_path / "codes").glob(".*"))


PROGRAM = """
import sys
from zehn.scale import encoding
encoding.encode(sys.argv[1], sys.argv[2], n_workers=2, options=encoding.Options(batch=4))
"""


def test_killed_at_any_moment_it_goes_on(tmp_path: Path, model: store.Model) -> None:
    (tmp_path / "photos").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photos" / "000.png")
    for number in range(1, 60):
        os.link(tmp_path / "photos" / "000.png", tmp_path / "photos" / f"{number:03}.png")
    out, chance = tmp_path / "codes", random.Random(0)
    for _ in range(int(os.environ.get("ZEHN_KILLS", "2"))):
        n_before = len(list(out.glob("part-*")))
        with subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path / "photos", out]) as process:
            deadline = time.monotonic() + 60
            while len(list(out.glob("part-*"))) <= n_before and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(chance.random() * 0.05)
            process.send_signal(signal.SIGKILL)
    n_kept = sum(1 for _ in out.glob("part-*"))
    assert n_kept > 0
    encoded = encode(tmp_path / "photos", out, options=encoding.Options(batch=4))
    assert (encoded.n_images, encoded.skipped) == (60, ())
    assert encoded.n_new < 60
    check_codes(out, model, files_of(tmp_path / "photos"))
    assert not list(out.glob(".*"))


def test_a_killed_worker_is_replaced(tmp_path: Path, photos: Path, model: store.Model, monkeypatch: Any) -> None:
    real, killed = local._Process.ask, list[int]()

    def ask(process: Any, task: Any) -> Any:
        if process._child is not None and not killed:
            killed.append(process._child._process.pid)
            process._child._process.kill()
            process._child._process.wait()
        return real(process, task)

    monkeypatch.setattr(local._Process, "ask", ask)
    encoded = encode(photos, tmp_path / "codes", n_workers=1)
    assert killed
    assert encoded.n_images == N
    check_codes(tmp_path / "codes", model, files_of(photos))


def test_progress_guesses_the_number_of_images_in_shards(photos: Path, tmp_path: Path) -> None:
    files = files_of(photos)
    for number in range(4):
        shard(tmp_path / f"{number}.tar", files[3 * number : 3 * number + 3])
    told: list[tuple[int, int]] = []
    encode(f"{tmp_path}/*.tar", tmp_path / "codes", progress=lambda *one: told.append(one[1:]))
    assert told[0] == (0, 1)
    assert told[1] == (3, 12)
    assert told[-1] == (N, N)
    assert job._WHAT.endswith("images")
