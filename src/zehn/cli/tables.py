"""Results as tables of plain text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

_MISSING = "–"


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
    """Return every figure of an evaluation, each with its 95 % interval."""
    model, dataset = evaluation["model"], evaluation["dataset"]
    head = (
        f"{model['name']} ({model['fingerprint']}) on {dataset['name']}, {evaluation['distance']} distance, "
        f"{dataset['n_test']} queries"
    )
    reconstruction = [(name, _interval(value)) for name, value in evaluation["reconstruction"].items()]
    parts = [
        f"{head}; in brackets 95 % bootstrap intervals",
        aligned(_measure_rows(evaluation["protocols"], _interval)),
        _baselines_table(evaluation["baselines"]),
        _classes_table(evaluation["classes"]),
        f"reconstruction\n{aligned(reconstruction)}",
        f"codes\n{aligned(_code_rows(evaluation['codes']))}",
        _label_free_table(evaluation["label_free"]),
    ]
    return "\n\n".join(filter(None, parts))


def _measure_rows(columns: Mapping[str, Any], written: Callable[[Any], str]) -> list[tuple[str, ...]]:
    from zehn.measures.names import MEASURES

    rows: list[tuple[str, ...]] = [("", *columns)]
    return rows + [
        (measure, *(written((scores or {}).get(measure)) for scores in columns.values())) for measure in MEASURES
    ]


def _baselines_table(baselines: Mapping[str, Any] | None) -> str:
    if not baselines:
        return ""
    return f"baselines, main protocol, ± half the interval\n{aligned(_measure_rows(baselines, _half))}"


def _classes_table(classes: Sequence[Mapping[str, Any]] | None) -> str:
    if not classes:
        return ""
    from zehn.measures.names import MEASURES

    measures = [name for name in classes[0] if name in MEASURES]
    rows: list[tuple[str, ...]] = [("class", "queries", *measures)]
    rows += [(str(row["name"]), str(row["n_queries"]), *(_interval(row[name]) for name in measures)) for row in classes]
    return aligned(rows)


def _code_rows(codes: Mapping[str, Any]) -> list[tuple[str, str]]:
    hubness = codes["hubness"] or {}
    dead = ", ".join(f"z{place + 1}" for place in codes["dead"]) or "none"
    return [
        ("dead dimensions", dead),
        (
            f"effective dimension (participation ratio, of {codes['n_components']})",
            _interval(codes["participation_ratio"]),
        ),
        (f"effective dimension (RankMe, of {codes['n_components']})", _interval(codes["rankme"])),
        ("uniformity (smaller is better)", _interval(codes["uniformity"])),
        ("hubness (skewness of 10-occurrence)", _interval(hubness.get("skewness"))),
        ("orphans (nobody's neighbour)", _interval(hubness.get("orphans"))),
        ("most often a neighbour", str(hubness.get("largest", _MISSING))),
    ]


def _label_free_table(check: Mapping[str, Any]) -> str:
    rows = [("distortion", "recall@1", "alignment")]
    rows += [
        (name, _interval(row["recall@1"]), _interval(row["alignment"])) for name, row in check["distortions"].items()
    ]
    how = f"without labels: {check['n_queries']} distorted test images among {check['n_database']}"
    return f"{how}\n{aligned(rows)}\n\nverdict: {check['verdict']}. {check['explanation']}"


def distances_table(query: Mapping[str, Any]) -> str:
    """Return the comparison of distances of a querying experiment, with the advice drawn from it."""
    return f"{aligned(_measure_rows(query['scores'], _mean))}\n\n{query['recommendation']}"


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


def robustness_table(robust: Mapping[str, Any]) -> str:
    """Return what a model keeps of distorted queries before and after it was retrained, and what that cost.

    Corruptions are shown at the severity at which they are averaged; the JSON has the others, and all intervals.
    """
    models = robust["models"]
    head = (
        f"{models['old']['name']} → {models['new']['name']} on {robust['dataset']['name']}, {robust['distance']} "
        f"distance\n{robust['n_queries']} distorted test images among {robust['n_database']} clean images, old → new; "
        "≈ where the 95 % interval of the paired difference holds 0"
    )
    severity = (robust.get("unseen") or {}).get("severity", _SEVERITY)
    shown = [row for row in robust["distortions"] if row["seen"] or row["strength"] == severity]
    measures = [name for name in _ROBUST_MEASURES if any(row["new"].get(name) for row in shown)]
    rows: list[tuple[str, ...]] = [("", *(_ROBUST_MEASURES[name][0] for name in measures))]
    rows += [(_distortion_name(row), *(_change(row, name) for name in measures)) for row in shown]
    return "\n\n".join([head, aligned(rows), f"undistorted\n{_clean_table(robust['clean'])}", robust["explanation"]])


_ROBUST_MEASURES = {
    "P@10": ("P@10", 4), "P@10 kept": ("P@10 kept", 3), "recall@1": ("recall@1", 3), "recall@10": ("recall@10", 3),
    "overlap": ("overlap", 3), "psnr": ("PSNR, dB", 2),
}  # fmt: skip
"""What a measure of two models is called, and its digits after the point."""
_SEVERITY = 3
"""Of the corruptions that are shown where there are no labels, and so no mean over them."""


def _clean_table(clean: Mapping[str, Any]) -> str:
    rows = [
        (_ROBUST_MEASURES[pair["measure"]][0], _change(clean, pair["measure"]), _interval(pair["difference"]))
        for pair in clean["paired"]
    ]
    return aligned([("", "old → new", "difference"), *rows])


def _change(row: Mapping[str, Any], measure: str) -> str:
    """Return old → new of a measure, marked where the difference may be chance."""
    old, new = row["old"].get(measure), row["new"].get(measure)
    if old is None or new is None:
        return _MISSING
    digits = _ROBUST_MEASURES[measure][1]
    pair = next((pair["difference"] for pair in row["paired"] if pair["measure"] == measure), None)
    mark = "≈" if pair and pair["low"] <= 0 <= pair["high"] else " "
    return f"{old['mean']:.{digits}f} → {new['mean']:.{digits}f}{mark}"


def _distortion_name(row: Mapping[str, Any]) -> str:
    return f"{row['kind'].replace('_', ' ')} {row['strength']:g}{'' if row['seen'] else ', unseen'}"


def _mean(value: Mapping[str, float] | None) -> str:
    return _MISSING if value is None else f"{value['mean']:.3f}"


def _half(value: Mapping[str, float] | None) -> str:
    return _MISSING if value is None else f"{value['mean']:.3f} ± {(value['high'] - value['low']) / 2:.3f}"


def _interval(value: Mapping[str, float] | None) -> str:
    if value is None:
        return _MISSING
    return f"{value['mean']:.4f} [{value['low']:.4f}, {value['high']:.4f}]"
