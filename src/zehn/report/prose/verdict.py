"""How the model compares with the baselines: the sentences that a hurried reader takes home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zehn.report.wording import Interval, apart, decimal, full, listed, percent

CHANCE = "random order"
PIXELS = "raw pixels"
UNTRAINED = "untrained encoder"
_DESCRIPTIONS = {
    CHANCE: "chance", PIXELS: "raw pixels", "colour histogram": "a colour histogram", UNTRAINED: "an untrained encoder",
}  # fmt: skip


def pca_name(evaluation: Mapping[str, Any]) -> str:
    """Return the name of the PCA baseline, "PCA-10" for ten components."""
    named = [name for name in evaluation.get("baselines") or {} if name.startswith("PCA-")]
    return named[0] if named else f"PCA-{evaluation['model']['n_components']}"


def retrieval_verdict(evaluation: Mapping[str, Any]) -> str:
    """Say how good the hits are and what they are better, worse or no better than, by P@10."""
    scores = evaluation["protocols"]["main"]
    own = scores.get("P@10")
    if own is None:
        check = evaluation.get("label_free")
        return (
            "The images have no labels, so nothing here says whether a hit is right: look at the hits, and at how well "
            f"images are reconstructed from their codes.{_without_labels(check) if check else ''}"
        )
    first = f"Of the ten images with the nearest codes, {percent(own['mean'], 1)} are of the query's class."
    return f"{first} {rank_sentence(f'A P@10 of {full(own)}', own, baselines_of(evaluation, 'P@10'))}"


def rank_sentence(subject: str, own: Interval, others: Mapping[str, Interval]) -> str:
    """Say which of several others a score is above, level with, and below; larger is better."""
    if not others:
        return "No baseline was measured beside it."
    groups: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for name, other in others.items():
        groups[apart(own, other)].append(f"{_DESCRIPTIONS.get(name, name)} ({decimal(other['mean'])})")
    parts = []
    if groups[-1]:
        parts.append(f"worse than {listed(groups[-1])}")
    if groups[0]:
        parts.append(f"no better than {listed(groups[0], 'or')}")
    if groups[1]:
        parts.append(f"better than {listed(groups[1])}")
    return f"{subject} is {_joined(parts)}."


def reconstruction_verdict(evaluation: Mapping[str, Any]) -> str:
    """Say how well images are rebuilt from their codes, beside PCA with as many numbers."""
    own = evaluation["reconstruction"]["mse"]
    n_components = evaluation["model"]["n_components"]
    pca = baselines_of(evaluation, "mse").get(pca_name(evaluation))
    text = f"Rebuilt from its {n_components} numbers, a test image is off by a mean squared error of {full(own, 4)}"
    if pca is None:
        return f"{text}."
    relation = {1: "worse than", 0: "no different from", -1: "better than"}[apart(own, pca)]
    change = abs(own["mean"] / pca["mean"] - 1) if pca["mean"] else 0.0
    by = f" by {percent(change)}" if apart(own, pca) else ""
    return f"{text}, {relation} PCA with as many numbers ({decimal(pca['mean'], 4)}){by}."


def baselines_of(evaluation: Mapping[str, Any], measure: str) -> dict[str, Interval]:
    """Return a measure of every baseline that has it."""
    baselines = evaluation.get("baselines") or {}
    return {name: scores[measure] for name, scores in baselines.items() if scores and scores.get(measure)}


def _without_labels(check: Mapping[str, Any]) -> str:
    return f" What can be said without labels: {check['verdict']}. {check['explanation']}"


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, but {parts[-1]}"
