"""Grids of images: samples, reconstructions, hits, the cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Integer, UInt8
from matplotlib.figure import Figure


def samples(
    images: UInt8[np.ndarray, "n h w 3"],
    labels: Integer[np.ndarray, " n"] | None = None,
    class_names: Sequence[str] = (),
    *,
    seed: int = 0,
) -> Figure:
    """Draw a few images of every class (or of the whole, without labels), a seeded choice."""
    raise NotImplementedError


def reconstructions(
    images: UInt8[np.ndarray, "n h w 3"],
    decoded: UInt8[np.ndarray, "n h w 3"],
    *,
    captions: Sequence[str] = (),
) -> Figure:
    """Draw images in one row and their reconstructions right below (``captions``: a class name each, or none)."""
    raise NotImplementedError


def hits(
    queries: Sequence[Mapping[str, Any]],
    hits: Sequence[Sequence[Mapping[str, Any]]],
    query_images: UInt8[np.ndarray, "q h w 3"],
    hit_images: UInt8[np.ndarray, "q k h w 3"],
    *,
    distance: str,
) -> Figure:
    """Draw queries in the top row and the hits of each below it, nearest first, those of its class marked.

    ``queries`` and ``hits`` are ``query.json``'s "queries" and "hits"[distance].
    """
    raise NotImplementedError


def cover(
    queries: Sequence[Mapping[str, Any]],
    hits: Sequence[Sequence[Mapping[str, Any]]],
    query_images: UInt8[np.ndarray, "q h w 3"],
    hit_images: UInt8[np.ndarray, "q k h w 3"],
) -> Figure:
    """Draw the report's title picture: some queries at the left, the nearest hits of each in a row beside it."""
    raise NotImplementedError
