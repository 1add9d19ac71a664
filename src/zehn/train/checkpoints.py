"""Checkpoints: everything a training needs to go on, in files that hold data only and are written whole."""

from __future__ import annotations

import io
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from zehn import store
from zehn.errors import TrainingError

FORMAT = 1
_FRESH = "start afresh, without resuming, or in another folder"


def best_path(folder: Path) -> Path:
    """Return where the checkpoint with the best validation loss is kept."""
    return folder / "checkpoints" / "best.ckpt"


def last_path(folder: Path) -> Path:
    """Return where the newest checkpoint is kept, from which a training resumes."""
    return folder / "checkpoints" / "last.ckpt"


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        RunError: the disk is full, or the folder cannot be written to.

    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    store.write_atomically(path, buffer.getvalue())


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint as data: tensors, numbers, strings; nothing in it is executed.

    Raises:
        TrainingError: the file is cut short, foreign or of another format.

    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise TrainingError(f"{path} is no whole checkpoint of Zehn; {_FRESH}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise TrainingError(f"{path} is no checkpoint of this version of Zehn (format {FORMAT}); {_FRESH}")
    return state


def check_settings(then: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    """Refuse to resume a training under other settings than it began with.

    Raises:
        TrainingError: some setting differs; the message names it.

    """
    different = [f"{name} was {then.get(name)!r}, is {now[name]!r}" for name in now if then.get(name) != now[name]]
    if different:
        raise TrainingError(f"{path} belongs to a training with other settings ({'; '.join(different)}); {_FRESH}")


def clear(folder: Path) -> None:
    """Remove what an earlier training left in a folder: checkpoints, logs and history."""
    for name in ("checkpoints", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "history.json").unlink(missing_ok=True)
