"""Scores of codes: a ranking's measures with their intervals, the time of a query, the hits of some queries."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from zehn import distances, engines
from zehn.config import QueryConfig
from zehn.distances import Distance
from zehn.engines._index import Options
from zehn.errors import InputError
from zehn.evaluate.ranking import CodeSource, Trial, Values, rank
from zehn.measures import Resamples
from zehn.measures.names import MEASURES, N_HITS
from zehn.progress import Progress
from zehn.store import Model

TIME = "ms_per_query"
"""The key of the time of a query among the scores."""

_N_TIMED, _N_WARM_UP = 100, 5
_TIMED = Options(n_scanned=0)
"""All queries are answered in one way, so that distances are timed alike."""


def score(  # noqa: PLR0913 - most have defaults
    codes: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"] | None,
    query_ids: Int[np.ndarray, " q"],
    database_ids: Int[np.ndarray, " m"] | None = None,
    *,
    n_train: int,
    distance: str = "euclidean",
    model: Model | None = None,
    n_resamples: int = QueryConfig.n_resamples,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return the scores of codes (n, d) under one distance; the schema is in :mod:`zehn.evaluate`.

    Args:
        codes: Codes of all images, by id.
        labels: Their classes, or nothing: then only the time is measured.
        query_ids: Who is asked about.
        database_ids: Who is searched, ascending; all images (the main protocol) unless given.
        n_train: Images with ids below it are training images, whose classes vote in the 20-NN accuracy.
        distance: By what.
        model: Keeps the covariance that mahalanobis needs.
        n_resamples: Bootstrap resamples behind every interval.
        seed: Of the resamples.
        progress: Told how many queries are ranked and how many there are.

    Raises:
        InputError: codes that are no numbers, nobody to ask about or to search.
        UnknownNameError: no such distance.
        ConfigError: mahalanobis without a model.

    """
    trial = make_trial(codes, labels, query_ids, database_ids, n_train)
    measured = get_distance(distance, model)
    ranked = rank(trial, CodeSource(codes, measured), progress)
    resamples = Resamples(len(query_ids), n_resamples, seed)
    return summarize(ranked.values["main"], resamples, time_codes(trial, codes, measured))


def hits(
    codes: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"] | None,
    query_ids: Int[np.ndarray, " q"],
    database_ids: Int[np.ndarray, " m"] | None = None,
    *,
    distance: str = "euclidean",
    n_hits: int = N_HITS,
    model: Model | None = None,
) -> list[list[dict[str, Any]]]:
    """Return the nearest images of some queries, a list per query; the schema is in :mod:`zehn.evaluate`.

    The query itself is no hit. A list is shorter than ``n_hits`` where the database is.

    Raises:
        InputError: codes that are no numbers, nobody to ask about or to search.
        UnknownNameError: no such distance.
        ConfigError: mahalanobis without a model.

    """
    trial = make_trial(codes, labels, query_ids, database_ids, n_train=0)
    measured = get_distance(distance, model)
    engine = fill_engine(trial, codes, measured)
    ids, base = engine.search(measured.prepare(codes[query_ids]), n_hits, measured.metric, exclude=query_ids)
    finished = measured.finish(np.where(ids < 0, 0, base))
    return [
        [
            {"id": int(hit), "rank": place, "distance": float(value), **_match(labels, int(query), int(hit))}
            for place, (hit, value) in enumerate(zip(row, values, strict=True), start=1)
            if hit >= 0
        ]
        for query, row, values in zip(query_ids, ids, finished, strict=True)
    ]


def _match(labels: Int[np.ndarray, " n"] | None, query: int, hit: int) -> dict[str, Any]:
    if labels is None:
        return {"label": None, "match": None}
    return {"label": int(labels[hit]), "match": bool(labels[hit] == labels[query])}


def summarize(values: Values, resamples: Resamples, ms_per_query: float | None) -> dict[str, Any]:
    """Return scores as plain JSON: every measure of the protocol with its interval, None where it has no values."""
    intervals = resamples.intervals(values) if values else {}
    scores: dict[str, Any] = {name: intervals[name].as_dict() if name in intervals else None for name in MEASURES}
    return {**scores, TIME: ms_per_query}


def time_codes(trial: Trial, codes: Float[np.ndarray, "n d"], distance: Distance) -> float:
    """Return the median milliseconds of a query among a trial's codes; see :func:`time_queries`."""
    query_ids = trial.query_ids[: _N_TIMED + _N_WARM_UP]
    return time_queries(fill_engine(trial, codes, distance, _TIMED), codes[query_ids], query_ids, distance)


def time_queries(
    engine: engines.Index, queries: Float[np.ndarray, "_ d"], query_ids: Int[np.ndarray, " _"], distance: Distance
) -> float:
    """Return the median milliseconds to answer one query, asked alone, for its ten nearest.

    Timed is what a search does with a code that is already there: prepare it, search the index in memory that holds the
    whole database, finish the distances. Encoding the image and filling the engine are not. The queries are asked one
    after the other; the first ones are not counted.
    """
    engine.search(distance.prepare(queries[:1]), N_HITS, distance.metric)  # a tree is grown where one will answer
    seconds = []
    for query, query_id in zip(queries, query_ids, strict=False):
        start = time.perf_counter()
        prepared = distance.prepare(query[None])
        _, base = engine.search(prepared, N_HITS, distance.metric, exclude=np.array([query_id]))
        distance.finish(base)
        seconds.append(time.perf_counter() - start)
    return 1_000 * float(np.median(seconds[_N_WARM_UP:] or seconds))


def fill_engine(
    trial: Trial, codes: Float[np.ndarray, "n d"], distance: Distance, options: Options | None = None
) -> engines.Index:
    """Return an engine that holds the prepared codes of the trial's database."""
    engine = engines.Index(options)
    engine.add(trial.database_ids, distance.prepare(codes[trial.database_ids]))
    return engine


def make_trial(
    codes: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"] | None,
    query_ids: Int[np.ndarray, " q"],
    database_ids: Int[np.ndarray, " m"] | None,
    n_train: int,
) -> Trial:
    """Return a trial over images that have codes; the whole collection is searched unless ids are given.

    Raises:
        InputError: nobody to ask about or to search, or ids without a code.

    """
    searched = np.arange(len(codes)) if database_ids is None else database_ids
    for name, ids in (("query", query_ids), ("database", searched)):
        if len(ids) and not 0 <= ids.min() <= ids.max() < len(codes):
            raise InputError(f"{name} ids are to be within 0 and {len(codes) - 1}, came {ids.min()} to {ids.max()}")
    return Trial(labels, query_ids, searched, n_train)


def get_distance(name: str, model: Model | None) -> Distance:
    """Return a distance by its name, with the statistics that the model keeps.

    Raises:
        UnknownNameError: no such distance.
        ConfigError: mahalanobis without a model.

    """
    if model is None:
        return distances.get(name)
    return distances.get(name, model.code_mean, model.code_covariance)
