"""Squares come out the same wherever they are decoded, and no file, however odd, ends the work."""

from __future__ import annotations

import hashlib
import os
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zehn import images
from zehn.collection import decoding
from zehn.collection.decoding import Decoded, How, Task

HOW = How(image_size=32, fit="crop", thumbnail_size=24)
MANY = decoding.N_FEW + 20


def decoded(path: Path, how: How = HOW) -> Decoded:
    return decoding.decode(Task(os.fsencode(path)), how)


def test_a_square_is_that_of_every_other_door(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)).save(path)
    came = decoded(path)
    assert came.square is not None
    np.testing.assert_array_equal(came.square, images.read_square(path, 32))
    assert came.size == (400, 300)
    assert came.sha256 == hashlib.sha256(path.read_bytes()).digest()
    assert came.thumbnail is not None
    with Image.open(BytesIO(came.thumbnail)) as thumbnail:
        assert thumbnail.size == (24, 18)


def test_no_thumbnails_are_made_where_none_are_wanted(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    assert decoded(tmp_path / "a.png", How(32, "crop", 0)).thumbnail is None


def test_a_file_with_a_known_hash_is_not_decoded(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    digest = hashlib.sha256((tmp_path / "a.png").read_bytes()).digest()
    came = decoding.decode(Task(os.fsencode(tmp_path / "a.png"), digest), HOW)
    assert came.square is None
    assert came.reason == ""


def test_a_photograph_held_sideways_is_as_wide_as_it_looks(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(tmp_path / "a.jpg", exif=exif)
    assert decoded(tmp_path / "a.jpg").size == (40, 60)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"no image at all", "expected JPEG, PNG"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "damaged|expected JPEG"),
    ],
)
def test_what_is_no_image_has_a_reason(data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(data)
    came = decoded(tmp_path / "a.png")
    assert came.square is None
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(came.reason)


def test_workers_answer_in_order_and_as_this_process_does(tmp_path: Path) -> None:
    tasks = []
    for number in range(MANY):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
        tasks.append(Task(os.fsencode(path)))
    came = [pair for part in decoding.decode_all(tasks, HOW, 2) for pair in part]
    assert [task for task, _ in came] == tasks
    assert [int(one.square[0, 0, 0]) for _, one in came if one.square is not None] == list(range(MANY))


def test_work_that_is_given_up_leaves_no_worker_behind(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    answers = decoding.decode_all([Task(os.fsencode(tmp_path / "a.png"))] * 500, HOW, 2)
    next(answers)
    answers.close()  # type: ignore[attr-defined]


def test_a_decoder_that_crashes_costs_its_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        decoding,
        "_PROGRAM",
        "import os\nfrom zehn.collection import decoding\nproper = decoding.decode\n"
        "decoding.decode = lambda task, how: os.abort() if b'evil' in task.path else proper(task, how)\n"
        "decoding.serve()",
    )
    tasks = []
    for number in range(MANY):
        path = tmp_path / (f"{number}-evil.png" if number == 20 else f"{number}.png")
        Image.new("RGB", (8, 8)).save(path)
        tasks.append(Task(os.fsencode(path)))
    came = [one for part in decoding.decode_all(tasks, HOW, 1) for _, one in part]
    assert len(came) == MANY
    assert [number for number, one in enumerate(came) if one.reason] == [20]
    assert "crashed" in came[20].reason


def test_where_no_process_can_be_started_this_one_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "absent"))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    came = list(decoding.decode_all([Task(os.fsencode(tmp_path / "a.png"))] * MANY, HOW, 2))
    assert all(one.square is not None for part in came for _, one in part)


def test_a_thumbnail_is_as_large_as_was_asked_for(tmp_path: Path) -> None:
    # decoding stops at an eighth, 65 pixels, which is enough for the square alone
    Image.new("RGB", (520, 520)).save(tmp_path / "a.jpg")
    came = decoded(tmp_path / "a.jpg", How(32, "crop", 96))
    assert came.thumbnail is not None
    with Image.open(BytesIO(came.thumbnail)) as thumbnail:
        assert thumbnail.size == (96, 96)


def test_a_worker_runs_nothing_of_the_folder_that_it_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("hashlib", "pickle", "zehn"):
        (tmp_path / f"{name}.py").write_text("open('it-ran', 'w')")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    came = list(decoding.decode_all([Task(os.fsencode(tmp_path / "a.png"))] * MANY, HOW, 1))
    assert all(one.square is not None for part in came for _, one in part)
    assert not (tmp_path / "it-ran").exists()
