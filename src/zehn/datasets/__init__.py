"""Data sets: found, downloaded, verified, loaded. A file here is a data set; ``auto`` chooses between two of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from zehn import plugins
from zehn.datasets._dataset import (
    Dataset,
    Expected,
    Skipped,
    describe,
    problems,
    split_validation,
    subset,
)
from zehn.errors import ConfigError, DataError, DownloadError
from zehn.progress import Progress

__all__ = [
    "AUTO",
    "Dataset",
    "Expected",
    "Skipped",
    "describe",
    "get",
    "load",
    "names",
    "problems",
    "split_validation",
    "subset",
    "verify",
]

AUTO = "auto"
"""The name that stands for CIFAR-10 where it is to be had, and for the digits elsewhere."""

_WANTED, _STAND_IN = "cifar10", "digits"
_QUICK: Mapping[str, Any] = {"first_answer_s": 8.0}
"""How ``auto`` asks the server: without network it must be told within seconds; with one, a hiccup is waited out."""


def names() -> list[str]:
    """Return the names of all data sets, sorted."""
    return plugins.names("datasets")


def load(
    name: str = AUTO,
    *,
    image_size: int = 32,
    data_dir: Path | str | None = None,
    progress: Progress | None = None,
    options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Load a data set as uint8 RGB squares; ``zehn.images.as_float`` turns them into float32 in [0, 1].

    Args:
        name: A data set, ``folder:PATH``, or ``auto``.
        image_size: The side of the images in pixels; others are resized to it.
        data_dir: A folder to look in first, and to download to.
        progress: Told how far a download or the decoding of a folder is.
        options: Options of the data set, as its ``Options`` names them.

    Raises:
        UnknownNameError: no such data set or option.
        ConfigError: an image size below 1 or an option out of its range.
        DataError: the data is missing, incomplete or damaged (``ChecksumError``, ``DownloadError``).
        MissingExtraError: the digits need scikit-learn, which is not installed.

    """
    if image_size < 1:
        raise ConfigError(f"expected an image size of at least 1 pixel, came {image_size}")
    if name == AUTO:
        return _load_auto(image_size, data_dir, progress, options)
    plugin, given = _chosen(name, options)
    return plugin.load(given, image_size=image_size, data_dir=data_dir, progress=progress)


def get(
    name: str,
    *,
    data_dir: Path | str | None = None,
    progress: Progress | None = None,
    options: Mapping[str, Any] | None = None,
) -> Path:
    """Find or download a data set and return the folder that it lies in; the errors are those of ``load``."""
    plugin, given = _chosen(_WANTED if name == AUTO else name, options)
    return plugin.get(given, data_dir=data_dir, progress=progress)


def verify(
    name: str,
    *,
    data_dir: Path | str | None = None,
    progress: Progress | None = None,
    options: Mapping[str, Any] | None = None,
    dataset: Dataset | None = None,
) -> list[str]:
    """Return what is wrong with a data set in words, damaged files included; nothing where all is as published.

    Args:
        name: As for ``load``.
        data_dir: As for ``load``.
        progress: As for ``load``.
        options: As for ``load``.
        dataset: The data set, where it has been loaded already.

    Raises:
        UnknownNameError: no such data set or option.
        MissingExtraError: the digits need scikit-learn, which is not installed.

    """
    try:
        loaded = dataset or load(name, data_dir=data_dir, progress=progress, options=options)
    except DataError as error:
        return [str(error)]
    plugin = plugins.load("datasets", loaded.name)
    return problems(loaded, plugin.expected() if hasattr(plugin, "expected") else None)


def _chosen(name: str, options: Mapping[str, Any] | None) -> tuple[ModuleType, Any]:
    stem, colon, path = name.partition(":")
    plugin = plugins.load("datasets", stem)
    return plugin, plugins.options(plugin, {**(options or {}), **({"path": path} if colon else {})})


def _load_auto(
    image_size: int, data_dir: Path | str | None, progress: Progress | None, options: Mapping[str, Any] | None
) -> Dataset:
    """Load CIFAR-10, or the digits where it is neither found nor to be downloaded. A damaged copy is an error."""
    plugin, given = _chosen(_WANTED, {**_QUICK, **(options or {})})
    try:
        return plugin.load(given, image_size=image_size, data_dir=data_dir, progress=progress)
    except DownloadError as error:
        reason = str(error)
    dataset = load(_STAND_IN, image_size=image_size)
    note = f"CIFAR-10 was not found on this machine: these are {_STAND_IN} instead ({reason}). To use CIFAR-10, "
    return dataclasses.replace(dataset, notes=(*dataset.notes, note + plugin.HOW_TO))
