"""The run folder: one folder that holds everything one pipeline run made, and remembers which stages are done."""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from zehn.errors import RunError
from zehn.store.files import remove_unfinished, to_json, write_atomically, writing

STAGES_NAME = "stages.json"
LOCK_NAME = ".lock"
RUN_VERSION = 1
"""Version of the run folder's layout."""


class Run:
    """A run folder. Writers hold its lock until they close it (or end); readers need none.

    Use :meth:`create` or :meth:`open`; both give a context manager that closes the run at its end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unlock: weakref.finalize[..., Any] | None = None

    @classmethod
    def create(cls, path: str | Path) -> Run:
        """Make a run folder, or take up one that is there, and lock it for writing.

        Raises:
            RunError: the folder cannot be written to, holds something else, is of a newer version, or another
                process is writing to it.

        """
        run = cls(Path(path))
        with writing(run.path):
            run.path.mkdir(parents=True, exist_ok=True)
            strangers = [entry.name for entry in run.path.iterdir() if not entry.name.startswith(".")]
        if strangers and not run.has(STAGES_NAME):
            raise RunError(f"{path} is no run folder but holds {min(strangers)!r}; name a new or an empty folder")
        run._lock()
        remove_unfinished(run.path)
        if not run.has(STAGES_NAME):
            run._write_stages({})
        run.stages()
        return run

    @classmethod
    def open(cls, path: str | Path, *, for_writing: bool = False) -> Run:
        """Open a run folder that is there; ``for_writing`` locks it.

        Raises:
            RunError: there is no such folder, it is no run folder or of a newer version, or (for writing) another
                process is writing to it.

        """
        run = cls(Path(path))
        if not run.path.is_dir():
            raise RunError(f"there is no run folder {path}; make one with: zehn run --out {path}")
        if not run.has(STAGES_NAME):
            raise RunError(f"{path} is no run folder: it has no {STAGES_NAME}; name a folder that zehn run made")
        run.stages()
        if for_writing:
            run._lock()
            remove_unfinished(run.path)
        return run

    def close(self) -> None:
        """Let go of the lock. Closing twice does no harm."""
        if self._unlock is not None:
            self._unlock()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def has(self, name: str) -> bool:
        """Say whether the run holds a file or folder of this name (a path relative to the run folder)."""
        return (self.path / name).exists()

    def write_json(self, name: str, value: Any) -> Path:
        """Write a JSON file (a path relative to the run folder), whole or not at all; NaN becomes ``null``.

        Raises:
            RunError: the disk is full, or the folder cannot be written to.

        """
        return write_atomically(self.path / name, to_json(value) + "\n")

    def read_json(self, name: str) -> Any:
        """Read a JSON file of the run.

        Raises:
            RunError: it is missing or damaged.

        """
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RunError(f"{self.path} holds no {name}: that stage was not run yet; run it first") from error
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"cannot read {self.path / name}: {error}; delete it and run its stage again") from error

    def begin(self, stage: str) -> None:
        """Forget that a stage was ever done, so that it is redone if it is killed half-way from here on."""
        if stage in self.stages():
            self._write_stages({name: entry for name, entry in self.stages().items() if name != stage})

    def is_done(self, stage: str, inputs_hash: str) -> bool:
        """Say whether a stage was finished from these very inputs and what it made is still there."""
        entry = self.stages().get(stage)
        return entry is not None and entry["inputs"] == inputs_hash and all(map(self.has, entry["outputs"]))

    def mark_done(self, stage: str, inputs_hash: str, seconds: float, outputs: Iterable[str] = ()) -> None:
        """Remember that a stage was finished; ``outputs`` (relative paths) must be there for it to count as done."""
        entry = {
            "inputs": inputs_hash,
            "seconds": seconds,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "outputs": list(outputs),
        }
        others = {name: other for name, other in self.stages().items() if name != stage}
        self._write_stages({**others, stage: entry})

    def stages(self) -> dict[str, dict[str, Any]]:
        """Return the finished stages in the order in which they ended: inputs (hash), seconds, finished, outputs.

        Raises:
            RunError: the book of stages is damaged or of a newer version.

        """
        book = self.read_json(STAGES_NAME)
        if not _is_book(book):
            raise RunError(f"{self.path / STAGES_NAME} is damaged; delete it and run again")
        if book.get("version", 0) > RUN_VERSION:
            raise RunError(
                f"{self.path} has run version {book['version']}, and this Zehn reads up to {RUN_VERSION}; "
                "upgrade Zehn to read it"
            )
        return book["stages"]

    def _write_stages(self, stages: Mapping[str, Any]) -> None:
        self.write_json(STAGES_NAME, {"version": RUN_VERSION, "stages": stages})

    def _lock(self) -> None:
        fcntl = _fcntl()
        if fcntl is None:
            return
        with writing(self.path):
            descriptor = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o666)
        self._unlock = weakref.finalize(self, os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            self.close()
            raise RunError(
                f"{self.path} is being written by another process ({holder or 'unknown'}); wait for it to end, "
                "or name another folder"
            ) from error
        with writing(self.path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _is_book(book: Any) -> bool:
    """Say whether a book of stages has what is read of it."""
    if not isinstance(book, dict) or not isinstance(book.get("version", 0), int):
        return False
    stages = book.get("stages")
    return isinstance(stages, dict) and all(map(_is_entry, stages.values()))


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or "inputs" not in entry or not isinstance(entry.get("outputs"), list):
        return False
    return all(isinstance(name, str) for name in entry["outputs"])


def _fcntl() -> ModuleType | None:
    """Return the module that locks files, or nothing where the system has none (Windows): then nothing is locked."""
    try:
        import fcntl
    except ImportError:
        return None
    return fcntl
