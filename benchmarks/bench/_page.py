"""docs/benchmarks.md and its plots, from the raw figures alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import _billion, _figures, _plots, _protocol
from benchmarks.bench._figures import shown_rate, shown_seconds
from benchmarks.bench._protocol import Comparison, Goal

Result = Mapping[str, Any]
_HOW = """Zehn against what a user would pick instead. `make bench` measures and writes this page: nothing on it is
written by hand. Each peer runs in a process of its own and is ready before the clock runs; within a case all do the
same work on the same cores with as many threads, by turns (A B C, B C A, …). Cases and comparisons came one after the
other; each section says by which command, when, and at which commit. What peers answer is compared first where there is
an answer (searches, distances, codes, collections), and who answers otherwise is left out. A figure is the median over
all turns; "times as fast" is the other's median over Zehn's, with a 95 % interval from drawing whole turns anew
(bootstrap; none from one turn). Raw figures are in `runs/bench/*/*.json`.

**All searches are among synthetic codes**, drawn from a mixture of 50 Gaussians in ten dimensions
(`benchmarks/bench/_data.py`), so that sizes can grow beyond any data set; searches among the codes of images are not
timed here. Encoding, adding and training are of images."""
_GOALS = """A goal says how many times as fast as the best of its peers Zehn is to be, or at most how many seconds it
may take. The project's own issue set the goals, before any of these figures was measured. Who stands "beside" in
a section's table is shown there and counts in no goal; the section says why."""
_AHEAD = """**Counted in no goal, yet quicker than Zehn by the median** in {n_ahead} of the {n_cases} cases in which
someone stands beside ("×" is again Zehn's; where its interval reaches beyond 1, the order may be chance):"""
_DIRTY = " (`-dirty`: with changes that were not committed yet)"
_BUSY = 1.5
"""A load above so many programs a core makes a figure doubtful, and the page says so."""


@dataclass(frozen=True)
class Verdict:
    """A goal, and what came."""

    what: str
    ours: str
    theirs: str
    ratio: str
    goal: str
    is_met: bool


def write(path: Path, folder: Path) -> None:
    """Write the page from a folder of results; nothing happens where there is none."""
    found = results(folder)
    if not found:
        return
    images = path.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    parts = [_head(folder, found), _short(found)]
    for comparison, cases in found:
        parts.append(_section(comparison, cases, _plots.draw(comparison, cases, images)))
    parts += [_growth(found), _billion.section(found, _machine(folder))]
    path.write_text("\n\n".join(part.strip() for part in parts if part) + "\n", encoding="utf-8")


def results(folder: Path) -> list[tuple[Comparison, list[Result]]]:
    """Return what was measured, by comparison, cases in the order of their sizes."""
    found = []
    for name in _protocol.names():
        read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / name).glob("*.json"))]
        if read:
            by_size = sorted(read, key=lambda one: (str(one["case"].get("distance", "")), one["case"].get("n", 0)))
            found.append((_protocol.load(name), by_size))
    return found


def verdicts(comparison: Comparison, result: Result) -> Iterator[Verdict]:
    """Yield what each goal of a comparison asks for and what came of one case."""
    for goal in comparison.goals if result["case"].get("n") not in comparison.growth_only else ():
        ours = result["peers"].get(goal.of, {})
        name = f"{comparison.title}: {_shown_case(result['case'])}"
        if not ours.get("turns"):
            yield Verdict(name, "failed", "", "", _shown_goal(goal), is_met=False)
            continue
        if goal.seconds is not None:
            took = _figures.median(ours["turns"])
            met = took <= goal.seconds
            yield Verdict(f"{ours['title']}, cold", shown_seconds(took), "–", "–", _shown_goal(goal), is_met=met)
            continue
        best = goal.over or _figures.best_of(result["peers"])
        theirs = result["peers"].get(best or "", {})
        if not theirs.get("turns"):
            shown = _shown_speed(comparison, result, ours)
            yield Verdict(name, shown, "not measured", "", _shown_goal(goal), is_met=False)
            continue
        ratio = _figures.times_as_fast(ours["turns"], theirs["turns"])
        yield Verdict(
            name,
            _shown_speed(comparison, result, ours),
            f"{theirs['title']}: {_shown_speed(comparison, result, theirs)}",
            _shown_ratio(ratio, " ×"),
            _shown_goal(goal),
            is_met=ratio.value >= (goal.ratio or 0),
        )


