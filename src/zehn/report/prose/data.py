"""Sentences about the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zehn.report.wording import count, percent, plural

_BALANCED = 1.1
"""Classes count as equally large when the largest has at most so many times the images of the smallest."""


def describe_source(data: Mapping[str, Any]) -> str:
    """Say where the images come from and what they are inside Zehn."""
    _, height, width, _ = data["arrays"]["x_train"]["shape"]
    return (
        f"The images are {data['origin']}: {count(data['n_train'])} to train on and {count(data['n_test'])} to test "
        f"with. Each is {width} × {height} pixels in red, green and blue, kept as bytes and turned into numbers from "
        f"0 to 1 inside the model: {count(height * width * 3)} numbers, of which the code keeps a few."
    )


def describe_use(validation_share: float | None, *, labelled: bool) -> str:
    """Say which images are used for what."""
    held = f"{percent(validation_share)} of the training images" if validation_share else "no training images"
    text = (
        f"To watch the training and to choose the epoch to keep, {held} are held out, a choice that the seed "
        "fixes. Test images are measured and shown; nothing is trained, stopped or chosen by them."
    )
    if labelled:
        return f"{text} Labels are used for scoring and for colour in the figures, never for training."
    return f"{text} The images have no labels: whatever needs them is left out of this report."


def describe_balance(class_counts: Mapping[str, int]) -> str:
    """Say how many classes there are and how evenly images are spread over them."""
    if not class_counts:
        return ""
    least, most = min(class_counts.values()), max(class_counts.values())
    if len(class_counts) == 1:
        return "There is a single class, so every hit is of the right one: precision means nothing here. "
    text = f"There are {plural(len(class_counts), 'class').replace('classs', 'classes')}"
    if least and most <= _BALANCED * least:
        same = f"{count(most)}" if least == most else f"{count(least)} to {count(most)}"
        return (
            f"{text} of {same} training images each, so that chance alone scores {percent(1 / len(class_counts), 1)}. "
        )
    return (
        f"{text}, of unequal size: {count(least)} training images in the smallest, {count(most)} in the largest. "
        "Precision is easier to come by for large classes; compare with the chance given beside it. "
    )


def describe_skipped(n_skipped: int) -> str:
    """Say that files were left out."""
    verb = "was" if n_skipped == 1 else "were"
    return f"{plural(n_skipped, 'file')} could not be used and {verb} left out."
