"""A kill loses at most the batch in flight, leaves no process behind, and the same call goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zehn import Collection

from .conftest import Draw

N_IMAGES = 400
PROGRAM = """
import sys
from zehn import Collection
from zehn.collection import ingest
ingest.N_COMMITTED = 32
with Collection.open(sys.argv[1]) as collection:
    collection.n_workers = 2
    collection.add(sys.argv[2], progress=lambda what, n_done, n_all: print(len(collection), flush=True))
"""


def test_a_kill_while_adding_loses_no_committed_image(tmp_path: Path, draw: Draw) -> None:
    for seed in range(N_IMAGES):
        draw(tmp_path / "photos" / f"{seed:03}.png", seed, (12, 12))
    path = tmp_path / "own.zehn"
    Collection.create(path).close()
    generator, n_before = random.Random(0), 0
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(path), str(tmp_path / "photos")],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert process.stdout is not None
        seen = int(process.stdout.readline() or n_before)
        time.sleep(generator.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split()
        seen = max([seen, *map(int, rest)])
        with Collection.open(path) as collection:
            assert collection.verify() == []
            assert seen <= len(collection) <= N_IMAGES
            assert len(collection) >= n_before
            n_before = len(collection)
    with Collection.open(path) as collection:
        collection.add(tmp_path / "photos")
        assert len(collection) == N_IMAGES
        assert sorted(record.path for record in collection.records()) == [
            os.fsencode(tmp_path / "photos" / f"{seed:03}.png") for seed in range(N_IMAGES)
        ]
        assert collection.verify() == []


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_killed_parent_leaves_no_decoder_behind(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "a.png", 0)
    marker = f"zehn-test-{os.getpid()}"
    program = (
        "import os, sys\nfrom zehn.collection import decoding\n"
        "answers = decoding.decode_all([decoding.Task(os.fsencode(sys.argv[1]))] * 5000, "
        "decoding.How(32, 'crop', 0), 2)\nnext(answers)\nprint('ready', flush=True)\nfor _ in answers: pass"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "a.png")],
        stdout=subprocess.PIPE,
        env=os.environ | {"ZEHN_TEST_MARKER": marker},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    assert len(_marked(marker)) >= 2
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while _marked(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _marked(marker) == []


def _marked(marker: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"ZEHN_TEST_MARKER={marker}".encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found
