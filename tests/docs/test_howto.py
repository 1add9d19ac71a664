"""Each how-to page holds a real plug-in: put where the page says, into a copy of the package, it does what is shown."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.blocks import blocks

ROOT = Path(__file__).resolve().parents[2]
AT_ITS_END = ", at its end"
PAGES = sorted((ROOT / "docs" / "howto").glob("*.md"))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with a copy of the package, to be changed."""
    folder = tmp_path / "src"
    shutil.copytree(
        ROOT / "src" / "zehn", folder / "zehn", copy_function=os.symlink, ignore=shutil.ignore_patterns("__pycache__")
    )
    return folder


def test_there_is_a_page_for_every_kind() -> None:
    assert [page.stem for page in PAGES] == ["architecture", "dataset", "distance", "engine", "objective"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_plug_in_works_as_shown(page: Path, package: Path, run_page: Callable[..., None]) -> None:
    for block in blocks(page):
        if "title" in block.options:
            named, appended, _ = block.options["title"].partition(AT_ITS_END)
            place = package / named.removeprefix("src/")
            before = place.read_text(encoding="utf-8") if appended else ""
            assert before or not place.exists(), "a new plug-in is a new file"
            place.unlink(missing_ok=True)  # a link to ours
            place.write_text(f"{before}\n\n{block.code}" if before else block.code, encoding="utf-8")
    run_page(page, package=package)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_plug_in_keeps_our_own_rules(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page)):
        if AT_ITS_END not in block.options.get("title", AT_ITS_END):
            path = tmp_path / "src" / "zehn" / "howto" / f"block{number}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, encoding="utf-8")
            ours = "lint.isort.known-first-party = ['zehn']"
            rules = ["--config", str(ROOT / "pyproject.toml"), "--config", ours, "--no-cache"]
            for words in (["check", *rules, str(path)], ["format", "--check", *rules, str(path)]):
                ruff = [sys.executable, "-m", "ruff", *words]
                done = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stdout
