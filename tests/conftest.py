"""What all tests share: shapes and types checked at run time, the real CIFAR-10 where it is on disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook
from PIL import Image

from tests import servers

# The hook takes the name of a checker, not the checker; ours lets an int pass for a float, as PEP 484 does.
_checking = ModuleType("_zehn_checking")
_checking.check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # type: ignore[attr-defined]
sys.modules[_checking.__name__] = _checking
install_import_hook("zehn", "_zehn_checking.check")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def cifar10_dir() -> Path:
    """The folder that holds ``cifar-10-batches-py``; the test is skipped where the data set is not on disk."""
    named = [Path(part) for part in os.environ.get("ZEHN_DATA", "").split(os.pathsep) if part]
    for folder in [*named, ROOT.parent / "shared" / "data", ROOT / "data"]:
        if (folder / "cifar-10-batches-py" / "data_batch_1").is_file():
            return folder
    pytest.skip("the real CIFAR-10 is not on disk; set ZEHN_DATA")


@pytest.fixture(scope="session")
def postgres() -> servers.Server:
    """A real PostgreSQL with pgvector, one in a process; skipped where there is no wheel of it."""
    return servers.shared()


@pytest.fixture
def database(postgres: servers.Server) -> str:
    """The address of an empty database of that server, the test's own."""
    return postgres.new_database()


@pytest.fixture
def draw() -> Callable[..., Path]:
    """Write one image of coarse random patches, which a code can tell from others."""

    def write(path: Path, seed: int, size: tuple[int, int] = (48, 40), **options: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        patches = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(patches).resize(size, Image.Resampling.NEAREST).save(path, **options)
        return path

    return write
