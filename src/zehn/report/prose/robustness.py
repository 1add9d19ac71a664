"""Sentences about distorted queries and the training that goes on with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zehn.report.wording import count, decimal, duration, full, listed, mean, percent, plural

NOISE, PERSPECTIVE = "gaussian_noise", "perspective"
SHOWN_STRENGTH = {NOISE: 0.10, PERSPECTIVE: 0.5}
"""The strength of each kind at which the first page compares."""
_N_TO_WAIT = 2
"""With no more epochs than these the schedule is at its end before it could wait."""
_N_SEVERITIES = 5
"""Severities that CIFAR-10-C has."""
NAMES = {NOISE: "noise σ", PERSPECTIVE: "perspective"}

QUESTION = (
    "Who asks for a picture rarely has the picture itself: a query is a photograph of it, grainy and taken from the "
    "side. Here the trained model went on training with such images, and both models, before and after, were asked the "
    "same distorted questions."
)
DRAWING_NOISE = (
    "Gaussian noise adds to every number of an image (each channel of each pixel, from 0 to 1) a number of its own, "
    "drawn from the normal distribution with mean 0 and standard deviation σ; what then lies below 0 or above 1 is set "
    "to 0 or 1. At σ = 0.10 two numbers of three move by less than 0.10, which is 25 of the 255 steps of brightness. A "
    "camera makes such noise in poor light."
)
DRAWING_PERSPECTIVE = (
    "A projective transform (a homography) is what becomes of a flat picture when it is seen from elsewhere: straight "
    "lines stay straight, parallel ones need not stay parallel. Rotation, scaling, shear and perspective are all "
    "special cases. It has eight free numbers, and four corners with two coordinates each decide them: every corner "
    "moves inwards, across and down separately, by a distance drawn evenly between 0 and s × half the side, where s is "
    "the strength; 0.5 is the default of torchvision's RandomPerspective. With these numbers as a 3 × 3 matrix h whose "
    "last entry is 1, the point (x, y) goes to ((h₁₁x + h₁₂y + h₁₃) / w, (h₂₁x + h₂₂y + h₂₃) / w), where "
    "w\u00a0=\u00a0h₃₁x\u00a0+\u00a0h₃₂y\u00a0+\u00a01. To draw the result, each of its pixels goes back through the "
    "inverse of h, takes the mean of the four pixels around that place, each weighted by how near it is, and is black "
    "where the image has none."
)
SEEDED = "All of it follows from a seed, so that both models are asked about the very same images."


def describe_training(history: Mapping[str, Any], settings: Mapping[str, Any], models: Mapping[str, Any]) -> str:
    """Say from where the training went on, towards what, how long, and how much was distorted when."""
    epochs = [entry for entry in history["epochs"] if entry.get("train")]
    weights = settings.get("objectives") or {}
    names = [name if weight == 1 else f"{weight:g} × {name}" for name, weight in weights.items()]
    loss = f", the loss {listed(names)}" if names else ""
    drawn = (
        ", and the code of a distorted image was drawn to that of the clean one" if "distillation" in weights else ""
    )
    text = (
        f"Training went on from the weights of {models['old']['name']}, never from scratch, for "
        f"{plural(len(epochs), 'epoch')} in {duration(history.get('seconds'))}. The input was distorted, the target "
        f"clean{drawn}{loss}."
    )
    return f"{text} {_describe_schedule(epochs, settings.get('distort') or {})}".rstrip()


def describe_course(epochs: Sequence[Mapping[str, Any]], best_epoch: int | None) -> str:
    """Compare the first measurement with that of the epoch kept, on clean and on distorted held-out images."""
    known = [entry for entry in epochs if entry.get("validation") and entry.get("distorted")]
    if len(known) < 2:
        return ""
    first, kept = known[0], next((entry for entry in known if entry["epoch"] == best_epoch), known[-1])
    when = "in the model before" if first["epoch"] == 0 else f"after epoch {first['epoch']}"
    clean, distorted = (
        f"{decimal(first[split]['psnr'], 2)} to {decimal(kept[split]['psnr'], 2)} dB"
        for split in ("validation", "distorted")
    )
    return (
        f"The PSNR of held-out images went from {distorted} where they were distorted, and from {clean} where they "
        f"were not ({when}, and after epoch {kept['epoch']}, which is kept)."
    )


def describe_measures(robust: Mapping[str, Any]) -> str:
    """Say what was asked, and what the columns mean."""
    kept = (
        "P@10 kept is the P@10 of the distorted queries as a share of that of the same queries undistorted, the "
        "original itself left out of the hits. "
        if is_labelled(robust)
        else ""
    )
    return (
        f"{count(robust['n_queries'])} test images were distorted and looked up among all "
        f"{count(robust['n_database'])} clean images, by {robust['distance']} distance. {kept}Recall@1 and recall@10 "
        "ask whether the original is the nearest image, or among the ten nearest; overlap is the share of the clean "
        "query's ten hits that the distorted one finds too; PSNR compares what is decoded from the distorted image's "
        "code with the clean image."
    )


def describe_unseen(kinds: Sequence[str], n_severities: int) -> str:
    """Say which corruptions were tried, and why."""
    severities = "one severity of five" if n_severities == 1 else f"{n_severities} of five severities"
    return (
        "The retraining saw noise and projective transforms alone; a training before it may have changed brightness "
        "and contrast of its views, and shot and impulse noise are near the noise trained on. Whether it learnt these "
        f"two or something wider is told by {plural(len(kinds), 'corruption')} that the retraining never saw, after "
        "CIFAR-10-C (Hendrycks and Dietterich, arXiv 1903.12261), at "
        f"{'all five severities' if n_severities == _N_SEVERITIES else severities}: {listed(kinds)}."
    )


def summarize(robust: Mapping[str, Any]) -> str:
    """Say in one sentence what the retrained model keeps under noise and perspective, and what it cost."""
    measure = "P@10 kept" if is_labelled(robust) else "recall@10"
    rows = {kind: headline_row(robust, kind) for kind in SHOWN_STRENGTH}
    parts = [
        f"{percent(row['new'][measure]['mean'])} under {NAMES[kind]} {row['strength']:.2f} "
        f"({percent(row['old'][measure]['mean'])} before)"
        for kind, row in rows.items()
        if row and row["new"].get(measure)
    ]
    if not parts:
        return ""
    if measure == "recall@10":
        return f"Retrained, it finds a distorted image's original among the ten nearest in {listed(parts)}."
    old, new = (decimal(robust["clean"][which]["P@10"]["mean"]) for which in ("old", "new"))
    return (
        f"Retrained for distorted queries, it keeps of P@10 {listed(parts)}; on clean queries P@10 went from {old} "
        f"to {new}."
    )


def headline(robust: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the retrained model keeps of P@10 as headline figures, each beside the model before."""
    found = [
        (kind, row) for kind in SHOWN_STRENGTH if (row := headline_row(robust, kind)) and row["new"].get("P@10 kept")
    ]
    return [
        {
            "name": f"P@10 kept, {NAMES[kind]} {row['strength']:.2f}",
            "value": f"{full(row['new']['P@10 kept'])}, before {mean(row['old']['P@10 kept'])}",
            **row["new"]["P@10 kept"],
        }
        for kind, row in found
    ]


