"""How codes lie in their space: how many dimensions they use, how evenly, and whether a few hubs draw all hits.

No label is needed. The codes are those of the test images. Hubness is exact among the test images alone, each of which
is asked for its nearest others, as its definition has it; among the hits of 10,000 queries in 60,000 images a fifth
would be nobody's neighbour by chance alone, because so few ask.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int64

from zehn import engines, measures
from zehn.distances import Distance
from zehn.measures import Purpose, Resamples, generator
from zehn.measures.names import N_HITS

N_COUNTED = 10_000
"""Test images among which hubs are sought, at most."""
N_PAIRED = 2_000
"""Test images between any two of which uniformity looks, at most."""

Codes = Float[np.ndarray, "n d"]


def describe_geometry(codes: Codes, distance: Distance, resamples: Resamples) -> dict[str, Any]:
    """Return "codes" of an evaluation; the schema is in :mod:`zehn.evaluate`.

    Args:
        codes: Of the test images, as the encoder returns them.
        distance: By which hubs are found; all else is of the codes themselves.
        resamples: Of as many test images; their seed chooses images where there are more than are looked at.

    Raises:
        InputError: codes that are no numbers, or another number of them than was resampled.

    """
    squares = measures.principal_squares(codes)
    dimensions = measures.summarize_codes(codes)["dimensions"]
    return {
        "n_codes": len(codes),
        "n_components": codes.shape[1],
        "dead": [place for place, dimension in enumerate(dimensions) if dimension["dead"]],
        "participation_ratio": resamples.interval_of(squares, measures.participation_ratio).as_dict(),
        "rankme": resamples.interval_of(squares, measures.rank_me).as_dict(),
        "uniformity": _measure_uniformity(codes[choose(len(codes), N_PAIRED, resamples.seed)], resamples),
        "hubness": _measure_hubness(codes[choose(len(codes), N_COUNTED, resamples.seed)], distance, resamples),
    }


def choose(n_there: int, n_wanted: int, seed: int) -> Int64[np.ndarray, " n"]:
    """Return the positions of ``n_wanted`` of ``n_there`` images in ascending order, or of all that there are.

    Of one seed, a smaller choice is part of a larger one.
    """
    order = generator(seed, Purpose.CHOICES).permutation(n_there)
    return np.sort(order[:n_wanted]).astype(np.int64)


def _measure_uniformity(codes: Codes, resamples: Resamples) -> dict[str, float] | None:
    if len(codes) < 2:
        return None
    affinities = measures.affinities(codes)
    of_means = partial(measures.uniformity, mean=float(affinities.mean()))
    return resamples.resized(len(codes)).interval_of(affinities[:, None], of_means).as_dict()


def _measure_hubness(codes: Codes, distance: Distance, resamples: Resamples) -> dict[str, Any] | None:
    if len(codes) <= N_HITS:
        return None
    ids, prepared = np.arange(len(codes)), distance.prepare(codes)
    engine = engines.Index()
    engine.add(ids, prepared)
    neighbors, _ = engine.search(prepared, N_HITS, distance.metric, exclude=ids)
    counts = measures.count_occurrences(neighbors, len(codes))
    own = resamples.resized(len(codes))
    return {
        "n_images": len(codes),
        "k": N_HITS,
        "skewness": own.interval_of(measures.moments(counts), measures.skewness).as_dict(),
        "orphans": own.interval(_is_orphan(counts)).as_dict(),
        "largest": int(counts.max()),
    }


def _is_orphan(counts: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    return (counts == 0).astype(np.float64)
