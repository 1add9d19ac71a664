"""The base metrics of prepared codes: "l2" (euclidean), "l1" (sum of absolute differences), "linf" (their largest)."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Float64

METRICS = {"l2": (2, "euclidean"), "l1": (1, "cityblock"), "linf": (np.inf, "chebyshev")}
"""Each metric's exponent and its name in scipy."""

BLOCK_BYTES = 32_000_000
"""How much is computed at once."""


def largest(codes: Float[np.ndarray, "n d"]) -> float:
    """Return the largest magnitude in codes."""
    return max(float(codes.max(initial=0)), -float(codes.min(initial=0)))


def squares(codes: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, " n"]:
    return np.einsum("nd,nd->n", codes, codes, dtype=np.float64)


def rough_squares(
    queries: Float64[np.ndarray, "q d"], codes: Float[np.ndarray, "n d"], squares: Float64[np.ndarray, " n"]
) -> tuple[Float64[np.ndarray, "q n"], float]:
    """Return squared euclidean distances by |q|² + |x|² − 2 q·x in float32, and twice the most they may err."""
    lengths = np.einsum("qd,qd->q", queries, queries)
    products = queries.astype(np.float32) @ codes.T.astype(np.float32, copy=False)
    rough = lengths[:, None] + squares - 2.0 * products
    # a float32 dot product of d terms errs by at most about d roundings of |q||x|, those of q and x included
    rounding = (queries.shape[1] + 3) * float(np.finfo(np.float32).eps)
    longest = float(np.sqrt(lengths.max(initial=0))), float(np.sqrt(squares.max(initial=0)))
    # and terms below the least of float32 vanish, each of them or what it is made of
    vanished = queries.shape[1] * float(np.finfo(np.float32).tiny) * (1 + sum(longest))
    return rough, 4 * (rounding * longest[0] * longest[1] + vanished)


def between(
    queries: Float64[np.ndarray, "q d"], codes: Float[np.ndarray, "n d"], metric: str
) -> Float64[np.ndarray, "q n"]:
    from scipy.spatial.distance import cdist

    name: Any = METRICS[metric][1]
    step = max(1, BLOCK_BYTES // (8 * codes.shape[1]))
    blocks = (
        codes[start : start + step].astype(np.float64, copy=False) for start in range(0, max(1, len(codes)), step)
    )
    return np.concatenate([cdist(queries, block, name) for block in blocks], axis=1)
