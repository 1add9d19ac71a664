"""Fashion-MNIST: 70,000 grey photographs of clothes, 28×28 pixels, ten classes (Xiao et al., arXiv 1708.07747).

The four IDX files, compressed or not, are looked for in the folder that is named, in those of ``$ZEHN_DATA``, in the
user's cache and where Debian's package ``dataset-fashion-mnist`` puts them; else they are downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from zehn import images
from zehn.datasets import _checksums, _download, _idx, _places
from zehn.datasets._dataset import Dataset, Expected
from zehn.errors import ChecksumError, DataError, DownloadError
from zehn.progress import Progress


@dataclass(frozen=True)
class _File:
    """One published file: as it is downloaded, and the MD5 and length of what it holds, however compressed."""

    name: str
    remote: _download.Remote
    md5: str
    n_bytes: int


def _published(name: str, gzip_md5: str, gzip_n_bytes: int, md5: str, n_bytes: int) -> _File:
    url = f"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{name}.gz"
    return _File(name, _download.Remote(url, gzip_md5, gzip_n_bytes), md5, n_bytes)


X_TRAIN = _published(
    "train-images-idx3-ubyte",
    *("8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26_421_880),
    *("f4a8712d7a061bf5bd6d2ca38dc4d50a", 47_040_016),
)
Y_TRAIN = _published(
    "train-labels-idx1-ubyte",
    *("25c81989df183df01b3e8a0aad5dffbe", 29_515),
    *("9018921c3c673c538a1fc5bad174d6f9", 60_008),
)
X_TEST = _published(
    "t10k-images-idx3-ubyte",
    *("bef4ecab320f06d8554ea6380940ec79", 4_422_102),
    *("8181f5470baa50b63fa0f6fddb340f0a", 7_840_016),
)
Y_TEST = _published(
    "t10k-labels-idx1-ubyte",
    *("bb300cfdad3c16e7a12a480ee83cd310", 5_148),
    *("15d484375f8d13e6eb1aabb0c3f46965", 10_008),
)
FILES = (X_TRAIN, Y_TRAIN, X_TEST, Y_TEST)
CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

_FOLDER_NAME = "fashion-mnist"
_FOLDER_NAMES = (_FOLDER_NAME, "fashion_mnist", "FashionMNIST/raw", ".")
_DEBIAN_PATH = Path("/usr/share/datasets")


@dataclass(frozen=True)
class Options:
    """How hard to try to get the data."""

    download: bool = True
    """Whether to download it where it is not found."""
    timeout_s: float = _download.Patience.timeout_s
    """Seconds to connect, and to wait for the next bytes."""
    n_attempts: int = _download.Patience.n_attempts
    """Attempts in a row that bring nothing new before it is given up."""


def load(options: Options, *, image_size: int, data_dir: Path | str | None, progress: Progress | None) -> Dataset:
    """Find or download Fashion-MNIST, verify it and load it, its grey repeated over three channels.

    Raises:
        DataError: a file cannot be read.
        ChecksumError: a file is damaged, cut short or another one.
        DownloadError: not found, and not to be downloaded or the download could not be finished.

    """
    folder = get(options, data_dir=data_dir, progress=progress)
    n_train, n_test = sum(expected().n_train_per_class), sum(expected().n_test_per_class)
    x = np.empty((n_train + n_test, image_size, image_size, 3), np.uint8)
    x[:n_train] = _images(folder, X_TRAIN, image_size)
    x[n_train:] = _images(folder, X_TEST, image_size)
    return Dataset(
        name="fashion_mnist",
        x_train=x[:n_train],
        y_train=_labels(folder, Y_TRAIN),
        x_test=x[n_train:],
        y_test=_labels(folder, Y_TEST),
        class_names=CLASS_NAMES,
        origin=f"the official files of Fashion-MNIST, found in {folder}",
        checksums={file.name: file.md5 for file in FILES},
    )


def get(options: Options, *, data_dir: Path | str | None, progress: Progress | None) -> Path:
    """Return the folder with the four files, after downloading them where need be.

    Raises:
        DownloadError: not found, and not to be downloaded or the download could not be finished.

    """
    places = [*_places.search_paths(data_dir), _DEBIAN_PATH]
    for folder in (place / name for place in places for name in _FOLDER_NAMES):
        if all(_found(folder, file) for file in FILES):
            return folder
    if not options.download:
        raise DownloadError(
            f"Fashion-MNIST is not in {', '.join(map(str, places))}; put its four IDX files into a folder and name "
            f"that with --data-dir or ${_places.DATA_VARIABLE} (on Debian: apt install dataset-fashion-mnist)"
        )
    home = _places.download_path(data_dir) / _FOLDER_NAME
    patience = _download.Patience(timeout_s=options.timeout_s, n_attempts=options.n_attempts)
    for file in FILES:
        if not _found(home, file):
            _download.download(file.remote, home / f"{file.name}.gz", patience, progress)
    return home


def expected() -> Expected:
    """Return what Fashion-MNIST is published to hold."""
    return Expected(n_train_per_class=(6_000,) * 10, n_test_per_class=(1_000,) * 10)


def _found(folder: Path, file: _File) -> Path | None:
    candidates = (folder / file.name, folder / f"{file.name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _read(folder: Path, file: _File) -> UInt8[np.ndarray, "..."]:
    path = _found(folder, file)
    if path is None:
        raise DataError(f"{folder} lacks {file.name}; put it there, or delete the folder and fetch it again")
    data = _idx.read_content(path, file.n_bytes)
    if len(data) < file.n_bytes:
        raise ChecksumError(
            f"{path} is cut short: expected {file.n_bytes:,} bytes, came {len(data):,}; {_checksums.REMEDY}"
        )
    _checksums.compare(path, _checksums.md5_of(data), file.md5)
    return _idx.parse(data, path)


def _images(folder: Path, file: _File, image_size: int) -> UInt8[np.ndarray, "n {image_size} {image_size} 3"]:
    grey = _read(folder, file)
    return images.resize_all(np.broadcast_to(grey[..., None], (*grey.shape, 3)), image_size)


def _labels(folder: Path, file: _File) -> Int64[np.ndarray, "n 1"]:
    return _read(folder, file).astype(np.int64)[:, None]
