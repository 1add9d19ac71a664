"""Plots of what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench import _figures
from benchmarks.bench._protocol import Comparison

Result = Mapping[str, Any]
_ZEHN, _INK = "#b3261e", "#3a3a3a"
_OTHERS = ("#2b6cb0", "#2f855a", "#b7791f", "#6b46c1", "#0f766e", "#7c5e3c", "#4a5568")
_MARKS = "osD^vPX*"
_INCHES_A_LETTER, _INCHES_A_MARK = 0.065, 0.6
"""Of a legend's entry."""


def draw(comparison: Comparison, cases: Sequence[Result], folder: Path) -> Path | None:
    """Draw a comparison's plot, if it has any, and return its path."""
    try:
        import matplotlib as mpl
    except ImportError:
        return None
    mpl.use("Agg")
    path = folder / f"bench-{comparison.name}.png"
    if any("curve" in one.get("facts", {}) for case in cases for one in case["peers"].values()):
        _curves(cases, path)
    elif len({case["case"].get(comparison.grows) for case in cases}) > 1:
        _growth(comparison, cases, path)
    elif len(cases) and len(cases[0]["peers"]) > 1:
        _bars(cases[0], path)
    else:
        return None
    return path


def series(comparison: Comparison, cases: Sequence[Result]) -> Iterator[tuple[str, str, list[float], list[float]]]:
    """Yield distance, peer, sizes and seconds (a query, or a whole piece of work) of what was measured at several."""
    distances = list(dict.fromkeys(str(case["case"].get("distance", "")) for case in cases))
    for distance in distances if comparison.grows else ():
        of = [case for case in cases if case["case"].get("distance", "") == distance]
        for name in dict.fromkeys(name for case in of for name in case["peers"]):
            there = [(case, case["peers"][name]) for case in of if case["peers"].get(name, {}).get("turns")]
            if len(there) > 1:
                sizes = [float(case["case"][comparison.grows]) for case, _ in there]
                by = [case["n_items"] if comparison.unit == "query" else 1 for case, _ in there]
                seconds = [_figures.median(one["turns"]) / n for (_, one), n in zip(there, by, strict=True)]
                yield distance, there[0][1]["title"], sizes, seconds


def _growth(comparison: Comparison, cases: Sequence[Result], path: Path) -> None:
    import matplotlib.pyplot as plt

    lines = list(series(comparison, cases))
    panels = list(dict.fromkeys(distance for distance, *_ in lines))
    columns = min(3, max(1, len(panels)))
    rows = -(-len(panels) // columns) or 1
    figure, grid = plt.subplots(
        rows, columns, figsize=(4.2 * columns + 1.2, 3.6 * rows + 0.5), squeeze=False, sharey=True
    )
    known = {title: place for place, title in enumerate(dict.fromkeys(title for _, title, *_ in lines))}
    for axes, panel in zip(grid.flat, panels, strict=False):
        for distance, title, sizes, seconds in lines:
            if distance == panel:
                axes.loglog(sizes, seconds, label=title, **_look(title, known[title]))
        there = sorted({size for distance, _, sizes, _ in lines if distance == panel for size in sizes})
        axes.set_xticks(there, [_shown_size(size) for size in there])
        axes.xaxis.minorticks_off()
        axes.set_title(panel or comparison.title, fontsize=10)
        axes.set_xlabel("images" if comparison.unit == "image" else "codes")
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_axis_off()
    grid[0][0].set_ylabel("seconds a query" if comparison.unit == "query" else "seconds")
    handles = {
        label: handle for axes in grid.flat for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    _finish(figure, handles, path)


def _curves(cases: Sequence[Result], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(1, len(cases), figsize=(5.6 * len(cases), 4.2), squeeze=False)
    handles: dict[str, Any] = {}
    for axes, case in zip(grid.flat, cases, strict=True):
        for place, one in enumerate(case["peers"].values()):
            curve = [point for point in one.get("facts", {}).get("curve", []) if point["recall"] >= 0.8]
            look = _look(one["title"], place)
            (line,) = axes.semilogy(
                [point["recall"] for point in curve], [1 / point["seconds"] for point in curve], **look
            )
            handles[one["title"]] = line
        axes.axvline(0.99, color=_INK, linewidth=0.6, linestyle=":")
        axes.set_xlabel("recall@10")
        axes.set_ylabel("queries a second")
        axes.set_title(f"{case['case']['n']:,} codes", fontsize=10)
    _finish(figure, handles, path)


def _bars(case: Result, path: Path) -> None:
    import matplotlib.pyplot as plt

    there = [one for one in case["peers"].values() if one.get("turns")]
    figure, axes = plt.subplots(figsize=(6.4, 0.45 * len(there) + 0.9))
    middle = [_figures.median(one["turns"]) for one in there]
    colours = [_ZEHN if one["title"].lower().startswith("zehn") else _OTHERS[0] for one in there]
    axes.barh([one["title"] for one in there], middle, color=colours)
    axes.bar_label(axes.containers[0], [_figures.shown_seconds(one) for one in middle], padding=3, fontsize=8)
    axes.margins(x=0.15)
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    _finish(figure, {}, path)


def _shown_size(size: float) -> str:
    for letter, many in (("M", 1e6), ("k", 1e3)):
        if size >= many:
            return f"{size / many:g} {letter}"
    return f"{size:g}"


def _look(title: str, place: int) -> dict[str, Any]:
    ours = title.lower().startswith("zehn")
    colour = _ZEHN if ours else _OTHERS[place % len(_OTHERS)]
    return {
        "color": colour, "marker": _MARKS[place % len(_MARKS)], "markersize": 4.5,
        "linewidth": 2.0 if ours else 1.1, "linestyle": "--" if ours and title != "Zehn" else "-",
    }  # fmt: skip


def _finish(figure: Any, handles: Mapping[str, Any], path: Path) -> None:
    import matplotlib.pyplot as plt

    for axes in figure.axes:
        axes.grid(visible=True, which="major", linewidth=0.3, color="#cccccc")
        axes.spines[["top", "right"]].set_visible(False)
    if handles:
        widest = _INCHES_A_LETTER * max(len(label) for label in handles) + _INCHES_A_MARK
        n_columns = min(len(handles), max(1, int(figure.get_figwidth() / widest)))
        place = {"loc": "outside lower center", "ncols": n_columns, "fontsize": 8, "frameon": False}
        figure.legend(handles.values(), handles.keys(), **place)
    figure.set_layout_engine("constrained")
    figure.savefig(path, dpi=130)
    plt.close(figure)
