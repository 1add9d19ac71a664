"""The report of a run, and the page's first load: stated, as nothing else does quite this."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.bench import _data
from benchmarks.bench._protocol import ZEHN, Case, Comparison, Work, peer

_RUNS = ("runs/cifar10-robust", "runs/smoke")


@peer("Zehn", ZEHN)
def zehn(case: Case) -> Work:
    """``zehn report RUN``, or a new page on ``zehn serve RUN``."""
    run = _copy_of(case["run"]) if Path(case["run"]).is_dir() else _small_run()
    return Work((lambda: [_report(run)]) if case["what"] == "report" else (lambda: [_page(run)]))


def _report(run: str) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-m", "zehn", "report", run]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _page(run: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.json"
        few = ["--pages", "5", "--moves", "10", "--frames", "10"]
        command = [sys.executable, "benchmarks/page.py", run, *few, "--out", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(path.read_text())["usable, ms"] / 1e3


def _copy_of(run: str) -> str:
    """Return a copy that the report may be written into."""
    path = _data.FOLDER / Path(run).name
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(run, path, ignore=shutil.ignore_patterns("checkpoints"))
    return str(path)


def _small_run() -> str:
    """Return a run on the bundled digits, made where no other is there."""
    path = str(_data.FOLDER / "digits-run")
    if not Path(path, "report.pdf").is_file():
        shutil.rmtree(path, ignore_errors=True)
        command = [sys.executable, "-m", "zehn", "run", "--preset", "smoke", "--set", "data.name=digits", "--out", path]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path


def _cases(given: Any) -> list[dict[str, Any]]:
    run = given.run or next((one for one in _RUNS if Path(one).is_dir()), "a run on digits")
    has_browser = shutil.which(os.environ.get("CHROMIUM", "chromium")) is not None
    return [{"what": what, "run": run} for what in ("report", *(("page",) if has_browser else ()))]


COMPARISON = Comparison(
    name="report",
    title="The report, and the page's first load",
    what="`zehn report` on a finished run, from the shell; and, where there is a Chromium, from opening the page of "
    "`zehn serve` with an empty cache until it can be used (benchmarks/page.py).",
    unit="time",
    minutes="2",
    cases=_cases,
    peers=[zehn],
    goals=(),
    n_turns=3,
)
