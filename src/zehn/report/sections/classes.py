"""The section on each class for itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zehn.measures.names import OF_CLASSES
from zehn.report.document import Cell, Paragraph, Rows, Section, Table, ref
from zehn.report.facts import Facts
from zehn.report.gallery import Gallery
from zehn.report.prose import classes as prose
from zehn.report.wording import bounds, breakable, count, mean

_N_SHOWN = 20
"""Classes in the table at most: half of them the best, half the worst."""

Classes = Sequence[Mapping[str, Any]]


def build(facts: Facts, gallery: Gallery) -> list[Section]:  # noqa: ARG001
    """Show the figures of each class; nothing where there are no labels."""
    classes = (facts.evaluation or {}).get("classes")
    if not classes:
        return []
    text = [prose.describe_classes(classes), " ", ref("tab:per-class"), " has the figures."]
    return [Section("Class by class", [Paragraph(text), _tabulate(classes)])]


def _tabulate(classes: Classes) -> Table:
    shown = sorted(classes, key=lambda row: -row["P@10"]["mean"])
    is_cut = len(shown) > _N_SHOWN
    if is_cut:
        shown = [*shown[: _N_SHOWN // 2], *shown[-_N_SHOWN // 2 :]]
    measures = [name for name in OF_CLASSES if any(row.get(name) for row in shown)]
    rows: Rows = [
        [
            breakable(row["name"]),
            count(row["n_queries"]),
            *(Cell(mean(row.get(name)), bounds(row.get(name))) for name in measures),
        ]
        for row in shown
    ]
    more = f" The best and the worst of {count(len(classes))} classes; report.json has them all." if is_cut else ""
    caption = [
        "The queries of each class for themselves, main protocol, by P@10; below each figure its 95 % bootstrap "
        f"interval over queries.{more}"
    ]
    ruled = [_N_SHOWN // 2] if is_cut else []
    return Table("tab:per-class", caption, ["class", "queries", *measures], rows, ruled=ruled)
