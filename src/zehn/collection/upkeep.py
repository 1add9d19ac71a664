"""What lies in a collection's folders, and what of the collection does not any more.

The folders that were added are remembered among the facts, so that new files in them are found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

from zehn.collection import files
from zehn.collection.files import Found, Source
from zehn.collection.ingest import Tally
from zehn.engines import Engine, Record
from zehn.errors import CollectionError, DataError, InputError
from zehn.images import SUFFIXES

_SOURCES = "sources"
_NONE = "[]"
_AWAY = "the folder is not there or holds no images; its images are kept until it is removed by name"


@dataclass
class Survey:
    """What there is to be added or brought up to date."""

    found: list[Found] = field(default_factory=list)
    """The files that are there; for an update all: those in the folders, and those added by themselves."""
    gone: list[int] = field(default_factory=list)
    """The ids of images whose files have vanished."""
    tally: Tally = field(default_factory=Tally)
    """Knows what cannot be used."""


def folders_of(engine: Engine) -> list[Source]:
    """Return the folders that are remembered."""
    return _read(engine.facts().get(_SOURCES, _NONE))


def enlist(engine: Engine, sources: Sequence[Source]) -> Survey:
    """Return the image files of sources, and remember those of the sources that are folders.

    Raises:
        DataError: there are none.

    """
    result = Survey()
    result.found += files.find(sources, result.tally.skip)
    if not result.found and not result.tally.skipped:
        given, suffixes = ", ".join(files.said(one.path) for one in sources), ", ".join(sorted(SUFFIXES))
        raise DataError(f"there are no images in {given}: expected files named {suffixes}")
    remember(engine, sources)
    return result


def remember(engine: Engine, sources: Sequence[Source]) -> None:
    """Remember those of the sources that are folders."""
    new = {one.path: one for one in sources if os.path.isdir(one.path)}  # noqa: PTH112 – bytes
    _change_folders(engine, lambda folders: list(({one.path: one for one in folders} | new).values()))


def forget(engine: Engine, paths_or_ids: Any, name: str) -> int:
    """Forget images by ids or paths, and the folders at or below these paths; see :meth:`Collection.remove`."""
    given = [paths_or_ids] if isinstance(paths_or_ids, Integral) else files.listed(paths_or_ids)
    ids = {int(one) for one in given if isinstance(one, Integral)}
    paths = [os.fsencode(one) for one in given if not isinstance(one, Integral)]
    if b"" in paths:  # it would be the folder that we are in, and all below it
        raise InputError("expected paths of images or folders, came an empty one")
    below = [os.path.abspath(os.path.expanduser(path)) for path in paths]  # noqa: PTH100, PTH111 – bytes
    ids |= set(ids_below(engine, below, name)) if below else set()
    n_removed = engine.remove(sorted(ids)) if ids else 0
    _change_folders(
        engine, lambda folders: [one for one in folders if not any(files.is_below(one.path, path) for path in below)]
    )
    return n_removed


def survey(engine: Engine) -> Survey:
    """Return what is there and what is gone; a folder that is away as a whole is noted, and its images are neither."""
    folders = folders_of(engine)
    there = [one for one in folders if os.path.exists(one.path)]  # noqa: PTH110 – bytes
    result = Survey()
    result.found += files.find(there, result.tally.skip)
    seen = {one.path for one in result.found}
    away = {one.path for one in folders if not any(files.is_below(path, one.path) for path in seen)}
    missed: set[bytes] = set()
    for record in _records(engine):
        if record.path in seen:
            continue
        above = {path for path in away if files.is_below(record.path, path)}
        missed |= above
        status = None if above else files.status_of(record.path)
        if status is not None:
            result.found.append(Found(record.path, *status, None))
        elif not above and _is_gone(record.path, folders):
            result.gone.append(record.id)
    for path in sorted(missed):
        result.tally.skip(path, _AWAY)
    return result


def ids_below(engine: Engine, paths: Sequence[bytes], name: str) -> list[int]:
    """Return the ids of images at paths or below them.

    Raises:
        DataError: there are none at one of them, and it is no remembered folder.

    """
    folders, wanted = folders_of(engine), frozenset(paths)
    missing = {path for path in wanted if not any(files.is_below(one.path, path) for one in folders)}
    ids = []
    for record in _records(engine):
        above = wanted.intersection(files.upwards(record.path))
        missing -= above
        ids += [record.id] if above else []
    if missing:
        raise DataError(f"no image of {name} lies at {files.said(min(missing))!r}; zehn index export lists their paths")
    return ids


def _change_folders(engine: Engine, change: Callable[[list[Source]], list[Source]]) -> None:
    """Change which folders are remembered; where another process does so meanwhile, what it left is changed."""
    while True:
        before = engine.facts().get(_SOURCES)
        folders = _read(before or _NONE)
        changed = change(folders)
        if changed == folders:
            return
        try:
            engine.set_facts({_SOURCES: _written(changed)}, expected={} if before is None else {_SOURCES: before})
        except CollectionError:
            if engine.facts().get(_SOURCES) == before:
                raise  # that was not it
        else:
            return


def _read(kept: str) -> list[Source]:
    try:
        return [Source(os.fsencode(one["path"]), one["labels"] == "folder") for one in json.loads(kept)]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CollectionError(
            f"the collection's list of its folders is damaged ({error}); run zehn index verify, and restore a backup"
        ) from error


def _written(folders: Sequence[Source]) -> str:
    kept = [{"path": os.fsdecode(one.path), "labels": "folder" if one.is_labelled else None} for one in folders]
    return json.dumps(kept)


def _records(engine: Engine) -> Iterator[Record]:
    return (record for batch in engine.walk() for record in batch)


def _is_gone(path: bytes, folders: Sequence[Source]) -> bool:
    """Say whether a file that is not there was deleted, rather than being on a disk or machine that is not at hand."""
    try:
        os.stat(path)  # noqa: PTH116 – bytes
    except FileNotFoundError:
        pass
    except OSError:  # it may be there: it cannot be looked at, or lies within a tar or Parquet file
        return False
    in_folder = any(files.is_below(path, one.path) for one in folders)
    return in_folder or os.path.isdir(os.path.dirname(path))  # noqa: PTH112, PTH120 – bytes
