"""Sentences about the architecture and how it came about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from zehn.report.wording import apart, count, decimal, duration, full, percent, plural, signed

_REASONS = {
    "dense": (
        "Every pixel is joined to every hidden neuron. It is the simplest autoencoder that is not linear, and the "
        "yardstick for the others; it has to learn anew at each place what an edge is."
    ),
    "conv": (
        "Convolutions use the same few weights all over the image and keep neighbours together, so that far fewer "
        "parameters see more."
    ),
    "residual": (
        "Blocks with a shortcut around them make a deeper net trainable: each block has to learn only what to change, "
        "and gradients reach the first layers undiminished."
    ),
    "compact": (
        "A mean over all places says what is there and not where, and an image is seen with its mirror image. That "
        "suits objectives that compare views; for plain reconstruction it gives away where things are."
    ),
}
_CHEAPER = 0.95


def describe_model(layers: Sequence[Mapping[str, Any]]) -> str:
    """Say how large both halves are and how much the code leaves out."""
    encoder, decoder = ([layer for layer in layers if layer["half"] == half] for half in ("encoder", "decoder"))
    n_image, n_code = math.prod(decoder[-1]["shape"]), math.prod(encoder[-1]["shape"])
    counts = [sum(layer["n_parameters"] for layer in half) for half in (encoder, decoder)]
    heaviest = max(layers, key=lambda layer: layer["n_parameters"])
    share = heaviest["n_parameters"] / max(sum(counts), 1)
    return (
        f"The encoder turns the {count(n_image)} numbers of an image into {n_code}, {count(n_image / n_code)} times "
        f"fewer, with {count(counts[0])} parameters; the decoder turns these back into an image, with "
        f"{count(counts[1])}. The heaviest layer, in the {heaviest['half']} ({heaviest['kind']}), holds "
        f"{percent(share)} of all parameters."
    )


def describe_ladder(budget: Mapping[str, Any]) -> str:
    """Say how the rungs were measured."""
    queries = f", and scored with {count(budget['n_queries'])} test images" if budget.get("n_queries") else ""
    return (
        f"Each architecture was trained in the same way on the same {count(budget.get('n_train'))} images for "
        f"{plural(int(budget.get('epochs', 1)), 'epoch')}{queries}. All of them were "
        "trained for reconstruction alone, on a budget that is small on purpose: it tells the architectures apart, "
        "no more. One training each, so that small differences may be the seed's."
    )


def describe_rung(rung: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    """Say why a rung was tried and what it brought over the one before it."""
    reason = str(rung.get("why") or _REASONS.get(rung["architecture"], ""))
    if before is None:
        return f"{reason} MSE {decimal(rung['mse'], 4)} with {count(rung['n_parameters'])} parameters.".strip()
    return f"{reason} {compare_rungs(rung, before)}".strip()


def compare_rungs(rung: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """Say by how much MSE, P@10, size and time changed from one rung to the next."""
    change = rung["mse"] / before["mse"] - 1
    verb = "lowers" if change < 0 else "raises" if change > 0 else "leaves"
    parts = [f"It {verb} the MSE from {decimal(before['mse'], 4)} to {decimal(rung['mse'], 4)} ({signed(change)})"]
    own, other = rung.get("P@10"), before.get("P@10")
    if own and other:
        moved = {1: "raises P@10 to", -1: "lowers P@10 to", 0: "leaves P@10 where it was, at"}[apart(own, other)]
        parts.append(f"{moved} {full(own)}")
    size = rung["n_parameters"] / max(before["n_parameters"], 1)
    parts.append(f"has {_times(size)} parameters and trains in {duration(rung['seconds'])}")
    return f"{', '.join(parts[:-1])}, and {parts[-1]}."


def choose_rung(rungs: Sequence[Mapping[str, Any]], chosen: str) -> str:
    """Say whether the architecture that the run uses is the one that did best on the ladder."""
    if len(rungs) < 2:
        return ""
    best = min(rungs, key=lambda rung: rung["mse"])
    if best["architecture"] == chosen:
        return f"The run uses the {chosen} architecture, which reconstructs best under this budget."
    return (
        f"The run uses the {chosen} architecture, although under this budget {best['architecture']} reconstructs best "
        f"(MSE {decimal(best['mse'], 4)}); the settings ask for it."
    )


def _times(ratio: float) -> str:
    if ratio >= 1 / _CHEAPER:
        return f"{ratio:.1f} times the"
    return "about as many" if ratio > _CHEAPER else f"{percent(1 - ratio)} fewer"


def describe_objectives(ladder: Mapping[str, Any]) -> str:
    """Say how the ladder of objectives was measured."""
    return (
        "Architecture alone keeps colour and layout. What makes a code tell kinds apart is what it is trained for, and "
        f"that shows only in longer trainings than this run has time for. {ladder['budget']} Rungs "
        "marked as kept are in the recipe of the presets."
    )
