"""A million codes indexed and searched by a process whose memory is limited to 1.5 GB.

The limit is the kernel's, on private memory that can be written to (``RLIMIT_DATA``: stricter than what is in use,
looser than the address space); the most that was in use (``VmHWM``) is checked too. In CI 50,000 codes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from zehn import codes, distances, store

from .programs import IS_FULL, Measured, done, measured

N_CODES = 1_000_000 if IS_FULL else 50_000
LIMIT = 1_500_000_000


def limited(*words: object) -> Measured:
    """Run one command within the limit."""
    made = measured(*words, limit=LIMIT)
    assert made.megabytes < LIMIT / 1e6
    return made


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_DATA counts mapped memory on Linux only")
@pytest.mark.parametrize("ending", ["npz", "parquet"] if IS_FULL else ["npz"])
def test_a_million_codes_in_little_memory(ending: str, tmp_path: Path, photos: Path) -> None:
    model = store.load_model("cifar10")
    values = np.random.default_rng(0).normal(size=(N_CODES, model.n_components)).astype(np.float32)
    values = values @ np.linalg.cholesky(model.code_covariance).T.astype(np.float32)
    paths = [f"/photos/{number // 1000:04}/{number:07}.jpg" for number in range(N_CODES)]
    codes.write(tmp_path / f"codes.{ending}", values, np.arange(N_CODES), None, model.fingerprint, paths=paths)
    path = tmp_path / "own.zehn"
    done("index", "create", path)
    taken = {"import": limited("index", "import", path, tmp_path / f"codes.{ending}")}
    for name in distances.names() if IS_FULL else ["euclidean"]:
        taken[name] = limited("search", photos / "000.png", "--collection", path, "--distance", name, "--json")
    taken["verify"] = limited("index", "verify", path)
    for name, made in taken.items():
        print(f"{N_CODES:,} codes of {ending}, {name}: {made.megabytes:.0f} MB, {made.seconds:.1f} s")  # noqa: T201
