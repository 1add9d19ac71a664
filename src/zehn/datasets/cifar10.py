"""CIFAR-10: 60,000 colour photographs of 32×32 pixels in ten classes (Krizhevsky 2009), from its official files.

Looked for in the folder that is named, in those of ``$ZEHN_DATA`` and in the user's cache, as the archive
``cifar-10-python.tar.gz`` or unpacked as ``cifar-10-batches-py``; else downloaded from
https://www.cs.toronto.edu/~kriz/cifar.html. Every file is compared with its published MD5 before it is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from zehn import images
from zehn.datasets import _archive, _checksums, _download, _pickle, _places
from zehn.datasets._dataset import Dataset, Expected
from zehn.errors import DataError, DownloadError
from zehn.progress import Progress

ARCHIVE = _download.Remote(
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a", 170_498_071
)
CHECKSUMS: Mapping[str, str] = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}
"""The MD5s of the files, as torchvision (torchvision/datasets/cifar.py) publishes them."""

_N_BYTES: Mapping[str, int] = {
    "data_batch_1": 31_035_704,
    "data_batch_2": 31_035_320,
    "data_batch_3": 31_035_999,
    "data_batch_4": 31_035_696,
    "data_batch_5": 31_035_623,
    "test_batch": 31_035_526,
    "batches.meta": 158,
}
"""The lengths of the same files, by which a copy that was cut short is told from a whole one without reading it."""

_FOLDER_NAME = "cifar-10-batches-py"
_ARCHIVE_NAME = "cifar-10-python.tar.gz"
_META = "batches.meta"
_BATCHES = tuple(name for name in CHECKSUMS if name != _META)
_N_PER_BATCH, _SIDE = 10_000, 32
_N_TRAIN = 50_000

HOW_TO = (
    f"put {_ARCHIVE_NAME} (from https://www.cs.toronto.edu/~kriz/cifar.html) or the unpacked {_FOLDER_NAME} into a "
    f"folder and name that with --data-dir or ${_places.DATA_VARIABLE}"
)
"""What a user without CIFAR-10 can do."""


@dataclass(frozen=True)
class Options:
    """How hard to try to get the data."""

    download: bool = True
    """Whether to download it where it is not found."""
    timeout_s: float = _download.Patience.timeout_s
    """Seconds to connect, and to wait for the next bytes."""
    n_attempts: int = _download.Patience.n_attempts
    """Attempts in a row that bring nothing new before it is given up."""
    first_answer_s: float = _download.Patience.first_answer_s
    """Seconds in which the server must answer at all, before anything is fetched; 0 asks for no such sign of life."""


def load(options: Options, *, image_size: int, data_dir: Path | str | None, progress: Progress | None) -> Dataset:
    """Find or download CIFAR-10, verify it and load it.

    Raises:
        DataError: incomplete, or the archive cannot be unpacked.
        ChecksumError: a file is damaged, cut short or another one.
        DownloadError: not found, and not to be downloaded or the download could not be finished.

    """
    folder = get(options, data_dir=data_dir, progress=progress)
    class_names = _class_names(_checked(folder, _META), folder / _META)
    x, y = _read_batches(folder)
    x = images.resize_all(x, image_size)
    return Dataset(
        name="cifar10",
        x_train=x[:_N_TRAIN],
        y_train=y[:_N_TRAIN],
        x_test=x[_N_TRAIN:],
        y_test=y[_N_TRAIN:],
        class_names=class_names,
        origin=f"the official files of CIFAR-10, found in {folder}",
        checksums=dict(CHECKSUMS),
    )


def get(options: Options, *, data_dir: Path | str | None, progress: Progress | None) -> Path:
    """Return the folder with the unpacked files, after unpacking or downloading them where need be.

    A whole copy is taken wherever it lies: one that lacks something stands in its way nowhere, and is only complained
    about where there is no other.

    Raises:
        DataError: the only copy lacks files, or the archive is damaged or cannot be unpacked.
        ChecksumError: the archive is cut short or another one.
        DownloadError: not found, and not to be downloaded or the download could not be finished.

    """
    places = _places.search_paths(data_dir)
    candidates = (folder for place in places for folder in (place / _FOLDER_NAME, place))
    folders = [folder for folder in candidates if folder.name == _FOLDER_NAME and folder.is_dir()]
    archive_paths = sorted(filter(Path.is_file, (place / _ARCHIVE_NAME for place in places)), key=_is_cut)
    whole = next(filter(_is_whole, folders), None)
    if whole:
        return whole
    if archive_paths and not (folders and _is_cut(archive_paths[0])):
        return _unpacked(archive_paths[0], _places.download_path(None))
    if folders:
        return _with_all_files(folders)
    if not options.download:
        raise DownloadError(f"CIFAR-10 is not in {', '.join(map(str, places))}; {HOW_TO}")
    return _downloaded(options, _places.download_path(data_dir), progress)


def expected() -> Expected:
    """Return what CIFAR-10 is published to hold."""
    return Expected(n_train_per_class=(5_000,) * 10, n_test_per_class=(1_000,) * 10)


def _is_cut(archive_path: Path) -> bool:
    return archive_path.stat().st_size < ARCHIVE.n_bytes


def _is_whole(folder: Path) -> bool:
    return all((folder / name).is_file() and (folder / name).stat().st_size >= _N_BYTES[name] for name in CHECKSUMS)


def _with_all_files(folders: Sequence[Path]) -> Path:
    """Return the first folder that lacks no file, for ``load`` to say which of them is cut short.

    Raises:
        DataError: each of them lacks some.

    """
    lacking = {folder: [name for name in CHECKSUMS if not (folder / name).is_file()] for folder in folders}
    for folder, names in lacking.items():
        if not names:
            return folder
    raise DataError(
        f"{folders[0]} lacks {', '.join(lacking[folders[0]])}; delete the folder and fetch CIFAR-10 again, or {HOW_TO}"
    )


def _unpacked(archive_path: Path, home: Path) -> Path:
    _checksums.verify_file(archive_path, ARCHIVE.md5, ARCHIVE.n_bytes)
    _archive.unpack(archive_path, home / _FOLDER_NAME, CHECKSUMS)
    return home / _FOLDER_NAME


def _downloaded(options: Options, home: Path, progress: Progress | None) -> Path:
    patience = _download.Patience(
        timeout_s=options.timeout_s, n_attempts=options.n_attempts, first_answer_s=options.first_answer_s
    )
    _download.download(ARCHIVE, home / _ARCHIVE_NAME, patience, progress)
    folder = _unpacked(home / _ARCHIVE_NAME, home)
    (home / _ARCHIVE_NAME).unlink()
    return folder


def _checked(folder: Path, name: str) -> Mapping[bytes, Any]:
    return _pickle.read_pickle(_checksums.read_verified(folder / name, CHECKSUMS[name]), folder / name)


def _read_batches(folder: Path) -> tuple[UInt8[np.ndarray, "n 32 32 3"], Int64[np.ndarray, "n 1"]]:
    n_images = _N_PER_BATCH * len(_BATCHES)
    x = np.empty((n_images, _SIDE, _SIDE, 3), np.uint8)
    y = np.empty((n_images, 1), np.int64)
    for position, name in enumerate(_BATCHES):
        batch = _checked(folder, name)
        rows = slice(position * _N_PER_BATCH, (position + 1) * _N_PER_BATCH)
        try:
            x[rows] = batch[b"data"].reshape(_N_PER_BATCH, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
            y[rows, 0] = batch[b"labels"]
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise DataError(f"{folder / name} is not a batch of CIFAR-10: {error}; {_checksums.REMEDY}") from error
    return x, y


def _class_names(meta: Mapping[bytes, Any], path: Path) -> tuple[str, ...]:
    try:
        return tuple(name.decode("ascii") for name in meta[b"label_names"])
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} does not name the classes of CIFAR-10: {error}; {_checksums.REMEDY}") from error
