"""An old model against a new one on distorted queries: what retraining gained, and what it cost.

Queries are test images, distorted; the database is all clean images, as each model encodes them (protocol.md,
"robustness"). Both models see the very same distorted images, and a model is asked with codes of its own, so that two
models may differ in the length of their codes but not in the size of the images they see.

Noise and perspective are what training may have seen; the corruptions of :mod:`zehn.distort.corruptions` are not. All
strengths of a kind draw the same random numbers, so that curves over the strength are smooth.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from zehn import distort, measures
from zehn.config import QueryConfig
from zehn.datasets import Dataset
from zehn.errors import ConfigError, InputError
from zehn.evaluate.answers import (
    LEAST_DATABASE,
    PRECISION,
    RECALL,
    SIDES,
    Answers,
    Queries,
    answer,
    answer_clean,
    make_side,
)
from zehn.evaluate.distortions import SHOWN_STRENGTHS, Distortion, plan
from zehn.evaluate.gains import explain
from zehn.evaluate.geometry import choose
from zehn.evaluate.ranking import N_HITS
from zehn.evaluate.shown import choose_shown, show
from zehn.measures import Resamples
from zehn.progress import Progress
from zehn.store import Model

UNSEEN_SEVERITY = 3
"""The severity of CIFAR-10-C's five at which the corruptions are averaged."""
KEPT = f"{PRECISION} kept"

_MEASURES = (PRECISION, KEPT, "recall@1", RECALL, "overlap", "psnr")


