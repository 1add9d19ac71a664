"""From the shell's prompt to an answer: a new process each time, files in the page cache."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.bench import _data, _images
from benchmarks.bench._protocol import ZEHN, Case, Comparison, Goal, Work, peer, piecewise

_N_IMAGES = 60_000
_N_PIECES = 3


def _work(command: list[str]) -> Work:
    def start(_: object) -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    start(None)  # compiles what was not yet
    return Work(lambda: piecewise(start, range(_N_PIECES)))


@peer("zehn --help", ZEHN)
def zehn_help(case: Case) -> Work:
    """What the command costs before it does anything."""
    del case
    return _work([_zehn(), "--help"])


@peer("zehn search IMAGE", ZEHN)
def zehn_search(case: Case) -> Work:
    """Among 60,000 codes; the picture is decoded and encoded, the model comes out of the collection."""
    path, image = _collection(case["n"]), next(_images.jpegs(100).rglob("*.jpg"))
    return _work([_zehn(), "search", str(image), "--collection", str(path)])


@peer("python -c pass", ZEHN)
def python(case: Case) -> Work:
    """The least that any program in Python costs."""
    del case
    return _work([sys.executable, "-c", "pass"])


@peer("import torch", ZEHN)
def import_torch(case: Case) -> Work:
    """What a search tool on PyTorch pays before its first line."""
    del case
    return _work([sys.executable, "-c", "import torch"])


@peer("rclip-like start-up", ZEHN)
def rclip_like(case: Case) -> Work:
    """The imports of such a tool and nothing else: no model read (some 350 MB), nothing encoded, nothing searched."""
    del case
    return _work([sys.executable, "-c", "import sqlite3, numpy, PIL.Image, torch, torch.nn.functional"])


def _zehn() -> str:
    return str(Path(sys.executable).with_name("zehn"))


def _collection(n: int) -> Path:
    """Return a collection of n codes with the model that ships, its files never read."""
    path = _data.FOLDER / f"start-{n}.zehn"
    if path.is_file():
        return path
    from zehn import Collection

    with tempfile.TemporaryDirectory(dir=_data.FOLDER) as folder:
        made = Path(folder) / "start.zehn"
        with Collection.create(made) as collection:
            _fill(collection, n)
        for one in Path(folder).glob("start.zehn*"):
            shutil.move(one, path.with_name(one.name.replace("start.zehn", path.name)))
    return path


def _fill(collection: Any, n: int) -> None:
    from zehn.engines import NewRecord

    codes = _data.codes(n)
    for start in range(0, n, 10_000):
        part = codes[start : start + 10_000]
        named = range(start, start + len(part))
        records = [NewRecord(b"/photos/%08d.jpg" % i, 1, 1, b"h" * 32, 4, 3) for i in named]
        collection.engine.add(records, part, fingerprint=collection.model.fingerprint)


COMPARISON = Comparison(
    name="start",
    title="Cold from the shell",
    what="A new process from its start to its end; the page cache is warm, and modules are compiled. The picture that "
    "`zehn search` asks about is decoded and encoded; the 60,000 codes of the collection are drawn from the synthetic "
    "mixture of the searches.",
    unit="start",
    needs_images=True,
    minutes="2",
    cases=lambda given: [{"n": n} for n in given.sizes or [_N_IMAGES]],
    peers=[zehn_help, zehn_search, python, import_torch, rclip_like],
    goals=(
        Goal(seconds=0.15, of="zehn_help"), Goal(seconds=1.0, of="zehn_search"),
        Goal(1.0, over="import_torch", of="zehn_search"),
    ),
    n_turns=8,
    seconds=60,
)  # fmt: skip
