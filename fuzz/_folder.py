"""A folder for what is under test: each input is a file in it, and nothing may be written outside of it."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NEVER = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect")
_CHANGING = ("os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree")
_MOVING = {"os.rename": slice(2), "os.symlink": slice(1, 2), "os.link": slice(1, 2)}
"""What else changes the disk, and which of the two paths that it is given."""
_HARMLESS = ("/dev/null",)
_COMPILED = f"{os.sep}__pycache__{os.sep}"
"""Where Python itself writes when a module is first needed."""
_STANDARD = 2
"""The last of the file descriptors that are open from the start."""
_watched: list[str] = []
"""The folder that may be written to, while something is under test."""


class Escape(BaseException):
    """What was under test wrote outside its folder, or ran something. No reader's ``except Exception`` takes it."""


def placed(name: str, data: bytes) -> Path:
    """Return the path of a file with these bytes, the only one in the folder."""
    home = _home()
    for entry in home.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    path = home / name
    path.write_bytes(data)
    return path


@contextmanager
def watched() -> Iterator[None]:
    """Stop whatever writes outside the folder or starts a program in the block.

    Raises:
        Escape: from within.

    """
    _listen()
    before, tempfile.tempdir = tempfile.tempdir, str(_home())
    _watched.append(f"{_home()}{os.sep}")
    try:
        yield
    finally:
        _watched.clear()
        tempfile.tempdir = before


@cache
def _home() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 – what is written a million times stays off the disk
    folder = Path(tempfile.mkdtemp(prefix="zehn-fuzz-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _listen() -> None:
    sys.addaudithook(_on_event)  # stays for as long as the process


def _on_event(event: str, given: tuple[Any, ...]) -> None:
    if not _watched:
        return
    if event in _NEVER:
        raise Escape(f"{event}{given[:2]}")
    if event == "open" and isinstance(given[2], int) and given[2] & _WRITING:
        _check(event, given[0])
    elif event in _MOVING:
        for path in given[_MOVING[event]]:
            _check(event, path)
    elif event in _CHANGING and not any(isinstance(one, int) and one > _STANDARD for one in given[-1:]):
        # relative to an open folder is what shutil.rmtree does, in the folder that it was given
        _check(event, given[0])


def _check(event: str, path: Any) -> None:
    if not isinstance(path, str | bytes | os.PathLike):
        return
    place = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
    is_inside = f"{place}{os.sep}".startswith(_watched[0])
    if not is_inside and place not in _HARMLESS and _COMPILED not in place:
        raise Escape(f"{event}: {place}")
