"""Sentences about single classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zehn.report.wording import apart, full


def describe_classes(classes: Sequence[Mapping[str, Any]]) -> str:
    """Say which class is found best and which worst, by P@10."""
    ordered = sorted(classes, key=lambda row: -row["P@10"]["mean"])
    best, worst = ordered[0], ordered[-1]
    if len(ordered) == 1:
        return f"There is one class, {best['name']}; its P@10 is {full(best['P@10'])}."
    sure = apart(best["P@10"], worst["P@10"])
    ending = "" if sure else " Their intervals overlap, so that the order may be chance."
    return (
        f"By P@10 the code finds {best['name']} best, with {full(best['P@10'])}, and {worst['name']} worst, with "
        f"{full(worst['P@10'])}.{ending}"
    )
