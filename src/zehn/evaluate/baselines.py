"""What every evaluation prints beside the model: random order, raw pixels, PCA, colour histogram, untrained encoder.

All are scored in the main protocol on the queries of the model. Raw pixels are compared by cosine, as many principal
components as the model has by euclidean distance at unit variance, colour histograms (8 × 8 × 8 RGB, relative
frequencies) by Hellinger distance, the codes of an untrained encoder like those of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, UInt8

from zehn import codes, distances, engines
from zehn.datasets import Dataset
from zehn.evaluate.components import Components
from zehn.evaluate.ranking import CodeSource, DistancesOf, Source, Trial, rank
from zehn.evaluate.scores import get_distance, summarize, time_codes, time_queries
from zehn.measures import Purpose, Resamples, generator
from zehn.progress import Progress
from zehn.store import Model

RANDOM, PIXELS, HISTOGRAM, UNTRAINED = "random order", "raw pixels", "colour histogram", "untrained encoder"

_QUERIES_PER_BLOCK, _IMAGES_PER_BLOCK = 1_024, 4_096
_MAX_SIDE = 64
_BITS_PER_CHANNEL = 3
_N_TIMED_VECTORS = 10
_MOST_NUMBERS_TIMED = 200_000_000
_NEEDED_UNTRAINED = ("torch", "onnx")

Bytes = UInt8[np.ndarray, "n h w 3"]
Vectors = Float32[np.ndarray, "n d"]


@dataclass(frozen=True, eq=False)
class Bench:
    """What all baselines are measured on."""

    dataset: Dataset
    trial: Trial
    resamples: Resamples
    seed: int


@dataclass(frozen=True)
class RandomOrder:
    """A seeded shuffle of the database for every query."""

    seed: int

    def blocks(self, trial: Trial) -> Iterator[tuple[range, DistancesOf]]:
        """Yield all queries at once."""
        n_database = len(trial.database_ids)
        yield range(len(trial.query_ids)), lambda row: generator(self.seed, Purpose.ORDER, row).random(n_database)


@dataclass(frozen=True)
class Directions:
    """1 − cosine of float32 vectors, by products of matrices, in blocks so that no copy of all vectors is kept."""

    vectors_of: Callable[[Int[np.ndarray, " _"]], Vectors]
    """From ids to vectors of length 1."""

    def blocks(self, trial: Trial) -> Iterator[tuple[range, DistancesOf]]:
        """Yield some queries at a time."""
        n_queries, n_database = len(trial.query_ids), len(trial.database_ids)
        room = np.empty((min(_QUERIES_PER_BLOCK, n_queries), n_database), np.float32)
        for start in range(0, n_queries, _QUERIES_PER_BLOCK):
            block = range(start, min(start + _QUERIES_PER_BLOCK, n_queries))
            queries, found = self.vectors_of(trial.query_ids[block.start : block.stop]), room[: len(block)]
            for first in range(0, n_database, _IMAGES_PER_BLOCK):
                part = slice(first, first + _IMAGES_PER_BLOCK)
                found[:, part] = queries @ self.vectors_of(trial.database_ids[part]).T
            np.subtract(1, found, out=found)
            np.maximum(found, 0, out=found)
            yield block, partial(_row_of, found, start)


def _row_of(distances: Float32[np.ndarray, "b m"], start: int, row: int) -> Float32[np.ndarray, " m"]:
    return distances[row - start]


def score_baselines(
    model: Model, bench: Bench, *, distance: str, device: str = "auto", progress: Progress | None = None
) -> dict[str, dict[str, Any]]:
    """Return the scores of every baseline, by name; the untrained encoder is left out where PyTorch is not installed.

    Raises:
        ConfigError: mahalanobis without the model's covariance.

    """
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        RANDOM: lambda: _score(bench, RandomOrder(bench.seed), None),
        PIXELS: lambda: _score_vectors(bench, lambda ids: _pixel_directions(pick(bench.dataset, ids))),
        f"PCA-{model.n_components}": lambda: _score_components(bench, model.n_components),
        HISTOGRAM: lambda: _score_histograms(bench),
    }
    if all(find_spec(module) is not None for module in _NEEDED_UNTRAINED):
        makers[UNTRAINED] = lambda: _score_untrained(model, bench, distance, device)
    scores = {}
    for place, (name, make) in enumerate(makers.items(), start=1):
        scores[name] = make()
        if progress is not None:
            progress("scoring baselines", place, len(makers))
    return scores


def pick(dataset: Dataset, ids: Int[np.ndarray, " n"]) -> Bytes:
    """Return images (n, h, w, 3) by their ids, training images first."""
    is_train = ids < dataset.n_train
    images = np.empty((len(ids), *dataset.x_train.shape[1:]), np.uint8)
    images[is_train] = dataset.x_train[ids[is_train]]
    images[~is_train] = dataset.x_test[ids[~is_train] - dataset.n_train]
    return images


def _score(bench: Bench, source: Source, ms_per_query: float | None) -> dict[str, Any]:
    return summarize(rank(bench.trial, source).values["main"], bench.resamples, ms_per_query)


def _score_codes(bench: Bench, values: Vectors, distance: distances.Distance) -> dict[str, Any]:
    return _score(bench, CodeSource(values, distance), time_codes(bench.trial, values, distance))


def _score_vectors(bench: Bench, vectors_of: Callable[[Int[np.ndarray, " _"]], Vectors]) -> dict[str, Any]:
    """Score directions, and time them as codes of that many numbers where they fit into memory at once."""
    ms_per_query = _time_vectors(bench.trial, vectors_of)
    return _score(bench, Directions(vectors_of), ms_per_query)


def _time_vectors(trial: Trial, vectors_of: Callable[[Int[np.ndarray, " _"]], Vectors]) -> float | None:
    queries = vectors_of(trial.query_ids[:_N_TIMED_VECTORS])
    if queries.shape[1] * len(trial.database_ids) > _MOST_NUMBERS_TIMED:
        return None
    vectors = np.empty((len(trial.database_ids), queries.shape[1]), np.float32)
    for first in range(0, len(vectors), _IMAGES_PER_BLOCK):
        part = slice(first, first + _IMAGES_PER_BLOCK)
        vectors[part] = vectors_of(trial.database_ids[part])
    engine = engines.Index()
    engine.add(trial.database_ids, vectors)
    return time_queries(engine, queries, trial.query_ids, distances.get("euclidean"))


def _score_components(bench: Bench, n_components: int) -> dict[str, Any]:
    dataset = bench.dataset
    components = Components.fit(dataset.x_train, n_components, bench.seed)
    values = np.concatenate([components.encode(dataset.x_train), components.encode(dataset.x_test)])
    scores = _score_codes(bench, values, distances.get("euclidean"))
    tested = pick(dataset, bench.trial.query_ids)
    return {**scores, "mse": bench.resamples.interval(components.errors(tested)).as_dict()}


def _score_histograms(bench: Bench) -> dict[str, Any]:
    histograms = np.concatenate([_root_histograms(bench.dataset.x_train), _root_histograms(bench.dataset.x_test)])
    return _score_vectors(bench, lambda ids: histograms[ids])


def _score_untrained(model: Model, bench: Bench, distance: str, device: str) -> dict[str, Any]:
    from zehn import models

    dataset = bench.dataset
    network = models.build(
        model.architecture,
        n_components=model.n_components,
        image_size=model.image_size,
        options=model.options,
        seed=bench.seed,
    )
    untrained = codes.from_network(network, dataset.x_train[:2])
    values = np.concatenate([codes.encode(untrained, x, device=device) for x in (dataset.x_train, dataset.x_test)])
    known = values[: dataset.n_train].astype(np.float64)
    fitted = replace(untrained, code_mean=known.mean(axis=0), code_covariance=np.cov(known, rowvar=False))
    return _score_codes(bench, values, get_distance(distance, fitted))


def _pixel_directions(images: Bytes) -> Vectors:
    """Return pixels as vectors of length 1; the sides of large images are averaged down below 64 first."""
    pixels = images.astype(np.float32)
    step = images.shape[1] // (_MAX_SIDE // 2)
    if images.shape[1] >= _MAX_SIDE:
        n_images, side = len(images), images.shape[1] // step
        cropped = pixels[:, : side * step, : side * step]
        pixels = cropped.reshape(n_images, side, step, side, step, 3).mean(axis=(2, 4))
    flat = pixels.reshape(len(images), -1)
    lengths = np.sqrt(np.einsum("nd,nd->n", flat, flat))[:, None]
    return np.divide(flat, lengths, out=flat, where=lengths > 0)


def _root_histograms(images: Bytes) -> Vectors:
    """Return the square roots of colour frequencies: their euclidean distance is Hellinger's (up to √2)."""
    n_bins, shift = 1 << (3 * _BITS_PER_CHANNEL), 8 - _BITS_PER_CHANNEL
    histograms = np.empty((len(images), n_bins), np.float32)
    for first in range(0, len(images), _IMAGES_PER_BLOCK):
        bins = (images[first : first + _IMAGES_PER_BLOCK] >> shift).astype(np.int64)
        red, green, blue = np.moveaxis(bins, -1, 0)
        colors = (red << 2 * _BITS_PER_CHANNEL | green << _BITS_PER_CHANNEL | blue).reshape(len(bins), -1)
        rows = np.arange(len(bins))[:, None] * n_bins
        counts = np.bincount((colors + rows).ravel(), minlength=len(bins) * n_bins).reshape(-1, n_bins)
        histograms[first : first + len(bins)] = np.sqrt(counts / colors.shape[1])
    return histograms