def lines_of(comparison: Comparison, result: Result) -> list[str]:
    """Return what is printed when a case is done."""
    peers = result["peers"].values()
    shown = [
        f"{one['title']}: {_shown_speed(comparison, result, one) if one.get('turns') else 'left out'}" for one in peers
    ]
    met = [
        f"{one.goal} wanted, {one.ours if one.ratio == '–' else one.ratio}: {'met' if one.is_met else 'NOT met'}"
        for one in verdicts(comparison, result)
    ]
    return [*shown, *met]


def _head(folder: Path, found: Sequence[tuple[Comparison, list[Result]]]) -> str:
    machine, cases = _machine(folder), [one for _, of in found for one in of]
    dates = sorted(one["date"] for one in cases)
    dirty = _DIRTY if any(one["machine"]["commit"].endswith("-dirty") for one in cases) else ""
    loads = [load for one in cases for load in one["load"]]
    busy = sum(max(one["load"]) > _BUSY * one["machine"]["cores"] for one in cases)
    used = {pair for one in cases for peer in one["peers"].values() for pair in peer.get("versions", {}).items()}
    doubt = (
        f"\n\n**{busy} of {len(cases)} cases were measured while other programs wanted the cores: read ratios, not "
        "times, and measure again on a quiet machine (`make bench ARGS=--again`).**"
        if busy
        else ""
    )
    return f"""# Benchmarks

{_HOW}

{machine["processor"]}, {machine["cores"]} cores, {machine["memory_gb"]:.0f} GB, {_threads(cases)} threads for everyone;
{dates[0]} to {dates[-1]}, commits with each section{dirty};
load while measured {min(loads):.1f} to {max(loads):.1f}.{doubt}

{", ".join(f"{name} {version}" for name, version in sorted(used))}."""


def _threads(cases: Sequence[Result]) -> str:
    return " or ".join(str(one) for one in sorted({case["threads"] for case in cases}))


def _short(found: Sequence[tuple[Comparison, list[Result]]]) -> str:
    rows = [one for comparison, cases in found for case in cases for one in verdicts(comparison, case)]
    lines = ["| work | Zehn | best of the goal's peers | times as fast | goal | |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {' | '.join((one.what, one.ours, one.theirs, one.ratio, one.goal))} | {'met' if one.is_met else '**no**'} |"
        for one in rows
    ]
    n_met = sum(one.is_met for one in rows)
    if not rows:
        return ""
    table = "\n".join(lines)
    return f"## In short\n\n{n_met} of {len(rows)} goals are met.\n\n{_GOALS}\n\n{_beside(found)}\n\n{table}"


def _beside(found: Sequence[tuple[Comparison, list[Result]]]) -> str:
    """Say where one who stands beside has the lower median, as no goal does."""
    n_cases, ahead = 0, []
    for comparison, cases in found:
        for case in cases:
            ours = case["peers"].get("zehn", {})
            beside = [one for one in case["peers"].values() if one["is_beside"] and one.get("turns")]
            n_cases += bool(beside and ours.get("turns"))
            for one in beside if ours.get("turns") else ():
                ratio = _figures.times_as_fast(ours["turns"], one["turns"])
                if ratio.value < 1:
                    speeds = [_shown_speed(comparison, case, side) for side in (one, ours)]
                    name = f"{comparison.title}: {_shown_case(case['case'])}"
                    shown = _shown_ratio(ratio, " ×")
                    ahead.append(f"- {name}: {one['title']} {speeds[0]}, Zehn {speeds[1]} ({shown})")
    if not n_cases:
        return ""
    if not ahead:
        return f"In none of the {n_cases} cases with one who stands beside is that one quicker than Zehn."
    return "\n".join([_AHEAD.format(n_ahead=len(ahead), n_cases=n_cases), "", *ahead])


def _section(comparison: Comparison, cases: Sequence[Result], plot: Path | None) -> str:
    lines = [f"## {comparison.title}", "", comparison.what, "", _measured(cases), ""]
    lines += [f"| | {' | '.join(_COLUMNS)} |", "|---" * (len(_COLUMNS) + 1) + "|"]
    failed: list[str] = []
    for case in cases:
        lines.append(f"| **{_shown_case(case['case'])}** |" + " |" * len(_COLUMNS))
        lines += [_row(case, name) for name, one in case["peers"].items() if one.get("turns")]
        failed += [
            f"{one['title']} at {_shown_case(case['case'])}: {one['failed'].splitlines()[0]}"
            for one in case["peers"].values()
            if "failed" in one
        ]
    if failed:
        lines += ["", f"Left out: {'; '.join(failed)}."]
    if plot:
        lines += ["", f"![{comparison.title}](images/{plot.name})"]
    return "\n".join(lines)


