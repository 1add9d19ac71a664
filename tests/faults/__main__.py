"""Every fault as often as docs/reliability.md says: ``python -m tests.faults [OPTIONS OF PYTEST]``, an hour or more.

The kills of tests elsewhere are among it. As root on Linux, small disks are mounted below pytest's folder.
``python -m tests.faults -k kill`` tries some of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_KILLS_OF_COLLECTIONS, _KILLS_ELSEWHERE = 600, 200
"""The first are for adding, removing and compacting alike, so that each has 200 too."""
_TESTS = {
    ("tests/collection/test_kills.py::test_kills_while_adding_removing_and_compacting_lose_no_committed_image",): (
        _KILLS_OF_COLLECTIONS
    ),
    ("tests/engines/test_embedded.py::TestKills", "tests/faults"): _KILLS_ELSEWHERE,
}
_NOTHING_CHOSEN = 5
"""Pytest's exit code where the options leave no test."""


def main(options: list[str]) -> int:
    """Try all, each part in a process of its own, and return pytest's first exit code that is bad."""
    codes = [_code_of([*tests, *options], n_kills) for tests, n_kills in _TESTS.items()]
    bad = [code for code in codes if code not in (0, _NOTHING_CHOSEN)]
    return bad[0] if bad else min(codes)


def _code_of(words: list[str], n_kills: int) -> int:
    own = {"ZEHN_FAULTS": "full", "ZEHN_KILLS": str(n_kills), "OMP_NUM_THREADS": "1"}
    pytest = [sys.executable, "-m", "pytest", *words, "-s", "-v", "--durations=0"]
    home = Path(__file__).resolve().parents[2]
    return subprocess.run(pytest, cwd=home, env={**os.environ, **own}, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
