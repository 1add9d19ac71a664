"""The section on the model: its architecture and how it came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zehn.measures.names import HEADLINE
from zehn.report.document import Block, Cell, Heading, Items, Paragraph, Rows, Section, Table, ref
from zehn.report.facts import Facts
from zehn.report.gallery import Gallery
from zehn.report.prose import model as prose
from zehn.report.sections.missing import note_missing
from zehn.report.wording import bounds, breakable, count, decimal, duration, mean


def build(facts: Facts, gallery: Gallery) -> list[Section]:
    """Draw the architecture and show the ladder that led to it."""
    return [Section("Model", [*_show_architecture(facts, gallery), *_show_ladder(facts, gallery)])]


def _show_architecture(facts: Facts, gallery: Gallery) -> list[Block]:
    heading = Heading("Architecture")
    if not facts.layers:
        return [heading, *note_missing(facts, "train", "there is no model to draw")]
    caption = [
        f"The {facts.architecture} autoencoder: the image runs down the encoder (left) to the code and up the decoder "
        "(right). A box is as wide as its layer's output is large, on a logarithmic scale; shapes are channels × "
        "height × width."
    ]
    alt = "Diagram of the encoder and the decoder with the shape and the number of parameters of each layer."
    source = f" It was not trained in this run but taken from {breakable(facts.source)}." if facts.source else ""
    text = [prose.describe_model(facts.layers), source, " ", ref("fig:architecture"), " shows every layer."]
    return [heading, Paragraph(text), gallery.hang("fig:architecture", "train/architecture", caption, alt)]


def _show_ladder(facts: Facts, gallery: Gallery) -> list[Block]:
    heading = Heading("How the model evolved")
    if not facts.evolve:
        return [heading, *note_missing(facts, "evolve", "the architectures were not compared")]
    rungs = facts.evolve["rungs"]
    befores = [None, *rungs[:-1]]
    reasons = [
        (str(rung["architecture"]), [prose.describe_rung(rung, before)])
        for rung, before in zip(rungs, befores, strict=True)
    ]
    caption = ["The rungs of the ladder side by side; the line at the end of a P@10 bar is its 95 % interval."]
    alt = "Bars of reconstruction error, precision, parameters and training time for each architecture."
    return [
        heading,
        Paragraph([prose.describe_ladder(facts.evolve.get("budget", {})), " ", ref("tab:ladder"), " has the figures."]),
        _tabulate_rungs(rungs),
        gallery.hang("fig:evolution", "evolve/evolution", caption, alt),
        Items(reasons),
        Paragraph([prose.choose_rung(rungs, facts.architecture)]),
        *_show_objectives(facts.evolve.get("objectives"), [str(rung["architecture"]) for rung in rungs]),
    ]


def _show_objectives(ladder: Mapping[str, Any] | None, told: Sequence[str]) -> list[Block]:
    """Show the ladder of objectives as it was measured when this version of Zehn was made.

    Rungs that ``told`` names are architectures, which were described before.
    """
    if not ladder or not ladder["rungs"]:
        return []
    rungs = ladder["rungs"]
    rows: Rows = [
        [
            str(rung["name"]),
            _spread(rung["mse"], 4),
            *(_spread(rung[name], 3) for name in HEADLINE),
            duration(rung["seconds"]["mean"]),
            "yes" if rung["kept"] else "no",
        ]
        for rung in rungs
    ]
    best = max(range(len(rungs)), key=lambda index: float(rungs[index]["P@10"]["mean"]))
    head = ["rung", "test MSE", *HEADLINE, "training", "kept"]
    spread = " small figures are standard deviations over seeds;" if any(map(_is_spread, rungs)) else ""
    caption = [f"The ladder of objectives;{spread} the highest P@10 is marked."]
    return [
        Heading("What it is trained for"),
        Paragraph([prose.describe_objectives(ladder), " ", ref("tab:objectives"), " has the figures."]),
        Items([(str(rung["name"]), [rung["why"]]) for rung in rungs if rung["name"] not in told]),
        Table("tab:objectives", caption, head, rows, marked=[best]),
    ]


def _is_spread(rung: Mapping[str, Any]) -> bool:
    return any(rung[name].get("std") is not None for name in ("mse", *HEADLINE))


def _spread(value: Mapping[str, float | None], digits: int) -> Cell | str:
    deviation = value.get("std")
    return Cell(decimal(value["mean"], digits), f"± {decimal(deviation, digits)}" if deviation is not None else "")


def _tabulate_rungs(rungs: Sequence[Mapping[str, Any]]) -> Table:
    best = min(range(len(rungs)), key=lambda index: float(rungs[index]["mse"]))
    rows: Rows = [
        [
            str(rung["architecture"]),
            count(rung["n_parameters"]),
            decimal(rung["mse"], 4),
            Cell(mean(rung.get("P@10")), bounds(rung.get("P@10"))),
            Cell(mean(rung.get("mAP@1000")), bounds(rung.get("mAP@1000"))),
            duration(rung["seconds"]),
            count(rung.get("images_per_second")),
        ]
        for rung in rungs
    ]
    caption = ["The ladder of architectures under one small budget, with 95 % intervals; the least error is marked."]
    head = ["architecture", "parameters", "test MSE", "P@10", "mAP@1000", "training", "images / s"]
    return Table("tab:ladder", caption, head, rows, marked=[best] if len(rungs) > 1 else [])