def headline_row(robust: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """Return the distortion of a kind whose strength is nearest to that of the first page."""
    rows = [row for row in robust["distortions"] if row["kind"] == kind]
    return min(rows, key=lambda row: abs(row["strength"] - SHOWN_STRENGTH[kind]), default=None)


def is_labelled(robust: Mapping[str, Any]) -> bool:
    """Say whether precision could be measured."""
    return any(row["new"].get("P@10 kept") for row in robust["distortions"])


def _describe_schedule(epochs: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> str:
    """Say how the share of distorted images and their strength grew; a row has them as they were at its epoch's end."""
    known = [entry["distortion"] for entry in epochs if entry.get("distortion")]
    if not known:
        return ""
    last = known[-1]
    first = {name: settings[name][0] if settings.get(name) else known[0][name] for name in ("share", "strength")}
    most = " of the greatest"
    if settings.get("noise") is not None and settings.get("perspective") is not None:
        most = f" of the greatest (σ {settings['noise']:g}, perspective {settings['perspective']:g})"
    if all(first[name] == last[name] for name in ("share", "strength")):
        return f"All the time {percent(first['share'])} of the images were distorted."
    waits = ", and waits while the loss of clean held-out images is notably above its best"
    return (
        f"In the beginning {percent(first['share'])} of the images were distorted, by up to "
        f"{percent(first['strength'])}{most}, in the end {percent(last['share'])}, by up to "
        f"{percent(last['strength'])}. A schedule raises both{waits if len(known) > _N_TO_WAIT else ''}, so that the "
        "code is not pulled about too hard too early."
    )
