"""What machine this is, how busy it is, and what it can do at most."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np

_N_FLOATS = 50_000_000
_SIDE = 2_048


def describe(n_threads: int) -> dict[str, Any]:
    """Return what a figure is worth nothing without."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": n_threads,
        "memory_gb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        "system": platform.platform(),
        "python": platform.python_version(),
        "commit": _commit(),
    }


def load() -> float:
    """Return how many programs want to run, as a mean of the last minute."""
    return os.getloadavg()[0]


def limits() -> dict[str, float]:
    """Return what the machine reaches in this process: bytes/s read by a sum, float operations/s by a product.

    Both are what NumPy and its BLAS get, with as many threads as they take; nobody who computes in float32 gets more.
    """
    many = np.ones(_N_FLOATS, np.float32)
    square = np.ones((_SIDE, _SIDE), np.float32)
    return {
        "bytes_per_s": many.nbytes / min(_seconds(many.sum) for _ in range(5)),
        "float_operations_per_s": 2 * _SIDE**3 / min(_seconds(lambda: square @ square) for _ in range(5)),
    }


def _seconds(call: Any) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    answer = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"
