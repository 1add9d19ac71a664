"""The harness of ``make bench``: turns, checks, ratios, exponents, and a page drawn from what was kept."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SLOW, QUICK = [[2.0, 2.0], [4.0, 4.0], [6.0, 6.0]], [[1.0], [2.0], [3.0]]


def module(name: str) -> ModuleType:
    return importlib.import_module(f"benchmarks.bench.{name}")


def test_every_comparison_is_whole() -> None:
    protocol = module("_protocol")
    given = module("__main__")._parse([])
    for name in protocol.names():
        comparison = protocol.load(name)
        assert comparison.name == name
        cases = comparison.cases(given)
        assert cases
        assert len({protocol.name_of(case) for case in cases}) == len(cases)
        peers = {one.name for one in comparison.peers}
        assert any(one.is_zehn for one in comparison.peers)
        assert all(goal.of in peers and (not goal.over or goal.over in peers) for goal in comparison.goals)
    with pytest.raises(SystemExit, match=r"expected one of approximate, .*, came 'serch'"):
        protocol.load("serch")


def test_everyone_is_first_equally_often() -> None:
    orders = [module("_players").order_of(3, turn) for turn in range(6)]
    assert orders[:3] == [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
    assert all(sorted(order) == [0, 1, 2] for order in orders)


def test_a_ratio_is_of_turns_beside_each_other() -> None:
    figures = module("_figures")
    ratio = figures.times_as_fast(QUICK, SLOW)
    assert (ratio.value, ratio.low, ratio.high) == (2.0, 2.0, 2.0)  # whatever slowed both down is not in it
    assert figures.times_as_fast(SLOW, QUICK).value == 0.5
    assert figures.median(SLOW) == 4.0
    assert figures.p99(SLOW) is None
    assert figures.p99([list(range(101))]) == 99.0


def test_the_best_is_sought_among_peers_alone() -> None:
    results = {
        "zehn": {"turns": [[0.1]], "is_beside": False},
        "slow": {"turns": SLOW, "is_beside": False},
        "quick": {"turns": QUICK, "is_beside": True},
        "dead": {"turns": [], "is_beside": False},
    }
    assert module("_figures").best_of(results) == "slow"
    assert module("_figures").best_of(results, with_beside=True) == "quick"
    assert module("_figures").best_of({"zehn": results["zehn"]}) is None


def test_who_is_quicker_but_beside_is_named() -> None:
    page, comparison = module("_page"), module("_protocol").load("search")

    def case(beside: list[list[float]], **more: Any) -> dict[str, Any]:
        peers = {
            "zehn": {"title": "Zehn", "turns": [[1e-3]] * 3, "is_beside": False},
            "sklearn_kdtree": {"title": "scikit-learn KDTree", "turns": [[2e-3]] * 3, "is_beside": False},
            "scipy_ckdtree": {"title": "SciPy cKDTree", "turns": beside, "is_beside": True},
        }
        return {"case": {"n": 60_000, "distance": "euclidean"}, "n_items": 1, "peers": peers, **more}

    quicker = case([[5e-4]] * 3)
    said = page._short([(comparison, [quicker])])
    assert "1 of 1 goals are met" in said  # it counts in no goal
    assert "quicker than Zehn by the median** in 1 of the 1 cases" in said
    assert "60,000, euclidean: SciPy cKDTree 500 µs, Zehn 1 ms (0.50 ×, n = 1)" in said
    assert "In none of the 1 cases" in page._beside([(comparison, [case([[3e-3]] * 3)])])
    assert page._beside([(comparison, [case([])])]) == ""
    named = {"command": "a", "date": "2026-11-23 07:46", "machine": {"commit": "1"}}
    others = [{**quicker, **named}, {**quicker, **named, "date": "2026-11-23 07:50"}]
    again = {**quicker, **named, "command": "b", "machine": {"commit": "2-dirty"}}
    assert page._measured([again, *others]) == (
        "Measured by `a`, 2026-11-23 07:46 to 07:50, commit 1. "
        "Then 60,000, euclidean by `b`, 2026-11-23 07:46, commit 2-dirty."
    )


@pytest.mark.parametrize("name", ["search", "batch_search", "approximate", "distances"])
def test_searches_say_what_their_codes_are(name: str) -> None:
    assert "synthetic mixture of 50 Gaussians" in module("_protocol").load(name).what


def test_an_exponent_is_found() -> None:
    figures = module("_figures")
    sizes = [1e3, 1e4, 1e5, 1e6]
    fitted = figures.exponent(sizes, [3 * n**1.5 for n in sizes])
    assert fitted.value == pytest.approx(1.5)
    assert fitted.high - fitted.low < 1e-9
    assert figures.extrapolated(sizes, [3 * n**1.5 for n in sizes], 1e9) == pytest.approx(3e13 * 10**0.5)
    assert figures.exponent(sizes[:2], sizes[:2]) is None


def test_other_hits_are_other_work() -> None:
    alike = module("_protocol").nearest_alike
    ids, distances = np.arange(20).reshape(2, 10), np.linspace(1, 2, 20).reshape(2, 10)
    answer = {"ids": ids, "distances": distances}
    assert alike(answer, {"ids": ids, "distances": distances * (1 + 1e-6)}, {}) == ""
    assert alike(answer, {"ids": ids, "distances": distances * 1.1}, {}).startswith("distances differ")
    assert alike(answer, {"ids": ids + 5, "distances": distances}, {}).endswith("of the hits are others")
    assert alike(answer, {"ids": ids[:1], "distances": distances[:1]}, {}).startswith("expected distances of shape")


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return what runs a search among few codes, by the peers that Zehn's own environment has."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "src")]))
    players, data = module("_players"), module("_data")
    monkeypatch.setitem(players.PYTHONS, "peers", tmp_path / "none" / "python")

    def play(n: int) -> Any:
        protocol = module("_protocol")
        comparison = protocol.load("distances")
        (data.FOLDER / f"codes-{n}.npy").unlink(missing_ok=True)
        results = players.play(comparison, {"n": n, "distance": "euclidean"}, 1, 3, 5.0, lambda _: None)
        (data.FOLDER / f"codes-{n}.npy").unlink()
        return results

    return play


def test_peers_play_by_turns_and_who_is_missing_is_named(played: Callable[..., Any], tmp_path: Path) -> None:
    results = played(101)
    assert [len(results[name]["turns"]) for name in ("zehn", "scipy")] == [3, 0]
    assert results["zehn"]["checked"]
    assert results["zehn"]["versions"]["scipy"]
    assert results["scipy"]["failed"].endswith("make it: benchmarks/bench/peers.sh")
    folder = tmp_path / "raw"
    (folder / "distances").mkdir(parents=True)
    machine = module("_machine").describe(1)
    limits = {"bytes_per_s": 1e10, "float_operations_per_s": 1e11}
    (folder / "machine.json").write_text(json.dumps({**machine, **limits}))
    result = {
        "comparison": "distances", "case": {"n": 101, "distance": "euclidean"}, "n_items": 1, "threads": 1,
        "date": "2026-11-23 04:00", "load": [0.5, 0.5], "seconds": 1.0, "machine": machine, "peers": results,
    }  # fmt: skip
    (folder / "distances" / "101-euclidean.json").write_text(json.dumps(result))
    module("_page").write(tmp_path / "benchmarks.md", folder)
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "| **101, euclidean** |" in page
    assert "Left out: scipy cdist + argsort at 101, euclidean: no environment" in page
    assert "One billion images, on paper" in page
    assert "while other programs wanted the cores" not in page


def test_what_is_there_is_not_measured_again(tmp_path: Path) -> None:
    main, protocol = module("__main__"), module("_protocol")
    comparison = protocol.load("search")
    given = main._parse(["search", "--sizes", "60000", "--threads", "1"])
    case = comparison.cases(given)[0]
    assert case == {"n": 60_000, "distance": "euclidean"}
    path = tmp_path / "one.json"
    assert not main.is_there(path, comparison, case, given)
    known = {"case": case, "threads": 1, "peers": {one.name: {} for one in comparison.peers if one.takes(case)}}
    path.write_text(json.dumps(known))
    assert main.is_there(path, comparison, case, given)
    path.write_text(json.dumps({**known, "threads": 2}))
    assert not main.is_there(path, comparison, case, given)


def test_sizes_that_are_there_for_the_growth_alone_have_no_goal() -> None:
    comparison, verdicts = module("_protocol").load("distances"), module("_page").verdicts
    peers = {
        "zehn": {"title": "Zehn", "turns": QUICK, "is_beside": False},
        "scipy": {"title": "SciPy", "turns": SLOW, "is_beside": False},
    }
    cases = [{"case": {"n": n, "distance": "euclidean"}, "n_items": 1, "peers": peers} for n in (15_000, 60_000)]
    assert [[one.is_met for one in verdicts(comparison, case)] for case in cases] == [[], [False]]


@pytest.mark.parametrize(("patience", "n_done"), [(0.0, 20), (60.0, 1_000)])
def test_who_is_slow_is_asked_for_fewer(monkeypatch: pytest.MonkeyPatch, patience: float, n_done: int) -> None:
    batch_search, asked = module("batch_search"), []
    monkeypatch.setattr(batch_search, "_PATIENCE", patience)
    work = batch_search._play(lambda queries: asked.append(len(queries)), {"n": 1_000_000}, 0.5)
    assert work.facts == {"build_s": 0.5, "n_done": n_done}
    assert len(work.turn()) == 1
    assert asked[-1] == n_done


def test_what_is_within_reach_is_counted() -> None:
    from scipy.spatial import cKDTree

    codes = np.random.default_rng(0).normal(size=(500, 3))
    tree, leaves = cKDTree(codes, leafsize=16, balanced_tree=False), module("_leaves")
    n_all, n_codes = leaves.within_reach(tree, codes[0], 100.0)
    assert (2 * n_all - 1, n_codes) == (tree.size, 500)
    distances: Any = tree.query(codes[0], 10)[0]
    n_near, n_looked = leaves.within_reach(tree, codes[0], distances[-1])
    assert 1 <= n_near < n_all
    assert 10 <= n_looked < 500
