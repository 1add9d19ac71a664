"""Checkpoints: everything a training needs to go on, in files that hold data only and are written whole."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from zehn import store
from zehn.errors import RunError, TrainingError
from zehn.store.files import remove_unfinished

FORMAT = 1
_FRESH = "start afresh, without resuming, or in another folder"
_EMPTY_LOG_BYTES = 128
"""TensorBoard's files have 88 bytes before anything is logged: what a training leaves that is killed at once."""


def best_path(folder: Path) -> Path:
    """Return where the checkpoint with the best validation loss is kept."""
    return folder / "checkpoints" / "best.ckpt"


def final_path(folder: Path) -> Path:
    """Return where the weights are kept once the decoder was fitted at the end."""
    return folder / "checkpoints" / "final.ckpt"


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
    return parse(read(path), path)


def read(path: Path) -> bytes:
    """Return what a checkpoint's file holds.

    Raises:
        TrainingError: it cannot be read.

    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{path} is no whole checkpoint of Zehn; {_FRESH}") from error


def parse(content: bytes, path: Path) -> dict[str, Any]:
    """Read a checkpoint from what its file holds; ``path`` is named where something is wrong.

    Raises:
        TrainingError: it is cut short, foreign or of another format.

    """
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:
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
    """Remove what an earlier training left in a folder: checkpoints, logs and history.

    Raises:
        RunError: the folder holds such things that are not Zehn's; nothing is removed.

    """
    remove_unfinished(folder / "checkpoints")
    foreign = [] if _is_ours(folder) else _found(folder)
    if foreign:
        raise RunError(
            f"expected a folder to train in that is empty or Zehn's own, {folder} holds {' and '.join(foreign)} of "
            "something else, which a training would replace; name another folder"
        )
    for name in ("checkpoints", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "history.json").unlink(missing_ok=True)


def _is_ours(folder: Path) -> bool:
    """Tell Zehn's history or checkpoint from others' files, which may well have the same names."""
    try:
        history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        history = None
    if isinstance(history, dict) and {"epochs", "best_epoch"} <= history.keys():
        return True
    try:
        load(last_path(folder))
    except TrainingError:
        return False
    return True


def _found(folder: Path) -> list[str]:
    checkpoints, logs, history = folder / "checkpoints", folder / "logs", folder / "history.json"
    files = [path for path in logs.rglob("*") if not path.is_dir()]
    is_logged = any("tfevents" not in path.name or path.stat().st_size > _EMPTY_LOG_BYTES for path in files)
    there = {
        "checkpoints": checkpoints.is_dir() and any(checkpoints.iterdir()),
        "logs": is_logged,
        "history.json": history.exists(),
    }
    return [name for name, is_there in there.items() if is_there]
