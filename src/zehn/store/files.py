"""Writing files whole or not at all, and saying what to do when a disk refuses."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import math
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from zehn.errors import RunError

_UNFINISHED = ".part"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_IN_THE_WAY = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR)


def write_atomically(path: str | Path, data: bytes | str) -> Path:
    """Write a file beside its place and rename it there, so that readers see the old file or the whole new one.

    Text is written as UTF-8. Missing folders are made.

    Raises:
        RunError: the disk is full, or the place cannot be written to.

    """
    path = Path(path)
    content = data.encode() if isinstance(data, str) else data
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{_UNFINISHED}")
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    return path


def remove_unfinished(folder: Path) -> None:
    """Remove what killed writers left below a folder that no one else is writing to."""
    for path in folder.rglob(f".*{_UNFINISHED}"):
        path.unlink(missing_ok=True)


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn what the operating system says while ``path`` is written into an error that says what to do.

    Raises:
        RunError: the disk is full, or the place cannot be written to.

    """
    try:
        yield
    except OSError as error:
        raise RunError(_refusal(Path(path), error)) from error


def to_json(value: Any) -> str:
    """Return JSON text of numbers, strings, lists, mappings, arrays, paths and dataclasses.

    What is no finite number (NaN, infinity) becomes ``null``: JSON has no word for it.
    """
    return json.dumps(_plain(value), allow_nan=False, indent=1, ensure_ascii=False)


def inputs_hash(*inputs: Any) -> str:
    """Return a hash (16 hex digits) of whatever a stage is made from; equal inputs, equal hash.

    The inputs may be anything that :func:`to_json` takes; the order of a mapping's keys does not count.
    """
    text = json.dumps(_plain(inputs), allow_nan=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.as_posix() if isinstance(value, Path) else value


def _refusal(path: Path, error: OSError) -> str:
    if error.errno in _FULL:
        return (
            f"the disk is full: no room to write {path} ({_free_space(path)} left); free some space or name "
            "another folder, then give the same command again: what was finished is kept"
        )
    if error.errno in _FORBIDDEN:
        return f"cannot write {path}: {error.strerror}; make its folder writable or name another one"
    if error.errno in _IN_THE_WAY:
        return f"cannot write {path}: {error.strerror} ({error.filename}); move that away or name another place"
    return f"cannot write {path}: {error}; name another place"


def _free_space(path: Path) -> str:
    folder = next((parent for parent in path.absolute().parents if parent.exists()), Path("/"))
    return f"{shutil.disk_usage(folder).free / 1e6:.1f} MB"
