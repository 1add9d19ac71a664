"""The section on robust search: distorted images, the training that went on with them, the model before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zehn.figures.robustness import kind_name, unseen_measure
from zehn.report.document import Block, Cell, Heading, Note, Paragraph, Rows, Section, Table, ref
from zehn.report.facts import Facts
from zehn.report.gallery import Gallery
from zehn.report.prose import robustness as prose
from zehn.report.sections.missing import note_missing
from zehn.report.wording import MISSING, Interval, decimal, mean, p_value, percent, with_sign

_TITLE = "Robust search"
_MEASURES = ("P@10 kept", "recall@1", "recall@10", "overlap", "psnr")
_NAMES = {"psnr": "PSNR, dB"}
_PICTURES = {
    prose.NOISE: "Queries with Gaussian noise",
    prose.PERSPECTIVE: "Queries seen from elsewhere",
}
_N_NARROW = 2
"""Up to so many severities make a table no wider than what it holds."""
_EXPLAINED = "What was gained, and what it cost"

Robust = Mapping[str, Any]


def build(facts: Facts, gallery: Gallery) -> list[Section]:
    """Show the distortions, the training with them, and what it brought; or how to come by all this."""
    robust = facts.robust
    if robust is None:
        return [Section(_TITLE, note_missing(facts, "robust", "how well distorted queries are found is not known"))]
    blocks = [
        Paragraph([prose.QUESTION]),
        *_explain(robust),
        *_show_distortions(gallery),
        *_show_training(facts, gallery, robust),
        *_compare(gallery, robust),
        *_show_unseen(gallery, robust),
        *_show_queries(gallery, robust),
    ]
    return [Section(_TITLE, blocks)]


def _explain(robust: Robust) -> list[Block]:
    text = str(robust.get("explanation") or "")
    return [Note([text], tone="good", title=_EXPLAINED)] if text else []


def _show_distortions(gallery: Gallery) -> list[Block]:
    caption = ["A few images, with Gaussian noise of growing σ, and seen from elsewhere with growing strength."]
    alt = "Rows of images: clean at the left, then ever noisier, then ever more tilted on black."
    return [
        Heading("How images are distorted"),
        Paragraph([prose.DRAWING_NOISE]),
        Paragraph([prose.DRAWING_PERSPECTIVE]),
        Paragraph([prose.SEEDED, " ", ref("fig:distortions"), " shows both."]),
        gallery.hang("fig:distortions", "robust/distortions", caption, alt),
    ]


def _show_training(facts: Facts, gallery: Gallery, robust: Robust) -> list[Block]:
    history = facts.retraining
    if not history or not history["epochs"]:
        return []
    caption = [
        "Measures of training images, of clean and of distorted held-out images, and how much was distorted, by epoch. "
        "Epoch 0, where it is drawn, is the model before; the dotted line marks the epoch whose weights are kept."
    ]
    alt = "Three panels of curves for training, clean and distorted images over the epochs, and one of the schedule."
    course = prose.describe_course(history["epochs"], history.get("best_epoch"))
    settings = facts.config.get("robust", {})
    trained = prose.describe_training(history, settings, robust["models"])
    text = [trained, " ", course, " ", ref("fig:retraining"), " shows it."]
    return [
        Heading("Training with distorted images"),
        Paragraph(text),
        gallery.hang("fig:retraining", "robust/training", caption, alt),
    ]


def _compare(gallery: Gallery, robust: Robust) -> list[Block]:
    tables = [
        _tabulate(robust, prose.NOISE, "tab:robust-noise", "σ", "Gaussian noise"),
        _tabulate(robust, prose.PERSPECTIVE, "tab:robust-perspective", "strength", "projective transforms"),
    ]
    known = [table for table in tables if table.rows]
    if not known:
        return []
    caption = ["What the model before and the retrained one keep, by strength, with 95 % intervals."]
    alt = "Curves of precision kept, recall, overlap and PSNR against noise and against perspective, for both models."
    text = [prose.describe_measures(robust), " ", ref("tab:robust-clean"), " has what it cost."]
    return [
        Heading("Before and after"),
        Paragraph(text),
        *known,
        *_tabulate_cost(robust["clean"]),
        gallery.hang("fig:robust-curves", "robust/curves", caption, alt),
    ]


def _tabulate(robust: Robust, kind: str, label: str, strength: str, name: str) -> Table:
    found = sorted((row for row in robust["distortions"] if row["kind"] == kind), key=lambda row: row["strength"])
    measures = [measure for measure in _MEASURES if any(row["new"].get(measure) for row in found)]
    rows: Rows = [[f"{row['strength']:.2f}", *(_change(row, measure) for measure in measures)] for row in found]
    caption = [
        f"Queries under {name}, before → after; below, the difference on the same queries with its 95 % interval, in "
        "percentage points (PSNR: dB)."
    ]
    widths = [0.09, *[0.91 / len(measures)] * len(measures)] if measures else []
    return Table(label, caption, [strength, *(_NAMES.get(name, name) for name in measures)], rows, widths=widths)


def _change(row: Mapping[str, Any], measure: str) -> Cell | str:
    """Return old → new of a measure with the paired difference below."""
    old, new = row["old"].get(measure), row["new"].get(measure)
    if not old or not new:
        return MISSING
    is_share = measure != "psnr"
    written = [percent(value["mean"], 1) if is_share else decimal(value["mean"], 2) for value in (old, new)]
    first = written[0].removesuffix("\u00a0%")
    pair = next((pair for pair in row["paired"] if pair["measure"] == measure), None)
    return Cell(f"{first} → {written[1]}", _difference(pair["difference"], is_share=is_share) if pair else "")


def _difference(interval: Interval, *, is_share: bool) -> str:
    """Return a difference with its interval: of shares in percentage points, else as it is."""
    factor, digits = (100, 1) if is_share else (1, 2)
    low, high = (decimal(factor * interval[name], digits) for name in ("low", "high"))
    return f"{with_sign(factor * interval['mean'], digits)} ({low} to {high})"


def _tabulate_cost(clean: Mapping[str, Any]) -> list[Table]:
    rows: Rows = []
    for measure, digits in (("P@10", 4), ("psnr", 2)):
        pair = next((pair for pair in clean["paired"] if pair["measure"] == measure), None)
        if clean["old"].get(measure) and clean["new"].get(measure):
            values = [mean(clean[which][measure], digits) for which in ("old", "new")]
            rows.append([_NAMES.get(measure, measure), *values, *_paired_cells(pair, digits)])
    caption = [
        f"The same queries undistorted. Of a query's ten hits {percent(clean['overlap'])} are the same before and "
        "after."
    ]
    head = ["undistorted", "before", "after", "difference (95 % interval)", "p"]
    return [Table("tab:robust-clean", caption, head, rows, widths=(0.22, 0.16, 0.16, 0.34, 0.12))] if rows else []


def _paired_cells(pair: Mapping[str, Any] | None, digits: int) -> tuple[str, str]:
    if pair is None:
        return MISSING, MISSING
    difference = pair["difference"]
    low, high = (decimal(difference[name], digits) for name in ("low", "high"))
    return f"{with_sign(difference['mean'], digits)} ({low} to {high})", p_value(pair["p_value"])


def _show_unseen(gallery: Gallery, robust: Robust) -> list[Block]:
    found = [row for row in robust["distortions"] if not row["seen"]]
    if not found:
        return []
    kinds = list(dict.fromkeys(str(row["kind"]) for row in found))
    caption = ["What both models keep under corruptions that the retraining never saw, with 95 % intervals."]
    alt = "Pairs of bars for each corruption, and the mean over all corruptions at each severity, for both models."
    return [
        Heading("Corruptions that the retraining never saw"),
        Paragraph(
            [
                prose.describe_unseen([kind_name(kind) for kind in kinds], len({row["strength"] for row in found})),
                " ",
                ref("tab:unseen"),
                " and ",
                ref("fig:corruptions"),
                " have the figures.",
            ]
        ),
        _tabulate_unseen(robust, found, kinds),
        gallery.hang("fig:corruptions", "robust/corruptions", caption, alt),
    ]


def _tabulate_unseen(robust: Robust, found: Sequence[Mapping[str, Any]], kinds: Sequence[str]) -> Table:
    severities, measure = sorted({round(row["strength"]) for row in found}), unseen_measure(robust)
    lookup = {(row["kind"], round(row["strength"])): row for row in found}
    rows: Rows = [
        [
            kind_name(kind),
            *(_change(lookup[kind, at], measure) if (kind, at) in lookup else MISSING for at in severities),
        ]
        for kind in kinds
    ]
    rows.append(["mean of all", *(_mean_change(robust, found, at, measure) for at in severities)])
    named = "P@10 kept" if measure != "overlap" else "Overlap with the clean query's ten hits"
    caption = [
        f"{named} by kind and severity, before → after; below, the difference with its 95 % interval in percentage "
        "points."
    ]
    head = ["corruption", *(f"severity {at}" for at in severities)]
    widths = [0.18, *[0.82 / len(severities)] * len(severities)] if len(severities) > _N_NARROW else []
    return Table("tab:unseen", caption, head, rows, ruled=[len(kinds)], widths=widths)


def _mean_change(robust: Robust, found: Sequence[Mapping[str, Any]], severity: int, measure: str) -> Cell | str:
    """Return old → new of the mean over all kinds, with an interval at the severity where there is one."""
    rows = [row for row in found if round(row["strength"]) == severity and row["old"].get(measure)]
    if not rows:
        return MISSING
    old, new = (sum(row[which][measure]["mean"] for row in rows) / len(rows) for which in ("old", "new"))
    unseen = robust.get("unseen") or {}
    pair = unseen.get("paired") if unseen.get("severity") == severity else None
    small = _difference(pair["difference"], is_share=True) if pair else with_sign(100 * (new - old), 1)
    return Cell(f"{decimal(100 * old, 1)} → {percent(new, 1)}", small, strong=True)


def _show_queries(gallery: Gallery, robust: Robust) -> list[Block]:
    asked = {str(query["kind"]) for query in robust["queries"]}
    kinds = [*(kind for kind in _PICTURES if kind in asked), *sorted(asked - set(_PICTURES))]
    ticked = " Framed and ticked: of the query's class." if gallery.facts.class_names else ""
    blocks: list[Block] = []
    for kind in kinds:
        title = _PICTURES.get(kind, f"Queries with {kind_name(kind)}")
        caption = [f"{title}, and the nearest images by the model before (left) and by the retrained one.{ticked}"]
        alt = f"{title}: each row a clean image, the distorted one, ten hits of the old and ten of the new model."
        blocks.append(gallery.hang(f"fig:robust-{kind}", f"robust/queries_{kind}", caption, alt, turned=True))
    return blocks
