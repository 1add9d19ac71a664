"""Codes as points on a map."""

from __future__ import annotations

import warnings
from types import ModuleType

import numpy as np
from jaxtyping import Float, Float32

from zehn import plugins
from zehn.errors import InputError


def project(
    codes: Float[np.ndarray, "n d"], *, n_neighbors: int = 15, min_dist: float = 0.1, seed: int = 0
) -> Float32[np.ndarray, "n 2"]:
    """Project codes to two dimensions by UMAP (McInnes, Healy and Melville 2018, arXiv 1802.03426).

    The same seed gives the same map, which is why it runs on one core. ``n_neighbors`` is cut to the number of codes.

    Raises:
        InputError: fewer than four codes.
        MissingExtraError: umap-learn is not installed.

    """
    if len(codes) < 4:
        raise InputError(f"expected at least 4 codes for a map, came {len(codes)}; take more images")
    umap, threadpoolctl = _require_umap(), plugins.require("threadpoolctl", "train")
    # numba, which UMAP is made with, sets the threads of the OpenMP that PyTorch shares, and sums then round otherwise
    with threadpoolctl.threadpool_limits(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the one core that the seed asks for
        mapped = umap.UMAP(
            n_neighbors=min(n_neighbors, len(codes) - 1), min_dist=min_dist, random_state=seed, n_jobs=1
        ).fit_transform(codes)
    return np.asarray(mapped, dtype=np.float32)


def _require_umap() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TensorFlow that it does without
        return plugins.require("umap", "train")
