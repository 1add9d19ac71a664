"""The rules of the house that can be counted: how long modules and functions are, and what nothing may be called."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

import pytest

SRC = Path(__file__).resolve().parents[1] / "src" / "zehn"
MODULES = sorted(SRC.rglob("*.py"))
MOST_OF_MODULE, MOST_OF_FUNCTION = 400, 50
NO_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def functions() -> list[tuple[str, int]]:
    """Every function of the sources with its lines, from its name to its end, its docstring among them."""
    return [
        (f"{path.relative_to(SRC)}:{one.lineno} {one.name}", (one.end_lineno or one.lineno) - one.lineno + 1)
        for path in MODULES
        for one in functions_of(path)
    ]


def functions_of(path: Path) -> Iterator[Function]:
    return (one for one in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(one, Function))


def test_a_module_has_at_most_400_lines() -> None:
    lengths = {str(path.relative_to(SRC)): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name: n for name, n in lengths.items() if n > MOST_OF_MODULE} == {}


def test_a_function_has_at_most_50_lines() -> None:
    assert {name: n for name, n in functions() if n > MOST_OF_FUNCTION} == {}


def test_most_functions_fit_on_a_screen() -> None:
    lengths = sorted(n for _, n in functions())
    assert median(lengths) < 10
    assert lengths[int(0.9 * len(lengths))] < 35


@pytest.mark.parametrize("path", sorted({path.parent for path in MODULES}), ids=lambda path: str(path.relative_to(SRC)))
def test_nothing_has_a_name_that_says_nothing(path: Path) -> None:
    words = {word for one in path.iterdir() for word in one.stem.split("_")}
    assert not words & NO_NAMES


def test_the_layers_contract_is_exhaustive_and_passes_nothing_over() -> None:
    import tomllib

    project = tomllib.loads((SRC.parents[1] / "pyproject.toml").read_text("utf-8"))
    (contract,) = project["tool"]["importlinter"]["contracts"]
    assert contract["exhaustive"]
    assert contract["exhaustive_ignores"] == ["__main__"]
    assert "ignore_imports" not in contract
