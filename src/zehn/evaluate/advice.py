"""The paragraph that says which distance to use, written from the figures of a comparison alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

HEADLINE, TIE_BREAK, TIME = "P@10", "mAP@1000", "ms_per_query"
"""What decides, in this order."""

_SIGNIFICANCE = 0.05
_SMALL_SPREAD = 0.02
_LEAST_P = 0.0001

Comparison = Mapping[str, Any]


def recommend(comparison: Comparison) -> str:
    """Return the paragraph that says which distance to use, drawn from ``compare_distances``' figures alone.

    The distance of the highest P@10 is compared with every other by the paired test, the p-values corrected for the
    number of comparisons (Holm, "A simple sequentially rejective multiple test procedure", 1979). Those that differ by
    no more than chance share the first place; among them mAP@1000 decides in the same way, then the time of a query.
    """
    scores = comparison["scores"]
    if len(scores) == 1:
        return f"Only {next(iter(scores))} was measured, so there is nothing to choose between."
    if any(values[HEADLINE] is None for values in scores.values()):
        return _advise_without_labels(comparison)
    level = _best(comparison, list(scores), HEADLINE)
    finalists = _best(comparison, level, TIE_BREAK)
    chosen = min(finalists, key=lambda name: scores[name][TIME])
    sentences = (
        _praise(scores, chosen, level),
        _explain(scores, chosen, level, finalists),
        _tell_worse(comparison, chosen, [name for name in scores if name not in level]),
        _weigh(scores, chosen),
        _tell_overlap(comparison, chosen),
    )
    return " ".join(filter(None, sentences))


def _best(comparison: Comparison, names: Sequence[str], measure: str) -> list[str]:
    """Return the names of the highest value of a measure and of all that differ from it by no more than chance."""
    scores = comparison["scores"]
    best = max(names, key=lambda name: scores[name][measure]["mean"])
    others = [name for name in names if name != best]
    p_values = _correct({name: _find(comparison, best, name, measure)[1] for name in others})
    return [name for name in names if name == best or p_values[name] >= _SIGNIFICANCE]


def _correct(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values corrected by Holm's step-down method."""
    corrected, largest = {}, 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[name]))
        corrected[name] = largest
    return corrected


def _find(comparison: Comparison, a: str, b: str, measure: str) -> tuple[float, float]:
    """Return the mean of a − b and its p-value."""
    for pair in comparison["paired"]:
        if pair["measure"] == measure and {pair["a"], pair["b"]} == {a, b}:
            sign = 1 if pair["a"] == a else -1
            return sign * pair["difference"]["mean"], pair["p_value"]
    return 0.0, 1.0


def _praise(scores: Mapping[str, Any], chosen: str, level: Sequence[str]) -> str:
    found = scores[chosen][HEADLINE]
    place = "the best of all" if len(level) == 1 else "which no other distance betters by more than chance"
    return (
        f"Use {chosen}: {found['mean']:.1%} of its ten nearest are of the query's class (P@10 {found['mean']:.4f}, "
        f"95 % interval {found['low']:.4f} to {found['high']:.4f}), {place}."
    )


def _explain(scores: Mapping[str, Any], chosen: str, level: Sequence[str], finalists: Sequence[str]) -> str:
    if len(level) == 1:
        return ""
    equals = f"By P@10, {_listed(level)} cannot be told apart on these queries"
    if len(finalists) == 1:
        return f"{equals}; {chosen} has the highest mAP@1000 of them, {scores[chosen][TIE_BREAK]['mean']:.4f}."
    also = "" if len(finalists) == len(level) else f", nor by mAP@1000 {_listed(finalists)}"
    both = " nor by mAP@1000" if not also else ""
    return f"{equals}{both}{also}; {chosen} answers quickest, in {scores[chosen][TIME]:.2f} ms."


def _tell_worse(comparison: Comparison, chosen: str, worse: Sequence[str]) -> str:
    if not worse:
        return ""
    lags = {name: _find(comparison, name, chosen, HEADLINE) for name in worse}
    in_order = sorted(lags, key=lambda name: lags[name][0], reverse=True)
    told = [f"{name} ({lags[name][0]:+.4f}, {_tell_p(lags[name][1])})" for name in in_order]
    return f"Behind it by more than chance: {_listed(told)}."


def _weigh(scores: Mapping[str, Any], chosen: str) -> str:
    last = min(scores, key=lambda name: scores[name][HEADLINE]["mean"])
    spread = scores[chosen][HEADLINE]["mean"] - scores[last][HEADLINE]["mean"]
    if spread < _SMALL_SPREAD:
        return f"Only {spread:.4f} lie between it and the last, {last}: the code matters more than the distance."
    return f"The last, {last}, gives away {spread:.4f} of P@10, so the choice matters."


def _tell_overlap(comparison: Comparison, chosen: str) -> str:
    shares = {name: share for name, share in comparison["overlap"][chosen].items() if name != chosen}
    closest, farthest = max(shares, key=lambda name: shares[name]), min(shares, key=lambda name: shares[name])
    if len(shares) == 1:
        return f"{closest} shares {shares[closest]:.0%} of its ten hits."
    return f"Of its ten hits, {closest} shares the most, {shares[closest]:.0%}, and {farthest} {shares[farthest]:.0%}."


def _advise_without_labels(comparison: Comparison) -> str:
    scores = comparison["scores"]
    quickest = min(scores, key=lambda name: scores[name][TIME])
    return (
        "Without labels no distance can be called better than another. "
        f"{_tell_overlap(comparison, quickest)[:-1]}; {quickest} answers quickest, in {scores[quickest][TIME]:.2f} ms: "
        "start with it, and compare its hits with those of the one that shares the fewest of them."
    )


def _tell_p(p_value: float) -> str:
    return f"p ≤ {_LEAST_P}" if p_value <= _LEAST_P else f"p = {p_value:.2g}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
