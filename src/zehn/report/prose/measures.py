"""What the measures mean, as docs/measures.md defines them."""

from __future__ import annotations

RETRIEVAL: tuple[tuple[str, str], ...] = (
    (
        "main protocol",
        "Queries: the test images. Database: all images, the query itself excluded. A hit is relevant when its class "
        "is the query's.",
    ),
    ("literature protocol", "The same queries against the training images alone."),
    ("P@k", "Share of relevant images among the k nearest, mean over queries."),
    (
        "mAP@1000",
        "Mean over queries of the sum, over relevant ranks r up to 1,000, of P@r, divided by the number of relevant "
        "images among the first 1,000 (the hashing convention).",
    ),
    (
        "MAP@R",
        "With R the number of relevant images in the database: the sum, over relevant ranks r up to R, of P@r, divided "
        "by R (Musgrave et al., arXiv 2003.08505).",
    ),
    ("20-NN accuracy", "Share of queries whose class is the majority among their 20 nearest training images."),
    ("hit@10", "Share of queries with at least one relevant image among the ten nearest."),
)
"""Measures that need labels."""
GENERAL: tuple[tuple[str, str], ...] = (
    ("MSE, PSNR", "Mean squared error of pixels from 0 to 1; PSNR = −10 log₁₀ MSE of each image, then averaged."),
    ("SSIM", "Structural similarity with a Gaussian window of 11 pixels, σ = 1.5."),
    ("channel accuracy", "Share of pixels whose largest channel is the same in image and reconstruction."),
    ("trustworthiness", "How far neighbours on the map are neighbours in the code, 0 to 1 (Venna and Kaski, 2001)."),
    ("recall@1", "Share of distorted test images whose nearest of all images is their own clean original."),
    (
        "alignment",
        "Mean squared distance of a distorted image's code from its original's; unrelated images have 2 (Wang and "
        "Isola, arXiv 2005.10242).",
    ),
    ("uniformity", "log E exp(−2 d²) over pairs of codes at distance d, scaled alike; smaller is more even (ibid.)."),
    (
        "hubness",
        "Skewness of how often an image is among the ten nearest of another (Radovanović et al., JMLR 2010).",
    ),
    ("95 % interval", "Bootstrap over queries (or images), percentiles 2.5 to 97.5 of the resampled means."),
)
