"""Distances, and models, compared on the same queries: scores, paired differences, the overlap of top tens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from zehn import measures
from zehn.config import QueryConfig
from zehn.errors import ConfigError, InputError
from zehn.evaluate.advice import recommend
from zehn.evaluate.ranking import CodeSource, Ranked, Values, rank
from zehn.evaluate.scores import get_distance, make_trial, summarize, time_codes
from zehn.measures import Resamples
from zehn.measures.names import PAIRED
from zehn.progress import Progress
from zehn.store import Model


def compare_distances(  # noqa: PLR0913 - most have defaults
    codes: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"] | None,
    query_ids: Int[np.ndarray, " q"],
    database_ids: Int[np.ndarray, " m"] | None = None,
    *,
    n_train: int,
    names: Sequence[str] = QueryConfig.distances,
    model: Model | None = None,
    n_resamples: int = QueryConfig.n_resamples,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score several distances on the same queries and compare each two; the schema is in :mod:`zehn.evaluate`.

    Args:
        codes: Codes (n, d) of all images, by id.
        labels: Their classes, or nothing: then only times and overlaps are measured.
        query_ids: Who is asked about.
        database_ids: Who is searched, ascending; all images (the main protocol) unless given.
        n_train: Images with ids below it are training images, whose classes vote in the 20-NN accuracy.
        names: The distances.
        model: Keeps the covariance that mahalanobis needs.
        n_resamples: Bootstrap resamples behind every interval.
        seed: Of the resamples.
        progress: Told how many queries are ranked by each distance.

    Raises:
        InputError: codes that are no numbers, nobody to ask about or to search.
        UnknownNameError: no such distance.
        ConfigError: no distances, or mahalanobis without a model.

    """
    if not names:
        raise ConfigError("expected at least one distance to compare, came none; name one, such as euclidean")
    chosen = {name: get_distance(name, model) for name in names}
    trial = make_trial(codes, labels, query_ids, database_ids, n_train)
    resamples = Resamples(len(query_ids), n_resamples, seed)
    ranked, scores = {}, {}
    for name, distance in chosen.items():
        ranked[name] = rank(trial, CodeSource(codes, distance), progress, f"ranking by {name} distance")
        scores[name] = summarize(ranked[name].values["main"], resamples, time_codes(trial, codes, distance))
    comparison = {"scores": scores, "paired": _pair(ranked, resamples), "overlap": _overlap(ranked)}
    return {**comparison, "recommendation": recommend(comparison)}


def compare_codes(  # noqa: PLR0913 - most have defaults
    first: Float[np.ndarray, "n _"],
    second: Float[np.ndarray, "k _"],
    labels: Int[np.ndarray, " n"] | None,
    query_ids: Int[np.ndarray, " q"],
    database_ids: Int[np.ndarray, " m"] | None = None,
    *,
    n_train: int,
    distance: str = "euclidean",
    n_resamples: int = QueryConfig.n_resamples,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compare two models' codes of the same images on the same queries; the schema is in :mod:`zehn.evaluate`.

    Args:
        first: Codes (n, d) of all images, by id, as one model has them.
        second: The same images' codes as the other model has them; their length may be another.
        labels: The images' classes, or nothing: then only the overlap is measured.
        query_ids: Who is asked about.
        database_ids: Who is searched, ascending; all images (the main protocol) unless given.
        n_train: Images with ids below it are training images.
        distance: By what both are compared; one that needs no covariance of a model.
        n_resamples: Bootstrap resamples behind every interval.
        seed: Of the resamples and of the paired test.
        progress: Told how many queries are ranked by each model's codes.

    Raises:
        InputError: codes of other images, codes that are no numbers, nobody to ask about or to search.
        UnknownNameError: no such distance.
        ConfigError: mahalanobis, which needs the covariance of a model.

    """
    if len(first) != len(second):
        raise InputError(
            f"expected two models' codes of the same images, came {len(first)} and {len(second)} codes; encode the "
            "same images with both"
        )
    trial, measured = make_trial(first, labels, query_ids, database_ids, n_train), get_distance(distance, None)
    one, two = (
        rank(trial, CodeSource(codes, measured), progress, f"ranking by the {whose} model's codes")
        for whose, codes in (("first", first), ("second", second))
    )
    before, after = (_paired_values(found) for found in (one, two))
    compared = Resamples(len(query_ids), n_resamples, seed).compare(after, before) if before else {}
    return {
        "paired": [{"measure": measure, **result} for measure, result in compared.items()],
        "overlap": float(np.mean(measures.overlap(one.hits, two.hits))),
    }


def _pair(ranked: Mapping[str, Ranked], resamples: Resamples) -> list[dict[str, Any]]:
    values = {name: found.values["main"] for name, found in ranked.items()}
    first, second = {}, {}
    for measure in PAIRED:
        for a, b in combinations([name for name in values if measure in values[name]], 2):
            first[measure, a, b], second[measure, a, b] = values[a][measure], values[b][measure]
    compared = resamples.compare(first, second) if first else {}
    return [{"a": a, "b": b, "measure": measure, **result} for (measure, a, b), result in compared.items()]


def _paired_values(found: Ranked) -> Values:
    return {name: values for name, values in found.values["main"].items() if name in PAIRED}


def _overlap(ranked: Mapping[str, Ranked]) -> dict[str, dict[str, float]]:
    return {a: {b: float(np.mean(measures.overlap(ranked[a].hits, ranked[b].hits))) for b in ranked} for a in ranked}
