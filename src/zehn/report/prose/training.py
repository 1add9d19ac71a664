"""Sentences about the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zehn.report.wording import count, decimal, duration, listed, percent, plural, signed

_STILL_LEARNING = 0.01
"""A validation loss that fell by at least this share over the last tenth of the epochs was still falling."""
_TAIL = 0.1
_LONG = 4
"""Epochs from which on early and late progress can be told apart."""
_WIDE_GAP = 0.1
"""A validation loss above the training loss by at least this share is a gap worth naming."""

NO_WARNINGS = "Over-fitting, dead latent dimensions and losses that are no numbers were watched for; none was seen."

Epochs = Sequence[Mapping[str, Any]]


def describe_recipe(settings: Mapping[str, Any], history: Mapping[str, Any]) -> str:
    """Say what was minimised and how."""
    weights = settings.get("objectives") or {"reconstruction": 1.0}
    names = [name if weight == 1 else f"{weight:g} × {name}" for name, weight in weights.items()]
    return (
        f"The loss is {listed(names)}, minimised in batches of {settings.get('batch_size', '?')} images with a "
        f"one-cycle learning rate whose peak is {settings.get('learning_rate', '?')}; the network computes in "
        f"{history.get('precision', 'unknown precision')} on the {history.get('device', 'unknown device')}."
    )


def describe_course(history: Mapping[str, Any], keep: str = "best") -> str:
    """Say how long the training took and which epoch was kept."""
    epochs = history["epochs"]
    speed = [entry["images_per_second"] for entry in epochs if entry.get("images_per_second")]
    text = f"It ran for {plural(len(epochs), 'epoch')} in {duration(history.get('seconds'))}"
    if speed:
        text += f", {count(sum(speed) / len(speed))} images a second on average"
    best = history.get("best_epoch")
    if best is None:
        return f"{text}."
    if keep == "last":
        return f"{text}. The weights kept are those of the last epoch, as the settings ask."
    held_out = any(entry.get("validation") for entry in epochs)
    loss = "validation loss" if held_out else "training loss (no images were held out)"
    if len(epochs) == 1:
        return f"{text}; with a single epoch there was none to choose."
    return f"{text}. The weights kept are those of epoch {best}, the one with the lowest {loss}."


def describe_interruption(n_epochs: int, n_planned: int | None) -> str:
    """Say how far a training came that was not finished."""
    done = f"{n_epochs:,} of {plural(n_planned, 'epoch')}" if n_planned else plural(n_epochs, "epoch")
    return (
        f"This training is not finished. It has come through {done}, and no model has been made of it. To go on from "
        "its last checkpoint:"
    )


def describe_trend(epochs: Epochs) -> str:
    """Say whether the model was still learning when the training ended."""
    measured = [entry["validation"]["loss"] for entry in epochs if entry.get("validation")]
    losses = measured or [entry["train"]["loss"] for entry in epochs]
    if len(losses) < 2:
        return "One epoch shows no trend: whether more would help cannot be seen from this run."
    first_share = (losses[0] - losses[1]) / (losses[0] - min(losses)) if losses[0] > min(losses) else 0.0
    early = f", {percent(min(max(first_share, 0.0), 1.0))} of it in the second alone" if len(losses) >= _LONG else ""
    text = (
        f"From the first epoch to the best, the loss on held-out images fell from {decimal(losses[0], 4)} to "
        f"{decimal(min(losses), 4)}{early}."
        if losses[0] > min(losses)
        else "The loss on held-out images never fell below that of the first epoch."
    )
    tail = max(1, round(_TAIL * len(losses)))
    late = (losses[-1 - tail] - losses[-1]) / abs(losses[-1 - tail]) if losses[-1 - tail] else 0.0
    end = "In the last epoch" if tail == 1 else f"Over the last {tail} epochs"
    if late >= _STILL_LEARNING:
        return f"{text} {end} it still fell by {percent(late, 1)}: longer training would most likely lower it further."
    return f"{text} {end} it changed by {signed(-late, 1)}: it had settled."


def describe_gap(entry: Mapping[str, Any]) -> str:
    """Compare train, validation and test in the epoch that was kept."""
    validation, test, train = entry.get("validation"), entry.get("test"), entry["train"]
    if not validation:
        return "Without held-out images nothing here tells learning from learning by heart."
    gap = (validation["loss"] - train["loss"]) / abs(train["loss"]) if train["loss"] else 0.0
    text = (
        f"In the epoch kept, the loss is {decimal(train['loss'], 4)} on training images and "
        f"{decimal(validation['loss'], 4)} on held-out ones"
    )
    text += (
        f": {percent(gap)} higher, so that part of what was learnt holds for the training images only."
        if gap >= _WIDE_GAP
        else ": about the same, so what was learnt holds for images that were not trained on."
    )
    if test:
        text += f" On test images it is {decimal(test['loss'], 4)}."
    return f"{text} (Training figures are means over the epoch, taken while the weights still changed.)"
