"""A kill loses at most the batch in flight, leaves no process behind, and the same call goes on.

``ZEHN_KILLS=600`` kills so many instead of a handful, a third of them in each of three phases; ``ZEHN_SEED`` changes
when. ``python -m tests.faults`` does so.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from zehn import Collection

from .conftest import Draw

N_KILLS = int(os.environ.get("ZEHN_KILLS", "4"))
SEED = int(os.environ.get("ZEHN_SEED", "0"))
N_IMAGES = 96
PHASES = ("add", "remove", "compact")
SECONDS = {"add": 1.0, "remove": 0.03, "compact": 0.03}
"""How long each may have gone on when it is killed; adding takes a second or so, the others some hundredths."""
PROGRAM = """
import random, sys
from zehn import Collection
from zehn.collection import ingest
ingest.N_COMMITTED = 8
chance = random.Random(int(sys.argv[3]))
with Collection.open(sys.argv[1]) as collection:
    collection.n_workers = 1
    def say(what, *gone):
        print(what, *[record.id for record in collection.records()], ";", *gone, ".", flush=True)
    while True:
        say("add")
        collection.add(sys.argv[2], progress=lambda what, n_done, n_all: print("n", len(collection), flush=True))
        gone = chance.sample([record.id for record in collection.records()], len(collection) // 2)
        say("remove", *gone)
        collection.remove(gone)
        say("compact")
        collection.compact()
"""


def test_kills_while_adding_removing_and_compacting_lose_no_committed_image(tmp_path: Path, draw: Draw) -> None:
    for seed in range(N_IMAGES):
        draw(tmp_path / "photos" / f"{seed:03}.png", seed, (12, 12))
    path, chance = tmp_path / "own.zehn", random.Random(SEED)
    Collection.create(path).close()
    for seed in range(N_KILLS):
        wanted = PHASES[seed % len(PHASES)]
        seconds = chance.random() * SECONDS[wanted]
        what, before, gone, n_seen = run_and_kill([str(path), str(tmp_path / "photos"), str(seed)], wanted, seconds)
        with Collection.open(path) as collection:
            assert collection.verify() == []
            there = {record.id for record in collection.records()}
        if what == "add":
            assert before <= there, seed
            assert n_seen <= len(there) <= N_IMAGES, seed
        else:
            assert there in (before, before - gone), seed
    with Collection.open(path) as collection:
        collection.add(tmp_path / "photos")
        assert sorted(record.path for record in collection.records()) == [
            os.fsencode(tmp_path / "photos" / f"{seed:03}.png") for seed in range(N_IMAGES)
        ]
        assert collection.verify() == []


def run_and_kill(arguments: list[str], wanted: str, seconds: float) -> tuple[str, set[int], set[int], int]:
    """Kill it so long after it began what is wanted.

    Return what it was about to do, the ids before, those that were to go, and how many it had counted.
    """
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while lines[-1] and not (lines[-1].startswith(wanted) and lines[-1].endswith(".\n")):
            lines.append(process.stdout.readline())
        timer = threading.Timer(seconds, process.send_signal, (signal.SIGKILL,))
        timer.start()
        lines += process.stdout.read().split("\n")
        timer.join()
    assert process.returncode == -signal.SIGKILL
    whole = [line.strip() for line in lines if line.strip().endswith(".") or line.startswith("n ")]
    last = max(place for place, line in enumerate(whole) if line.endswith("."))
    what, *words = whole[last].rstrip(".").split()
    middle = words.index(";")
    # the last line may be cut short
    counted = [int(line.split()[1]) for line in whole[last + 1 :][:-1]]
    return what, set(map(int, words[:middle])), set(map(int, words[middle + 1 :])), max(counted, default=0)


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
