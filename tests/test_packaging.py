"""What is shipped: the wheel's contents, and the licences of what it brings."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "zehn"
MOST_BYTES = 20_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built here without asking any index."""
    place = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [path] = place.glob("zehn-*-py3-none-any.whl")
    assert path.stat().st_size < MOST_BYTES
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    """The program that lists licences."""
    spec = importlib.util.spec_from_file_location("licences", ROOT / "scripts" / "licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    sources = {
        f"zehn/{path.relative_to(SOURCE).as_posix()}"
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == sources


def test_the_wheel_holds_what_is_no_code(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for needed in (
        "zehn/py.typed",
        "zehn/weights/cifar10.h5",
        "zehn/weights/cifar10-robust.h5",
        "zehn/weights/cifar10-reconstruction.h5",
        "zehn/report/templates/report.typ",
        "zehn/serve/page/index.html",
        "zehn/serve/page/main.js",
        "zehn/pipeline/ladder.json",
    ):
        assert needed in names
    assert not [name for name in names if name.startswith(("tests/", "runs/", "docs/", "benchmarks/", "scripts/"))]
    assert not [name for name in names if name.endswith((".pyc", ".log", ".ckpt", ".so"))]


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    import zehn

    [where] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    said = wheel.read(where).decode()
    assert f"\nVersion: {zehn.__version__}\n" in said
    assert "\nLicense-Expression: MIT\n" in said
    extras = set(re.findall(r"^Provides-Extra: (.+)$", said, re.MULTILINE))
    assert extras == {"train", "report", "parquet", "serve", "scale", "docs", "all", "dev"}
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
    [entries] = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]
    assert "zehn = zehn.cli:main" in wheel.read(entries).decode()


def test_every_dependency_has_a_licence_that_lets_everybody_use_it(licences: ModuleType) -> None:
    stated = {name: licences.licence(name) for name in licences.packages()}
    assert not {name: one for name, one in stated.items() if not licences.PERMITTED.search(one)}
    assert not {name: one for name, one in stated.items() if re.search(r"(?<!L)\bA?GPL|Affero", one)}


def test_the_page_of_licences_names_them_all(licences: ModuleType) -> None:
    page = licences.PAGE.read_text(encoding="utf-8")
    missing = [name for name in licences.packages() if f"| {name} |" not in page]
    assert not [name for name in missing if not name.startswith(("nvidia-", "triton", "cuda-"))], "make docs-licences"
