"""Sentences about what is known of a code without labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zehn.report.wording import count, decimal, percent

_MILD, _STRONG = 0.5, 1.5
"""Skewness of how often images are found: below the first there are no hubs to speak of, above the second many."""


def describe_dimensions_used(codes: Mapping[str, Any]) -> str:
    """Say as how many equally wide dimensions the codes spread."""
    ratio, n_all = codes["participation_ratio"]["mean"], codes["n_components"]
    return (
        f"The codes spread as if they had {decimal(ratio, 1)} equally wide dimensions of {n_all} (participation ratio; "
        f"{decimal(codes['rankme']['mean'], 1)} by RankMe, which counts narrow ones for more)."
    )


def describe_hubness(hubness: Mapping[str, Any] | None) -> str:
    """Say whether some images turn up in most queries, and how many turn up in none."""
    if not hubness:
        return "They are too few to look for hubs."
    skewness = hubness["skewness"]["mean"]
    nature = (
        "hardly any images are hubs"
        if skewness < _MILD
        else "a few images are hubs that crowd into the hits of many others"
        if skewness > _STRONG
        else "some images are hit more often than others, none out of proportion"
    )
    return (
        f"Among {count(hubness['n_images'])} test images, each found {hubness['k']} times on average, the counts have "
        f"a skewness of {decimal(skewness, 2)}: {nature}. One is found {count(hubness['largest'])} times, and "
        f"{percent(hubness['orphans']['mean'], 1)} never are."
    )


def describe_recall(check: Mapping[str, Any]) -> str:
    """Say what finding one's original through a distortion means."""
    if len(check["distortions"]) < 2:
        return ""
    return (
        "Whether distorted images find their originals is told by the next table: often means that the code keeps the "
        "picture; seldom, that it keeps something else, such as what the picture shows, or nothing."
    )


def tell_finding(check: Mapping[str, Any]) -> str:
    """Return the explanation of the verdict without the recalls at its end, which a table gives with intervals."""
    return str(check["explanation"]).partition(f" Of {count(check['n_queries'])} distorted test images ")[0]
