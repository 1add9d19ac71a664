"""Targets by their names, their corpus, and one try of one input."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from types import ModuleType

from fuzz import _folder

HOME = Path(__file__).parent
CORPUS = HOME / "corpus"
SEED = "seed-"
"""How the names of those files in a corpus begin that are valid."""


def names() -> list[str]:
    """Return the names of all targets, sorted."""
    return sorted(path.stem for path in HOME.glob("*.py") if not path.stem.startswith("_"))


def load(name: str) -> ModuleType:
    """Import a target."""
    if name not in names():
        raise SystemExit(f"there is no target {name!r}; there are: {', '.join(names())}")
    return importlib.import_module(f"fuzz.{name}")


def corpus(name: str) -> list[Path]:
    """Return the files of a target's corpus, sorted: seeds, and what once was a crash."""
    return sorted(path for path in (CORPUS / name).glob("*") if path.is_file())


def write_seeds(name: str) -> None:
    """Write a target's seeds into its corpus, in place of those that are there."""
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(f"{SEED}*"):
        path.unlink()
    for seed, data in load(name).seeds().items():
        (folder / f"{SEED}{seed}").write_bytes(data)


def attempt(target: ModuleType, data: bytes) -> None:
    """Hand bytes to a target's reader; what it raises is a finding."""
    with warnings.catch_warnings(), _folder.watched():
        warnings.simplefilter("ignore")  # of slightly broken files
        target.check(data)
