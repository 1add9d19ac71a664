"""The image files of folders, as any bytes for a path, once each whatever links lead to them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from zehn.errors import DataError, InputError, UnknownNameError
from zehn.images import SUFFIXES

LABELS = ("folder",)
"""Where labels may come from."""
_SUFFIXES = tuple(os.fsencode(suffix) for suffix in SUFFIXES)
_SEPARATOR = os.fsencode(os.sep)
_HIDDEN = b"."

AnyPath = str | bytes | os.PathLike[str]
Note = Callable[[bytes, str], None]
"""Told the path of what cannot be used, and why."""


@dataclass(frozen=True)
class Source:
    """A file or a folder that was added; a collection remembers its folders to find what is new in them."""

    path: bytes
    """Absolute; links in it are kept as they are."""
    is_labelled: bool = False
    """Whether the first folder below it is the label of an image."""


@dataclass(frozen=True, slots=True)
class Found:
    """An image file, not opened yet."""

    path: bytes
    size: int
    mtime_ns: int
    label: str | None


def sources_of(paths: AnyPath | Iterable[AnyPath], labels: str | None) -> list[Source]:
    """Return one or many existing files and folders as sources; see :meth:`Collection.add`.

    Raises:
        DataError: a file or folder that is not there.
        InputError: no path at all.
        UnknownNameError: labels that are not known.

    """
    if labels not in (None, *LABELS):
        raise UnknownNameError("kind of labels", str(labels), LABELS)
    return [source_of(path, is_labelled=labels is not None) for path in listed(paths)]


def listed(paths: Any) -> list[Any]:
    """Return what was given, be it one path or many, as a list.

    Raises:
        InputError: there is none.

    """
    many = [paths] if isinstance(paths, str | bytes | os.PathLike) else list(paths)
    if not many:
        raise InputError("expected at least one path, came none")
    return many


def source_of(path: AnyPath, *, is_labelled: bool = False) -> Source:
    """Return an existing file or folder as a source.

    Raises:
        DataError: there is no such file or folder.

    """
    given = os.fsencode(path)
    absolute = os.path.abspath(os.path.expanduser(given))  # noqa: PTH100, PTH111 – bytes
    if not given or not os.path.exists(absolute):  # noqa: PTH110 – bytes
        raise DataError(f"there is no file or folder {os.fsdecode(given)!r}; name images or folders of images")
    return Source(absolute, is_labelled)


def find(sources: Sequence[Source], note: Note) -> Iterator[Found]:
    """Yield the image files of all sources, those of a folder in the order of their names, each path once.

    Of the files in a folder those with the ending of an image are taken, of files named outright all. What begins with
    a dot is left out. A folder is entered once, so that links in a circle end; folders proper go before links to them.
    """
    seen: set[bytes] = set()
    for source in sources:
        entered: set[tuple[int, int]] = set()
        for found in _below(source, source.path, entered, note) if _is_folder(source.path) else _alone(source, note):
            if found.path not in seen:
                seen.add(found.path)
                yield found


def is_below(path: bytes, folder: bytes) -> bool:
    """Say whether a path is a folder or lies in it."""
    return path == folder or path.startswith(folder.rstrip(_SEPARATOR) + _SEPARATOR)


def upwards(path: bytes) -> Iterator[bytes]:
    """Yield an absolute path and the folders that it lies in, up to the root."""
    while True:
        yield path
        above = os.path.dirname(path)  # noqa: PTH120 – bytes
        if above == path:
            return
        path = above


def status_of(path: bytes) -> tuple[int, int] | None:
    """Return the size and the time of change of a file, or None where there is no file any more."""
    try:
        status = os.stat(path)  # noqa: PTH116 – bytes
    except OSError:
        return None
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def said(path: bytes) -> str:
    """Return a path for people to read: bytes that are no UTF-8 are shown as such."""
    return path.decode("utf-8", "backslashreplace")


def _is_folder(path: bytes) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 – bytes


def _alone(source: Source, note: Note) -> Iterator[Found]:
    status = status_of(source.path)
    if status is None:
        note(source.path, "expected a file, came a pipe, a device or the like")
    else:
        yield Found(source.path, *status, _label(source, source.path))


def _below(source: Source, folder: bytes, entered: set[tuple[int, int]], note: Note) -> Iterator[Found]:
    """Walk a folder without recursion, as deep as the disk goes: files first, then folders, then links to folders."""
    waiting, linked = [folder], list[bytes]()
    while waiting or linked:
        current = waiting.pop() if waiting else linked.pop()
        try:
            status = os.stat(current)  # noqa: PTH116 – bytes
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            with os.scandir(current) as entries:
                listed = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            note(current, f"the folder cannot be read: {error.strerror}")
            continue
        visible = [entry for entry in listed if not entry.name.startswith(_HIDDEN)]
        yield from _files(source, reversed(visible), note)
        folders = [entry for entry in visible if _is_directory(entry)]
        waiting += [entry.path for entry in folders if not entry.is_symlink()]
        linked += [entry.path for entry in folders if entry.is_symlink()]


def _files(source: Source, entries: Iterator[os.DirEntry[bytes]], note: Note) -> Iterator[Found]:
    for entry in entries:
        if not entry.name.lower().endswith(_SUFFIXES):
            continue
        try:
            status = entry.stat()
        except OSError as error:
            note(entry.path, f"the file cannot be read: {error.strerror}")
            continue
        if stat.S_ISREG(status.st_mode):
            yield Found(entry.path, status.st_size, status.st_mtime_ns, _label(source, entry.path))


def _is_directory(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _label(source: Source, path: bytes) -> str | None:
    """Return the first folder below the source, as the folders of a data set name its classes."""
    if not source.is_labelled:
        return None
    first, separator, _ = path[len(source.path) :].lstrip(_SEPARATOR).partition(_SEPARATOR)
    return said(first) if separator else None
