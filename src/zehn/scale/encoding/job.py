"""A bulk encoding from beginning to end: what is there is passed over, what is not is done, and all is listed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from zehn import codes, images, plugins, store
from zehn.codes.passes import DEVICES
from zehn.collection import defaults as of_collections
from zehn.collection import keeping
from zehn.datasets import Skipped
from zehn.errors import ConfigError, DataError, RunError, UnknownNameError
from zehn.progress import Progress
from zehn.scale.encoding import local, on_ray, parts, sources, storage
from zehn.scale.encoding.options import Options
from zehn.scale.encoding.parts import Part
from zehn.scale.encoding.storage import Folder
from zehn.scale.encoding.worker import TRAIL, Done, Job, Task

MANIFEST = "manifest.json"
SKIPPED = "skipped.jsonl"
_WHAT = "encoding images"
_MOST_IDLE = 6
"""Rounds in a row in which no unit was finished, until all is given up; an image that kills its decoder takes four."""


@dataclass(frozen=True)
class Encoded:
    """What a bulk encoding has brought."""

    folder: str
    """The address of the folder of part files."""
    n_images: int
    n_new: int
    """Images of parts that this run encoded; the others were there."""
    n_parts: int
    skipped: tuple[Skipped, ...]
    """What could not be read, and why."""
    fingerprint: str
    """Of the model that made the codes."""
    nodes: Mapping[str, int]
    """How many images each node or machine encoded, of all that are there."""
    seconds: float
    """How long this run took."""


def encode(
    source: str | Path,
    out: str | Path,
    model: store.Model | str | Path = of_collections.MODEL,
    *,
    ray: str | None = None,
    n_workers: int | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Encoded:
    """Write the codes of many images to a folder of Parquet files; the same call goes on after any interruption.

    Args:
        source: A folder with all below it, a pattern such as ``shards/*.tar``, a tar shard, a Parquet file with a
            column of image bytes, or a URL of these that fsspec opens.
        out: The folder of part files, a path or a URL; it gets a ``manifest.json`` and a ``skipped.jsonl`` too.
        model: A model, the name of one that ships, or the path of a model file.
        ray: The address of a Ray cluster (``auto``, ``host:port``), or ``local`` to start Ray here; None does without.
        n_workers: Processes here, or actors on the cluster; by default one per processor. 0 encodes in this process.
        options: How images become codes, and how the work is divided.
        progress: Told how many images are done and how many there are, or, of tar shards, seem to be.

    Raises:
        DataError: there is nothing to encode, or the folder holds codes of another model.
        UnknownNameError: an unknown model, fit, device or protocol.
        ConfigError: a number out of its range, no Ray cluster at the address, or a URL that cannot be opened here.
        ModelFileError: the model file cannot be read.
        RunError: the folder cannot be written to, or workers die one after the other.
        MissingExtraError: pyarrow, or Ray or fsspec where they are asked for, is not installed.

    """
    began, how = time.monotonic(), options or Options()
    _check(ray, n_workers, how)
    plugins.require("pyarrow.parquet", "parquet")
    folder = Folder(storage.resolved(str(out)))
    job = _job_of(model, how, folder)
    _check_folder(folder, job)
    noted: list[Skipped] = []
    tasks = _divide(str(source), job, how, noted)
    _check_reach(tasks, folder, ray, n_workers)
    names = [parts.file_name(task.name) for task in tasks]
    there, old = _parts_there(folder, names, how)
    left = [task for task, name in zip(tasks, names, strict=True) if name not in there]
    if left:
        _write_manifest(folder, job, {"is_complete": False, "source": str(source), "n_units": len(tasks)})
        counter = _Counter(tasks, there, progress)
        with on_ray.connected(ray) if ray is not None else nullcontext():
            _finish(left, job, ray, n_workers, counter, old)
    new = parts.read_all(folder, [parts.file_name(task.name) for task in left])
    return _conclude(folder, job, str(source), _in_order(folder, names, there | new), set(new), noted, began)


def _check(ray: str | None, n_workers: int | None, how: Options) -> None:
    if how.batch < 1:
        raise ConfigError(f"expected at least one image per unit of work, came {how.batch}")
    if n_workers is not None and n_workers < (0 if ray is None else 1):
        raise ConfigError(f"expected at least one worker (without Ray 0 is this process), came {n_workers}")
    for kind, name, known in (("fit", how.fit, images.FITS), ("device", how.device, DEVICES)):
        if name not in known:
            raise UnknownNameError(kind, name, known)


def _job_of(model: store.Model | str | Path, how: Options, folder: Folder) -> Job:
    if isinstance(model, store.Model):
        loaded, data = model, keeping.file_of(model)
    else:
        loaded, data, _ = keeping.load(model)
    return Job(data, loaded.fingerprint, how.fit, how.device, folder)


def _check_folder(folder: Folder, job: Job) -> None:
    """Refuse a folder of codes that another model made, or from images that were fitted in another way."""
    known = read_manifest(folder)
    for name, came in (("fingerprint", job.fingerprint), ("fit", job.fit)):
        if known is not None and known.get(name) != came:
            raise DataError(
                f"{folder.address} holds codes made with {name} {known.get(name)}, not {came}; name another folder"
            )


def _divide(source: str, job: Job, how: Options, noted: list[Skipped]) -> list[Task]:
    def note(path: str, reason: str) -> None:
        noted.append(Skipped(path, reason))

    found = sources.find(source, note, apart_from=job.folder.address)
    units = sources.divide(found, how.batch, note, column=how.column)
    return [Task(sources.name_of(unit, job.fingerprint, job.fit), unit) for unit in units]


def _check_reach(tasks: Sequence[Task], folder: Folder, ray: str | None, n_workers: int | None) -> None:
    """Refuse what other processes cannot see."""
    addresses = [folder.address, *(task.unit.files[0].path for task in tasks[:1])]
    if any(storage.protocol_of(one) == storage.IN_MEMORY for one in addresses) and (ray is not None or n_workers != 0):
        raise ConfigError("memory:// is seen by this process alone; encode without Ray and with 0 workers")


def _parts_there(folder: Folder, names: Sequence[str], how: Options) -> tuple[dict[str, Part], dict[str, Part]]:
    """Return the parts that are there and stay, and those that are there and are to be made again."""
    there = parts.read_all(folder, names)
    if not how.retry_skipped:
        return there, {}
    old = {name: part for name, part in there.items() if part.skipped}
    return {name: part for name, part in there.items() if name not in old}, old


def _in_order(folder: Folder, names: Sequence[str], made: Mapping[str, Part]) -> list[Part]:
    lost = next((name for name in names if name not in made), None)
    if lost is not None:
        raise RunError(f"{folder.path_of(lost)} was written but cannot be read back; check the disk or the store")
    return [made[name] for name in names]


def _finish(
    left: Sequence[Task], job: Job, ray: str | None, n_workers: int | None, counter: _Counter, old: Mapping[str, Part]
) -> None:
    """Do what is left, round by round, until nothing is; parts that are there as ``old`` has them do not count.

    Raises:
        RunError: nothing comes of it any more.

    """
    remaining, n_idle, reason = list(left), 0, "workers died over them"
    while remaining:
        done: set[str] = set()
        try:
            for answer in _round(remaining, job, ray, n_workers):
                if answer.error:
                    raise RunError(answer.error)
                done.add(answer.name)
                counter.add(answer)
        except _losses(ray) as error:
            reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        names = [parts.file_name(task.name) for task in remaining if task.name not in done]
        there = {name for name, part in parts.read_all(job.folder, names).items() if part != old.get(name)}
        remaining = [one for one in remaining if one.name not in done and parts.file_name(one.name) not in there]
        n_idle = 0 if done or there else n_idle + 1
        if n_idle >= _MOST_IDLE:
            first = remaining[0].unit.files[0].path
            raise RunError(
                f"{len(remaining):,} units of work cannot be encoded, the first begins with {first}: {reason}; "
                "the same command goes on with them"
            )


def _losses(ray: str | None) -> tuple[type[Exception], ...]:
    return () if ray is None else on_ray.losses()


def _round(tasks: Sequence[Task], job: Job, ray: str | None, n_workers: int | None) -> Iterator[Done]:
    if ray is not None:
        return on_ray.run(tasks, job, n_workers or 0)
    return local.run(tasks, job, codes.count_threads() if n_workers is None else n_workers)


class _Counter:
    """Tells how far it is: in images, of which there are as many as the bytes let expect where shards are among it."""

    def __init__(self, tasks: Sequence[Task], there: Mapping[str, Part], progress: Progress | None) -> None:
        self._progress = progress
        self._units = {task.name: task.unit for task in tasks}
        self._n_bytes = sum(unit.n_bytes for unit in self._units.values())
        self._known = _sum_of(self._units.values())
        self._n_done = self._n_bytes_done = 0
        for task in tasks:
            part = there.get(parts.file_name(task.name))
            if part is not None:
                self._count(task.name, part.n_images + len(part.skipped))
        self._tell()

    def add(self, done: Done) -> None:
        self._count(done.name, done.n_images + done.n_skipped)
        self._tell()

    def _count(self, name: str, n_images: int) -> None:
        self._n_done += n_images
        self._n_bytes_done += self._units[name].n_bytes

    def _tell(self) -> None:
        if self._progress is None:
            return
        guessed = round(self._n_done * self._n_bytes / self._n_bytes_done) if self._n_bytes_done else 1
        self._progress(_WHAT, self._n_done, max(self._n_done, guessed if self._known is None else self._known))


def _sum_of(units: Any) -> int | None:
    numbers = [unit.n_images for unit in units]
    return None if None in numbers else sum(numbers)


def _conclude(
    folder: Folder, job: Job, source: str, made: Sequence[Part], new: set[str], noted: Sequence[Skipped], began: float
) -> Encoded:
    skipped = (*noted, *(one for part in made for one in part.skipped))
    nodes: dict[str, int] = {}
    for part in made:
        nodes[part.node] = nodes.get(part.node, 0) + part.n_images
    encoded = Encoded(
        folder=folder.address,
        n_images=sum(part.n_images for part in made),
        n_new=sum(part.n_images for part in made if part.name in new),
        n_parts=len(made),
        skipped=skipped,
        fingerprint=job.fingerprint,
        nodes=nodes,
        seconds=time.monotonic() - began,
    )
    lines = [json.dumps({"path": one.path, "reason": one.reason}) + "\n" for one in skipped]
    _write(folder, SKIPPED, "".join(lines).encode())
    listed = [{"name": p.name, "n_images": p.n_images, "n_skipped": len(p.skipped), "node": p.node} for p in made]
    about = {
        "is_complete": True,
        "source": source,
        "n_images": encoded.n_images,
        "n_skipped": len(skipped),
        "n_components": made[0].n_components if made else 0,
        "nodes": nodes,
        "parts": listed,
    }
    _write_manifest(folder, job, about)
    _tidy(folder, {part.name for part in made})
    return encoded


def _tidy(folder: Folder, made: set[str]) -> None:
    """Remove what killed runs left of files that are there now."""
    for name in folder.names():
        beside, _, _ = name.removeprefix(".").partition(parts.SUFFIX)
        unit, lists = name.removeprefix(TRAIL), (f".{MANIFEST}.", f".{SKIPPED}.")
        of_part = made.intersection((f"{beside}{parts.SUFFIX}", parts.file_name(unit)))
        if name.startswith(lists) or (name.startswith(".") and of_part):
            folder.remove(name)


def _write(folder: Folder, name: str, data: bytes) -> None:
    try:
        folder.write(name, data)
    except RunError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
        folder.write(name, data)  # another run has just ended and cleared away what this one was writing


def _write_manifest(folder: Folder, job: Job, about: Mapping[str, Any]) -> None:
    known = {"format": parts.FORMAT, "zehn": version("zehn"), "fingerprint": job.fingerprint, "fit": job.fit}
    _write(folder, MANIFEST, store.to_json({**known, **about}).encode())


def read_manifest(folder: Folder) -> dict[str, Any] | None:
    """Return what a folder of codes says of itself, or None where it is none.

    Raises:
        DataError: what it says cannot be read.

    """
    data = folder.read(MANIFEST)
    if data is None:
        return None
    try:
        known = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{folder.path_of(MANIFEST)} is damaged ({error}); remove it and encode again") from error
    if not isinstance(known, dict) or known.get("format") != parts.FORMAT:
        raise DataError(f"{folder.path_of(MANIFEST)} is no manifest of codes; name another folder")
    return known
