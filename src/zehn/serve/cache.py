"""What takes minutes to make is kept in a folder that the user may delete at any time."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zehn import damage, store
from zehn.errors import RunError

CACHE_VARIABLE, HOME_VARIABLE = "ZEHN_CACHE", "ZEHN_HOME"
_N_DIGITS = 32
_N_KEPT = 50
"""Files of one kind; of more, those that were used longest ago are dropped."""
_DAMAGED = (*damage.OF_ARRAYS, MemoryError)


def folder_path() -> Path:
    """Return the folder: ``$ZEHN_CACHE``, ``cache`` in ``$ZEHN_HOME``, or in the user's own; it need not exist."""
    named, home = os.environ.get(CACHE_VARIABLE), os.environ.get(HOME_VARIABLE)
    if named:
        return Path(os.path.expanduser(named)) / "serve"  # noqa: PTH111 – Path.expanduser raises for ~nobody
    if home:
        return Path(os.path.expanduser(home)) / "cache"  # noqa: PTH111
    import platformdirs

    return platformdirs.user_cache_path("zehn", appauthor=False) / "serve"


def key_of(*parts: bytes | str | Iterable[bytes] | NDArray[Any]) -> str:
    """Return a name that differs where any of the parts does."""
    digest = hashlib.sha256()
    for part in parts:
        inner = hashlib.sha256()
        if isinstance(part, np.ndarray):
            inner.update(f"{part.dtype.str}{part.shape}".encode())
            inner.update(np.ascontiguousarray(part).data)
        elif isinstance(part, bytes | str):
            inner.update(part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape"))
        else:
            for one in part:
                inner.update(len(one).to_bytes(8, "little") + one)
        digest.update(inner.digest())
    return digest.hexdigest()[:_N_DIGITS]


def read(kind: str, key: str) -> dict[str, NDArray[Any]] | None:
    """Return arrays that were kept, or None where there are none, or not whole."""
    try:
        with np.load(_path(kind, key), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except _DAMAGED:
        return None
    with suppress(OSError):
        os.utime(_path(kind, key))  # it was used now
    return arrays


def write(kind: str, key: str, arrays: dict[str, NDArray[Any]]) -> None:
    """Keep arrays, and drop the oldest of their kind; where the disk refuses, they are made again next time."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    try:
        store.write_atomically(_path(kind, key), buffer.getvalue())
    except RunError:
        return
    _drop_oldest(kind, key)


def forget(kind: str, key: str) -> None:
    """Let go of arrays that were kept."""
    with suppress(OSError):
        _path(kind, key).unlink(missing_ok=True)


def _drop_oldest(kind: str, key: str) -> None:
    own = _path(kind, key)
    with suppress(OSError):  # another service may drop the same
        others = [path for path in own.parent.glob(f"*{own.suffix}") if path != own]
        others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for path in others[_N_KEPT - 1 :]:
            path.unlink(missing_ok=True)


def _path(kind: str, key: str) -> Path:
    return folder_path() / kind / f"{key}.npz"