def compare_robustness(  # noqa: PLR0913 - all but the first three have defaults
    old: Model,
    new: Model,
    dataset: Dataset,
    *,
    old_codes: Float[np.ndarray, "n _"] | None = None,
    new_codes: Float[np.ndarray, "n _"] | None = None,
    distance: str = "euclidean",
    n_queries: int = 2_000,
    noise: Sequence[float] = (0.04, 0.07, 0.10, 0.15, 0.20),
    perspective: Sequence[float] = (0.1, 0.2, 0.3, 0.5, 0.7),
    corruptions: bool | Sequence[str] = True,
    severities: Sequence[int] = distort.SEVERITIES,
    n_shown: int = 20,
    n_hits: int = N_HITS,
    n_resamples: int = QueryConfig.n_resamples,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Ask two models about the same distorted images; the schema is in :mod:`zehn.evaluate`.

    Args:
        old: The model as it was.
        new: The model as retraining left it; its codes may have another length.
        dataset: Its test images are distorted, all its images are searched; without labels there is no P@10.
        old_codes: The old model's codes of all images, by id, where they are there already.
        new_codes: The new model's.
        distance: By what codes are compared, for both.
        n_queries: Test images that are distorted, chosen by the seed; all where there are fewer.
        noise: Standard deviations of Gaussian noise on [0, 1] pixels; none leaves noise out.
        perspective: Strengths from 0 to 1, as :func:`zehn.distort.projective` takes them; none leaves them out.
        corruptions: Whether to measure CIFAR-10-C's kinds, or which of :data:`zehn.distort.CORRUPTIONS`.
        severities: From 1 to 5; none leaves the corruptions out.
        n_shown: Distorted queries whose hits are listed: half under noise, half in perspective, where both are there.
        n_hits: Hits listed of each.
        n_resamples: Bootstrap resamples behind every interval.
        seed: Of the choice of queries, of what is drawn to distort them, of the resamples and of the paired tests.
        device: What encodes and decodes: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        progress: Told how many distorted queries both models have answered and how many there are.

    Raises:
        InputError: models of two image sizes; images of another size than the models'; no test images; fewer than
            eleven images to search; codes of other images.
        ConfigError: a strength below 0 or that is no number, a perspective above 1, a severity that is none of the
            five; no queries, no hits.
        UnknownNameError: no such corruption or distance.

    """
    start = time.perf_counter()
    _check(old, new, dataset)
    _check_numbers(n_queries, n_shown, n_hits)
    chosen = choose(dataset.n_test, n_queries, seed)
    queries = Queries(chosen + dataset.n_train, dataset.x_test[chosen], dataset.labels)
    kinds = (distort.CORRUPTIONS if corruptions else ()) if isinstance(corruptions, bool) else corruptions
    distortions = plan(queries.images, noise, perspective, kinds, severities, seed)
    sides = {
        name: make_side(model, dataset, codes, distance, device, progress)
        for name, model, codes in zip(SIDES, (old, new), (old_codes, new_codes), strict=True)
    }
    clean = {name: answer_clean(side, queries, device) for name, side in sides.items()}
    answers = []
    for place, distortion in enumerate(distortions, start=1):
        answers.append(answer(sides, clean, queries, distortion, device))
        if progress is not None:
            progress("asking with distorted images", place * len(chosen), len(distortions) * len(chosen))
    resamples = Resamples(len(chosen), n_resamples, seed)
    robust = {
        "models": {name: _describe(side.model) for name, side in sides.items()},
        "dataset": {"name": dataset.name, "n_train": dataset.n_train, "n_test": dataset.n_test},
        "distance": distance,
        "n_queries": len(chosen),
        "n_database": dataset.n_train + dataset.n_test,
        "clean": _summarize_clean(clean, resamples),
        "distortions": _summarize(distortions, answers, clean, resamples),
        "unseen": _summarize_unseen(distortions, answers, clean, resamples),
        "queries": show(sides, dataset, choose_shown(queries.ids, n_shown, noise, perspective), n_hits, device),
    }
    return {**robust, "explanation": explain(robust, SHOWN_STRENGTHS), "seconds": time.perf_counter() - start}


def _check(old: Model, new: Model, dataset: Dataset) -> None:
    if old.image_size != new.image_size:
        raise InputError(
            f"the old model sees images of {old.image_size} × {old.image_size} pixels and the new one of "
            f"{new.image_size} × {new.image_size}, so they cannot be asked with the same ones; compare models of one "
            "image size"
        )
    n_all = dataset.n_train + dataset.n_test
    if dataset.n_test < 1 or n_all < LEAST_DATABASE:
        raise InputError(
            f"expected at least one test image to distort and {LEAST_DATABASE} images to search, so that each query "
            f"has {N_HITS} hits beside its original, came {dataset.n_test} and {n_all}; give more images"
        )


def _check_numbers(n_queries: int, n_shown: int, n_hits: int) -> None:
    if n_queries < 1 or n_hits < 1 or n_shown < 0:
        raise ConfigError(
            f"expected at least one query and one hit, and 0 or more queries to show, came {n_queries}, {n_hits} and "
            f"{n_shown}"
        )


def _describe(model: Model) -> dict[str, Any]:
    return {
        "name": str(model.card.get("name", model.architecture)),
        "fingerprint": model.fingerprint,
        "architecture": model.architecture,
        "n_components": model.n_components,
    }


def _summarize_clean(clean: dict[str, Answers], resamples: Resamples) -> dict[str, Any]:
    absent: dict[str, Any] = {PRECISION: None}
    scores = {
        name: absent | {key: one.as_dict() for key, one in resamples.intervals(answers.values).items()}
        for name, answers in clean.items()
    }
    compared = resamples.compare(clean["new"].values, clean["old"].values)
    return {
        **scores,
        "paired": [{"measure": measure, **result} for measure, result in compared.items()],
        "overlap": float(np.mean(measures.overlap(clean["old"].hits, clean["new"].hits))),
    }


def _summarize(
    distortions: Sequence[Distortion],
    answers: Sequence[dict[str, Answers]],
    clean: dict[str, Answers],
    resamples: Resamples,
) -> list[dict[str, Any]]:
    """Return "distortions": all intervals and all tests are drawn at once, which is much quicker than one by one."""
    if not distortions:
        return []
    columns = {
        name: {(place, key): x for place, both in enumerate(answers) for key, x in both[name].values.items()}
        for name in SIDES
    }
    precisions = {name: {at: x for at, x in columns[name].items() if at[1] == PRECISION} for name in SIDES}
    kept, kept_apart = _summarize_kept(precisions, clean, resamples)
    intervals = {name: {**resamples.intervals(columns[name]), **_renamed(kept[name])} for name in SIDES}
    apart = {**resamples.compare(columns["new"], columns["old"]), **_renamed(kept_apart)}
    return [
        {
            "kind": distortion.kind,
            "strength": distortion.strength,
            "seen": distortion.is_seen,
            **{name: {key: _as_dict(intervals[name].get((place, key))) for key in _MEASURES} for name in SIDES},
            "paired": [{"measure": key, **apart[place, key]} for key in _MEASURES if (place, key) in apart],
        }
        for place, distortion in enumerate(distortions)
    ]


def _summarize_kept(
    precisions: dict[str, dict[Any, Float64[np.ndarray, " q"]]], clean: dict[str, Answers], resamples: Resamples
) -> tuple[dict[str, dict[Any, Any]], dict[Any, Any]]:
    """Return what each model keeps of its clean P@10, by the same keys, and the differences where both have some."""
    wholes = {name: answers.values.get(PRECISION, np.zeros(1)) for name, answers in clean.items()}
    known = [name for name in SIDES if precisions[name] and wholes[name].any()]
    kept: dict[str, dict[Any, Any]] = {name: {} for name in SIDES}
    for name in known:
        kept[name] = resamples.ratios(precisions[name], wholes[name])
    if len(known) < len(SIDES):
        return kept, {}
    return kept, resamples.compare_ratios(precisions["new"], wholes["new"], precisions["old"], wholes["old"])


def _renamed(kept: dict[Any, Any]) -> dict[Any, Any]:
    return {(place, KEPT): value for (place, _), value in kept.items()}


def _summarize_unseen(
    distortions: Sequence[Distortion],
    answers: Sequence[dict[str, Answers]],
    clean: dict[str, Answers],
    resamples: Resamples,
) -> dict[str, Any] | None:
    """Return the mean P@10 kept over all corruptions of one severity, which is that of the mean P@10."""
    among = [
        both
        for distortion, both in zip(distortions, answers, strict=True)
        if not distortion.is_seen and distortion.strength == UNSEEN_SEVERITY
    ]
    if not among or PRECISION not in clean["old"].values:
        return None
    means = {name: {KEPT: np.mean([both[name].values[PRECISION] for both in among], axis=0)} for name in SIDES}
    kept, apart = _summarize_kept(means, clean, resamples)
    sides = {name: _as_dict(kept[name].get(KEPT)) for name in SIDES}
    return {"severity": UNSEEN_SEVERITY, **sides, "paired": apart.get(KEPT)}


def _as_dict(interval: measures.Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval.as_dict()
