"""How much of a kd-tree a query has to look at, however clever the search: what is within reach of the k-th nearest."""

from __future__ import annotations

from typing import Any

import numpy as np


def within_reach(tree: Any, query: np.ndarray, reach: float) -> tuple[int, int]:
    """Return how many leaves of a cKDTree come as near a query as ``reach`` (euclidean), and the codes in them."""
    outside = np.maximum(np.maximum(tree.mins - query, query - tree.maxes), 0)
    n_leaves, n_codes, waiting = 0, 0, [(tree.tree, outside)]
    while waiting:
        node, outside = waiting.pop()
        if np.square(outside).sum() > reach**2:
            continue
        if node.split_dim == -1:
            n_leaves, n_codes = n_leaves + 1, n_codes + node.end_idx - node.start_idx
            continue
        beyond = query[node.split_dim] - node.split
        for child, apart in ((node.lesser, beyond), (node.greater, -beyond)):
            farther = outside.copy()
            farther[node.split_dim] = max(outside[node.split_dim], apart)
            waiting.append((child, farther))
    return n_leaves, n_codes


def mean_within_reach(mirror: Any, queries: np.ndarray, k: int, distance: Any) -> dict[str, float]:
    """Return the same for euclidean queries of Zehn's codes in memory, as means, and how many leaves there are."""
    _, reaches, _ = mirror.search(queries, k, distance)
    tree = mirror._space(distance, queries.astype(np.float64)).index._tree
    if tree is None:
        return {}
    looked = [within_reach(tree, query, float(reach)) for query, reach in zip(queries, reaches[:, -1], strict=True)]
    n_leaves, n_codes = np.mean(looked, axis=0)
    return {"leaves": float(n_leaves), "looked_at": float(n_codes), "all_leaves": (tree.size + 1) / 2}
