"""What goes wrong in a training and can be seen from its numbers: dead latent dimensions, over-fitting, no numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from zehn import measures

_WINDOW = 5
"""Epochs over which training improves and validation worsens before it counts as over-fitting."""


def find_dead(codes: Tensor) -> list[int]:
    """Return the latent dimensions that no longer tell images apart, judged by the spread of codes (n, d)."""
    dead = measures.find_dead(codes.float().std(dim=0, correction=0).cpu().numpy())
    return [int(dimension) for dimension in dead.nonzero()[0]]


def is_overfitting(epochs: Sequence[Mapping[str, Any]], window: int = _WINDOW) -> bool:
    """Say whether, over the last ``window`` measured epochs, training fell while validation was always worse.

    Worse than the best one before them, and the last one worse than the window's first.
    """
    measured = [row for row in epochs if row["validation"] is not None]
    if len(measured) <= window:
        return False
    train = [row["train"]["loss"] for row in measured]
    validation = [row["validation"]["loss"] for row in measured]
    best_before = min(validation[:-window])
    worse = min(validation[-window:]) > best_before and validation[-1] > validation[-window]
    return bool(worse and train[-1] < train[-window])


def note_dead(history: dict[str, Any], epoch: int, codes: Tensor) -> str | None:
    """Add a warning about dead dimensions that were not dead before; return its message."""
    dead = find_dead(codes)
    told = {dimension for warning in history["warnings"] for dimension in warning.get("dimensions", ())}
    fresh = [dimension for dimension in dead if dimension not in told]
    if not fresh:
        return None
    message = (
        f"latent dimensions {', '.join(map(str, fresh))} of {codes.shape[1]} have hardly any spread over the "
        "validation images: they carry no information; a lower train.learning_rate or fewer model.n_components may help"
    )
    history["warnings"].append({"kind": "dead-dimension", "epoch": epoch, "message": message, "dimensions": fresh})
    return message


def note_lost(history: dict[str, Any], epoch: int, message: str) -> None:
    """Add a warning that the loss became no number, with the message of the error that it is."""
    history["warnings"].append({"kind": "nan", "epoch": epoch, "message": message})


def note_overfitting(history: dict[str, Any], epoch: int) -> str | None:
    """Add a warning, once, when training improves and validation worsens; return its message."""
    told = any(warning["kind"] == "over-fitting" for warning in history["warnings"])
    if told or not is_overfitting(history["epochs"]):
        return None
    message = (
        f"over-fitting: in the last {_WINDOW} epochs that were measured the training loss fell while the validation "
        'loss was above its best before them; fewer train.epochs, train.keep = "best" or more images may help'
    )
    history["warnings"].append({"kind": "over-fitting", "epoch": epoch, "message": message})
    return message
