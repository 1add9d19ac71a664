"""Results as tables of plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_MEASURES = ("P@1", "P@5", "P@10", "P@50", "P@100", "mAP@1000", "MAP@R", "hit@10", "20-NN accuracy")


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as text with their columns aligned: the first to the left, the others to the right."""
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def data_table(description: Mapping[str, Any]) -> str:
    """Return the shapes, types, value ranges and class counts of a data set."""
    arrays = description["arrays"]
    rows = [("array", "shape", "type", "least", "greatest")]
    for name, array in arrays.items():
        shape = "×".join(str(extent) for extent in array["shape"])
        rows.append((name, shape, array["dtype"], str(array.get("min", "–")), str(array.get("max", "–"))))
    parts = [f"{description['name']}: {description['origin']}", aligned(rows)]
    counts = {name: array["class_counts"] for name, array in arrays.items() if "class_counts" in array}
    if counts:
        classes = [(name, *(str(of[name]) for of in counts.values())) for name in next(iter(counts.values()))]
        parts.append(aligned([("class", *counts), *classes]))
    parts += description["notes"]
    if description["skipped"]:
        skipped = [f"  {one['path']}: {one['reason']}" for one in description["skipped"]]
        parts.append("\n".join([f"{len(skipped)} files skipped:", *skipped]))
    return "\n\n".join(parts)


def evaluation_table(evaluation: Mapping[str, Any]) -> str:
    """Return the figures of an evaluation: both protocols, the baselines and the reconstruction."""
    model, dataset = evaluation["model"], evaluation["dataset"]
    head = (
        f"{model['name']} ({model['fingerprint']}) on {dataset['name']}, {evaluation['distance']} distance, "
        f"{dataset['n_test']} queries"
    )
    columns = dict(evaluation["protocols"]) | dict(evaluation["baselines"] or {})
    rows = [("", *columns)]
    rows += [(measure, *(_cell(scores, measure) for scores in columns.values())) for measure in _MEASURES]
    reconstruction = [(name, _interval(value)) for name, value in evaluation["reconstruction"].items()]
    return f"{head}\n\n{aligned(rows)}\n\nreconstruction\n{aligned(reconstruction)}"


def distances_table(query: Mapping[str, Any]) -> str:
    """Return the comparison of distances of a querying experiment, with the advice drawn from it."""
    rows = [("", *query["scores"])]
    rows += [(measure, *(_cell(scores, measure) for scores in query["scores"].values())) for measure in _MEASURES]
    return f"{aligned(rows)}\n\n{query['recommendation']}"


def comparison_table(comparison: Mapping[str, Any]) -> str:
    """Return two runs' figures side by side, the paired test, the overlap, and the settings in which they differ."""
    rows = [("", *comparison["runs"], "difference")]
    rows += [
        (row["name"], _interval(row["first"]), _interval(row["second"]), f"{row['difference']:+.4f}")
        for row in comparison["figures"]
    ]
    parts = [aligned(rows), _paired_table(comparison)]
    settings = [(row["name"], str(row["first"]), str(row["second"])) for row in comparison["settings"]]
    return "\n\n".join(filter(None, [*parts, f"settings that differ\n{aligned(settings)}" if settings else ""]))


def _paired_table(comparison: Mapping[str, Any]) -> str:
    rows = [
        (row["measure"], _interval(row["difference"]), f"p = {row['p_value']:.4f}")
        for row in comparison.get("paired", ())
    ]
    paired = f"on the same queries, second − first, paired test\n{aligned(rows)}" if rows else ""
    overlap = comparison.get("overlap")
    shared = "" if overlap is None else f"{100 * overlap:.1f} % of a query's ten hits are the same"
    return "\n\n".join(filter(None, [paired, shared]))


def _cell(scores: Mapping[str, Any] | None, measure: str) -> str:
    value = (scores or {}).get(measure)
    return "–" if value is None else f"{value['mean']:.3f}"


def _interval(value: Mapping[str, float]) -> str:
    return f"{value['mean']:.4f} [{value['low']:.4f}, {value['high']:.4f}]"
