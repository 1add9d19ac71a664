"""A clock that is wrong: set back by an hour between two commands, or at 1971 as on a board without a battery.

The child's Python is given another time; what the kernel writes to files stays as it is, and is changed by itself.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from zehn import Collection, codes, store

from .conftest import TINY, Draw
from .programs import IS_FULL, done

SITE = """
import os, time
_real, _real_ns, _local, _greenwich = time.time, time.time_ns, time.localtime, time.gmtime
_shift = float(os.environ["ZEHN_TEST_CLOCK"])
time.time = lambda: _real() + _shift
time.time_ns = lambda: _real_ns() + int(_shift * 1e9)
time.localtime = lambda seconds=None: _local(time.time() if seconds is None else seconds)
time.gmtime = lambda seconds=None: _greenwich(time.time() if seconds is None else seconds)
"""
HOUR = 3600.0
BATTERY_IS_EMPTY = 366 * 24 * HOUR
"""New Year of 1971 and a day or two; ZIP knows no time before 1980."""


@pytest.fixture(params=["1971", "an hour back"] if IS_FULL else ["1971"])
def clock(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """An environment whose Python believes that it is earlier."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(SITE)
    shift = -HOUR if request.param == "an hour back" else BATTERY_IS_EMPTY - time.time()
    paths = [str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "ZEHN_TEST_CLOCK": str(shift)}


def test_a_collection_follows_its_files_whatever_the_clock_says(
    clock: dict[str, str], photos: Path, tmp_path: Path, draw: Draw
) -> None:
    path = tmp_path / "own.zehn"
    done("index", "create", path)
    assert "40 added" in done("index", "add", path, photos)
    # one file is another image with a time before the one that is known, one is new
    draw(photos / "000.png", 1000, (16, 16))
    os.utime(photos / "000.png", (1, 1))
    draw(photos / "later.png", 1001, (16, 16))
    assert "1 added, 1 changed, 39 unchanged" in done("index", "update", path, environment=clock)
    assert "0 added, 0 changed, 41 unchanged" in done("index", "update", path)
    with Collection.open(path, read_only=True) as collection:
        assert collection.verify() == []
        assert [record.id for record in collection.records()] == list(range(41))
    for ending in ("npz", "parquet"):
        done("index", "export", path, tmp_path / f"codes.{ending}", environment=clock)


def test_codes_are_the_same_bytes_whenever_they_are_written(
    clock: dict[str, str], photos: Path, tmp_path: Path
) -> None:
    for name, environment in (("now.npz", None), ("then.npz", clock)):
        done("encode", photos, "--out", tmp_path / name, environment=environment)
    assert (tmp_path / "now.npz").read_bytes() == (tmp_path / "then.npz").read_bytes()
    assert len(codes.read(tmp_path / "then.npz").codes) == 40


def test_a_bulk_encoding_goes_on(clock: dict[str, str], photos: Path, tmp_path: Path) -> None:
    words = ["encode", photos, "--workers", "1", "--batch", "4", "--out", tmp_path / "codes"]
    done(*words)
    assert ", 0 of them new" in done(*words, environment=clock)
    next((tmp_path / "codes").glob("part-*")).unlink()
    assert ", 0 of them new" not in done(*words, environment=clock)


def test_a_report_is_drawn(clock: dict[str, str], finished_run: Path) -> None:
    done("report", finished_run)
    before = (finished_run / "report.pdf").read_bytes()
    done("report", finished_run, environment=clock)
    assert (finished_run / "report.pdf").read_bytes() == before


@pytest.mark.skipif(not IS_FULL, reason="trains twice; python -m tests.faults does")
def test_a_training_is_resumed_and_skipped_as_ever(clock: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["train", "--preset", "smoke", *TINY, "--out", out]
    done(*words)
    model = out / "train/model.h5"
    expected = store.load_model(model).fingerprint
    before = model.stat().st_mtime_ns
    done(*words, environment=clock)
    assert model.stat().st_mtime_ns == before
    # as one that was stopped after its last epoch, before the model was written
    model.unlink()
    done(*words, "--resume", environment=clock)
    assert store.load_model(model).fingerprint == expected
