"""One ZIP of what a reader needs to check a run: model, report, numbers, settings, and the package's own source."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from zehn import store
from zehn.errors import RunError

_NEEDED = ("config.toml", "run.json", "stages.json", "train/model.h5", "report.pdf", "report.json")
_WELCOME = (
    "data/data.json", "evolve/evolve.json", "train/history.json", "check/check.json", "query/query.json",
)  # fmt: skip
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time stamp of every member, so that the same run gives the same ZIP, byte for byte."""


def bundle(folder: Path, out: Path | None = None) -> Path:
    """Write ``bundle.zip`` (or ``out``) for a finished run and return its path.

    Raises:
        RunError: the folder is no run, or a part that a reader needs has not been made yet.

    """
    run = store.Run.open(folder)
    missing = [name for name in _NEEDED if not run.has(name)]
    if missing:
        raise RunError(f"{folder} lacks {', '.join(missing)}; finish it first with: zehn report {folder}")
    path = out or run.path / "bundle.zip"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in (*_NEEDED, *(name for name in _WELCOME if run.has(name))):
            _add(archive, f"run/{name}", (run.path / name).read_bytes())
        for name, source in _sources(files("zehn"), "source/zehn"):
            _add(archive, name, source.read_bytes())
    return store.write_atomically(path, content.getvalue())


def _sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        name = f"{prefix}/{entry.name}"
        if entry.is_dir() and entry.name not in {"__pycache__", "weights"}:
            yield from _sources(entry, name)
        elif entry.is_file():
            yield name, entry


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(member, content)
