"""An old model against a new one on distorted queries: what retraining gained, and what it cost.

Queries are test images, distorted; the database is all clean images, as each model encodes them (docs/measures.md,
"Distorted queries"). Both models see the very same distorted images, and a model is asked with codes of its own, so
that two models may differ in the length of their codes but not in the size of the images they see.

Noise and perspective are what training may have seen; the corruptions of :mod:`zehn.distort.corruptions` are not. All
strengths of a kind draw the same random numbers, so that curves over the strength are smooth.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from zehn import measures
from zehn.datasets import Dataset
from zehn.errors import InputError
from zehn.evaluate.answers import (
    LEAST_DATABASE,
    RECALL,
    SIDES,
    Answers,
    Queries,
    Side,
    answer,
    answer_clean,
    make_side,
)
from zehn.evaluate.distortions import SHOWN_STRENGTHS, Distortion, Questions, plan
from zehn.evaluate.gains import explain
from zehn.evaluate.geometry import choose
from zehn.evaluate.shown import choose_shown, show
from zehn.measures import Resamples
from zehn.measures.names import N_HITS, PRECISION
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
    asked: Questions | None = None,
    *,
    old_codes: Float[np.ndarray, "n _"] | None = None,
    new_codes: Float[np.ndarray, "n _"] | None = None,
    distance: str = "euclidean",
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Ask two models about the same distorted images; the schema is in :mod:`zehn.evaluate`.

    Args:
        old: The model as it was.
        new: The model as retraining left it; its codes may have another length.
        dataset: Its test images are distorted, all its images are searched; without labels there is no P@10.
        asked: Which images, distorted how, and how much of the answers is listed.
        old_codes: The old model's codes of all images, by id, where they are there already.
        new_codes: The new model's.
        distance: By what codes are compared, for both.
        device: What encodes and decodes: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        progress: Told how many distorted queries both models have answered and how many there are.

    Raises:
        InputError: models of two image sizes; images of another size than the models'; no test images; fewer than
            eleven images to search; codes of other images.
        ConfigError: a strength below 0 or no number, a perspective above 1, a severity that is none of the five.
        UnknownNameError: no such corruption or distance.

    """
    start, asked = time.perf_counter(), asked or Questions()
    _check(old, new, dataset)
    chosen = choose(dataset.n_test, asked.n_queries, asked.seed)
    queries = Queries(chosen + dataset.n_train, dataset.x_test[chosen], dataset.labels)
    distortions = plan(queries.images, asked)
    given = zip(SIDES, (old, new), (old_codes, new_codes), strict=True)
    sides = {name: make_side(model, dataset, codes, distance, device, progress) for name, model, codes in given}
    clean = {name: answer_clean(side, queries, device) for name, side in sides.items()}
    answers = _answer_all(sides, clean, queries, distortions, device, progress)
    resamples = Resamples(len(chosen), asked.n_resamples, asked.seed)
    robust = {
        **_describe(sides, dataset, distance, len(chosen)),
        "clean": _summarize_clean(clean, resamples),
        "distortions": _summarize(distortions, answers, clean, resamples),
        "unseen": _summarize_unseen(distortions, answers, clean, resamples),
        "queries": show(sides, dataset, choose_shown(queries.ids, asked), asked.n_hits, device),
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


def _answer_all(
    sides: dict[str, Side],
    clean: dict[str, Answers],
    queries: Queries,
    distortions: Sequence[Distortion],
    device: str,
    progress: Progress | None,
) -> list[dict[str, Answers]]:
    answers, n_queries = [], len(queries.ids)
    for place, distortion in enumerate(distortions, start=1):
        answers.append(answer(sides, clean, queries, distortion, device))
        if progress is not None:
            progress("asking with distorted images", place * n_queries, len(distortions) * n_queries)
    return answers


def _describe(sides: dict[str, Side], dataset: Dataset, distance: str, n_queries: int) -> dict[str, Any]:
    return {
        "models": {name: _describe_model(side.model) for name, side in sides.items()},
        "dataset": {"name": dataset.name, "n_train": dataset.n_train, "n_test": dataset.n_test},
        "distance": distance,
        "n_queries": n_queries,
        "n_database": dataset.n_train + dataset.n_test,
    }


def _describe_model(model: Model) -> dict[str, Any]:
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
