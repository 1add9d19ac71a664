"""SIGKILL at random moments while encoding, training and reporting: nothing is lost, nothing is half-written.

While adding, removing and compacting: tests/collection/test_kills.py; in the middle of the engine's transactions:
tests/engines/test_embedded.py.
"""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from zehn import store
from zehn.scale.encoding import parts
from zehn.scale.encoding.storage import Folder

from .conftest import TINY, Draw
from .programs import IS_FULL, Nursery, done, refused, unfinished

N_ENCODING, N_OTHERS = (200, 20) if IS_FULL else (2, 1)


def test_kills_while_encoding_in_bulk(tmp_path: Path, draw: Draw) -> None:
    for seed in range(64):
        draw(tmp_path / "photos" / f"{seed:03}.png", seed, (16, 16))
    words = ["encode", tmp_path / "photos", "--workers", "1", "--batch", "4", "--out"]
    with Nursery("zehn.scale.encoding", "onnxruntime") as nursery:
        seconds = nursery.seconds_of(*words, tmp_path / "whole")
        out, expected, chance, n_kills = tmp_path / "codes", codes_in(tmp_path / "whole"), random.Random(0), 0
        while n_kills < N_ENCODING:
            before = part_names(out)
            if nursery.run(*words, out, seconds=chance.random() * seconds) == 0:
                assert codes_in(out) == expected
                assert [path.name for path in out.glob(".*")] == []
                shutil.rmtree(out)
                continue
            n_kills += 1
            there = part_names(out)
            # what a killed one leaves running may write a part once more, with other times in it
            assert before <= there, n_kills
            assert set(parts.read_all(Folder(str(out)), sorted(there))) == there, n_kills
            assert codes_in(out).items() <= expected.items(), n_kills
    done(*words, out)
    assert codes_in(out) == expected
    assert [path.name for path in out.glob(".*")] == []


def test_kills_while_encoding_to_a_file(photos: Path, tmp_path: Path) -> None:
    out, chance, n_kills = tmp_path / "codes.npz", random.Random(1), 0
    words, old = ["encode", photos, "--out", out], b"old"
    with Nursery("zehn.pipeline.encoding", "onnxruntime") as nursery:
        seconds = nursery.seconds_of(*words)
        expected = out.read_bytes()
        while n_kills < N_OTHERS:
            out.write_bytes(old)
            was_killed = nursery.run(*words, seconds=chance.random() * seconds) != 0
            n_kills += was_killed
            assert out.read_bytes() in ((old, expected) if was_killed else (expected,)), n_kills
    done(*words)
    assert out.read_bytes() == expected


@pytest.mark.skipif(not IS_FULL, reason="tests/pipeline/test_run.py kills two trainings; this is the full count")
def test_kills_while_training(tmp_path: Path) -> None:
    words = ["train", "--preset", "smoke", *TINY, "--out"]
    out, chance, n_kills, n_resumed, n_finished = tmp_path / "run", random.Random(2), 0, 0, 0
    with Nursery("zehn.pipeline", "zehn.train", "zehn.figures", "zehn.codes.network") as nursery:
        seconds = nursery.seconds_of(*words, tmp_path / "whole")
        expected = model_in(tmp_path / "whole")
        while n_kills < N_OTHERS:
            can_resume, n_before = (out / "train/checkpoints/last.ckpt").exists(), epochs_of(out)
            resumed = ["--resume"] if can_resume else []
            if nursery.run(*words, out, *resumed, seconds=chance.random() * seconds):
                n_kills += 1
                n_resumed += can_resume
                assert epochs_of(out) >= n_before, n_kills
                continue
            assert model_in(out) == expected, n_kills
            n_finished += 1
            shutil.rmtree(out)
    if (out / "train/checkpoints/last.ckpt").exists() and not (out / "train/model.h5").exists():
        assert "go on with --resume" in refused(*words, out)
    done("run", "--preset", "smoke", *TINY, "--out", out)
    assert model_in(out) == expected
    assert unfinished(out) == []
    print(f"{n_kills} kills, {n_resumed} of them in resumed trainings, {n_finished} finished between them")  # noqa: T201


def test_kills_while_reporting(finished_run: Path) -> None:
    chance, n_kills, names = random.Random(3), 0, ("report.pdf", "report.json")
    with Nursery("zehn.report", "typst", "matplotlib.pyplot") as nursery:
        seconds = nursery.seconds_of("report", finished_run)
        expected = {name: (finished_run / name).read_bytes() for name in names}
        while n_kills < N_OTHERS:
            if n_kills % 2:
                (finished_run / "report.pdf").unlink(missing_ok=True)
            n_kills += nursery.run("report", finished_run, seconds=chance.random() * seconds) != 0
            for name, content in expected.items():
                assert not (finished_run / name).exists() or (finished_run / name).read_bytes() == content, n_kills
            json.loads((finished_run / "stages.json").read_text())
    done("report", finished_run)
    assert {name: (finished_run / name).read_bytes() for name in expected} == expected
    assert unfinished(finished_run) == []


def model_in(run: Path) -> str:
    """Return the fingerprint of a run's model."""
    return store.load_model(run / "train/model.h5").fingerprint


def part_names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("part-*")}


def codes_in(folder: Path) -> dict[bytes, tuple[float, ...]]:
    rows = (parts.read_rows(Folder(str(folder)), path.name) for path in sorted(folder.glob("part-*")))
    return {row.path: tuple(code.tolist()) for found, values in rows for row, code in zip(found, values, strict=True)}


def epochs_of(run: Path) -> int:
    """Return how many epochs a training has written down."""
    path = run / "train/history.json"
    return len(json.loads(path.read_text(encoding="utf-8"))["epochs"]) if path.exists() else 0


@pytest.mark.parametrize("name", ["stages.json", "report.json"])
def test_a_writer_of_a_run_clears_away_what_a_killed_one_left(name: str, finished_run: Path) -> None:
    (finished_run / f".{name}.123-456.part").write_text("{")
    with store.Run.open(finished_run, for_writing=True):
        assert unfinished(finished_run) == []
