"""The names of the measures, spelt once: figures are kept, looked up, printed and drawn by them."""

from __future__ import annotations

PRECISION_DEPTHS = (1, 5, 10, 50, 100)
"""The k of P@k."""
AP_DEPTH = 1_000
"""The k of mAP@k."""
N_HITS = 10
"""How many hits a user is shown: the k of hit@k, and of the overlap of two distances."""
N_VOTERS = 20
"""How many of the nearest training images vote on a query's class."""

PRECISIONS = tuple(f"P@{k}" for k in PRECISION_DEPTHS)
PRECISION = f"P@{N_HITS}"
MEAN_AP = f"mAP@{AP_DEPTH}"
MAP_AT_R = "MAP@R"
HIT = f"hit@{N_HITS}"
VOTED = f"{N_VOTERS}-NN accuracy"

MEASURES = (*PRECISIONS, MEAN_AP, MAP_AT_R, HIT, VOTED)
"""The retrieval measures, in the order of the protocol."""
RANKED = (*PRECISIONS, MEAN_AP, MAP_AT_R)
"""Those of a ranking's order."""
HEADLINE = (PRECISION, MEAN_AP, MAP_AT_R, VOTED)
"""Those that are shown where there is room for a few."""
PAIRED = (PRECISION, MEAN_AP, MAP_AT_R)
"""Those by which two distances or two models are compared query by query."""
OF_CLASSES = (PRECISION, MEAN_AP, VOTED)
"""Those by which each class is scored."""
RECONSTRUCTION = ("mse", "psnr", "ssim", "channel_accuracy")
"""The measures of a reconstruction."""
