"""What a billion images would cost, on paper, from what was measured; and how near the machine's limits it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.bench import _figures, _plots
from benchmarks.bench._figures import shown_seconds
from benchmarks.bench._protocol import Comparison

Result = Mapping[str, Any]
Found = Sequence[tuple[Comparison, Sequence[Result]]]

BILLION = 10**9
PRICE = 0.04
"""US dollars for a core with 4 GB of memory and an hour: an assumption, about what clouds ask for on demand."""
PRICE_GB = 0.005
"""US dollars for a gigabyte of memory and an hour: the same."""
MACHINE_GB = 128
N_COMPONENTS = 10
TREE_BYTES = 8 * N_COMPONENTS + 3 * 8 + 4
"""Of a code in Zehn's tree, beside its float32: float64, an id and two places, its share of the nodes."""
_BEYOND_CACHES = 1_000_000
"""Fewer codes may be in a processor's cache, which is quicker to read than memory."""
_HOURS_A_MONTH = 730
_SECONDS_AN_HOUR, _SECONDS_A_DAY = 3_600, 86_400
_KILOBYTES_A_FILE = 33
"""On average, those of the comparison."""


def section(found: Found, machine: Mapping[str, Any]) -> str:
    """Return the page's last two parts, with whatever can be said from what was measured."""
    parts = ["## How near the limits of the machine\n\n" + _listed(_limits(found, machine))]
    lines = [*_encoding(found), *_ingest(found), *_keeping(), *_searching(found)]
    parts.append(
        "## One billion images, on paper\n\nExtrapolated from the figures above, not tried. This is the plan of trees "
        "in memory, as one program keeps them, over as many machines as hold them; Zehn does not spread them "
        "by itself. What it does spread is PostgreSQL, by scans and HNSW: for that plan, of 32 shards, see "
        "[How far it goes](scaling.md#a-billion-images). Money is at "
        f"{PRICE} $ for a core and hour and {PRICE_GB} $ for a gigabyte and hour, both assumed.\n\n{_listed(lines)}"
    )
    return "\n\n".join(parts)


def _limits(found: Found, machine: Mapping[str, Any]) -> list[str]:
    band, peak = machine["bytes_per_s"], machine["float_operations_per_s"]
    lines = [
        f"Reading memory: {band / 1e9:.1f} GB/s (NumPy's sum of 200 MB, one thread). float32 products: "
        f"{peak / 1e9:,.0f} GFLOP/s (NumPy's, 2,048 × 2,048, all threads)."
    ]
    whole = _largest(found, "encoding")
    if whole:
        operations = whole["peers"]["zehn"]["facts"]["operations"]
        rate = whole["n_items"] / _figures.median(whole["peers"]["zehn"]["turns"])
        lines.append(
            f"Encoding: {operations / 1e6:,.0f} million float operations an image; {rate:,.0f} images/s are "
            f"{rate * operations / 1e9:,.0f} GFLOP/s, {rate * operations / peak:.0%} of that."
        )
    for result in _of(found, "search"):
        flat, zehn = (result["peers"].get(name, {}) for name in ("faiss_flat", "zehn"))
        n, is_euclidean = result["case"]["n"], result["case"]["distance"] == "euclidean"
        if is_euclidean and n >= _BEYOND_CACHES and flat.get("turns") and zehn.get("turns"):
            least = n * N_COMPONENTS * 4 / band
            of = [_figures.median(one["turns"]) / least for one in (flat, zehn)]
            lines.append(
                f"One euclidean query among {n:,}: no scan is quicker than reading the codes, {shown_seconds(least)}; "
                f"faiss flat takes {of[0]:.1f} times that, Zehn's tree {of[1]:.2f} times."
            )
        facts = zehn.get("facts", {})
        if is_euclidean and zehn.get("turns") and "leaves" in facts:
            lines.append(
                f"The same among {n:,} in Zehn's tree: within reach of the ten nearest are {facts['leaves']:,.0f} of "
                f"{facts['all_leaves']:,.0f} leaves ({facts['looked_at']:,.0f} codes), which no search of it can "
                f"leave out; {shown_seconds(_figures.median(zehn['turns']))}, Python's part included."
            )
    return lines


def _encoding(found: Found) -> list[str]:
    whole = _largest(found, "encoding")
    if not whole:
        return []
    seconds = _figures.median(whole["peers"]["zehn"]["turns"]) / whole["n_items"] * BILLION
    hours = seconds * whole["threads"] / _SECONDS_AN_HOUR
    return [
        f"**Encoding** (linear in the number of images): {seconds / _SECONDS_A_DAY:,.0f} days on {whole['threads']} "
        f"cores, {hours:,.0f} core hours, {hours * PRICE:,.0f} $; one day on {hours / 24:,.0f} cores."
    ]


def _ingest(found: Found) -> list[str]:
    whole = _largest(found, "ingest")
    if not whole:
        return []
    rate = whole["n_items"] / _figures.median(whole["peers"]["zehn"]["turns"])
    hours = BILLION / rate * whole["threads"] / _SECONDS_AN_HOUR
    peaks = {
        one["case"]["n"]: one["peers"]["zehn"]["peak_mb"]
        for one in _of(found, "ingest")
        if one["peers"].get("zehn", {}).get("turns")
    }
    least, most = min(peaks), max(peaks)
    return [
        f"**Adding from JPEG files of {_KILOBYTES_A_FILE} kB**: {rate:,.0f} images/s here, {hours:,.0f} core hours, "
        f"{hours * PRICE:,.0f} $; {BILLION * _KILOBYTES_A_FILE / 1e9:,.0f} TB of files to read. Peak memory was "
        f"{peaks[least]:,.0f} MB with {least:,} images and {peaks[most]:,.0f} MB with {most:,} (without the "
        "processes that decode)."
    ]


def _keeping() -> list[str]:
    flat = BILLION * N_COMPONENTS * 4 / 1e9
    tree = flat + BILLION * TREE_BYTES / 1e9
    machines = math.ceil(tree / MACHINE_GB)
    return [
        f"**Keeping**: {flat:,.0f} GB for the codes as float32, {tree:,.0f} GB with a tree in memory: {machines} "
        f"machines of {MACHINE_GB} GB, {machines * MACHINE_GB * PRICE_GB * _HOURS_A_MONTH:,.0f} $ a month."
    ]


def _searching(found: Found) -> list[str]:
    lines = []
    for comparison, cases in found:
        for distance, title, sizes, seconds in _plots.series(comparison, cases):
            fitted = _figures.exponent(sizes, seconds)
            if comparison.name != "search" or title != "Zehn" or distance != "euclidean" or fitted is None:
                continue
            whole, shard = (_figures.extrapolated(sizes, seconds, BILLION / n) or 0.0 for n in (1, 32))
            lines.append(
                f"**One exact euclidean query**: the fitted power {fitted.value:.2f} says {shown_seconds(whole)} if "
                f"one tree held all, {shown_seconds(shard)} for each of 32 shards; a million such queries cost "
                f"{32 * shard * 1e6 / _SECONDS_AN_HOUR * PRICE:,.2f} $ of cores there. A power over so far is a guess: "
                f"the largest that was measured is {max(sizes):,.0f}."
            )
    return lines


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _of(found: Found, name: str) -> list[Result]:
    return [one for comparison, cases in found for one in cases if comparison.name == name]


def _largest(found: Found, name: str) -> Result | None:
    """Return the result of the most images in which Zehn did the work."""
    there = [one for one in _of(found, name) if one["peers"].get("zehn", {}).get("turns")]
    return max(there, key=lambda one: one["case"]["n"], default=None)
