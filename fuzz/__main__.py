"""``python -m fuzz``: fuzz targets, some at a time, and say what came of it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fuzz import _targets

OUT = Path("runs/fuzz")
PYTHON = Path(".venv-fuzz/bin/python")
_LEAST_S = 5.0
_GRACE_S = 120.0
_MOST_WAITING = 20
"""How much longer than its time of the processor a target may take on the clock."""
_MOST_IN_VAIN = 3
"""Deaths of one target at which it is given up, of processes that tried nothing or died at once."""
_NOTED = 78
"""How a process of ours exits that has kept what took too much memory."""
_TAIL = 5_000
"""Characters of the log that are kept of a death."""
_printing = threading.Lock()


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, fuzz, and return 1 where anything was found, or nothing was tried."""
    given = _parse(arguments)
    chosen = given.targets or _targets.names()
    if given.seeds:
        for name in chosen:
            _targets.write_seeds(name)
        return 0
    with ThreadPoolExecutor(given.at_once) as pool:
        results = list(pool.map(lambda name: fuzz(name, 60 * given.minutes, given.out), chosen))
    print(_table(results))
    return 1 if any(one["findings"] or not one["executions"] for one in results) else 0


def fuzz(name: str, seconds: float, home: Path) -> dict[str, Any]:
    """Fuzz one target for so long of the processor, in as many processes as it takes; return and keep what came of it.

    A target whose processes die at once is given up after a few, and one that has waited for the processor too long.
    """
    out = home / name
    shutil.rmtree(out, ignore_errors=True)
    (out / "findings").mkdir(parents=True)
    began, cpu_s, n_processes, n_in_vain = time.monotonic(), 0.0, 0, 0
    latest = began + _MOST_WAITING * seconds
    while (left := seconds - cpu_s) > _LEAST_S and n_in_vain < _MOST_IN_VAIN and time.monotonic() < latest:
        n_before, began_one = _n_executions(out), time.monotonic()
        used_s, code = _played(name, out, left)
        cpu_s += used_s
        n_processes += 1
        n_in_vain += code != 0 and (_n_executions(out) == n_before or time.monotonic() - began_one < _LEAST_S)
    findings = _findings(out)
    result = {
        "target": name,
        "executions": _n_executions(out),
        "minutes": (time.monotonic() - began) / 60,
        "cpu_minutes": cpu_s / 60,
        "processes": n_processes,
        "findings": findings,
    }
    (out / "result.json").write_text(json.dumps(result, indent=1))
    with _printing:
        print(_table([result]), flush=True)
    return result


def _played(name: str, out: Path, seconds: float) -> tuple[float, int]:
    """Run one process to its end or its death; return its seconds of processor time and its exit code.

    A death of which the process itself noted nothing, as when the kernel kills it for its memory, is a finding too.
    """
    before = _findings(out)
    words = [str(PYTHON), "-m", "fuzz._worker", name, str(out), str(seconds)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with (out / "log").open("ab") as log:
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, env=environment)
        ending = threading.Timer(seconds + _GRACE_S, process.kill)
        ending.start()
        _, status, used = os.wait4(process.pid, 0)
        ending.cancel()
    code = process.returncode = os.waitstatus_to_exitcode(status)
    if code not in (0, _NOTED) and _findings(out) == before:
        text = (out / "log").read_text(encoding="utf-8", errors="replace")[-_TAIL:]
        (out / "findings" / f"died-{code}.txt").write_text(text, encoding="utf-8")
    return used.ru_utime + used.ru_stime, code


def _findings(out: Path) -> list[str]:
    """Return the names of what was found, each the name of an input, of a text about it, or of both."""
    return sorted({path.name.removesuffix(".txt") for path in (out / "findings").iterdir()})


def _n_executions(out: Path) -> int:
    counter = out / "executions"
    return int.from_bytes(counter.read_bytes(), "little") if counter.exists() else 0


def _table(results: Sequence[dict[str, Any]]) -> str:
    lines = [
        f"{one['target']:<14}{one['executions']:>12,} inputs {one['minutes']:>6.1f} min "
        f"({one['cpu_minutes']:.1f} of processor, {one['processes']} processes) {len(one['findings']):>3} findings "
        + ", ".join(one["findings"])
        for one in results
    ]
    return "\n".join(lines)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("fuzz", description="Feed damaged files to Zehn's readers.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"by default all: {', '.join(_targets.names())}")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the processor, for each target (default: 10)")
    parser.add_argument("--at-once", type=int, default=2, help="targets at a time (default: 2)")
    parser.add_argument("--out", type=Path, default=OUT, help=f"where to keep what is found (default: {OUT})")
    parser.add_argument("--seeds", action="store_true", help="only write the seeds anew")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
