"""The errors that Zehn raises on purpose, all children of :class:`ZehnError`.

Each says what was expected, what came, and what to do next. The tree::

    ZehnError
    ├── ConfigError            a setting, preset, option or TOML file is wrong (also a ValueError)
    │   └── UnknownNameError   a dataset, model, objective, distance … that does not exist
    ├── InputError             an array of the wrong shape, type or range (also a ValueError)
    ├── DataError              a data set that is missing, incomplete or not what it claims
    │   ├── ChecksumError      a file whose checksum is not the published one
    │   ├── DownloadError      a download that could not be finished
    │   └── ImageError         one image file that cannot be read
    ├── ModelFileError         a model file that is cut short, tampered with or foreign
    ├── CollectionError        a collection that is missing, damaged, read-only or of another version
    │   └── BusyError          another process writes to it and does not finish
    ├── RunError               a run folder that is missing, unwritable or of another version
    ├── TrainingError          a training that cannot go on, such as a loss that is no number
    │   └── LostError          another process of a training has ended or cannot be reached
    └── MissingExtraError      an optional dependency that is not installed (also an ImportError)

The command line turns each of them into one line on standard error and exit code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZehnError(Exception):
    """The root of every error that Zehn raises on purpose."""


class ConfigError(ZehnError, ValueError):
    """A setting, preset, option or TOML file is wrong."""


class UnknownNameError(ConfigError):
    """A name that belongs to nothing, with the closest names that do exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        """Say that ``name`` is no ``kind`` and suggest what of ``known`` comes close to it."""
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        close = difflib.get_close_matches(name, self.known, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}? " if close else ""
        super().__init__(f"unknown {kind} {name!r}; {hint}there are: {', '.join(self.known) or 'none'}")


class InputError(ZehnError, ValueError):
    """An array of the wrong shape, type or range."""


class DataError(ZehnError):
    """A data set that is missing, incomplete or not what it claims to be."""


class ChecksumError(DataError):
    """A file whose checksum is not the published one."""


class DownloadError(DataError):
    """A download that could not be finished."""


class ImageError(DataError):
    """One image file that cannot be read."""


class ModelFileError(ZehnError):
    """A model file that is cut short, tampered with or not a Zehn model at all."""


class RunError(ZehnError):
    """A run folder that is missing, unwritable or written by another version."""


class CollectionError(ZehnError):
    """A collection that is missing, damaged, read-only or of another version, or a disk that refuses to keep it."""


class BusyError(CollectionError):
    """Another process writes to the collection and does not finish in time."""


class TrainingError(ZehnError):
    """A training that cannot go on."""


class LostError(TrainingError):
    """Another process of a training has ended, or cannot be reached any more."""


class MissingExtraError(ZehnError, ImportError):
    """An optional dependency that is not installed; the message names the extra that brings it."""

    def __init__(self, module: str, extra: str) -> None:
        """Say that ``module`` is missing and how to install it."""
        super().__init__(f"this needs {module!r}, which is not installed; install it with: pip install 'zehn[{extra}]'")
