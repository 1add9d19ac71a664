"""Sentences about queries, hits and distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zehn.report.wording import Interval, count, decimal, full, listed, percent, plural

_ALIKE, _APART = 0.9, 0.5
"""Top tens overlapping by at least the first are nearly the same; by less than the second, more different than not."""

Hits = Sequence[Sequence[Mapping[str, Any]]]


def describe_experiment(n_queries: int, n_hits: int, n_images: int | None, seed: int | None) -> str:
    """Say what was asked."""
    chosen = f", chosen by seed {seed}" if seed is not None else ", named in the settings"
    among = f"all {count(n_images)} images" if n_images else "all images"
    verb = "was" if n_queries == 1 else "were"
    return (
        f"{plural(n_queries, 'test image')}{chosen}, {verb} looked up among {among} by the distance of their codes, "
        "the query itself left out. Sorted from near to far, the first "
        f"{n_hits} are its hits; equal distances are settled by the image's number."
    )


def describe_hits(hits: Mapping[str, Hits]) -> str:
    """Say how many of the drawn hits are of the query's class, by distance."""
    shares = {name: _share(found) for name, found in hits.items()}
    known = {name: share for name, share in shares.items() if share is not None}
    if not known:
        return "Without labels no hit can be called right or wrong; the figures are for the eye."
    parts = [f"{percent(share)} by {name}" for name, share in known.items()]
    n_hits = sum(len(found) for found in next(iter(hits.values())))
    return (
        f"Of the {n_hits} hits drawn for each distance, of the query's class are {listed(parts)}. So few queries are "
        "an illustration; the next table counts them all."
    )


def describe_distances(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Say which distance finds most of the right class, and how far the others are behind."""
    known: dict[str, Interval] = {name: values["P@10"] for name, values in scores.items() if values.get("P@10")}
    if not known:
        return "Without labels the distances cannot be ranked; how far they agree can still be measured."
    ordered = sorted(known, key=lambda name: -known[name]["mean"])
    best, worst = ordered[0], ordered[-1]
    if best == worst:
        return f"By {best} distance P@10 is {full(known[best])}; no other distance was asked for."
    spread = known[best]["mean"] - known[worst]["mean"]
    return (
        f"By P@10, {best} comes first with {full(known[best])} and {worst} last with {full(known[worst])}; all lie "
        f"within {decimal(spread)} of each other. On the same queries, paired differences tell more than two intervals "
        "side by side."
    )


def describe_pairs(rows: Sequence[Mapping[str, Any]], best: str) -> str:
    """Say how many distances are behind the best by P@10, query by query; rows are best − other."""
    behind = [row["other"] for row in rows if row["difference"]["low"] > 0]
    found = (
        "none is certain to be behind"
        if not behind
        else f"{listed(behind)} {'lies' if len(behind) == 1 else 'lie'} behind with the whole interval"
    )
    return (
        f"Compared with {best} query by query, {found}. Each p-value stands for itself; the advice below corrects them "
        "for the number of comparisons."
    )


def describe_overlap(overlaps: Mapping[str, Mapping[str, float]]) -> str:
    """Say which distances find the same images and which do not."""
    pairs = [(share, a, b) for a, row in overlaps.items() for b, share in row.items() if a < b]
    if not pairs:
        return ""
    (most, a, b), (least, c, d) = max(pairs), min(pairs)
    if len(pairs) == 1:
        return f"{a.capitalize()} and {b} have {percent(most)} of their top tens in common."
    nature = (
        "whichever is used, the hits are nearly the same"
        if least >= _ALIKE
        else "the choice of distance decides over most of what is found"
        if least < _APART
        else "the choice of distance changes some hits and leaves most"
    )
    return (
        f"{a.capitalize()} and {b} agree most: on average {percent(most)} of their ten nearest are the same images. "
        f"{c.capitalize()} and {d} agree least, in {percent(least)}: {nature}."
    )


def describe_times(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Say what a query costs."""
    known = {name: values["ms_per_query"] for name, values in scores.items() if values.get("ms_per_query") is not None}
    if not known:
        return ""
    fastest, slowest = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    if fastest == slowest:
        return f"A query takes {_milliseconds(known[fastest])} on this machine, asked alone."
    return (
        f"A query takes {_milliseconds(known[fastest])} by {fastest} and {_milliseconds(known[slowest])} by {slowest}, "
        "each query asked alone, on this machine."
    )


def describe_protocols(main: Interval | None, literature: Interval | None) -> str:
    """Say how the two protocols differ in what they give."""
    if main is None or literature is None:
        return ""
    return (
        f"Published work searches the training images alone. Under that protocol P@10 is {full(literature)}, against "
        f"{full(main)} when the other test images can be found too."
    )


def _share(hits: Hits) -> float | None:
    matches = [hit["match"] for found in hits for hit in found if hit.get("match") is not None]
    return sum(matches) / len(matches) if matches else None


def _milliseconds(value: float) -> str:
    return f"{value:.2f} ms" if value < 10 else f"{value:.0f} ms"
