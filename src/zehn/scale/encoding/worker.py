"""What encodes one unit of work after the other: the same here, in a process of its own and in an actor on a cluster.

A file over which the decoder dies, and the worker with it, would stop a unit for ever. So a worker leaves a trail: a
small file ``.begun-…`` for the unit that it works on. Whoever finds one takes the unit image by image and notes each
before it is decoded; the image over which two workers died is listed among those that cannot be read.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from zehn import codes, images
from zehn.collection import keeping
from zehn.collection.decoding import CRASHED
from zehn.datasets import Skipped
from zehn.errors import ImageError, ZehnError
from zehn.scale.encoding import parts, reading
from zehn.scale.encoding.parts import Part, Row
from zehn.scale.encoding.sources import Unit
from zehn.scale.encoding.storage import Folder

TRAIL = ".begun-"
_N_ENCODED = 256
_N_DEATHS = 2
"""So many workers have to die over an image before it is given up."""


@dataclass(frozen=True)
class Job:
    """What a worker has to know beside the unit."""

    model_file: bytes
    fingerprint: str
    fit: str
    device: str
    folder: Folder
    """Where the part files go."""


@dataclass(frozen=True, slots=True)
class Task:
    """A unit with the name that its part file will have."""

    name: str
    unit: Unit


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a unit."""

    name: str
    n_images: int = 0
    n_skipped: int = 0
    error: str = ""
    """Why the whole job has to stop, such as a full disk; empty where all went well."""


class Worker:
    """Holds the model and encodes units with it."""

    def __init__(self, job: Job, node: str = "") -> None:
        """Load the model.

        Raises:
            ModelFileError: it is damaged.

        """
        self._job = job
        self._model = keeping.parse(job.model_file)
        self._node = node or socket.gethostname()

    def __call__(self, task: Task) -> Done:
        """Encode a unit and write its part file; what cannot be read is listed in it."""
        trail = _Trail(self._job.folder, task.name)
        try:
            return self._encode(task, trail)
        except ZehnError as error:
            # another run that does the same work may have done this unit and cleared away what we were writing
            is_lost = isinstance(error.__cause__, FileNotFoundError)
            part = parts.read_about(self._job.folder, parts.file_name(task.name)) if is_lost else None
            if part is None:
                return Done(task.name, error=str(error))
            return Done(task.name, part.n_images, len(part.skipped))
        finally:
            trail.end()

    def _encode(self, task: Task, trail: _Trail) -> Done:
        began, rows, skipped = time.monotonic(), list[Row](), list[Skipped]()
        squares: list[UInt8[np.ndarray, "s s 3"]] = []
        done: list[Float32[np.ndarray, "_ d"]] = []
        for item in trail.follow(reading.read(task.unit)):
            try:
                row, square = decode(item, self._model.image_size, self._job.fit)
            except ImageError as error:
                skipped.append(Skipped(reading.shown(item.path), str(error)))
                continue
            rows.append(row)
            squares.append(square)
            if len(squares) == _N_ENCODED:
                trail.rest()
                done.append(codes.encode(self._model, np.stack(squares), device=self._job.device))
                squares = []
        trail.rest()
        if squares:
            done.append(codes.encode(self._model, np.stack(squares), device=self._job.device))
        part = self._part(task, rows, skipped, time.monotonic() - began)
        values = np.concatenate(done) if done else np.empty((0, self._model.n_components), np.float32)
        self._job.folder.write(part.name, parts.as_bytes(rows, values, part))
        return Done(task.name, len(rows), len(skipped))

    def _part(self, task: Task, rows: list[Row], skipped: list[Skipped], seconds: float) -> Part:
        return Part(
            name=parts.file_name(task.name),
            n_images=len(rows),
            fingerprint=self._job.fingerprint,
            n_components=self._model.n_components,
            skipped=tuple(skipped),
            node=self._node,
            pid=os.getpid(),
            seconds=round(seconds, 3),
        )


def decode(item: reading.Item, image_size: int, fit: str) -> tuple[Row, UInt8[np.ndarray, "s s 3"]]:
    """Return what is known of an image, and the square that the model sees: as ``zehn index add`` makes it.

    Raises:
        ImageError: there is no image, or it cannot be read.

    """
    if item.reason:
        raise ImageError(item.reason)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of slightly broken files; what is unreadable is an error
            square = images.read_square(item.data, image_size, fit)
            width, height = images.upright_size(item.data)
    except MemoryError as error:
        raise ImageError("it takes more memory to decode than there is; make it smaller") from error
    digest = hashlib.sha256(item.data).digest()
    return Row(item.path, digest, len(item.data), item.mtime_ns, width, height), square


@dataclass
class _Trail:
    """What a worker leaves of the unit that it works on, for the one that comes after it if it dies."""

    folder: Folder
    unit_name: str
    deaths: dict[str, int] = field(default_factory=dict)
    """How many workers died over an image, by its number in the unit."""
    is_careful: bool = False

    def follow(self, items: Iterator[reading.Item]) -> Iterator[reading.Item]:
        """Yield the items, those left out over which workers died; leave a trail where one was found."""
        known = self.folder.read(self.name)
        if known is not None:
            self.is_careful = True
            self._learn(known)
        self._note(None)
        for number, item in enumerate(items):
            if self.deaths.get(str(number), 0) >= _N_DEATHS:
                yield reading.Item(item.path, reason=CRASHED)
                continue
            if self.is_careful:
                self._note(number)
            yield item

    def rest(self) -> None:
        """Note that no image is being decoded: whoever dies now, such as for want of memory, dies over none."""
        if self.is_careful:
            self._note(None)

    def end(self) -> None:
        """Remove the trail."""
        self.folder.remove(self.name)

    @property
    def name(self) -> str:
        return f"{TRAIL}{self.unit_name}"

    def _learn(self, known: bytes) -> None:
        try:
            left: Any = json.loads(known)
            self.deaths = {str(number): int(count) for number, count in left["deaths"].items()}
            at = left["at"]
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return  # killed while it wrote
        if at is not None:
            self.deaths[str(at)] = self.deaths.get(str(at), 0) + 1

    def _note(self, at: int | None) -> None:
        self.folder.write(self.name, json.dumps({"at": at, "deaths": self.deaths}).encode())
