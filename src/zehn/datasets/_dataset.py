"""What a data set is once it is loaded, and what can be asked of any of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped, UInt8

from zehn.errors import ConfigError

_SUBSET_STREAM, _VALIDATION_STREAM = 1, 2


@dataclass(frozen=True)
class Skipped:
    """A file that could not be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in a training and a test part, with labels where there are some.

    Images are uint8 RGB; ``zehn.images.as_float`` gives them as float32 in [0, 1]. Ids count the training images from
    0, then go on with the test images.
    """

    name: str
    x_train: UInt8[np.ndarray, "n_train h w 3"]
    y_train: Int64[np.ndarray, "n_train 1"] | None
    x_test: UInt8[np.ndarray, "n_test h w 3"]
    y_test: Int64[np.ndarray, "n_test 1"] | None
    class_names: tuple[str, ...] = ()
    origin: str = ""
    """Where the images come from, in words for the report."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """What the images are, for a run to notice others: file names and the MD5s that were verified, or, of a folder of
    one's own, ``folder`` and the hash of all that was read from it."""
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    """What the user has to be told, such as that another data set stands in."""
    paths: tuple[str, ...] | None = None
    """The file of each image, by id, where every image is a file."""

    @property
    def images(self) -> UInt8[np.ndarray, "n h w 3"]:
        """All images by id, the training images first; no copy where they already lie so in memory."""
        return _joined(self.x_train, self.x_test)

    @property
    def labels(self) -> Int64[np.ndarray, " n"] | None:
        """All labels by id, or None where there are none."""
        if self.y_train is None or self.y_test is None:
            return None
        return np.concatenate([self.y_train[:, 0], self.y_test[:, 0]])

    @property
    def n_train(self) -> int:
        """The number of training images."""
        return len(self.x_train)

    @property
    def n_test(self) -> int:
        """The number of test images."""
        return len(self.x_test)


@dataclass(frozen=True)
class Expected:
    """What a published data set is known to hold, for ``verify``."""

    n_train_per_class: tuple[int, ...]
    """Training images of each class, by label."""
    n_test_per_class: tuple[int, ...]


def subset(dataset: Dataset, n_train: int, n_test: int, seed: int) -> Dataset:
    """Keep ``n_train`` training images, chosen by the seed, and the first ``n_test`` test images.

    0 means all, and so does a number larger than what there is. Ids are those of the smaller data set.

    Raises:
        ConfigError: a negative number.

    """
    if n_train < 0 or n_test < 0:
        raise ConfigError(f"expected numbers of images from 0 (all) upwards, came {n_train} and {n_test}")
    kept = _chosen(dataset.n_train, n_train or dataset.n_train, seed)
    stop = min(n_test or dataset.n_test, dataset.n_test)
    if len(kept) == dataset.n_train and stop == dataset.n_test:
        return dataset
    return dataclasses.replace(
        dataset,
        x_train=dataset.x_train if len(kept) == dataset.n_train else dataset.x_train[kept],
        y_train=None if dataset.y_train is None else dataset.y_train[kept],
        x_test=dataset.x_test[:stop],
        y_test=None if dataset.y_test is None else dataset.y_test[:stop],
        paths=dataset.paths
        and tuple(dataset.paths[i] for i in (*kept, *range(dataset.n_train, dataset.n_train + stop))),
    )


def _chosen(n_there: int, n_wanted: int, seed: int) -> Int64[np.ndarray, " n"]:
    if n_wanted >= n_there:
        return np.arange(n_there)
    stream = np.random.SeedSequence(seed, spawn_key=(_SUBSET_STREAM,))  # apart from every (seed, epoch, …) of training
    return np.sort(np.random.default_rng(stream).permutation(n_there)[:n_wanted])


def split_validation(
    n_train: int, share: float, seed: int
) -> tuple[Int64[np.ndarray, " n_kept"], Int64[np.ndarray, " n_held"]]:
    """Choose which training images to learn from and which to hold out, as two sorted arrays of positions.

    At least one image is held out if ``share`` is above 0 and there are two; at least one is always learnt from.

    Raises:
        ConfigError: a share outside [0, 1) or no image at all.

    """
    if not 0 <= share < 1:
        raise ConfigError(f"expected a share of validation images from 0 up to 1, came {share}")
    if n_train < 1:
        raise ConfigError(f"expected at least one training image, came {n_train}")
    n_held = min(max(round(n_train * share), int(share > 0)), n_train - 1)
    order = np.random.default_rng((_VALIDATION_STREAM, seed)).permutation(n_train)
    return np.sort(order[n_held:]), np.sort(order[:n_held])


