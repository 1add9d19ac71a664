"""``python -m benchmarks.bench``: measure what is missing, then draw docs/benchmarks.md from all that is there."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import bench
from benchmarks.bench import _data, _images, _machine, _page, _players, _protocol
from benchmarks.bench._protocol import Case, Comparison

OUT = Path("runs/bench")
PAGE = Path("docs/benchmarks.md")


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, measure, draw."""
    given = _parse(arguments)
    chosen = [_protocol.load(name) for name in given.comparisons or _protocol.names()]
    if given.list:
        print("\n".join(f"{one.name:<14}{one.minutes:>3} min  {one.title}" for one in chosen))
        return
    if not given.only_page:
        measure(chosen, given)
    _page.write(given.page, given.out)
    print(given.page)


def measure(comparisons: Sequence[Comparison], given: argparse.Namespace) -> None:
    """Play every case of which there is no result yet."""
    given.out.mkdir(parents=True, exist_ok=True)
    if any(one.needs_images for one in comparisons) and not (_data.FOLDER / "cifar10.npy").is_file():
        _images.write_cifar10()
    if given.again or not (given.out / "machine.json").is_file():
        machine = {**_machine.describe(given.threads), **_machine.limits(), "load": _machine.load()}
        (given.out / "machine.json").write_text(json.dumps(machine, indent=1))
    for comparison in comparisons:
        for case in comparison.cases(given):
            path = given.out / comparison.name / f"{_protocol.name_of(case)}.json"
            if is_there(path, comparison, case, given) and not given.again:
                print(f"{comparison.name} {_protocol.name_of(case)}: there already")
                continue
            result = _played(comparison, case, given)
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, result)
        _page.write(given.page, given.out)


def is_there(path: Path, comparison: Comparison, case: Case, given: argparse.Namespace) -> bool:
    """Say whether a case was measured already, with these peers and as many threads."""
    if not path.is_file():
        return False
    known = json.loads(path.read_text(encoding="utf-8"))
    peers = {one.name for one in comparison.peers if one.takes(case)}
    return known["case"] == dict(case) and known["threads"] == given.threads and set(known["peers"]) == peers


def _played(comparison: Comparison, case: Case, given: argparse.Namespace) -> dict[str, Any]:
    print(f"{comparison.name} {_protocol.name_of(case)} …", flush=True)
    began, load = time.perf_counter(), _machine.load()
    n_turns = min(given.turns or comparison.n_turns, comparison.n_turns)
    seconds = given.seconds or comparison.seconds
    peers = _players.play(comparison, case, given.threads, n_turns, seconds, print)
    result = {
        "comparison": comparison.name,
        "case": dict(case),
        "n_items": comparison.n_items(case),
        "threads": given.threads,
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "load": [load, _machine.load()],
        "seconds": time.perf_counter() - began,
        "machine": _machine.describe(given.threads),
        "command": " ".join(["python -m benchmarks.bench", *sys.argv[1:]]),
        "peers": peers,
    }
    for line in _page.lines_of(comparison, result):
        print(f"  {line}", flush=True)
    return result


def _write(path: Path, result: Any) -> None:
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(result, indent=1), encoding="utf-8")
    unfinished.rename(path)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=bench.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "comparisons",
        nargs="*",
        metavar="COMPARISON",
        help=f"all unless some are named: {', '.join(_protocol.names())}",
    )
    add("--sizes", type=int, nargs="+", help="instead of each comparison's own")
    add("--distances", nargs="+", help="instead of all five")
    add("--threads", type=int, default=_machine.describe(1)["cores"], help="for everyone; by default one a core")
    add("--turns", type=int, default=0, help="at most so many for each case")
    add("--seconds", type=float, default=0.0, help="turns of a case end after so many")
    add("--run", default="", help="the run folder whose report and page are timed")
    add("--again", action="store_true", help="measure what is there already, too")
    add("--list", action="store_true", help="say what there is, and how many minutes each takes")
    add("--only-page", action="store_true", help="draw the page from what is there")
    add("--out", type=Path, default=OUT, help="folder of the raw figures")
    add("--page", type=Path, default=PAGE, help="the page; plots go into images/ beside it")
    return parser.parse_intermixed_args(arguments)


if __name__ == "__main__":
    main()
