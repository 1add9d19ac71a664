"""The site builds, strictly, needs nothing from elsewhere, and its generated pages are as they would be generated."""

from __future__ import annotations

import html.parser
import importlib.util
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from zehn.cli import build_parser

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def script(name: str) -> ModuleType:
    """A program of scripts/, imported."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Loaded(html.parser.HTMLParser):
    """Collects what a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "video"):
            self.addresses.add(given.get("src") or "")
        if tag == "link" and (given.get("rel") or "") in (
            "stylesheet",
            "icon",
            "preload",
            "preconnect",
            "modulepreload",
        ):
            self.addresses.add(given.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as built."""
    place = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(place)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return place


def test_every_page_is_there(site: Path) -> None:
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")}
    assert not [page for page in pages if not (site / page).is_file()]
    assert (site / "source" / "LOG.html").is_file()
    assert (site / "notebooks" / "course.ipynb").is_file()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = _Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert not [one for one in loaded.addresses if "//" in one], page
        assert "unpkg.com" not in page.read_text(encoding="utf-8"), page  # by a script, as the theme would
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_every_block_of_code_is_one(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert "```" not in re.sub(r"<(pre|code).*?</\1>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL), page


def test_nothing_of_a_page_is_taken_for_markup(site: Path) -> None:
    for card in (DOCS / "models").glob("*.md"):
        page = (site / "models" / card.with_suffix(".html").name).read_text(encoding="utf-8")
        assert "widths" in page, f"{card.name}: braces outside of code are attributes"


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    import zehn

    page = (site / "reference" / "python.html").read_text(encoding="utf-8")
    for name in set(zehn.__all__) - {"__version__"}:
        home, inside = zehn._HOMES[name]
        assert re.search(rf'id="({re.escape(f"{home}.{inside}")}|{re.escape(home)})"', page), name


def test_every_public_name_of_a_module_is_in_the_reference(site: Path) -> None:
    pages = [(site / "reference" / f"{name}.html").read_text(encoding="utf-8") for name in ("python", "plugins")]
    for module, names in script("public_names").MODULES.items():
        assert not [name for name in names if not any(f'id="{module}.{name}"' in page for page in pages)], module
        assert any(f'href="#{module}' in page or f"plugins.html#{module}" in page for page in pages[:1]), module


def test_the_page_of_commands_is_what_help_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "96")
    commands = script("commands")
    written = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    # line breaks of argparse are not the same in every Python
    assert written.split() == commands.page().split(), "run make docs-commands"
    assert len(list(commands.parsers(build_parser()))) == written.count("usage: zehn")


@pytest.mark.parametrize("page", ["settings", "names"])
def test_the_pages_of_settings_and_names_are_what_the_code_says(page: str) -> None:
    written = (DOCS / "reference" / f"{page}.md").read_text(encoding="utf-8")
    assert written == getattr(script("settings"), page)(), "run make docs-commands"
    rows = [line.split(" | ") for line in written.splitlines() if line.startswith("| `")]
    assert not [cells[0] for cells in rows if not cells[1].strip(" |")], (
        "a docstring below the field says what it means"
    )


def test_every_setting_is_on_its_page_and_can_be_set_by_its_name() -> None:
    import dataclasses

    from zehn import config

    settings = script("settings")
    shown = dict(re.findall(r"^\| `([\w.]+)`.* \| `([^`]*)` \|[^|]*\|$", settings.settings(), re.MULTILINE))
    assert {name.partition(".")[0] for name in shown} == {field.name for field in dataclasses.fields(config.Config)}
    assignments = [f"{name}={default}" for name, default in shown.items() if name != "preset"]
    assert config.resolve(assignments=assignments) == config.Config()


def test_the_picture_of_the_datas_way_is_what_the_script_draws() -> None:
    way = script("way")
    assert way.PICTURE.read_text(encoding="utf-8") == way.picture(), "run make docs-commands"
    for box in way.BOXES:
        if not box.is_outside:
            assert all(find_spec(f"zehn.{name}") for name in box.name.split(", ")), box.name


def test_the_layers_of_the_page_are_those_of_the_contract() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = project["tool"]["importlinter"]["contracts"]
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    [table] = re.findall(r"\| layer \|.*?\n\n", page, re.DOTALL)
    shown = [set(re.findall(r"`(\w+)`", line.split("|")[1])) for line in table.splitlines()[2:] if line]
    assert shown == [set(layer.split(" | ")) for layer in contract["layers"]]


def test_figures_shown_are_there_and_those_there_are_shown() -> None:
    shown = set()
    for page in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            shown.add((page.parent / target).resolve())
    drawn = {path for path in (DOCS / "images").rglob("*") if path.suffix in (".png", ".svg", ".webp")}
    assert shown <= drawn
    assert {path for path in drawn if path.parent.name == "course"} <= shown


def test_figures_of_the_course_are_those_that_the_script_draws() -> None:
    figures = script("figures")
    drawn = {*figures.DRAWN_BY_THE_RUN, "neighbourhoods", "numbers"}
    assert {path.stem for path in figures.PLACE.glob("*.webp")} == drawn


def test_the_readme_s_figure_asks_for_the_first_of_each_class() -> None:
    figures = script("figures")
    assert figures.first_of_each([{"label": label} for label in (3, 1, 3, 0, 1)]) == [3, 1, 0]


def test_a_figure_is_made_small_enough_for_the_web(tmp_path: Path) -> None:
    import io

    import numpy as np
    from PIL import Image

    figures = script("figures")
    wide = io.BytesIO()
    Image.fromarray(np.zeros((30, 3_000, 3), np.uint8)).save(wide, "PNG")
    path = figures.publish(wide.getvalue(), tmp_path / "wide.webp")
    with Image.open(path) as picture:
        assert picture.size == (figures.MOST_WIDE, 14)


def test_the_figures_that_are_drawn_anew_can_be_drawn() -> None:
    import zehn

    figures = script("figures")
    model = zehn.load_model("cifar10")
    assert len(figures.neighbourhoods(model).axes) == 6
    assert len(figures.numbers(model).axes) == 110
