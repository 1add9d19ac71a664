"""Zehn's commands as processes of their own: run to their end, or killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

IS_FULL = os.environ.get("ZEHN_FAULTS") == "full"
"""Whether each fault is tried as often as docs/reliability.md says (``python -m tests.faults``), or a few times."""
SECONDS = 900
"""How long a command may take until a test gives it up."""

Environment = Mapping[str, str]

_MEASURED = """
import json, resource, sys, time
limit, words = int(sys.argv[1]), sys.argv[2:]
if limit:
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
from zehn.cli import main
began, code = time.perf_counter(), main(words)
sys.stdout.flush()
# not ru_maxrss, which begins with what the process had that started this one
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([code, int(peak.split()[1]), time.perf_counter() - began]))
"""
_NURSERY = """
import importlib, json, os, sys
for name in ("zehn.cli.main", *sys.argv[1:]):
    importlib.import_module(name)
from zehn.cli import main
for line in iter(sys.stdin.readline, ""):
    if line.startswith("["):
        pid = os.fork()
        if not pid:
            nothing = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(nothing, number)
            try:
                code = main(json.loads(line))
            except BaseException:
                code = 70
            os._exit(code)
        print(pid, flush=True)
        continue
    ended, status = os.waitpid(pid, os.WNOHANG if line.startswith("is") else 0)
    print(os.waitstatus_to_exitcode(status) if ended else "no", flush=True)
"""


@dataclass(frozen=True)
class Measured:
    """What came of a command, and what it took."""

    printed: str
    megabytes: float
    """The most that it had in use, its workers apart; one megabyte is a million bytes."""
    seconds: float


def zehn(*words: object, environment: Environment | None = None) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        command(*words), capture_output=True, text=True, check=False, timeout=SECONDS, env=_with(environment)
    )


def done(*words: object, environment: Environment | None = None) -> str:
    """Run one command that has to succeed, and return what it printed."""
    answer = zehn(*words, environment=environment)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def refused(*words: object, environment: Environment | None = None) -> str:
    """Run one command that has to end with one line on standard error and exit code 2, and return that line."""
    answer = zehn(*words, environment=environment)
    assert answer.returncode == 2, (answer.returncode, answer.stdout, answer.stderr)
    assert "Traceback" not in answer.stderr, answer.stderr
    lines = [line for line in answer.stderr.splitlines() if line.startswith("zehn: ")]
    assert len(lines) == 1, answer.stderr
    return lines[0]


def measured(*words: object, limit: int = 0) -> Measured:
    """Run one command that has to succeed, with a limit on its private memory in bytes if one is given."""
    line = [sys.executable, "-c", _MEASURED, str(limit), *map(str, words)]
    answer = subprocess.run(line, capture_output=True, text=True, check=False, env=_with(None))
    assert answer.returncode == 0, answer.stderr
    *printed, last = answer.stdout.splitlines()
    code, kilobytes, seconds = json.loads(last)
    assert code == 0, answer.stderr
    return Measured("\n".join(printed), kilobytes * 1024 / 1e6, seconds)


def command(*words: object) -> list[str]:
    """Return a command as the words of a process."""
    return [sys.executable, "-m", "zehn", *map(str, words)]


def begun(*words: object, environment: Environment | None = None) -> subprocess.Popen[str]:
    """Begin a command and return at once."""
    return subprocess.Popen(
        command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_with(environment)
    )


class Nursery:
    """A process that has loaded what commands need and forks one for each, so that a kill meets work and no imports.

    What a killed command leaves running, such as its workers, ends by itself.
    """

    def __init__(self, *modules: str) -> None:
        """Start it, with these modules loaded."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _NURSERY, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=_with(None),
        )

    def run(self, *words: object, seconds: float = SECONDS) -> int:
        """Run one command, kill it after so many seconds, and return its exit code: minus 9 where it was killed."""
        pid = int(self._ask(json.dumps([*map(str, words)])))
        timer = threading.Timer(seconds, os.kill, (pid, signal.SIGKILL))
        timer.start()
        # it waits for the command only when it is asked to, so that the number is no other process's by then
        while (status := self._ask("is it over?")) == "no" and timer.is_alive():
            time.sleep(0.005)
        timer.cancel()
        timer.join()
        return int(self._ask("wait")) if status == "no" else int(status)

    def seconds_of(self, *words: object) -> float:
        """Run one command that has to succeed, and return how long it took."""
        began = time.perf_counter()
        assert self.run(*words) == 0
        return time.perf_counter() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


def unfinished(folder: Path) -> list[str]:
    """Return the names of files below a folder that a writer left half-way."""
    return sorted(path.name for path in folder.rglob(".*.part*"))


def _with(environment: Environment | None) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