def _measured(cases: Sequence[Result]) -> str:
    """Say by which command, when and at which commit; most cases first, the others by their names."""
    by: dict[tuple[str, str], list[Result]] = {}
    for case in cases:
        by.setdefault((case.get("command", "make bench"), case["machine"]["commit"]), []).append(case)
    parts = []
    for (command, commit), of in sorted(by.items(), key=lambda item: -len(item[1])):
        dates = sorted(case["date"] for case in of)
        when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1].removeprefix(dates[0][:11])}"
        which = f"{'; '.join(_shown_case(case['case']) for case in of)} by " if parts else "by "
        parts.append(f"{which}`{command}`, {when}, commit {commit}")
    return f"Measured {'. Then '.join(parts)}."


_COLUMNS = ("median", "99 of 100", "a second", "processor s", "Zehn is … times as fast", "got ready in", "memory")


def _row(result: Result, name: str) -> str:
    one, zehn = result["peers"][name], result["peers"].get("zehn", {})
    middle, late = _figures.median(one["turns"]), _figures.p99(one["turns"])
    n_pieces = sum(len(turn) for turn in one["turns"])
    n_done = one["facts"].get("n_done", result["n_items"])
    processor = sum(one["processor_s"]) / n_pieces * result["n_items"] / n_done
    ratio = "–"
    if zehn.get("turns") and not name.startswith("zehn"):
        fast = _figures.times_as_fast(zehn["turns"], one["turns"])
        ratio = _shown_ratio(fast)
    cells = (
        shown_seconds(middle), shown_seconds(late) if late else "–",
        shown_rate(result["n_items"] / middle), shown_seconds(processor), ratio,
        shown_seconds(one["facts"].get("build_s", one["facts"]["ready_s"])), _shown_memory(one),
    )  # fmt: skip
    more = [
        *(["beside"] if one["is_beside"] else []),
        *([one["facts"]["precision"]] if "precision" in one["facts"] else []),
        *([f"{n_done:,} only"] if n_done < result["n_items"] else []),
    ]
    beside = f" ({', '.join(more)})" if more else ""
    return f"| {one['title']}{beside} | {' | '.join(cells)} |"


def _shown_ratio(ratio: _figures.Estimate, times: str = "") -> str:
    within = f" [{ratio.low:.2f}, {ratio.high:.2f}]" if ratio.low < ratio.high else ", n = 1"
    return f"{ratio.value:.2f}{times}{within}"


def _shown_memory(one: Mapping[str, Any]) -> str:
    """Return the worker's peak; a peer whose work is done by another process has none of its own."""
    return f"{one['peak_mb']:,.0f} MB" if one["peak_mb"] > one["facts"]["before_mb"] else "–"


def _growth(found: Sequence[tuple[Comparison, list[Result]]]) -> str:
    lines = ["| work | who | sizes | exponent of the time |", "|---|---|---|---|"]
    for comparison, cases in found:
        for distance, who, sizes, seconds in _plots.series(comparison, cases):
            fitted = _figures.exponent(sizes, seconds)
            if fitted is not None:
                what = f"{comparison.title}{', ' + distance if distance else ''}"
                within = f"{min(sizes):,.0f} to {max(sizes):,.0f} ({len(sizes)})"
                lines.append(f"| {what} | {who} | {within} | {fitted.value:.2f} ± {fitted.high - fitted.value:.2f} |")
    if len(lines) == 2:
        return ""
    return (
        "## How cost grows\n\nTime (of a query among synthetic codes, where there are queries) fitted as a power of "
        "the number of images or codes, by least squares of logarithms, with 1.96 standard errors.\n\n"
        + "\n".join(lines)
    )


def _machine(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "machine.json").read_text(encoding="utf-8"))


def _shown_case(case: Mapping[str, Any]) -> str:
    return ", ".join(f"{value:,}" if isinstance(value, int) else str(value) for value in case.values())


def _shown_speed(comparison: Comparison, result: Result, one: Mapping[str, Any]) -> str:
    middle, n = _figures.median(one["turns"]), result["n_items"]
    many = "queries" if comparison.unit == "query" else f"{comparison.unit}s"
    return f"{shown_rate(n / middle)} {many}/s" if n > 1 else shown_seconds(middle)


def _shown_goal(goal: Goal) -> str:
    if goal.seconds is not None:
        return f"≤ {goal.seconds:g} s"
    return f"≥ {goal.ratio:g} ×{' ' + goal.over.replace('_', ' ') if goal.over else ''}"
