"""Real file systems to fill and to make read-only: a tmpfs of a few megabytes, mounted for one test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_BALLAST = ".ballast"
_BLOCK = 4096


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount an empty file system of so many megabytes; the test is skipped where that is not allowed."""
    if shutil.which("mount") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root on Linux may mount a small disk to fill it")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "zehn-test", folder],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """Let a mounted disk refuse every write for as long as the block lasts, to root too."""
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)


def fill(disk: Path, kilobytes_left: int = 0) -> None:
    """Fill a disk but for so many kilobytes."""
    n_blocks = max(0, free_bytes(disk) // _BLOCK - kilobytes_left * 1024 // _BLOCK)
    with (disk / _BALLAST).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, n_blocks * _BLOCK))


def make_room(disk: Path) -> None:
    """Take away what :func:`fill` had written."""
    (disk / _BALLAST).unlink()


def free_bytes(disk: Path) -> int:
    """Return how much room is left."""
    return shutil.disk_usage(disk).free
