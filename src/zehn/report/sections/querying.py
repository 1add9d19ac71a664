"""The section on querying: hits, distances, baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zehn.figures.grids import is_wide
from zehn.figures.scores import OVERLAP_WIDTH
from zehn.figures.style import TEXT_WIDTH
from zehn.measures.names import HEADLINE, HIT, PAIRED, RANKED
from zehn.report.document import Block, Cell, Heading, Note, Paragraph, Rows, Section, Table, ref
from zehn.report.facts import Facts
from zehn.report.gallery import Gallery
from zehn.report.prose import querying as prose
from zehn.report.prose import verdict
from zehn.report.sections.missing import note_missing
from zehn.report.wording import MISSING, bounds, count, decimal, mean, p_value

_COMPARED = (*HEADLINE, HIT)
_OVERLAP_SHARE = OVERLAP_WIDTH / TEXT_WIDTH
_PAIR_NAMES = 0.26
"""Share of the page's width that the names of two distances take."""

Scores = Mapping[str, Any]


def build(facts: Facts, gallery: Gallery) -> list[Section]:
    """Show the hits, compare the distances, compare with the baselines, and recommend."""
    query = facts.query
    if query is None:
        return [Section("Querying", note_missing(facts, "query", "no hit was looked at and no distance compared"))]
    blocks = [
        *_describe_hits(facts, query),
        *_compare_distances(facts, gallery, query),
        *_compare_baselines(facts, gallery),
        *_show_hits(gallery, query),
    ]
    return [Section("Querying", blocks)]


def best_distance(scores: Mapping[str, Scores]) -> str | None:
    """Return the distance with the highest P@10, or None where it was not measured."""
    known = {name: values["P@10"]["mean"] for name, values in scores.items() if values.get("P@10")}
    return max(known, key=known.__getitem__) if known else None


def _shown_first(query: Mapping[str, Any]) -> str:
    best = best_distance(query["scores"])
    return best if best is not None and best in query["hits"] else str(next(iter(query["hits"])))


def _describe_hits(facts: Facts, query: Mapping[str, Any]) -> list[Block]:
    hits = query["hits"]
    if not hits:
        return []
    first = _shown_first(query)
    n_hits = max((len(found) for found in hits[first]), default=0)
    data = facts.data
    n_images = data["n_train"] + data["n_test"] if data else None
    seed = None if facts.config.get("query", {}).get("query_ids") else facts.seed
    text = [
        prose.describe_experiment(len(query["queries"]), n_hits, n_images, seed),
        " ",
        prose.describe_hits(hits),
        " ",
        ref(f"fig:hits-{first}"),
        f", at the end of this section, shows them by {first} distance",
        ", and the figures after it by every other." if len(hits) > 1 else ".",
    ]
    return [Heading("Twenty queries" if len(query["queries"]) == 20 else "The queries"), Paragraph(text)]


def _hang_hits(gallery: Gallery, distance: str, n_queries: int) -> Block:
    ticked = " Framed and ticked: of the query's class." if gallery.facts.class_names else ""
    caption = [f"Queries (top row) and their nearest images by {distance} distance, nearest first.{ticked}"]
    alt = f"A grid of images: queries in the top row and their nearest images by {distance} distance below."
    return gallery.hang(f"fig:hits-{distance}", f"query/hits_{distance}", caption, alt, turned=is_wide(n_queries))


def _show_hits(gallery: Gallery, query: Mapping[str, Any]) -> list[Block]:
    if not query["hits"]:
        return []
    first = _shown_first(query)
    n_queries = len(query["queries"])
    return [
        _hang_hits(gallery, name, n_queries) for name in (first, *(name for name in query["hits"] if name != first))
    ]


def _compare_distances(facts: Facts, gallery: Gallery, query: Mapping[str, Any]) -> list[Block]:
    scores = query["scores"]
    n_queries = facts.n_scored
    how = (
        f"Every one of {count(n_queries)} test images was asked about by each distance" if n_queries else
        "The test images were asked about by each distance"
    )  # fmt: skip
    blocks: list[Block] = [
        Heading("Which distance"),
        Paragraph(
            [
                f"{how}, with the codes as the encoder returns them. ",
                prose.describe_distances(scores),
                " ",
                prose.describe_times(scores),
            ]
        ),
    ]
    if best_distance(scores):
        blocks.append(_tabulate_scores(scores))
    return [*blocks, *_pair_up(query), *_recommend(query), *_show_overlap(gallery, query)]


def _show_overlap(gallery: Gallery, query: Mapping[str, Any]) -> list[Block]:
    if len(query.get("overlap") or {}) < 2:
        return []
    text = [prose.describe_overlap(query["overlap"]), " ", ref("fig:overlap"), " has all pairs."]
    caption = ["Share of the ten nearest images that two distances have in common, mean over all queries."]
    alt = "Heat map of the overlap of top tens for each two distances."
    return [Paragraph(text), gallery.hang("fig:overlap", "query/overlap", caption, alt, width=_OVERLAP_SHARE)]


