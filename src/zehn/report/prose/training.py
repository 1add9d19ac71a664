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
        f"one-cycle learning rate whose peak is {settings.get('learning_rate', '?')}{_by_muon(settings)}; the network "
        "computes in "
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
    measured = [entry for entry in epochs if entry.get("validation")] or epochs
    name, word = ("mse", "reconstruction error") if _is_mixture(epochs[0]) else ("loss", "loss")
    losses = [(entry.get("validation") or entry["train"])[name] for entry in measured]
    if len(losses) < 2:
        return "One measurement shows no trend: whether more would help cannot be seen from this run."
    first_share = (losses[0] - losses[1]) / (losses[0] - min(losses)) if losses[0] > min(losses) else 0.0
    second = f"by epoch {measured[1]['epoch']}"
    early = f", {percent(min(max(first_share, 0.0), 1.0))} of it {second}" if len(losses) >= _LONG else ""
    text = (
        f"From epoch {measured[0]['epoch']} to the best, the {word} on held-out images fell from "
        f"{decimal(losses[0], 4)} to {decimal(min(losses), 4)}{early}."
        if losses[0] > min(losses)
        else f"The {word} on held-out images never fell below that of epoch {measured[0]['epoch']}."
    )
    tail = max(1, round(_TAIL * len(losses)))
    late = (losses[-1 - tail] - losses[-1]) / abs(losses[-1 - tail]) if losses[-1 - tail] else 0.0
    end = f"From epoch {measured[-1 - tail]['epoch']} to epoch {measured[-1]['epoch']}"
    if late >= _STILL_LEARNING:
        return f"{text} {end} it still fell by {percent(late, 1)}: longer training would most likely lower it further."
    return f"{text} {end} it changed by {signed(-late, 1)}: it had settled."


def describe_gap(entry: Mapping[str, Any]) -> str:
    """Compare train, validation and test in the epoch that was kept."""
    validation, test, train = entry.get("validation"), entry.get("test"), entry["train"]
    if not validation:
        return "Without held-out images nothing here tells learning from learning by heart."
    if _is_mixture(entry):
        text = f"In the epoch kept, the loss is {decimal(validation['loss'], 4)} on held-out images"
        text += f" and {decimal(test['loss'], 4)} on test images" if test else ""
        return (
            f"{text}. That of training images, {decimal(train['loss'], 4)}, is no yardstick for it: views are "
            "compared with as many others as a batch holds, and these batches differ. Only the trends can be set "
            "against each other."
        )
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


def describe_decoder(fitted: Mapping[str, Any]) -> str:
    """Say what fitting the decoder at the end brought."""
    text = (
        f"At the end the encoder rested for {plural(int(fitted['epochs']), 'epoch')} while the decoder alone learnt to "
        f"read the codes of whole images, in {duration(fitted['seconds'])}"
    )
    if not fitted.get("validation_mse"):
        return f"{text}."
    before, after = fitted["validation_mse"]
    return (
        f"{text}: the error on held-out images went from {decimal(before, 4)} to {decimal(after, 4)}. No code changed."
    )


def _by_muon(settings: Mapping[str, Any]) -> str:
    """Say at what rate Muon moves convolutions, if it does."""
    if settings.get("optimizer") != "muon":
        return " (AdamW)"
    return f" (AdamW; {settings.get('muon_rate', '?')} for the convolutions that Muon moves)"


def _is_mixture(entry: Mapping[str, Any]) -> bool:
    """Say whether an epoch's loss is a sum of several objectives."""
    return any(name.startswith("objective/") for name in entry["train"])
