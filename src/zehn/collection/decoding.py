"""Image files → squares of the model's size, in processes of their own.

A worker is a child (:mod:`zehn.children`) that is given lists of tasks. One that dies over a file (a decoder's crash,
memory) is replaced, and the file is listed as unreadable.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from jaxtyping import UInt8

from zehn import children, images
from zehn.children import Child
from zehn.errors import ImageError

N_FEW = 48
"""So many files are decoded in this process: starting others would take longer."""
_N_TASKS = 16
_N_AHEAD = 4
"""Chunks of tasks per worker that are decoded ahead of what is asked for; it bounds the memory."""
_OVERSAMPLING = 2
_QUALITY = 82
CRASHED = "the decoder crashed over it; open it with another program and save it anew"
_PROGRAM = "from zehn.collection.decoding import serve; serve()"


@dataclass(frozen=True, slots=True)
class Task:
    """A file to read; where its bytes have the hash that is known, nothing more is done."""

    path: bytes
    known_sha256: bytes = b""


@dataclass(frozen=True)
class How:
    """What is made of an image."""

    image_size: int
    fit: str
    thumbnail_size: int
    """Longest side of the thumbnails in pixels; 0 makes none."""
    max_pixels: int = images.MAX_PIXELS


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What came of a file: an image, or the news that it is as it was, or why there is none."""

    sha256: bytes = b""
    size: tuple[int, int] = (0, 0)
    """Width and height of the image, upright and before it was shrunk."""
    square: UInt8[np.ndarray, "s s 3"] | None = None
    """None where the file is as it was, or not readable."""
    thumbnail: bytes | None = None
    """A JPEG."""
    reason: str = ""
    """Why there is no image; empty where all went well."""


def how_of(facts: Mapping[str, str], image_size: int) -> How:
    """Return what is made of an image in a collection that says these facts of itself, for a model of that size."""
    return How(image_size, facts["fit"], int(facts["thumbnail_size"]))


def decode(task: Task, how: How) -> Decoded:
    """Read one file."""
    try:
        data = images.read_bytes(Path(os.fsdecode(task.path)))
        digest = hashlib.sha256(data).digest()
        if digest == task.known_sha256:
            return Decoded(digest)
        # as images.read_square does, so that codes are those of zehn encode, but keeping what a thumbnail needs
        image = images.read_image(data, max_pixels=how.max_pixels, least_side=_OVERSAMPLING * how.image_size)
        square, size = images.resize(image, how.image_size, how.fit), images.upright_size(data)
        if max(image.shape[:2]) < min(how.thumbnail_size, max(size)):
            image = images.read_image(data, max_pixels=how.max_pixels, least_side=how.thumbnail_size)
        return Decoded(digest, size, square, thumbnail_of(image, how.thumbnail_size))
    except ImageError as error:
        return Decoded(reason=str(error))
    except MemoryError:
        return Decoded(reason="it takes more memory to decode than there is; make it smaller")


def decode_all(tasks: Sequence[Task], how: How, n_workers: int) -> Iterator[list[tuple[Task, Decoded]]]:
    """Yield what came of each task, in order, a few at a time, while workers decode those that follow."""
    chunks = [tasks[start : start + _N_TASKS] for start in range(0, len(tasks), _N_TASKS)]
    if len(tasks) <= N_FEW or n_workers < 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of slightly broken files; what is unreadable is an error
            yield from ([(task, decode(task, how)) for task in chunk] for chunk in chunks)
        return
    with ExitStack() as stack:
        workers: SimpleQueue[_Worker] = SimpleQueue()
        for _ in range(n_workers):
            worker = _Worker(how)
            stack.callback(worker.close)
            workers.put(worker)
        pool = ThreadPoolExecutor(n_workers)  # a thread per worker waits for its answers
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        waiting: deque[Future[list[tuple[Task, Decoded]]]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(_ask_one_of, workers, chunk))
            if len(waiting) > _N_AHEAD * n_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def thumbnail_of(image: UInt8[np.ndarray, "h w 3"], size: int) -> bytes | None:
    """Return an image as a JPEG of at most ``size`` pixels a side, or None where the size is 0."""
    if size < 1:
        return None
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((size, size))
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def serve() -> None:
    """Decode lists of tasks for a parent: what a worker does."""
    warnings.simplefilter("ignore")
    children.serve(lambda how: lambda tasks: [decode(task, how) for task in tasks])


class _Worker:
    """A process that decodes; it is started when it is first asked, and again after it died."""

    def __init__(self, how: How) -> None:
        self._how = how
        self._child: Child | None = None

    def ask(self, tasks: Sequence[Task]) -> list[Decoded]:
        """Return what came of the tasks; where the process dies, each is tried alone to find the one that kills it."""
        child = self._child or self._start()
        if child is None:
            return [decode(task, self._how) for task in tasks]
        try:
            return list(child.ask(list(tasks)))
        except children.DYING:
            self.close()
        if len(tasks) == 1:
            return [Decoded(reason=CRASHED)]
        return [self.ask([task])[0] for task in tasks]

    def close(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def _start(self) -> Child | None:
        """Start the process, or return None where there can be none, as in a Python that is part of another program."""
        try:
            self._child = Child(_PROGRAM, is_silent=True)
            self._child.begin(self._how)
        except children.DYING:
            self.close()
        return self._child


def _ask_one_of(workers: SimpleQueue[_Worker], tasks: Sequence[Task]) -> list[tuple[Task, Decoded]]:
    worker = workers.get()
    try:
        return list(zip(tasks, worker.ask(tasks), strict=True))
    finally:
        workers.put(worker)
