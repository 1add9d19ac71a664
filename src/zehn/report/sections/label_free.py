"""The section on what is known of the code without labels: its use of its dimensions, hubs, distorted images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zehn.report.document import Block, Cell, Note, Paragraph, Rows, Section, Table, ref
from zehn.report.facts import Facts
from zehn.report.gallery import Gallery
from zehn.report.prose import label_free as prose
from zehn.report.wording import MISSING, bounds, count, decimal, mean, percent

_FINE = "fine"


def build(facts: Facts, gallery: Gallery) -> list[Section]:  # noqa: ARG001
    """Show what the evaluation measured without labels; nothing where it did not."""
    evaluation = facts.evaluation or {}
    codes, check = evaluation.get("codes"), evaluation.get("label_free")
    if not codes or not check:
        return []
    geometry = [
        prose.describe_dimensions_used(codes),
        " ",
        prose.describe_hubness(codes.get("hubness")),
        " ",
        ref("tab:geometry"),
        " has the figures.",
    ]
    verdict = Note(
        [prose.tell_finding(check)],
        tone="good" if check["verdict"] == _FINE else "warning",
        title=f"Verdict: {check['verdict']}",
    )
    recall = prose.describe_recall(check)
    blocks: list[Block] = [verdict, Paragraph(geometry), _tabulate_geometry(codes)]
    blocks += [Paragraph([recall]), _tabulate_recall(check)] if recall else []
    return [Section("Without labels", blocks)]


def _tabulate_geometry(codes: Mapping[str, Any]) -> Table:
    hubness = codes.get("hubness") or {}
    orphans = hubness.get("orphans")
    rows: Rows = [
        ["participation ratio", _figure(codes["participation_ratio"]), f"1 to {codes['n_components']}"],
        ["RankMe", _figure(codes["rankme"]), f"1 to {codes['n_components']}"],
        ["uniformity", _figure(codes.get("uniformity")), "0 is worst"],
        ["hubness", _figure(hubness.get("skewness")), "0 is best"],
        ["nobody's neighbour", _share(orphans), "0 % is best"],
        ["most often a neighbour", count(hubness.get("largest")), f"{hubness.get('k', MISSING)} on average"],
    ]
    caption = [
        f"How the codes of {count(codes['n_codes'])} test images lie, with 95 % bootstrap intervals over images."
    ]
    return Table("tab:geometry", caption, ["measure", "value", "range"], rows, words=(0, 2))


def _tabulate_recall(check: Mapping[str, Any]) -> Table:
    """Set the distortions side by side, so that the table is flat."""
    found = check["distortions"]
    rows: Rows = [
        [measure, *(Cell(mean(row[measure]), bounds(row[measure])) for row in found.values())]
        for measure in ("recall@1", "alignment")
    ]
    caption = [
        f"Do {count(check['n_queries'])} distorted test images find their originals among all "
        f"{count(check['n_database'])} images? Noise by its standard deviation on pixels from 0 to 1, perspective by "
        "how far the corners may move, as a share of half the side. With 95 % bootstrap intervals."
    ]
    return Table("tab:label-free", caption, ["", *found], rows)


def _figure(interval: Mapping[str, float] | None) -> str:
    if interval is None:
        return MISSING
    low, value, high = (decimal(interval[name], 2) for name in ("low", "mean", "high"))
    return f"{value} ({low} to {high})"


def _share(interval: Mapping[str, float] | None) -> str:
    if interval is None:
        return MISSING
    return f"{percent(interval['mean'], 1)} ({percent(interval['low'], 1)} to {percent(interval['high'], 1)})"
