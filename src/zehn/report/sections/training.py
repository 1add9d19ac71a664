"""The section on the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zehn.report.document import Block, Cell, Heading, Listing, Note, Paragraph, Section, Table, ref
from zehn.report.facts import Facts
from zehn.report.gallery import Gallery
from zehn.report.prose import training as prose
from zehn.report.sections.missing import note_missing, remedy
from zehn.report.wording import MISSING, breakable, decimal, duration

_TITLES = {"over-fitting": "Over-fitting", "dead-dimension": "Dead dimensions", "nan": "The loss became no number"}
_SPLITS = ("train", "validation", "test")


def build(facts: Facts, gallery: Gallery) -> list[Section]:
    """Show the training curves and say what they mean."""
    history = facts.history
    if facts.source and not history and "train" not in facts.missing:
        text = f"The model was not trained in this run. It was taken from {breakable(facts.source)}."
        return [Section("Training", [Paragraph([text])])]
    if not history or not history["epochs"]:
        warned = _show_warnings(history) if history else []
        return [Section("Training", [*warned, *note_missing(facts, "train", "there are no curves")])]
    epochs = history["epochs"]
    kept = next((entry for entry in epochs if entry["epoch"] == history.get("best_epoch")), epochs[-1])
    caption = [
        "Loss, channel accuracy (the share of pixels whose strongest colour is kept), PSNR and learning rate by epoch, "
        "from the TensorBoard logs. The dotted line marks the epoch whose weights are kept."
    ]
    alt = "Four panels of curves over the epochs for training, validation and test images."
    settings = facts.config.get("train", {})
    course = prose.describe_course(history, settings.get("keep", "best"))
    blocks: list[Block] = [
        Paragraph([prose.describe_recipe(settings, history), " ", course]),
        *_show_interruption(facts, len(epochs)),
        Heading("What the curves say"),
        Paragraph([ref("fig:curves"), ": ", prose.describe_trend(epochs), " ", prose.describe_gap(kept)]),
        *([Paragraph([prose.describe_decoder(history["decoder"])])] if history.get("decoder") else []),
        *(_show_warnings(history) or [Paragraph([prose.NO_WARNINGS])]),
        _tabulate_epochs(epochs, kept),
        gallery.hang("fig:curves", "train/curves", caption, alt),
    ]
    return [Section("Training", blocks)]


def _show_interruption(facts: Facts, n_epochs: int) -> list[Block]:
    if not facts.unfinished:
        return []
    planned = (facts.history or {}).get("n_epochs") or facts.config.get("train", {}).get("epochs")
    text = prose.describe_interruption(n_epochs, planned)
    return [Note([text], title="Unfinished"), Listing([remedy(facts, "train")])]


def _show_warnings(history: Mapping[str, Any]) -> list[Block]:
    return [
        Note([f"Epoch {warning['epoch']}: {warning['message']}"], title=_TITLES.get(warning["kind"], warning["kind"]))
        for warning in history.get("warnings") or ()
    ]


def _tabulate_epochs(epochs: Sequence[Mapping[str, Any]], kept: Mapping[str, Any]) -> Table:
    """Set the first, the middle, the kept and the last epoch side by side."""
    whole = [entry for entry in epochs if entry.get("validation")] or epochs
    named = {"first": whole[0], "middle": whole[(len(whole) - 1) // 2], "kept": kept, "last": epochs[-1]}
    moments: dict[int, list[str]] = {}
    for name, entry in named.items():
        moments.setdefault(entry["epoch"], []).append(name)
    by_epoch = {entry["epoch"]: entry for entry in named.values()}
    rows = [_row(by_epoch[epoch], names, len(epochs)) for epoch, names in sorted(moments.items())]
    marked = [index for index, epoch in enumerate(sorted(moments)) if epoch == kept["epoch"]]
    head = ["epoch", *(f"loss, {split}" for split in _SPLITS), "PSNR, test", "accuracy, test", "learning rate", "time"]
    caption = ["The training early and late; the epoch kept is marked. PSNR in dB; accuracy is channel accuracy."]
    return Table("tab:epochs", caption, head, rows, marked=marked if len(rows) > 1 else [])


def _row(entry: Mapping[str, Any], names: Sequence[str], n_epochs: int) -> list[Cell | str]:
    shown = [name for name in names if n_epochs > 2 or name != "middle"]
    losses = [decimal((entry.get(split) or {}).get("loss"), 4) for split in _SPLITS]
    test = entry.get("test") or {}
    return [
        Cell(f"{entry['epoch']}", ", ".join(shown) if n_epochs > 1 else ""),
        *losses,
        decimal(test.get("psnr"), 2),
        decimal(test.get("channel_accuracy")),
        MISSING if entry.get("learning_rate") is None else f"{entry['learning_rate']:.2g}",
        duration(entry.get("seconds")),
    ]
