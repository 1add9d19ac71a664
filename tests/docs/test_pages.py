"""Every code block of every page does what it shows, or says why it is not run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
ELSEWHERE = {
    "bulk_encoding.md": "tests/scale/encoding/test_page.py",
    "cluster.md": "tests/scale/test_cluster_docs.py",
    "serving.md": "tests/serve/http/test_serving_page.py",
}
"""Pages whose commands need servers, and which test runs them."""
FOR_OTHERS = [DOCS / name for name in ELSEWHERE]
EVERYWHERE = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
HOWTO = sorted((DOCS / "howto").glob("*.md"))
PAGES = [
    page
    for page in EVERYWHERE
    if page.parent in (ROOT, DOCS) and page not in FOR_OTHERS and any(block.is_run for block in blocks(page))
]
MOST_NOT_RUN = 12


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_does_what_it_shows(page: Path, run_page: Callable[..., None]) -> None:
    run_page(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_work(page: Path, run_page: Callable[..., None]) -> None:
    run_page(page, "console")  # sybil runs the Python blocks: conftest.py


def test_what_is_not_run_says_why_and_is_little() -> None:
    kept_out = [
        block
        for page in EVERYWHERE
        if page not in FOR_OTHERS
        for block in blocks(page)
        if block.language in ("python", "console") and "title" not in block.options and not block.is_run
    ]
    assert all(any(text.startswith("not run: ") for text in block.comments) for block in kept_out)
    assert len(kept_out) <= MOST_NOT_RUN, [f"{block.page.name}:{block.line}" for block in kept_out]


def test_no_page_with_commands_is_forgotten() -> None:
    tried = {*TUTORIALS, *HOWTO, *PAGES, *FOR_OTHERS}
    assert [page for page in EVERYWHERE if page not in tried and any(block.is_run for block in blocks(page))] == []


def test_every_block_says_what_it_is() -> None:
    known = {"console", "python", "text", "json", "ini", "nginx", "toml"}
    pages = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md"))
    assert not [f"{page.name}:{block.line}" for page in pages for block in blocks(page) if block.language not in known]


def test_a_page_that_another_test_runs_is_named_there() -> None:
    for name, test in ELSEWHERE.items():
        assert name in (ROOT / test).read_text(encoding="utf-8")


def test_a_page_that_is_wrong_is_found_out(tmp_path: Path, run_page: Callable[..., None]) -> None:
    page = tmp_path / "wrong.md"
    page.write_text("```console\n$ zehn --version\nzehn …\n$ echo one two\none three\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"(?s)wrong\.md, line 2: echo one two.*one three.*printed:\n *one two"):
        run_page(page)


class TestBlocks:
    @staticmethod
    def read(tmp_path: Path, text: str) -> list[Block]:
        page = tmp_path / "page.md"
        page.write_text(text, encoding="utf-8")
        return list(blocks(page))

    def test_commands_go_on_over_lines_and_lose_their_remarks(self, tmp_path: Path) -> None:
        [block] = self.read(tmp_path, "# A\n\n```console\n$ zehn \\\n  a   # b\nout\n\n$ c\n```\n")
        assert block.line == 4
        assert block.commands == [("zehn    a", "out\n\n"), ("c", "")]

    def test_comments_right_before_a_block_count(self, tmp_path: Path) -> None:
        text = "<!-- before: a -->\n<!-- aside -->\n```console\n$ b\n```\n"
        text += "<!-- not run: c -->\n\nand\n\n```python\nd\n```\n"
        first, second = self.read(tmp_path, text)
        assert (first.before, first.is_run) == (["a"], True)
        assert "aside" in first.comments
        assert (second.comments, second.is_run) == ((), True)