def describe(dataset: Dataset) -> dict[str, Any]:
    """Return what ``zehn data info`` prints and the report shows, ready for JSON.

    ``arrays`` has an entry for each of x_train, y_train, x_test and y_test that is there: shape, dtype, min, max, and
    for labels the number of images of each class.
    """
    arrays = {
        "x_train": dataset.x_train, "y_train": dataset.y_train, "x_test": dataset.x_test, "y_test": dataset.y_test,
    }  # fmt: skip
    return {
        "name": dataset.name,
        "origin": dataset.origin,
        "n_train": dataset.n_train,
        "n_test": dataset.n_test,
        "class_names": list(dataset.class_names),
        "arrays": {
            name: _described(array, () if name.startswith("x_") else dataset.class_names)
            for name, array in arrays.items()
            if array is not None
        },
        "checksums": dict(dataset.checksums),
        "skipped": [dataclasses.asdict(one) for one in dataset.skipped],
        "notes": list(dataset.notes),
    }


def problems(dataset: Dataset, expected: Expected | None = None) -> list[str]:
    """Return what is wrong with a loaded data set, in words; nothing where all is as it should be.

    Shapes, types, value ranges and labels are checked for themselves, and numbers of images where they are published.
    """
    parts = (
        ("train", dataset.x_train, dataset.y_train, expected.n_train_per_class if expected else None),
        ("test", dataset.x_test, dataset.y_test, expected.n_test_per_class if expected else None),
    )
    found = []
    for part, x, y, per_class in parts:
        found += _image_problems(f"x_{part}", x, sum(per_class) if per_class else None)
        if y is not None:
            found += _label_problems(f"y_{part}", y, len(x), dataset.class_names, per_class)
        elif per_class:
            found.append(f"y_{part}: expected labels, came none")
    return found


def _described(array: Shaped[np.ndarray, "n ..."], class_names: tuple[str, ...]) -> dict[str, Any]:
    described: dict[str, Any] = {"shape": list(array.shape), "dtype": str(array.dtype)}
    if array.size:
        described |= {"min": int(array.min()), "max": int(array.max())}
    if class_names:
        counts = np.bincount(array[:, 0], minlength=len(class_names))
        described["class_counts"] = {name: int(count) for name, count in zip(class_names, counts, strict=True)}
    return described


def _image_problems(name: str, x: Shaped[np.ndarray, "..."], n_expected: int | None) -> list[str]:
    if x.ndim != 4 or x.shape[-1] != 3 or x.dtype != np.uint8:
        return [f"{name}: expected uint8 images (n, H, W, 3), came {x.dtype} {x.shape}"]
    if not x.size:
        return [f"{name}: expected images, came none"]
    found = []
    if n_expected is not None and len(x) != n_expected:
        found.append(f"{name}: expected {n_expected:,} images, came {len(x):,}")
    low, high = int(x.min()), int(x.max())
    if low == high or (n_expected is not None and (low, high) != (0, 255)):
        found.append(f"{name}: expected values from 0 to 255, came {low} to {high}")
    return found


def _label_problems(
    name: str,
    y: Shaped[np.ndarray, "..."],
    n_images: int,
    class_names: tuple[str, ...],
    per_class: tuple[int, ...] | None,
) -> list[str]:
    if y.shape != (n_images, 1) or y.dtype != np.int64:
        return [f"{name}: expected int64 labels {(n_images, 1)}, came {y.dtype} {y.shape}"]
    if y.size and not (y.min() >= 0 and y.max() < len(class_names)):
        return [f"{name}: expected labels from 0 to {len(class_names) - 1}, came {y.min()} to {y.max()}"]
    if per_class and len(per_class) != len(class_names):
        return [f"{name}: expected {len(per_class)} classes, came {len(class_names)}"]
    counts = np.bincount(y[:, 0], minlength=len(class_names))
    return [
        f"{name}: expected {n_expected:,} images of class {class_name!r}, came {count:,}"
        for class_name, n_expected, count in zip(class_names, per_class or counts, counts, strict=True)
        if count != n_expected
    ]


def _joined(first: UInt8[np.ndarray, "n h w 3"], second: UInt8[np.ndarray, "m h w 3"]) -> UInt8[np.ndarray, "nm h w 3"]:
    whole = first.base
    if (
        isinstance(whole, np.ndarray)
        and whole is second.base
        and whole.shape == (len(first) + len(second), *first.shape[1:])
        and whole.flags.c_contiguous
        and first.ctypes.data == whole.ctypes.data
        and second.ctypes.data == whole.ctypes.data + first.nbytes
    ):
        return whole
    return np.concatenate([first, second])
