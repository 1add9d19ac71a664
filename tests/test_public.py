from __future__ import annotations

import importlib
import importlib.util
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import zehn

HEAVY = (
    "torch", "pytorch_lightning", "kornia", "umap", "sklearn", "matplotlib", "pandas", "onnxruntime", "scipy",
    "fastapi", "httpx", "uvicorn",
)  # fmt: skip


def test_the_public_names_are_these() -> None:
    assert sorted(zehn.__all__) == zehn.__all__
    assert zehn.__all__ == [
        "Autoencoder",
        "Client",
        "Collection",
        "Config",
        "Dataset",
        "Model",
        "Run",
        "ZehnError",
        "__version__",
        "load_dataset",
        "load_model",
    ]


@pytest.fixture
def program() -> ModuleType:
    root = Path(__file__).resolve().parents[1]
    spec = importlib.util.spec_from_file_location("public_names", root / "scripts" / "public_names.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_no_public_name_or_signature_changes_by_accident(program: ModuleType) -> None:
    assert program.GOLDEN.read_text("utf-8") == program.text(), "if the change is meant: make public-names"


def test_a_default_that_becomes_another_is_a_change(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect.unwrap(zehn.load_dataset), "__defaults__", ("digits",))
    assert "zehn.load_dataset(name: str='digits', *, image_size: int=32," in program.text()


@pytest.mark.parametrize("name", zehn.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(zehn, name)
    assert value.__doc__


def test_every_public_name_of_a_module_is_there_and_documented(program: ModuleType) -> None:
    for module, names in program.MODULES.items():
        home = importlib.import_module(module)
        assert all(getattr(home, name).__doc__ for name in names), module


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = zehn.nonsense


@pytest.mark.parametrize("words", ["import zehn", "from zehn.cli import main; main(['data', 'info', 'nonsense'])"])
def test_nothing_heavy_is_imported_before_it_is_needed(words: str) -> None:
    program = f"{words}\nimport sys\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_search_by_euclidean_lengths_imports_no_scipy(tmp_path: Path, draw: Callable[..., Path]) -> None:
    pictures = [draw(tmp_path / "photos" / f"{seed}.png", seed, (12, 12)) for seed in range(5)]
    with zehn.Collection.create(tmp_path / "own.zehn") as collection:
        collection.n_workers = 0
        collection.add(pictures)
    program = (
        "import sys; from zehn.cli import main\n"
        "for name in ('euclidean', 'cosine', 'correlation', 'mahalanobis'):\n"
        "    words = ['search', sys.argv[2], '--collection', sys.argv[1], '--distance', name, '--k', '2']\n"
        "    assert main(words) == 0\n"
        "print('scipy' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "own.zehn"), str(pictures[0])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
