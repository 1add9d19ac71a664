"""The ladder trains each rung once, passes a rung's model on to the rung that learns from it, and says what came."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from zehn.errors import UnknownNameError

PATH = Path(__file__).parents[2] / "benchmarks" / "ladder.py"
TINY = ["--dataset", "digits", "--n-train", "120", "--n-test", "24", "--set", "model.options.widths=[4, 8, 8]"]


@pytest.fixture(scope="module")
def ladder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ladder", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ladder"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_it_climbs_and_remembers(ladder: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rungs = ["--rungs", "+ neighbours,+ distillation"]
    given = [*TINY, *rungs, "--epochs", "1", "--held-out", "40", "--out", str(tmp_path)]
    ladder.main(given)
    assert capsys.readouterr().out.count("seed 0 …") == 2
    results = json.loads((tmp_path / "ladder.json").read_text(encoding="utf-8"))
    assert [result["rung"] for result in results] == ["+ neighbours", "+ distillation"]
    assert all(0 < result["scores"]["main"]["P@10"]["mean"] < 1 and result["mse"]["mean"] > 0 for result in results)
    table = (tmp_path / "ladder.md").read_text(encoding="utf-8")
    assert "40 queries (digits, 40 held-out training images)" in table
    assert f"| + distillation | {results[1]['mse']['mean']:.4f} | " in table
    ladder.main(given)
    assert "seed 0 …" not in capsys.readouterr().out
    assert json.loads((tmp_path / "ladder.json").read_text(encoding="utf-8")) == results


def test_the_page_says_what_the_ladder_shows(ladder: ModuleType) -> None:
    def rows(name: str, *values: float) -> list[dict[str, object]]:
        return [{"rung": name, "scores": {"main": {"P@10": {"mean": value}}}} for value in values]

    results = [*rows("dense", 0.2), *rows("+ contrastive", 0.3, 0.4), *rows("+ coding rate", 0.2, 0.3)]
    said = ladder.shows(results)
    assert said.startswith("P@10 is highest at **contrastive** (0.350 ± 0.071); nothing that came after it is above it")
    assert "(against it: coding rate -0.100 ± 0.071)" in said
    assert ladder.shows(results[:1]) == "P@10 is highest at **dense** (0.200)."
    assert ladder.shows([]) == ""
    page = ladder.page(results, "ladder.py", "Scored (main protocol).\n\n| rung |\n")
    assert "([main protocol](measures.md)). P@10 is highest" in page
    published = (PATH.parents[1] / "docs" / "ladder.md").read_text(encoding="utf-8")
    assert ladder.ELSEWHERE in published
    assert page.endswith("`ladder.py`\n")


def test_the_budget_is_kept(ladder: ModuleType, tmp_path: Path) -> None:
    ladder.main([*TINY, "--rungs", "dense,+ contrastive", "--minutes", "0.01", "--seeds", "2", "--out", str(tmp_path)])
    results = json.loads((tmp_path / "ladder.json").read_text(encoding="utf-8"))
    named = [(result["rung"], result["seed"]) for result in results]
    assert named == [("dense", 0), ("+ contrastive", 0), ("+ contrastive", 1)]  # one seed where nothing lies close
    assert all(result["epochs"] >= 1 and result["seconds"] < 30 for result in results)
    assert " ± " in (tmp_path / "ladder.md").read_text(encoding="utf-8")


def test_it_says_what_is_missing(ladder: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"learns from '\+ neighbours': expected its model at"):
        ladder.main([*TINY, "--rungs", "+ distillation", "--epochs", "1", "--out", str(tmp_path)])
    with pytest.raises(UnknownNameError, match="unknown rung 'densse'; did you mean 'dense'"):
        ladder.main([*TINY, "--rungs", "densse", "--out", str(tmp_path)])
