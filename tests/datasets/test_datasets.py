"""``auto`` prefers CIFAR-10 and says so when it is not to be had; names and options are checked."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from zehn import datasets
from zehn.datasets import _download, cifar10
from zehn.errors import ConfigError, DownloadError, UnknownNameError


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-10's server is not there."""
    remote = _download.Remote("http://127.0.0.1:9/cifar-10-python.tar.gz", "0" * 32, 1_000)
    monkeypatch.setattr(cifar10, "ARCHIVE", remote)


def test_the_plug_ins_are_the_files() -> None:
    assert datasets.names() == ["cifar10", "digits", "fashion_mnist", "folder"]


@pytest.mark.usefixtures("unreachable")
def test_auto_falls_back_on_the_digits_at_once_and_says_so(tmp_path: Path) -> None:
    start = time.monotonic()
    dataset = datasets.load("auto", data_dir=tmp_path / "nowhere")
    assert time.monotonic() - start < 10
    assert dataset.name == "digits"
    (note,) = dataset.notes
    assert note.startswith("CIFAR-10 was not found on this machine: these are digits instead (cannot download http")
    assert "To use CIFAR-10, put cifar-10-python.tar.gz" in note
    assert "--data-dir or $ZEHN_DATA" in note
    assert not (tmp_path / "nowhere").exists()


def test_auto_is_impatient_for_the_first_answer_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[_download.Patience] = []

    def download(_remote: object, _path: Path, patience: _download.Patience, _progress: object) -> None:
        asked.append(patience)
        raise DownloadError("no")

    monkeypatch.setattr(_download, "download", download)
    assert datasets.load("auto", data_dir=tmp_path).name == "digits"
    with pytest.raises(DownloadError, match="no"):
        datasets.load("cifar10", data_dir=tmp_path)
    assert asked == [_download.Patience(first_answer_s=8.0), _download.Patience()]


def test_auto_without_downloading_falls_back_too() -> None:
    assert datasets.load("auto", options={"download": False}).name == "digits"


@pytest.mark.cifar10
def test_auto_takes_cifar10_where_it_is(cifar10_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEHN_DATA", str(cifar10_dir))
    assert datasets.get("auto") == cifar10_dir / "cifar-10-batches-py"
    dataset = datasets.load("auto")
    assert (dataset.name, dataset.notes) == ("cifar10", ())


@pytest.mark.parametrize("name", ["cifar", "cifar10:x", "digit", ""])
def test_unknown_names_are_told(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown (dataset|option of cifar10)"):
        datasets.load(name)


def test_a_wrong_image_size_is_told() -> None:
    with pytest.raises(ConfigError, match="at least 1 pixel, came 0"):
        datasets.load("digits", image_size=0)


def test_verify_says_what_is_missing() -> None:
    (problem,) = datasets.verify("cifar10", options={"download": False})
    assert problem.startswith("CIFAR-10 is not in ")


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, zehn.datasets, zehn.datasets.folder, zehn.datasets.cifar10, zehn.images;"
        "print([m for m in ('torch', 'sklearn', 'pandas', 'matplotlib', 'PIL', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
