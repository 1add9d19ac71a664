"""CIFAR-10 as arrays in files, so that a peer needs nothing of Zehn to read it; and JPEG files made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.bench import _data

_SIZE, _GRAIN, _QUALITY = (400, 300), 13.0, 77


def cifar10(n: int | None = None) -> np.ndarray:
    """Return all images, training images first, or the first n: (60000, 32, 32, 3), uint8."""
    path = _data.FOLDER / "cifar10.npy"
    if not path.is_file():
        write_cifar10()
    return np.array(np.load(path, mmap_mode="r")[:n])


def labels() -> np.ndarray:
    """Return the classes of all images; they score, nothing else."""
    return np.load(_data.FOLDER / "cifar10-labels.npy")


def write_cifar10() -> None:
    """Write what :func:`cifar10` and :func:`labels` read; only Zehn's environment can."""
    from zehn import load_dataset

    dataset = load_dataset("cifar10")
    _data.FOLDER.mkdir(parents=True, exist_ok=True)
    _data.write(_data.FOLDER / "cifar10-labels.npy", np.asarray(dataset.labels))
    _data.write(_data.FOLDER / "cifar10.npy", np.concatenate([dataset.x_train, dataset.x_test]))


def jpegs(n: int) -> Path:
    """Return a folder of n JPEG files of about 30 kB (400 × 300), a hundred to a folder; each is another image."""
    from PIL import Image

    folder = _data.FOLDER / f"jpegs-{n}"
    if folder.is_dir():
        return folder
    images, generator = cifar10(n), np.random.default_rng(0)
    unfinished = folder.with_name(f"unfinished-{n}")
    for number in range(n):
        large = Image.fromarray(images[number % len(images)]).resize(_SIZE, Image.Resampling.BICUBIC)
        grainy = np.asarray(large) + generator.normal(0, _GRAIN, (_SIZE[1], _SIZE[0], 1))
        path = unfinished / f"{number // 100:04}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(grainy, 0, 255).astype(np.uint8)).save(path, quality=_QUALITY)
    unfinished.rename(folder)
    return folder
