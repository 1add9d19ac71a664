"""The paragraph that says which distance to use, written from the figures of a comparison alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zehn.measures.names import MEAN_AP, PRECISION

DECIDING, TIE_BREAK, TIME = PRECISION, MEAN_AP, "ms_per_query"
"""What decides, in this order."""

_SIGNIFICANCE = 0.05
_SMALL_SPREAD = 0.02

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
    if any(values[DECIDING] is None for values in scores.values()):
        return _advise_without_labels(comparison)
    level = _lead(comparison, list(scores), DECIDING)
    finalists = _lead(comparison, level, TIE_BREAK)
    chosen = min(finalists, key=lambda name: scores[name][TIME])
    sentences = (
        _praise(scores, chosen, level),
        _explain(scores, chosen, level, finalists),
        _tell_worse(comparison, chosen, level),
        _weigh(scores, chosen),
        _tell_overlap(comparison, chosen),
    )
    return " ".join(filter(None, sentences))


def _lead(comparison: Comparison, names: Sequence[str], measure: str) -> list[str]:
    """Return the name of the highest value of a measure, then those that differ from it by no more than chance."""
    best = _highest(comparison["scores"], names, measure)
    p_values = _correct({name: _find(comparison, name, best, measure)[1] for name in names if name != best})
    return [best, *(name for name, p_value in p_values.items() if p_value >= _SIGNIFICANCE)]


def _highest(scores: Mapping[str, Any], names: Sequence[str], measure: str) -> str:
    return max(names, key=lambda name: scores[name][measure]["mean"])


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
    found = scores[chosen][DECIDING]
    place = "the most of all" if len(level) == 1 else "and no other distance finds more by more than chance"
    return (
        f"Use {chosen}: {_percent(found['mean'], 1)} of its ten nearest are of the query's class ({DECIDING} "
        f"{found['mean']:.4f}, 95 % interval {found['low']:.4f} to {found['high']:.4f}), {place}."
    )


def _explain(scores: Mapping[str, Any], chosen: str, level: Sequence[str], finalists: Sequence[str]) -> str:
    if len(level) == 1:
        return ""
    equals = f"By P@10, {_listed(level)} cannot be told apart on these queries"
    if len(finalists) == 1:
        return f"{equals}; {chosen} has the highest {TIE_BREAK} of them, {scores[chosen][TIE_BREAK]['mean']:.4f}."
    too = f", nor {_listed(finalists)} by {TIE_BREAK}; of these"
    return f"{equals}{too} {chosen} answers quickest, in {scores[chosen][TIME]:.2f} ms."


def _tell_worse(comparison: Comparison, chosen: str, level: Sequence[str]) -> str:
    """Tell of the distances that are behind the one of the highest P@10, with the p-values that decided it."""
    scores, best = comparison["scores"], level[0]
    lags = {name: _find(comparison, name, best, DECIDING) for name in scores if name != best}
    p_values = _correct({name: p_value for name, (_, p_value) in lags.items()})
    worse = sorted((name for name in lags if name not in level), key=lambda name: lags[name][0], reverse=True)
    if not worse:
        return ""
    told = [f"{name} ({_signed(lags[name][0])}, {_tell_p(p_values[name])})" for name in worse]
    whom = "it" if best == chosen else best
    return f"Behind {whom} by more than chance (paired test, corrected for {len(lags)} comparisons): {_listed(told)}."


def _weigh(scores: Mapping[str, Any], chosen: str) -> str:
    last = min(scores, key=lambda name: scores[name][DECIDING]["mean"])
    spread = scores[chosen][DECIDING]["mean"] - scores[last][DECIDING]["mean"]
    if spread < _SMALL_SPREAD:
        return f"Only {spread:.4f} lie between it and the last, {last}: the code matters more than the distance."
    return f"The last, {last}, gives away {spread:.4f} of {DECIDING}, so the choice matters."


def _tell_overlap(comparison: Comparison, chosen: str) -> str:
    shares = {name: share for name, share in comparison["overlap"][chosen].items() if name != chosen}
    closest, farthest = max(shares, key=lambda name: shares[name]), min(shares, key=lambda name: shares[name])
    if len(shares) == 1:
        return f"{_percent(shares[closest])} of its ten hits are {closest}'s too."
    return (
        f"Its ten hits agree most with {closest}'s ({_percent(shares[closest])}) and least with {farthest}'s "
        f"({_percent(shares[farthest])})."
    )


def _advise_without_labels(comparison: Comparison) -> str:
    scores = comparison["scores"]
    quickest = min(scores, key=lambda name: scores[name][TIME])
    return (
        f"Without labels no distance can be called better than another. Start with {quickest}, which answers quickest, "
        f"in {scores[quickest][TIME]:.2f} ms, and look at the hits of the others. {_tell_overlap(comparison, quickest)}"
    )


def _percent(share: float, n_digits: int = 0) -> str:
    return f"{100 * share:.{n_digits}f} %"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _tell_p(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