def _tabulate_scores(scores: Mapping[str, Scores]) -> Table:
    measures = [name for name in RANKED if any(values.get(name) for values in scores.values())]
    best = best_distance(scores)
    rows: Rows = [
        [
            name,
            *(Cell(mean(values.get(measure)), bounds(values.get(measure))) for measure in measures),
            decimal(values.get("ms_per_query"), 2),
        ]
        for name, values in scores.items()
    ]
    caption = [
        "The distances compared on the same queries; below each figure its 95 % bootstrap interval over queries."
    ]
    if len(scores) > 1:
        caption.append(" The highest P@10 is marked.")
    marked = [index for index, name in enumerate(scores) if name == best and len(scores) > 1]
    return Table("tab:distances", caption, ["distance", *measures, "ms / query"], rows, marked=marked)


def _pair_up(query: Mapping[str, Any]) -> list[Block]:
    best = best_distance(query["scores"])
    if best is None or not query.get("paired"):
        return []
    by_measure = {measure: against(query["paired"], best, measure) for measure in PAIRED}
    others = [row["other"] for row in by_measure["P@10"]]
    if not others:
        return []
    lookup = {(row["other"], measure): row for measure, rows in by_measure.items() for row in rows}
    measures = [measure for measure in PAIRED if by_measure[measure]]
    rows = [
        [f"{best} − {other}", *(cell for measure in measures for cell in _paired_cells(lookup.get((other, measure))))]
        for other in others
    ]
    head = ["difference", *(title for measure in measures for title in (measure, "p"))]
    caption = [
        f"Paired differences between {best} and every other distance on the same queries, with 95 % intervals and "
        "p-values. All other pairs are in report.json."
    ]
    text = [prose.describe_pairs(by_measure["P@10"], best), " ", ref("tab:paired"), " has the differences."]
    share = (1 - _PAIR_NAMES) / len(measures)
    widths = [_PAIR_NAMES, *(part * share for _ in measures for part in (0.69, 0.31))]
    return [Paragraph(text), Table("tab:paired", caption, head, rows, widths=widths)]


def against(paired: Sequence[Mapping[str, Any]], best: str, measure: str) -> list[dict[str, Any]]:
    """Return the paired differences best − other of a measure, whichever way round they were taken."""
    rows = []
    for pair in paired:
        if pair["measure"] != measure or best not in (pair["a"], pair["b"]):
            continue
        difference = pair["difference"]
        if pair["a"] == best:
            rows.append({"other": pair["b"], "difference": dict(difference), "p_value": pair["p_value"]})
        else:
            turned = {"mean": -difference["mean"], "low": -difference["high"], "high": -difference["low"]}
            rows.append({"other": pair["a"], "difference": turned, "p_value": pair["p_value"]})
    return rows


def _paired_cells(row: Mapping[str, Any] | None) -> tuple[Cell | str, str]:
    if row is None:
        return MISSING, MISSING
    difference = row["difference"]
    low, middle, high = (f"{difference[name]:+.4f}".replace("-", "−") for name in ("low", "mean", "high"))
    return Cell(middle, f"{low} to {high}"), p_value(row["p_value"])


def _compare_baselines(facts: Facts, gallery: Gallery) -> list[Block]:
    evaluation, query = facts.evaluation, facts.query or {}
    if not evaluation or not evaluation.get("baselines"):
        return []
    protocols = evaluation["protocols"]
    text = [
        "The same queries were put to codes that need no training. ",
        verdict.retrieval_verdict(evaluation),
        " ",
        prose.describe_protocols(protocols["main"].get("P@10"), protocols["literature"].get("P@10")),
        " ",
        ref("tab:baselines"),
        " and ",
        ref("fig:precision"),
        " have the figures.",
    ]
    caption = ["Precision of each distance (solid) and of the baselines (hatched), with 95 % intervals."]
    alt = "Bars of precision at 1, 5, 10, 50 and 100 for each distance and each baseline."
    blocks: list[Block] = [
        Heading("Is it better than no learning at all?"),
        Paragraph(text),
        _tabulate_baselines(evaluation),
    ]
    if best_distance(query.get("scores", {})):
        blocks.append(gallery.hang("fig:precision", "query/precision", caption, alt))
    return blocks


def _tabulate_baselines(evaluation: Mapping[str, Any]) -> Table:
    protocols = evaluation["protocols"]
    own = [
        (f"this model, {evaluation['distance']}", protocols["main"], evaluation["reconstruction"]["mse"]),
        ("the same, literature protocol", protocols["literature"], None),
    ]
    others = [(name, scores, scores.get("mse")) for name, scores in evaluation["baselines"].items() if scores]
    measures = [name for name in _COMPARED if any(scores.get(name) for _, scores, _ in own)]
    rows = [
        [
            Cell(name, strong=index == 0),
            *(Cell(mean(scores.get(measure)), bounds(scores.get(measure))) for measure in measures),
            Cell(mean(mse, 4), bounds(mse, 4)),
        ]
        for index, (name, scores, mse) in enumerate([*own, *others])
    ]
    caption = ["The model and the baselines under the main protocol, with 95 % intervals."]
    return Table("tab:baselines", caption, ["code", *measures, "test MSE"], rows, marked=[0], ruled=[len(own)])


def _recommend(query: Mapping[str, Any]) -> list[Block]:
    text = str(query.get("recommendation") or "")
    return [Note([text], tone="good", title="Which distance to use")] if text else []
