"""A folder of a user's own images, as ``folder:PATH``: any size, several formats, found in all its subfolders.

Where every image lies in a subfolder, the subfolders are the classes. Folders ``train`` and ``test`` on top are taken
for the split that they name: what lies in ``test`` is the test part, everything else (``val`` too) the training part.
Without both, the split goes by each file's content, so that adding files moves no other. Within a part, the images are
in the order of their contents' hashes, which mixes the classes. What cannot be read is listed and skipped.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from zehn import images
from zehn.datasets import _decoded, _places
from zehn.datasets._dataset import Dataset, Skipped
from zehn.errors import ConfigError, DataError, UnknownNameError
from zehn.progress import Progress

_TRAIN_NAMES = frozenset({"train", "training", "val", "valid", "validation"})
_TEST_NAMES = frozenset({"test", "testing"})
"""Top folders that name a split, not a class; the classes are then the folders below."""
_MOST_THREADS = 16


@dataclass(frozen=True)
class Options:
    """Which folder, and how its images are made square and divided."""

    path: str = ""
    """The folder; ``folder:PATH`` sets it."""
    test_share: float = 1 / 6
    """The share of test images, CIFAR-10's by default; hashing meets it on average. Without effect where ``test`` is a
    folder of its own."""
    fit: str = "crop"
    """How oblong images become squares: ``crop``, ``stretch`` or ``pad``."""
    max_pixels: int = images.MAX_PIXELS
    """Images with more pixels are skipped."""
    n_threads: int = 0
    """Threads that decode; 0 means one per core."""


def load(options: Options, *, image_size: int, data_dir: Path | str | None, progress: Progress | None) -> Dataset:
    """Load the images of a folder, decoded once into the cache and from then on mapped from there.

    Raises:
        ConfigError: no path, or an option out of its range.
        DataError: no such folder, fewer than two readable images in it, none for one part of the folder's own split, or
            no room for the cache.

    """
    _check(options)
    root = get(options, data_dir=data_dir, progress=progress)
    paths, unreadable = _image_paths(root)
    settings = _decoded.Settings(image_size, options.fit, options.max_pixels, options.test_share)
    n_threads = options.n_threads or min(os.cpu_count() or 1, _MOST_THREADS)
    files = _decoded.Files(root, paths, _test_folders(paths))
    decoded = _decoded.decode(files, settings, n_threads=n_threads, progress=progress)
    labels, class_names = _labels(decoded.paths, is_split=bool(files.test_folders))
    n_train, skipped = decoded.n_train, (*unreadable, *decoded.skipped)
    return Dataset(
        name="folder",
        x_train=decoded.images[:n_train],
        y_train=None if labels is None else labels[:n_train],
        x_test=decoded.images[n_train:],
        y_test=None if labels is None else labels[n_train:],
        class_names=class_names,
        origin=f"the {len(decoded.paths):,} readable images in {root}{_told(files.test_folders)}",
        checksums={"folder": decoded.checksum},
        skipped=skipped,
        notes=(f"{len(skipped):,} files in {root} cannot be read and are skipped",) if skipped else (),
        paths=tuple(f"{root}{os.sep}{path}" for path in decoded.paths),
    )


def get(options: Options, *, data_dir: Path | str | None, progress: Progress | None) -> Path:
    """Return the folder, resolved; there is nothing to fetch.

    Raises:
        ConfigError: no path was given, or the home of a user who is not there.
        DataError: there is no such folder.

    """
    del data_dir, progress
    if not options.path:
        raise ConfigError("expected a folder of images as folder:PATH, came no path")
    root = _places.expanded(options.path, "folder:PATH")
    if not root.is_dir():
        raise DataError(f"expected a folder of images, there is no folder {root}")
    return root.resolve()


def _check(options: Options) -> None:
    if options.fit not in images.FITS:
        raise UnknownNameError("fit", options.fit, images.FITS)
    if not 0 < options.test_share < 1:
        raise ConfigError(f"test_share must lie between 0 and 1, came {options.test_share:g}")
    if options.max_pixels < 1 or options.n_threads < 0:
        raise ConfigError(f"expected max_pixels ≥ 1 and n_threads ≥ 0, came {options.max_pixels}, {options.n_threads}")


def _image_paths(root: Path) -> tuple[list[str], list[Skipped]]:
    """Return the files that promise images by their names, sorted, and the subfolders that cannot be entered."""
    unreadable: list[Skipped] = []
    paths, n_others = [], 0

    def note(error: OSError) -> None:
        unreadable.append(Skipped(str(error.filename), f"the folder cannot be read: {error.strerror}"))

    for folder, folder_names, names in os.walk(root, onerror=note):
        folder_names[:] = [name for name in folder_names if not name.startswith(".")]
        promising = [name for name in names if _promises_image(name)]
        n_others += len(names) - len(promising)
        prefix = "" if folder == str(root) else f"{Path(folder).relative_to(root)}{os.sep}"
        paths += [prefix + name for name in promising]
    if not paths:
        suffixes = ", ".join(sorted(images.SUFFIXES))
        raise DataError(f"no images in {root}: expected files named {suffixes}, came {n_others:,} other files")
    return sorted(paths), unreadable


def _promises_image(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in images.SUFFIXES  # noqa: PTH122 – quick


def _test_folders(paths: Sequence[str]) -> frozenset[str]:
    """Return the top folders of test images, where there are such of training images too."""
    tops = {path.partition(os.sep)[0] for path in paths if os.sep in path}
    has_train = any(top.lower() in _TRAIN_NAMES for top in tops)
    return frozenset(top for top in tops if has_train and top.lower() in _TEST_NAMES)


def _told(test_folders: frozenset[str]) -> str:
    names = " and ".join(f"{name}{os.sep}" for name in sorted(test_folders))
    return f"; those in {names} are the test images, all others the training images" if test_folders else ""


def _labels(paths: Sequence[str], *, is_split: bool) -> tuple[Int64[np.ndarray, "n 1"] | None, tuple[str, ...]]:
    names = [_class_name(path, is_split=is_split) for path in paths]
    class_names = tuple(sorted({name for name in names if name is not None}))
    if None in names or len(class_names) < 2:
        return None, ()
    numbers = {name: number for number, name in enumerate(class_names)}
    return np.array([[numbers[str(name)]] for name in names], np.int64), class_names


def _class_name(path: str, *, is_split: bool) -> str | None:
    folders = path.split(os.sep)[:-1]  # noqa: PTH206 – quick
    if folders and folders[0].lower() in _TRAIN_NAMES | _TEST_NAMES and (is_split or len(folders) > 1):
        del folders[0]
    return folders[0] if folders else None
