"""``python -m fuzz``: fuzz targets, some at a time, and say what came of it."""

from __future__ import annotations

import argparse
import json
import os
import resource
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
_printing = threading.Lock()


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, fuzz, and return 1 where anything was found."""
    given = _parse(arguments)
    chosen = given.targets or _targets.names()
    if given.seeds:
        for name in chosen:
            _targets.write_seeds(name)
        return 0
    with ThreadPoolExecutor(given.at_once) as pool:
        results = list(pool.map(lambda name: fuzz(name, 60 * given.minutes, given.out), chosen))
    print(_table(results))
    return 1 if any(one["findings"] for one in results) else 0


def fuzz(name: str, seconds: float, home: Path) -> dict[str, Any]:
    """Fuzz one target for so long, in as many processes as it takes, and return and keep what came of it."""
    out = home / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    began, cpu_s, n_processes = time.monotonic(), 0.0, 0
    while (left := seconds - (time.monotonic() - began)) > _LEAST_S:
        cpu_s += _played(name, out, left)
        n_processes += 1
    findings = sorted(path.name for path in (out / "findings").glob("*") if path.suffix != ".txt")
    result = {
        "target": name,
        "executions": int.from_bytes((out / "executions").read_bytes(), "little"),
        "minutes": (time.monotonic() - began) / 60,
        "cpu_minutes": cpu_s / 60,
        "processes": n_processes,
        "findings": findings,
    }
    (out / "result.json").write_text(json.dumps(result, indent=1))
    with _printing:
        print(_table([result]), flush=True)
    return result


def _played(name: str, out: Path, seconds: float) -> float:
    """Run one process to its end or its crash, and return its seconds of processor time."""
    words = [str(PYTHON), "-m", "fuzz._worker", name, str(out), str(seconds)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with (out / "log").open("ab") as log:
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, env=environment)
        ending = threading.Timer(seconds + _GRACE_S, process.kill)
        ending.start()
        _, _, used = os.wait4(process.pid, 0)
        ending.cancel()
    return _seconds_of(used)


def _seconds_of(used: resource.struct_rusage) -> float:
    return used.ru_utime + used.ru_stime


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
    parser.add_argument("--minutes", type=float, default=10.0, help="for each target (default: 10)")
    parser.add_argument("--at-once", type=int, default=2, help="targets at a time (default: 2)")
    parser.add_argument("--out", type=Path, default=OUT, help=f"where to keep what is found (default: {OUT})")
    parser.add_argument("--seeds", action="store_true", help="only write the seeds anew")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
