"""The formulas of docs/measures.md: arrays in, numbers out.

Retrieval measures take ``relevant``, a boolean matrix with a row per query and a column per rank (nearest first), and
return one value per query; image measures take two batches of images and return one value per image.
:class:`Resamples` turns such values into means with 95 % intervals and compares two of them on the same queries.
"""

from zehn.measures.codes import (
    find_dead,
    neighbor_purity,
    summarize_codes,
    trustworthiness,
)
from zehn.measures.geometry import (
    affinities,
    alignment,
    count_occurrences,
    moments,
    participation_ratio,
    principal_squares,
    rank_me,
    skewness,
    uniformity,
)
from zehn.measures.intervals import CONFIDENCE, Interval, Resamples, interval, paired
from zehn.measures.reconstruction import (
    PSNR_CAP,
    channel_accuracy,
    mse,
    psnr,
    score_reconstructions,
    ssim,
)
from zehn.measures.retrieval import (
    average_precision_at,
    hit_at,
    knn_accuracy,
    map_at_r,
    overlap,
    precision_at,
)
from zehn.measures.streams import Purpose, generator

__all__ = [
    "CONFIDENCE",
    "PSNR_CAP",
    "Interval",
    "Purpose",
    "Resamples",
    "affinities",
    "alignment",
    "average_precision_at",
    "channel_accuracy",
    "count_occurrences",
    "find_dead",
    "generator",
    "hit_at",
    "interval",
    "knn_accuracy",
    "map_at_r",
    "moments",
    "mse",
    "neighbor_purity",
    "overlap",
    "paired",
    "participation_ratio",
    "precision_at",
    "principal_squares",
    "psnr",
    "rank_me",
    "score_reconstructions",
    "skewness",
    "ssim",
    "summarize_codes",
    "trustworthiness",
    "uniformity",
]
