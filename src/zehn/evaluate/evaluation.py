"""A model scored on a data set by the measures of docs/measures.md."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from zehn import codes as coding
from zehn import measures
from zehn.config import QueryConfig
from zehn.datasets import Dataset
from zehn.errors import InputError
from zehn.evaluate.baselines import Bench, score_baselines
from zehn.evaluate.classes import score_classes
from zehn.evaluate.geometry import describe_geometry
from zehn.evaluate.label_free import check_label_free
from zehn.evaluate.ranking import CodeSource, Values, rank
from zehn.evaluate.scores import get_distance, make_trial, summarize, time_codes
from zehn.evaluate.verdict import judge
from zehn.measures import Resamples
from zehn.progress import Progress
from zehn.store import Model

_IMAGES_PER_BLOCK = 2_048
_NOT_LEARNT = ("running_mean", "running_var", "num_batches_tracked")


def evaluate(  # noqa: PLR0913 - all but the first two have defaults
    model: Model,
    dataset: Dataset,
    *,
    distance: str = "euclidean",
    codes: Float[np.ndarray, "n d"] | None = None,
    baselines: bool = True,
    n_resamples: int = QueryConfig.n_resamples,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score a model on a data set by both protocols; the schema is in :mod:`zehn.evaluate`.

    All test images are asked about. Without labels only what needs none is measured: reconstruction, time, how the
    codes lie in their space, and whether distorted images find their originals.

    Args:
        model: What encodes and decodes.
        dataset: Its images are of the model's size; labels score, nothing else.
        distance: By what codes are compared.
        codes: The model's codes of all images, by id, where they are there already.
        baselines: Whether to score the baselines too, which need labels.
        n_resamples: Bootstrap resamples behind every interval.
        seed: Of the resamples, of what is random in the baselines, and of the distorted images.
        device: What encodes and decodes: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        progress: Told of every step how much is done and how much there is.

    Raises:
        InputError: images of another size than the model's, or codes of other images.
        UnknownNameError: no such distance.

    """
    start = time.perf_counter()
    get_distance(distance, model)
    values = _encode(model, dataset, device, progress) if codes is None else _check(codes, dataset)
    bench = _make_bench(values, dataset, n_resamples, seed)
    return {
        "model": _describe_model(model),
        "dataset": _describe_dataset(dataset),
        "distance": distance,
        **_score_retrieval(model, values, bench, distance, progress),
        "reconstruction": _score_reconstructions(model, values, bench, device, progress),
        **_look_without_labels(model, values, bench, distance, device, progress),
        "baselines": score_baselines(model, bench, distance=distance, device=device, progress=progress)
        if baselines and dataset.labels is not None
        else None,
        "seconds": time.perf_counter() - start,
    }


def _encode(model: Model, dataset: Dataset, device: str, progress: Progress | None) -> Float32[np.ndarray, "n d"]:
    n_all, parts, n_before = dataset.n_train + dataset.n_test, [], 0
    for images in (dataset.x_train, dataset.x_test):
        told = None if progress is None else lambda what, n, _, before=n_before: progress(what, before + n, n_all)
        parts.append(coding.encode(model, images, device=device, progress=told))
        n_before += len(images)
    return np.concatenate(parts)


def _check(codes: Float[np.ndarray, "n d"], dataset: Dataset) -> Float[np.ndarray, "n d"]:
    if len(codes) != dataset.n_train + dataset.n_test:
        raise InputError(
            f"expected the codes of all {dataset.n_train + dataset.n_test} images of {dataset.name}, training images "
            f"first, came {len(codes)}; encode them all"
        )
    return codes


def _make_bench(values: Float[np.ndarray, "n d"], dataset: Dataset, n_resamples: int, seed: int) -> Bench:
    query_ids = np.arange(dataset.n_train, dataset.n_train + dataset.n_test)
    trial = make_trial(values, dataset.labels, query_ids, None, dataset.n_train)
    return Bench(dataset, trial, Resamples(len(query_ids), n_resamples, seed), seed)


def _score_retrieval(
    model: Model, values: Float[np.ndarray, "n d"], bench: Bench, distance: str, progress: Progress | None
) -> dict[str, Any]:
    """Score both protocols, and each class by the main one."""
    measured, trial = get_distance(distance, model), bench.trial
    searched = {"main": trial, "literature": replace(trial, database_ids=np.arange(trial.n_train))}
    scores: dict[str, Values] = {name: {} for name in searched}
    if trial.labels is not None:
        scores = rank(replace(trial, protocols=tuple(searched)), CodeSource(values, measured), progress).values
    protocols = {
        name: summarize(scores[name], bench.resamples, time_codes(within, values, measured))
        for name, within in searched.items()
    }
    if trial.query_classes is None:
        return {"protocols": protocols, "classes": None}
    names = bench.dataset.class_names
    return {
        "protocols": protocols,
        "classes": score_classes(scores["main"], trial.query_classes, names, bench.resamples),
    }


def _look_without_labels(
    model: Model,
    values: Float[np.ndarray, "n d"],
    bench: Bench,
    distance: str,
    device: str,
    progress: Progress | None,
) -> dict[str, Any]:
    """Measure what needs no label, and say what it means."""
    measured, dataset = get_distance(distance, model), bench.dataset
    geometry = describe_geometry(values[dataset.n_train :], measured, bench.resamples)
    check = check_label_free(model, dataset, values, measured, bench.resamples, device=device, progress=progress)
    return {"codes": geometry, "label_free": {**check, **judge(geometry, check)}}


def _score_reconstructions(
    model: Model, values: Float[np.ndarray, "n d"], bench: Bench, device: str, progress: Progress | None
) -> dict[str, dict[str, float]]:
    """Decode the test images' codes and compare, some at a time."""
    images, test_codes = bench.dataset.x_test, values[bench.dataset.n_train :]
    parts = []
    for first in range(0, len(images), _IMAGES_PER_BLOCK):
        part = slice(first, first + _IMAGES_PER_BLOCK)
        decoded = coding.decode(model, test_codes[part], device=device)
        parts.append(measures.score_reconstructions(images[part], decoded))
        if progress is not None:
            progress("decoding", first + len(decoded), len(images))
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {name: interval.as_dict() for name, interval in bench.resamples.intervals(whole).items()}


def _describe_model(model: Model) -> dict[str, Any]:
    learnt = [values for name, values in model.weights.items() if not name.endswith(_NOT_LEARNT)]
    return {
        "name": str(model.card.get("name", model.architecture)),
        "fingerprint": model.fingerprint,
        "architecture": model.architecture,
        "n_components": model.n_components,
        "n_parameters": sum(int(values.size) for values in learnt),
    }


def _describe_dataset(dataset: Dataset) -> dict[str, Any]:
    labels = dataset.labels
    return {
        "name": dataset.name,
        "n_train": dataset.n_train,
        "n_test": dataset.n_test,
        "n_classes": None if labels is None else len(np.unique(labels)),
    }
