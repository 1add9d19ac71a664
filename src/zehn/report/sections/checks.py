"""The section on the sanity checks: reconstructions, the code itself, its map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zehn.figures.codes import pairplot_width
from zehn.figures.style import N_NAMED, TEXT_WIDTH
from zehn.report.document import Block, Heading, Paragraph, Section, Table, ref
from zehn.report.facts import Facts
from zehn.report.gallery import Gallery
from zehn.report.prose import checks as prose
from zehn.report.prose import verdict
from zehn.report.sections.missing import note_missing
from zehn.report.wording import bounds, decimal, mean, plural

_N_DIMENSIONS_SHOWN = 10
_MEASURES = (
    ("mse", "mean squared error", 4),
    ("psnr", "PSNR, dB", 2),
    ("ssim", "SSIM", 3),
    ("channel_accuracy", "channel accuracy", 3),
)


def build(facts: Facts, gallery: Gallery) -> list[Section]:
    """Show the three sanity checks."""
    if facts.check is None:
        return [Section("Sanity checks", note_missing(facts, "check", "nothing vouches for the code"))]
    parts = (_show_reconstructions, _show_codes, _show_map, _show_pairs)
    return [Section("Sanity checks", [block for part in parts for block in part(facts, gallery, facts.check)])]


def _show_reconstructions(facts: Facts, gallery: Gallery, check: Mapping[str, Any]) -> list[Block]:
    measures = check.get("reconstruction") or (facts.evaluation or {}).get("reconstruction") or {}
    n_test, n_shown = check.get("n_codes"), facts.config.get("check", {}).get("n_reconstructions")
    shown = prose.name_shown(n_test, n_test) if n_test and n_shown and n_test <= n_shown else "the first test images"
    caption = [f"At the top {shown}, below what the decoder makes of the code of each, with the mean squared error."]
    alt = "A row of test images above a row of their reconstructions."
    text = [
        "Each test image was encoded to its code and decoded again. ",
        verdict.reconstruction_verdict(facts.evaluation) if facts.evaluation else "",
        " ",
        prose.describe_reconstruction(measures),
        " ",
        ref("fig:reconstructions"),
        " shows what survives: what the eye misses there, the code does not hold.",
    ]
    rows = [
        [title, mean(measures[name], digits), bounds(measures[name], digits)]
        for name, title, digits in _MEASURES
        if measures.get(name)
    ]
    table = Table(
        "tab:reconstruction",
        ["Reconstruction of the test images: means with 95 % bootstrap intervals over images."],
        ["measure", "mean", "95 % interval"],
        rows,
    )
    picture = gallery.hang("fig:reconstructions", "check/reconstructions", caption, alt)
    return [Heading("Reconstructions"), Paragraph(text), picture, *([table] if rows else [])]


def _show_codes(_: Facts, __: Gallery, check: Mapping[str, Any]) -> list[Block]:
    codes, n_codes = check.get("codes") or {}, check.get("n_codes")
    dimensions, correlations = codes.get("dimensions", []), codes.get("correlations", [])
    if not dimensions:
        return []
    text = [
        f"The figures are over the codes of {plural(n_codes, 'test image')}. " if n_codes else "",
        prose.describe_dimensions(dimensions),
        " ",
        prose.describe_correlations(correlations),
        " ",
        ref("tab:codes"),
        " has the figures.",
    ]
    return [Heading("The code"), Paragraph(text), _tabulate_codes(dimensions, correlations)]


def _show_pairs(_: Facts, gallery: Gallery, check: Mapping[str, Any]) -> list[Block]:
    n_shown, n_components = len(check.get("pairplot_ids") or ()), len((check.get("codes") or {}).get("dimensions", ()))
    if not n_shown or not n_components:
        return []
    shown = prose.name_shown(n_shown, check.get("n_codes"))
    text = [ref("fig:pairplot"), f" takes the codes of {shown} apart: what two dimensions share shows as a slope."]
    caption = [
        f"Pairplot of the codes of {shown}: every two dimensions against each other, and the distribution of each on "
        "the diagonal."
    ]
    alt = "A triangle of scatter plots of each two dimensions of the code."
    width = pairplot_width(n_components) / TEXT_WIDTH
    picture = gallery.hang("fig:pairplot", "check/pairplot", caption, alt, width=width)
    return [Heading("Two dimensions at a time"), Paragraph(text), picture]


def _tabulate_codes(dimensions: Sequence[Mapping[str, Any]], correlations: Sequence[Sequence[float]]) -> Table:
    rows = []
    for index, dimension in enumerate(dimensions[:_N_DIMENSIONS_SHOWN]):
        strength, other = _closest(index, correlations)
        numbers = [decimal(dimension[name], 2) for name in ("mean", "std", "skew", "kurtosis")]
        partner = f"{decimal(strength, 2)}  (z{other + 1})" if other is not None else ""
        rows.append([f"z{index + 1}", *numbers, partner, "dead" if dimension["dead"] else "in use"])
    cut = len(dimensions) > len(rows)
    more = f" The first {len(rows)} of {len(dimensions)} dimensions; report.json has them all." if cut else ""
    caption = [
        f"Each dimension of the test images' codes. Kurtosis is excess kurtosis; skew and kurtosis are 0 for a normal "
        f"distribution.{more}"
    ]
    head = ["dimension", "mean", "spread (std)", "skew", "kurtosis", "strongest correlation", "state"]
    marked = [index for index, dimension in enumerate(dimensions[:_N_DIMENSIONS_SHOWN]) if dimension["dead"]]
    return Table("tab:codes", caption, head, rows, marked=marked)


def _closest(index: int, correlations: Sequence[Sequence[float]]) -> tuple[float | None, int | None]:
    if index >= len(correlations) or len(correlations) < 2:
        return None, None
    row = correlations[index]
    other = max((j for j in range(len(row)) if j != index), key=lambda j: abs(row[j]))
    return row[other], other


def _show_map(facts: Facts, gallery: Gallery, check: Mapping[str, Any]) -> list[Block]:
    umap = check.get("umap")
    if not umap:
        return [Heading("The map"), Paragraph([prose.excuse_map(check.get("n_codes"))])]
    trust, purity = umap.get("trustworthiness"), umap.get("purity")
    quality = [f"trustworthiness {decimal(trust)}"] if trust is not None else []
    quality += [f"10-NN class purity {decimal(purity)}"] if purity is not None else []
    named = ", each class named at the median of its points" if len(facts.class_names) <= N_NAMED else ""
    coloured = f", coloured by class{named}" if facts.class_names else ""
    mapped = prose.name_shown(umap["n_points"], check.get("n_codes")) if umap.get("n_points") else "the test images"
    caption = [f"UMAP of the codes of {mapped}{coloured}; {', '.join(quality) or 'its quality was not measured'}."]
    alt = "A scatter plot of test codes in two dimensions."
    settings = [f"{umap[name]} {words}" for name, words in (("n_neighbors", "neighbours"),) if umap.get(name)]
    settings += [f"a least distance of {umap['min_dist']}"] if umap.get("min_dist") is not None else []
    how = f" (with {' and '.join(settings)})" if settings else ""
    text = [
        f"UMAP lays the codes out in the plane, neighbours beside neighbours{how}. ",
        ref("fig:umap"),
        " is the result; its axes have no meaning, nor has the distance of far clusters. ",
        prose.describe_map(umap, chance(facts)),
    ]
    return [Heading("The map"), Paragraph(text), gallery.hang("fig:umap", "check/umap", caption, alt)]


def chance(facts: Facts) -> float | None:
    """Return how often two random test images are of one class."""
    counts = list(((facts.data or {}).get("arrays", {}).get("y_test", {}).get("class_counts") or {}).values())
    total = sum(counts)
    return sum((n / total) ** 2 for n in counts) if total else None
