"""Sentences about the sanity checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zehn.report.wording import Interval, count, decimal, full, listed, percent, plural

_STRONG = 0.5
"""A correlation of two dimensions from here on is strong: they share a quarter of their variance or more."""
_FAITHFUL, _LOOSE = 0.9, 0.8
"""Trustworthiness from here on is good; below the other it is poor."""
_HEAVY = 1.0
"""Skew or excess kurtosis beyond this is far from that of a normal distribution."""


def describe_reconstruction(measures: Mapping[str, Interval]) -> str:
    """Say what the measures of the reconstruction are, in words."""
    parts = []
    if measures.get("psnr"):
        parts.append(f"a PSNR of {full(measures['psnr'], 2)} dB")
    if measures.get("ssim"):
        parts.append(f"an SSIM of {full(measures['ssim'])}, where 1 is the image itself")
    if measures.get("channel_accuracy"):
        share = percent(measures["channel_accuracy"]["mean"], 1)
        parts.append(f"the strongest of the three colours kept at {share} of the pixels")
    return f"Over all test images this means {listed(parts)}." if parts else ""


def describe_dimensions(dimensions: Sequence[Mapping[str, Any]]) -> str:
    """Say whether every dimension of the code is used, and how their spreads and shapes differ."""
    dead = [index for index, dimension in enumerate(dimensions, start=1) if dimension["dead"]]
    spreads = [dimension["std"] for dimension in dimensions]
    if dead:
        names = listed([f"z{index}" for index in dead])
        text = (
            f"{plural(len(dead), 'dimension')} of {len(dimensions)} {'is' if len(dead) == 1 else 'are'} dead: {names}. "
            "With hardly any spread, they tell no image from another."
        )
    else:
        text = f"All {len(dimensions)} dimensions are in use."
    alive = [spread for spread in spreads if spread > 0]
    if alive and not dead:
        ratio = max(alive) / min(alive)
        text += (
            f" The widest has a spread {ratio:.1f} times that of the narrowest, so that it weighs "
            f"{'more' if ratio > 1.5 else 'hardly more'} in a euclidean distance."
        )
    return f"{text} {_describe_shapes(dimensions)}"


def describe_correlations(correlations: Sequence[Sequence[float]]) -> str:
    """Say which two dimensions say the same most of all."""
    n = len(correlations)
    pairs = [(abs(correlations[a][b]), a, b) for a in range(n) for b in range(a)]
    if not pairs:
        return ""
    strength, a, b = max(pairs)
    n_strong = sum(pair[0] >= _STRONG for pair in pairs)
    text = f"The strongest correlation is {decimal(correlations[a][b], 2)}, of z{b + 1} and z{a + 1}"
    if n_strong:
        return (
            f"{text}; {count(n_strong)} of {count(len(pairs))} pairs reach {_STRONG} or more: those dimensions repeat "
            "each other in part, which mahalanobis distance makes up for and euclidean does not."
        )
    return (
        f"{text}: no two dimensions say the same, and {percent(strength**2)} is the most variance that any two share."
    )


def describe_map(umap: Mapping[str, Any], chance: float | None) -> str:
    """Say how far the map can be trusted and how pure its neighbourhoods are."""
    trust, purity = umap.get("trustworthiness"), umap.get("purity")
    parts = []
    if trust is not None:
        judged = (
            "neighbours on the map are nearly always neighbours in the code"
            if trust >= _FAITHFUL
            else "the map tears some neighbours apart or brings strangers together"
            if trust >= _LOOSE
            else "the map is a poor picture of the code, and little should be read off it"
        )
        parts.append(f"Its trustworthiness is {decimal(trust)} of at most 1: {judged}.")
    if purity is not None:
        beside = f", where chance would give {percent(chance, 1)}" if chance else ""
        parts.append(
            f"Of the ten nearest points of a point on the map, {percent(purity, 1)} are of its class{beside}; "
            f"{_judge_purity(purity, chance)}."
        )
    return " ".join(parts)


def name_shown(n_shown: int, n_all: int | None) -> str:
    """Name the test images whose codes a figure shows: all of them, or a random choice."""
    if n_all is not None and n_shown >= n_all:
        return "the only test image" if n_all == 1 else f"all {count(n_all)} test images"
    return f"{count(n_shown)} random test images"


def excuse_map(n_codes: int | None) -> str:
    """Say why there is no map."""
    too_few = f"{plural(n_codes, 'test image')} {'is' if n_codes == 1 else 'are'}" if n_codes else "The test images are"
    return (
        f"{too_few} too few for a map of their codes: UMAP lays out neighbourhoods, and so few points have none that "
        "differ. More test images give one."
    )


def _judge_purity(purity: float, chance: float | None) -> str:
    if purity >= 0.8:
        return "the classes lie apart from each other"
    if purity >= 0.5:
        return "the classes form regions that run into each other"
    if chance and purity > 2 * chance:
        return "the classes lean to different sides but largely overlap"
    return "the classes are hardly told apart"


def _describe_shapes(dimensions: Sequence[Mapping[str, Any]]) -> str:
    odd = [
        f"z{index}"
        for index, dimension in enumerate(dimensions, start=1)
        if max(abs(dimension["skew"] or 0), abs(dimension["kurtosis"] or 0)) > _HEAVY
    ]
    if not odd:
        return "None is far from a normal distribution in skew or kurtosis."
    shown = listed(odd) if len(odd) <= 6 else f"{len(odd)} of them"
    return f"Far from a normal distribution, in skew or excess kurtosis: {shown}."
