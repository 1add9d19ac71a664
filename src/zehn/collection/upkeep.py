"""What lies in a collection's folders, and what of the collection does not any more.

The folders that were added are remembered among the facts, so that new files in them are found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from zehn.collection import files
from zehn.collection.files import Found, Source
from zehn.collection.ingest import Tally
from zehn.engines import Engine, Record
from zehn.errors import DataError

_AWAY = "the folder is not there or holds no images; its images are kept until it is removed by name"


@dataclass
class Survey:
    """What an update has to do."""

    found: list[Found] = field(default_factory=list)
    """Every file that is there: in the folders, or added by itself."""
    gone: list[int] = field(default_factory=list)
    """The ids of images whose files have vanished."""


def folders_of(engine: Engine) -> list[Source]:
    """Return the folders that are remembered."""
    kept = json.loads(engine.facts().get("sources", "[]"))
    return [Source(os.fsencode(one["path"]), one["labels"] == "folder") for one in kept]


def remember(engine: Engine, sources: Sequence[Source]) -> None:
    """Remember those of the sources that are folders."""
    folders = {one.path: one for one in folders_of(engine)}
    folders |= {one.path: one for one in sources if os.path.isdir(one.path)}  # noqa: PTH112 – bytes
    keep_folders(engine, list(folders.values()))


def keep_folders(engine: Engine, folders: Sequence[Source]) -> None:
    """Remember these folders and no others."""
    kept = [{"path": os.fsdecode(one.path), "labels": "folder" if one.is_labelled else None} for one in folders]
    engine.set_facts({"sources": json.dumps(kept)})


def survey(engine: Engine, tally: Tally) -> Survey:
    """Return what is there and what is gone; a folder that is away as a whole is noted, and its images are neither."""
    folders = folders_of(engine)
    there = [one for one in folders if os.path.exists(one.path)]  # noqa: PTH110 – bytes
    result = Survey(found=list(files.find(there, tally.skip)))
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
        tally.skip(path, _AWAY)
    return result


def ids_below(engine: Engine, paths: Sequence[bytes], name: str) -> list[int]:
    """Return the ids of images at paths or below them.

    Raises:
        DataError: there are none at one of them, and it is no remembered folder.

    """
    missing = {path for path in paths if not any(files.is_below(one.path, path) for one in folders_of(engine))}
    ids = []
    for record in _records(engine):
        above = {path for path in paths if files.is_below(record.path, path)}
        missing -= above
        ids += [record.id] if above else []
    if missing:
        raise DataError(f"no image of {name} lies at {files.said(min(missing))!r}; zehn index export lists their paths")
    return ids


def _records(engine: Engine) -> Iterator[Record]:
    return (record for batch in engine.walk() for record in batch)


def _is_gone(path: bytes, folders: Sequence[Source]) -> bool:
    """Say whether a file that is not there was deleted, rather than being on a disk or machine that is not at hand."""
    try:
        os.stat(path)  # noqa: PTH116 – bytes
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError:  # it may be there: it cannot be looked at
        return False
    in_folder = any(files.is_below(path, one.path) for one in folders)
    return in_folder or os.path.isdir(os.path.dirname(path))  # noqa: PTH112, PTH120 – bytes
