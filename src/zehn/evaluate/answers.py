"""What a model answers to queries, clean and distorted: the hits, and the measures of each query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int64, UInt8

from zehn import codes as coding
from zehn import measures
from zehn.datasets import Dataset
from zehn.distances import Distance
from zehn.engines import Index
from zehn.errors import InputError
from zehn.evaluate.distortions import PIXELS_PER_BATCH, Distortion
from zehn.evaluate.ranking import Trial, Values
from zehn.evaluate.scores import fill_engine, get_distance
from zehn.measures.names import N_HITS, PRECISION
from zehn.progress import Progress
from zehn.store import Model

RECALL = f"recall@{N_HITS}"
SIDES = ("old", "new")
LEAST_DATABASE = N_HITS + 1
"""Images to search at least, so that a query has ten hits beside its clean original."""

Bytes = UInt8[np.ndarray, "n h w 3"]


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two models with its codes of all clean images."""

    model: Model
    codes: Float[np.ndarray, "n d"]
    distance: Distance
    engine: Index


@dataclass(frozen=True, eq=False)
class Queries:
    """Who is asked about."""

    ids: Int64[np.ndarray, " q"]
    images: Bytes
    labels: Int[np.ndarray, " _"] | None
    """Classes of all images by id, or None."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model answered to the queries, distorted in one way or clean."""

    hits: Int64[np.ndarray, "q k"]
    """The ten nearest, the clean original left out."""
    values: Values
    """By measure, one per query."""


def make_side(
    model: Model,
    dataset: Dataset,
    codes: Float[np.ndarray, "n d"] | None,
    distance: str,
    device: str,
    progress: Progress | None,
) -> Side:
    """Return a model with its codes, encoded where they are not there, and an engine that holds them.

    Raises:
        InputError: codes of other images or of another length than the model's; images of another size.
        UnknownNameError: no such distance.

    """
    measured, n_all = get_distance(distance, model), dataset.n_train + dataset.n_test
    values = coding.encode(model, dataset.images, device=device, progress=progress) if codes is None else codes
    if values.shape != (n_all, model.n_components):
        raise InputError(
            f"expected codes {(n_all, model.n_components)} of all images of {dataset.name} by model "
            f"{model.fingerprint}, came {values.shape}; encode them with it, training images first"
        )
    searched = Trial(None, np.arange(n_all), np.arange(n_all), dataset.n_train)
    return Side(model, values, measured, fill_engine(searched, values, measured))


def answer_clean(side: Side, queries: Queries, device: str) -> Answers:
    """Ask about the clean images, each query's own image left out."""
    asked = side.codes[queries.ids]
    found, _ = side.engine.search(side.distance.prepare(asked), N_HITS, side.distance.metric, exclude=queries.ids)
    return Answers(found, {**_precision(queries, found), "psnr": _psnr(side, queries.images, asked, device)})


def answer(
    sides: dict[str, Side], clean: dict[str, Answers], queries: Queries, distortion: Distortion, device: str
) -> dict[str, Answers]:
    """Ask both models about the same distorted images, some at a time."""
    codes: dict[str, list[Float32[np.ndarray, "_ _"]]] = {name: [] for name in sides}
    psnrs: dict[str, list[Float64[np.ndarray, " _"]]] = {name: [] for name in sides}
    n_before = 0
    for views in distortion.batches:
        originals = queries.images[n_before : n_before + len(views)]
        n_before += len(views)
        for name, side in sides.items():
            codes[name].append(coding.encode(side.model, views, device=device))
            psnrs[name].append(_psnr(side, originals, codes[name][-1], device))
    return {
        name: _score(side, queries, clean[name], np.concatenate(codes[name]), np.concatenate(psnrs[name]))
        for name, side in sides.items()
    }


def _score(
    side: Side,
    queries: Queries,
    clean: Answers,
    codes: Float[np.ndarray, "q d"],
    psnr: Float64[np.ndarray, " q"],
) -> Answers:
    """Ask for eleven images: one may be the clean original, which counts as found but is no hit."""
    found, _ = side.engine.search(side.distance.prepare(codes), LEAST_DATABASE, side.distance.metric)
    is_own = found == queries.ids[:, None]
    others = np.argsort(is_own, axis=1, kind="stable")[:, :N_HITS]
    left = np.take_along_axis(found, others, axis=1)
    values = {
        **_precision(queries, left),
        "recall@1": measures.hit_at(is_own, 1),
        RECALL: measures.hit_at(is_own, N_HITS),
        "overlap": measures.overlap(clean.hits, left),
        "psnr": psnr,
    }
    return Answers(left, values)


def _precision(queries: Queries, found: Int64[np.ndarray, "q k"]) -> Values:
    if queries.labels is None:
        return {}
    relevant = queries.labels[found] == queries.labels[queries.ids][:, None]
    return {PRECISION: measures.precision_at(relevant, N_HITS)}


def _psnr(side: Side, originals: Bytes, codes: Float[np.ndarray, "q d"], device: str) -> Float64[np.ndarray, " q"]:
    step = max(1, PIXELS_PER_BATCH // (originals.shape[1] * originals.shape[2]))
    parts = [slice(start, start + step) for start in range(0, len(codes), step)]
    return np.concatenate(
        [measures.psnr(originals[part], coding.decode(side.model, codes[part], device=device)) for part in parts]
    )
