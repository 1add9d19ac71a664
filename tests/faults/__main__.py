"""Every fault as often as docs/reliability.md says: ``python -m tests.faults [WORDS OF PYTEST]``, an hour or more.

The kills of tests elsewhere are among it. As root on Linux, small disks are mounted below pytest's folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

_KILLS = {"ZEHN_FAULTS": "full", "ZEHN_KILLS": "600", "OMP_NUM_THREADS": "1"}
"""A third of the 600 each while adding, removing and compacting."""
_TESTS = (
    "tests/collection/test_kills.py::test_kills_while_adding_removing_and_compacting_lose_no_committed_image",
    "tests/engines/test_embedded.py::TestKills",
    "tests/faults",
)

if __name__ == "__main__":
    os.environ.update(_KILLS)
    os.chdir(Path(__file__).resolve().parents[2])
    raise SystemExit(pytest.main([*(sys.argv[1:] or _TESTS), "-s", "-v", "--durations=0"]))
