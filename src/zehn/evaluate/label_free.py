"""What tells a good code from a collapsed one where there are no labels: does a distorted image find its original?

Test images are distorted in standard ways and their codes asked of all images, the clean originals among them
(docs/measures.md, "Without labels"). Recall@1 is the share whose nearest image is the original; where several are
equally near, that of the lowest id counts. Alignment is how far the distorted image's code is from the original's, as a
squared distance of which two unrelated images have 2 on average (:func:`zehn.measures.alignment`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Int64, UInt8

from zehn import codes as coding
from zehn import distort, measures
from zehn.datasets import Dataset
from zehn.distances import Distance
from zehn.engines import Index
from zehn.evaluate.geometry import choose
from zehn.evaluate.ranking import Trial
from zehn.evaluate.scores import fill_engine
from zehn.measures import Resamples
from zehn.progress import Progress
from zehn.store import Model

N_CHECKED = 1_000
"""Test images that are distorted, at most: a share is then known to within 3.1 points at worst."""
UNDISTORTED = "none"
"""The name of no distortion: an image's own code finds it, unless other images have the very same."""
Distort = Callable[..., Iterator[tuple[Any, Any, Any]]]
DISTORTIONS: dict[str, tuple[Distort, float]] = {
    "noise 0.04": (distort.gaussian_noise, 0.04),
    "noise 0.10": (distort.gaussian_noise, 0.10),
    "perspective 0.2": (distort.projective, 0.2),
    "perspective 0.5": (distort.projective, 0.5),
}
"""The standard distortions of docs/measures.md by name, the weakest first: Gaussian noise by its standard
deviation, perspective by its strength."""

_MOST_PIXELS = 2**24
"""Pixels of all images that are distorted in one way, at most, so that large images take no longer; at least
:data:`_FEWEST` images are."""
_FEWEST = 100
_PIXELS_PER_BATCH = 2**19


def check_label_free(
    model: Model,
    dataset: Dataset,
    codes: Float[np.ndarray, "n d"],
    distance: Distance,
    resamples: Resamples,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return "label_free" of an evaluation, but for the verdict; the schema is in :mod:`zehn.evaluate`.

    Args:
        model: What encodes.
        dataset: Its test images are distorted, all its images are searched; labels are not looked at.
        codes: The model's codes of all images, by id.
        distance: By what.
        resamples: How many resamples to draw; their seed chooses the images and how they are distorted.
        device: What encodes.
        progress: Told how many images are done and how many there are.

    Raises:
        InputError: codes that are no numbers.

    """
    chosen = choose(dataset.n_test, count_checked(dataset.x_test), resamples.seed)
    ids, clean = chosen + dataset.n_train, dataset.x_test[chosen]
    engine = fill_engine(Trial(None, ids, np.arange(len(codes)), dataset.n_train), codes, distance)
    ask = partial(_score_views, engine, ids, codes[ids], distance, resamples.resized(len(ids)))
    rows = {UNDISTORTED: ask(codes[ids])}
    for place, (name, (how, strength)) in enumerate(DISTORTIONS.items(), start=1):
        batches = how(clean, strength, seed=resamples.seed, batch_size=_batch_size(clean))
        rows[name] = ask(np.concatenate([coding.encode(model, views, device=device) for views, _, _ in batches]))
        if progress is not None:
            progress("checking without labels", place * len(ids), len(DISTORTIONS) * len(ids))
    return {"n_queries": len(ids), "n_database": len(codes), "distortions": rows}


def count_checked(images: UInt8[np.ndarray, "n h w 3"]) -> int:
    """Return how many images are distorted: all, or as many as :data:`N_CHECKED` and the size of the images allow."""
    return min(len(images), N_CHECKED, max(_FEWEST, _MOST_PIXELS // _n_pixels(images)))


def _score_views(
    engine: Index,
    ids: Int64[np.ndarray, " q"],
    originals: Float[np.ndarray, "q d"],
    distance: Distance,
    resamples: Resamples,
    views: Float[np.ndarray, "q d"],
) -> dict[str, Any]:
    """Ask for the nearest image of each view, and measure how far the view is from its original."""
    found, _ = engine.search(distance.prepare(views), 1, distance.metric)
    recall = resamples.interval((found[:, 0] == ids).astype(np.float64))
    if not np.ptp(originals, axis=0).any():
        return {"recall@1": recall.as_dict(), "alignment": None}
    return {
        "recall@1": recall.as_dict(),
        "alignment": resamples.interval(measures.alignment(originals, views)).as_dict(),
    }


def _batch_size(images: UInt8[np.ndarray, "n h w 3"]) -> int:
    return max(1, _PIXELS_PER_BATCH // _n_pixels(images))


def _n_pixels(images: UInt8[np.ndarray, "n h w 3"]) -> int:
    return images.shape[1] * images.shape[2]
