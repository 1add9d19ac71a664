"""Fashion-MNIST is found compressed or not, under several names, and verified by what its files hold."""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from zehn import datasets
from zehn.datasets import _download, fashion_mnist
from zehn.datasets._dataset import Expected
from zehn.errors import ChecksumError, DataError, DownloadError

DEBIAN_PATH = Path("/usr/share/datasets/fashion-mnist")
ROLES = ("X_TRAIN", "Y_TRAIN", "X_TEST", "Y_TEST")


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def contents() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    arrays = {}
    for part, n_images in (("TRAIN", 30), ("TEST", 10)):
        arrays[f"X_{part}"] = generator.integers(0, 256, (n_images, 28, 28), np.uint8)
        arrays[f"Y_{part}"] = (np.arange(n_images) % 10).astype(np.uint8)
    return arrays


@pytest.fixture
def small_files(tmp_path: Path, contents: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small Fashion-MNIST in the official format, published in place of the real one."""
    folder = tmp_path / "data" / "fashion-mnist"
    folder.mkdir(parents=True)
    for role in ROLES:
        write(folder, role, idx(contents[role]), monkeypatch)
    few = Expected(n_train_per_class=(3,) * 10, n_test_per_class=(1,) * 10)
    monkeypatch.setattr(fashion_mnist, "expected", lambda: few)
    monkeypatch.setattr(fashion_mnist, "_DEBIAN_PATH", tmp_path / "debian")
    return folder


def write(
    folder: Path, role: str, data: bytes, monkeypatch: pytest.MonkeyPatch, base: str = "http://127.0.0.1:9"
) -> None:
    name = getattr(fashion_mnist, role).name
    packed = gzip.compress(data)
    (folder / f"{name}.gz").write_bytes(packed)
    remote = _download.Remote(f"{base}/{name}.gz", md5(packed), len(packed))
    monkeypatch.setattr(fashion_mnist, role, fashion_mnist._File(name, remote, md5(data), len(data)))
    monkeypatch.setattr(fashion_mnist, "FILES", tuple(getattr(fashion_mnist, one) for one in ROLES))


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def test_the_arrays_hold_what_the_files_hold(small_files: Path, contents: dict[str, np.ndarray]) -> None:
    dataset = datasets.load("fashion_mnist", data_dir=small_files.parent, image_size=28)
    for channel in range(3):
        assert_array_equal(dataset.x_train[..., channel], contents["X_TRAIN"])
        assert_array_equal(dataset.x_test[..., channel], contents["X_TEST"])
    assert_array_equal(dataset.labels, [*contents["Y_TRAIN"], *contents["Y_TEST"]])
    assert dataset.class_names[9] == "Ankle boot"
    assert datasets.verify("fashion_mnist", dataset=dataset) == []
    assert datasets.load("fashion_mnist", data_dir=small_files.parent).images.shape == (40, 32, 32, 3)


@pytest.mark.parametrize("place", ["fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "."])
@pytest.mark.parametrize("compressed", [True, False])
def test_it_is_found_where_others_put_it(small_files: Path, tmp_path: Path, place: str, compressed: bool) -> None:
    folder = tmp_path / "elsewhere" / place
    folder.mkdir(parents=True)
    for path in small_files.iterdir():
        data = path.read_bytes()
        name = path.name if compressed else path.stem
        (folder / name).write_bytes(data if compressed else gzip.decompress(data))
    dataset = datasets.load("fashion_mnist", data_dir=tmp_path / "elsewhere")
    assert datasets.verify("fashion_mnist", dataset=dataset) == []


def test_recompressed_files_are_the_same_files(small_files: Path) -> None:
    for path in small_files.iterdir():
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1))
    assert datasets.verify("fashion_mnist", data_dir=small_files) == []


def test_damage_is_told(small_files: Path, contents: dict[str, np.ndarray]) -> None:
    path = small_files / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is damaged or cut short"):
        datasets.load("fashion_mnist", data_dir=small_files)
    path.write_bytes(gzip.compress(idx(contents["X_TRAIN"])[:-1]))
    with pytest.raises(ChecksumError, match=r"is cut short: expected 23,536 bytes, came 23,535"):
        datasets.load("fashion_mnist", data_dir=small_files)
    path.write_bytes(gzip.compress(idx(255 - contents["X_TRAIN"])))
    with pytest.raises(ChecksumError, match=r"is damaged or is another file: expected MD5"):
        datasets.load("fashion_mnist", data_dir=small_files)
    assert "is damaged or is another file" in datasets.verify("fashion_mnist", data_dir=small_files)[0]


def test_missing_files_are_downloaded(
    small_files: Path,
    tmp_path: Path,
    contents: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    file_server: Callable[[Path], str],
) -> None:
    base = file_server(small_files)
    for role in ROLES:
        write(small_files, role, idx(contents[role]), monkeypatch, base)
    folder = datasets.get("fashion_mnist", data_dir=tmp_path / "home")
    assert folder == tmp_path / "home" / "fashion-mnist"
    assert datasets.verify("fashion_mnist", data_dir=tmp_path / "home") == []


def test_without_it_the_remedy_is_told(small_files: Path, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"Fashion-MNIST is not in .*apt install dataset-fashion-mnist"):
        datasets.load("fashion_mnist", data_dir=tmp_path / "none", options={"download": False})


@pytest.mark.skipif(not DEBIAN_PATH.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_debians_files_are_as_published() -> None:
    dataset = datasets.load("fashion_mnist", image_size=28, options={"download": False})
    assert datasets.verify("fashion_mnist", dataset=dataset) == []
    assert dataset.x_train.shape == (60_000, 28, 28, 3)
