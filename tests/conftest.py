"""What all tests share: shapes and types checked at run time, the real CIFAR-10 where it is on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

install_import_hook("zehn", "beartype.beartype")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def cifar10_dir() -> Path:
    """The folder that holds ``cifar-10-batches-py``; the test is skipped where the data set is not on disk."""
    named = [Path(part) for part in os.environ.get("ZEHN_DATA", "").split(os.pathsep) if part]
    for folder in [*named, ROOT.parent / "shared" / "data", ROOT / "data"]:
        if (folder / "cifar-10-batches-py" / "data_batch_1").is_file():
            return folder
    pytest.skip("the real CIFAR-10 is not on disk; set ZEHN_DATA")
