"""Hits, their pictures, and why they are hits."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8

from zehn import codes, distances, images, store
from zehn.engines import Engine, Neighbors
from zehn.errors import CollectionError, DataError
from zehn.images import as_uint8

_PRODUCT = "mahalanobis"


@dataclass(frozen=True, eq=False)
class Explanation:
    """What the codes of a query and of its hit kept, and which dimensions brought them together or apart."""

    query_reconstruction: UInt8[np.ndarray, "h w 3"]
    hit_reconstruction: UInt8[np.ndarray, "h w 3"]
    query_code: Float32[np.ndarray, " d"]
    hit_code: Float32[np.ndarray, " d"]
    contributions: Float64[np.ndarray, " d"]
    """Each dimension's share of the distance; they sum to 1, or are all 0 where the distance is 0."""


@dataclass(frozen=True)
class Hit:
    """One answer to a query."""

    id: int
    path: str
    """As Python's own paths: bytes that are no UTF-8 are surrogates, and ``open`` takes it."""
    rank: int
    """From 1."""
    distance: float
    distance_name: str
    percentile: float
    """Per cent of the collection's pairs of images that are farther apart than query and hit; NaN below two images."""
    label: str | None
    recall: float = 1.0
    """Share of the true hits that such a search finds; 1 where it is exact."""
    explanation: Explanation | None = None
    missing: tuple[str, ...] = ()
    """What of the collection was not searched, such as a shard that does not answer: only where that was allowed."""


def search(
    engine: Engine,
    model: store.Model,
    vectors: Float[np.ndarray, "q d"],
    k: int,
    distance_name: str,
    *,
    explained: bool,
    **options: Any,
) -> list[list[Hit]]:
    """Return the k nearest images of each code (q, d), within the caller's snapshot; see :class:`Collection`."""
    distance = distances.get(distance_name, model.code_mean, model.code_covariance)
    near = engine.search(vectors, min(k, max(1, len(engine))), distance, **options)
    if near.missing and (near.ids < 0).all():
        raise CollectionError(
            f"no image was found, but not all could be searched: {'; '.join(near.missing)}; try later"
        )
    found = hits_of(engine, near, distance)
    if not explained:
        return found
    near_codes = [engine.codes([hit.id for hit in row]) for row in found]
    reasons = [
        explain(model, distance, vector, own)
        for vector, own in zip(vectors.astype(np.float32), near_codes, strict=True)
    ]
    return [with_explanations(row, own) for row, own in zip(found, reasons, strict=True)]


def picture_of(engine: Engine, id_: int, max_side: int | None) -> UInt8[np.ndarray, "h w 3"]:
    """Return an image from its file or its thumbnail; see :meth:`Collection.picture`."""
    record, thumbnail = engine.get([id_])[0], engine.thumbnail(id_)
    if thumbnail is not None and max_side is not None and max_side <= int(engine.facts()["thumbnail_size"]):
        return images.read_image(thumbnail)
    try:
        return images.read_image(os.fsdecode(record.path))
    except DataError:
        if thumbnail is None:
            raise
        return images.read_image(thumbnail)


def hits_of(engine: Engine, neighbors: Neighbors, distance: distances.Distance) -> list[list[Hit]]:
    """Return the hits of each query, read in the same snapshot as the search."""
    records = engine.get(np.unique(neighbors.ids[neighbors.ids >= 0]))
    shown = {record.id: (os.fsdecode(record.path), record.label) for record in records}
    return hits_from(neighbors, engine.percentiles(neighbors.distances, distance), distance, shown)


def hits_from(
    neighbors: Neighbors,
    percentiles: Float64[np.ndarray, "q k"],
    distance: distances.Distance,
    shown: Mapping[int, tuple[str, str | None]],
) -> list[list[Hit]]:
    """Return the hits of each query, where path and label of each image found are known."""
    rows = zip(neighbors.ids.tolist(), neighbors.distances.tolist(), percentiles.tolist(), strict=True)
    return [
        [
            Hit(
                id=id_,
                path=shown[id_][0],
                rank=rank,
                distance=value,
                distance_name=distance.name,
                percentile=percentile,
                label=shown[id_][1],
                recall=neighbors.recall,
                missing=neighbors.missing,
            )
            for rank, (id_, value, percentile) in enumerate(zip(*row, strict=True), start=1)
            if id_ >= 0
        ]
        for row in rows
    ]


def explain(
    model: store.Model,
    distance: distances.Distance,
    query: Float32[np.ndarray, " d"],
    hit_codes: Float32[np.ndarray, "k d"],
) -> list[Explanation]:
    """Return why each of k codes is as near to a query's code as it is."""
    if len(hit_codes) == 0:
        return []
    pictures = as_uint8(codes.decode(model, np.concatenate([query[None], hit_codes])))
    shares = contributions(distance, query, hit_codes)
    return [
        Explanation(pictures[0], picture, query, code, share)
        for picture, code, share in zip(pictures[1:], hit_codes, shares, strict=True)
    ]


def contributions(
    distance: distances.Distance,
    query: Float32[np.ndarray, " d"],
    hit_codes: Float32[np.ndarray, "k d"],
) -> Float64[np.ndarray, "k d"]:
    """Return each dimension's share of the distance from a query's code to others.

    What the base metric adds up: squared differences of prepared codes, or differences (of which chebyshev takes the
    largest). For cosine and correlation ½ (uᵢ − vᵢ)² of the unit vectors, as 1 − cos = ½ Σ (uᵢ − vᵢ)². Mahalanobis
    mixes the dimensions: there it is δᵢ (Σ⁻¹ δ)ᵢ, which sums to the squared distance and may be negative where a
    dimension's difference is what its companions make one expect.
    """
    n_dimensions = len(query)
    if distance.name == _PRODUCT:
        differences = hit_codes.astype(np.float64) - query.astype(np.float64)
        whitening = distance.prepare(np.eye(n_dimensions)) - distance.prepare(np.zeros((1, n_dimensions)))
        parts = differences * (differences @ whitening @ whitening.T)
    else:
        prepared = distance.prepare(np.concatenate([query[None], hit_codes]).astype(np.float64))
        apart = np.abs(prepared[1:] - prepared[0])[:, :n_dimensions]
        parts = np.square(apart) if distance.metric == "l2" else apart
    totals = parts.sum(axis=1, keepdims=True)
    return np.divide(parts, totals, out=np.zeros_like(parts), where=totals > 0)


def with_explanations(hits: Sequence[Hit], explanations: Sequence[Explanation]) -> list[Hit]:
    """Return hits with the reasons for them."""
    from dataclasses import replace

    return [replace(hit, explanation=one) for hit, one in zip(hits, explanations, strict=True)]
