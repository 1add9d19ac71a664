"""Settings that whole runs in the tests share."""

from __future__ import annotations

STAGES = (
    "evolve.n_train=100",
    "evolve.n_queries=30",
    "query.n_queries=4",
    "query.distances=['euclidean', 'mahalanobis']",
    "query.n_resamples=20",
    "robust.n_train=100",
    "robust.n_seen=200",
    "robust.n_queries=20",
    "robust.noise=[0.1]",
    "robust.perspective=[0.5]",
    "robust.n_shown=4",
)
"""What makes the stages beside the training as short as they can be."""
