"""What all routes share: the shelves, and the queues before their searches and their models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from fastapi import Request
from jaxtyping import Float32

from zehn.collection import Hit
from zehn.serve.batching import Batches
from zehn.serve.metrics import Metrics
from zehn.serve.problems import Problem
from zehn.serve.settings import Settings
from zehn.serve.shelves import Shelf, Shelves
from zehn.serve.uploads import Decoder, Square

_ENCODING, _DECODING, _CALLING = "encoding", "decoding", "calling"


@dataclass(frozen=True)
class Question:
    """What all queries of a batch have in common."""

    shelf: Shelf
    k: int
    distance: str
    where: str | None = None
    approximate: bool = False
    version: str = ""
    n_dimensions: int = 0
    """Of the codes; 0 where ids are asked about."""
    fingerprint: str = ""
    """Of the model that made the codes, where one did."""


@dataclass(frozen=True, eq=False)
class Found:
    """The answer to one query."""

    code: Float32[np.ndarray, " d"]
    hits: list[Hit]
    n_images: int
    shown: tuple[str, str | None] | None = None
    """Path and label of the query, where it is one of the images."""


Query = int | Float32[np.ndarray, " d"]
"""An id, or a code."""


class Service:
    """The shelves of one process, and what does the work."""

    def __init__(self, shelves: Shelves, settings: Settings) -> None:
        self.shelves, self.settings = shelves, settings
        self.metrics = Metrics()
        self.metrics.count_images(shelves.counts)
        self.decoder = Decoder(settings)
        self._numbers = count()
        self._searches: Batches[Question, Sequence[Query], list[Found]] = Batches(
            "searches", _search, self.metrics, queue_size=settings.queue_size, batch_size=settings.batch_size
        )
        self._model: Batches[tuple[str, Shelf | None, str], Any, Any] = Batches(
            "the model",
            self._run,
            self.metrics,
            queue_size=settings.queue_size,
            batch_size=settings.batch_size,
            seconds_to_gather=settings.seconds_to_gather,
        )

        self._writes: Batches[str, Callable[[], Any], Any] = Batches(
            "writing", lambda _, items: [item() for item in items], self.metrics,
            queue_size=settings.queue_size, batch_size=1,
        )  # fmt: skip

    def start(self) -> None:
        """Begin to work; called within the event loop."""
        self._searches.start()
        self._model.start()
        self._writes.start()
        self.shelves.warm()

    def stop(self) -> None:
        """Finish what was asked."""
        for queue in (self._searches, self._model, self._writes):
            queue.stop()
        self.decoder.stop()

    async def search(self, question: Question, queries: Sequence[Query]) -> list[Found]:
        """Return what is found for each query, all ids or all codes, as the question says.

        Raises:
            Problem: too many wait.
            ZehnError: see :meth:`zehn.serve.shelves.Shelf.search`.

        """
        return await self._searches.ask(question, queries, len(queries))

    async def encode(
        self, shelf: Shelf, squares: Sequence[Square], version: str = ""
    ) -> tuple[Float32[np.ndarray, "n d"], str]:
        """Return the codes of squares, and the fingerprint of the model that made them.

        Raises:
            Problem: too many wait.

        """
        return await self._model.ask((_ENCODING, shelf, version), squares, len(squares))

    async def decode(self, shelf: Shelf, codes: Float32[np.ndarray, "n d"]) -> list[Square]:
        """Return the images that the model's decoder sees in codes.

        Raises:
            Problem: too many wait.
            InputError: codes of another number of dimensions.

        """
        return await self._model.ask((_DECODING, shelf, ""), codes, len(codes))

    async def call(self, function: Callable[[], Any]) -> Any:
        """Return what a function returns that uses the model, and is called in its turn.

        Raises:
            Problem: too many wait.

        """
        # a key of its own: what was called must not be called again because another one failed
        return await self._model.ask((_CALLING, None, str(next(self._numbers))), function)

    async def write(self, function: Callable[[], Any], n: int = 1) -> Any:
        """Return what a function returns that changes n images, and is called in its turn; searches do not wait for it.

        Raises:
            Problem: too many wait.

        """
        return await self._writes.ask("", function, n)

    def _run(self, key: tuple[str, Shelf | None, str], items: Sequence[Any]) -> list[Any]:
        kind, shelf, version = key
        if shelf is None:
            return [function() for function in items]
        if kind == _DECODING:
            pictures = shelf.decode(np.concatenate(items))
            return [list(part) for part in _split(pictures, items)]
        squares = [square for item in items for square in item]
        self.metrics.encoded.inc(len(squares))
        codes, fingerprint = shelf.encode_with_fingerprint(squares, version=version)
        return [(part, fingerprint) for part in _split(codes, items)]


def _split(rows: Any, items: Sequence[Any]) -> list[Any]:
    """Give each item the rows that are its own."""
    return np.split(rows, np.cumsum([len(item) for item in items])[:-1])


def _search(question: Question, items: Sequence[Sequence[Query]]) -> list[list[Found]]:
    """Answer queries together that ask alike, all from one state of the shelf.

    Raises:
        Problem: the collection was encoded with another model since the codes were made.

    """
    asked = [query for item in items for query in item]
    with question.shelf.snapshot():
        if question.fingerprint and question.fingerprint != question.shelf.fingerprint(question.version):
            raise Problem(409, "the collection was encoded with another model meanwhile; send it again")
        found = iter(_found(question, asked))
    return [[next(found) for _ in item] for item in items]


def _found(question: Question, asked: Sequence[Query]) -> list[Found]:
    shelf = question.shelf
    ids: list[int] | None = None
    shown: list[tuple[str, str | None] | None] = [None] * len(asked)
    if question.n_dimensions:
        codes = np.stack([np.asarray(code, np.float32) for code in asked])
    else:
        ids = [int(id_) for id_ in asked]
        codes = shelf.codes(ids, version=question.version)
        names = shelf.shown(ids)
        shown = [names[id_] for id_ in ids]
    rows = shelf.search(
        codes,
        question.k,
        distance=question.distance,
        where=question.where,
        exclude=ids,
        approximate=question.approximate,
        version=question.version,
    )
    n_images = len(shelf)
    return [Found(code, hits, n_images, one) for code, hits, one in zip(codes, rows, shown, strict=True)]


def service_of(request: Request) -> Service:
    """Return the service that a request came to."""
    return request.app.state.service
