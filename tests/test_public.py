from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

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


def test_no_public_name_or_signature_changes_by_accident() -> None:
    root = Path(__file__).resolve().parents[1]
    spec = importlib.util.spec_from_file_location("public_names", root / "scripts" / "public_names.py")
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    assert program.GOLDEN.read_text("utf-8") == program.text(), "if the change is meant: make public-names"


@pytest.mark.parametrize("name", zehn.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(zehn, name)
    assert value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = zehn.nonsense


@pytest.mark.parametrize("words", ["import zehn", "from zehn.cli import main; main(['data', 'info', 'nonsense'])"])
def test_nothing_heavy_is_imported_before_it_is_needed(words: str) -> None:
    program = f"{words}\nimport sys\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
