"""What is uploaded: forms and JSON read strictly and in memory, files made squares of the model's size at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any, TypeVar

import numpy as np
import orjson
from fastapi import Request, Response, UploadFile, params
from fastapi.routing import APIRoute
from jaxtyping import UInt8
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser

from zehn.codes import count_threads
from zehn.errors import ImageError
from zehn.serve import guards, problems
from zehn.serve.problems import Problem
from zehn.serve.settings import Settings
from zehn.serve.shelves import Shelf

FORM, JSON = "multipart/form-data", "application/json"
WRITING: dict[str, Any] = {"security": [{"token": []}]}
"""Marks a route (as its ``openapi_extra``) that only who has the token may use."""
_MAX_FIELDS = 32
_MAX_FIELD_BYTES = 64_000
_MAX_NAME_BYTES = 16_000

Square = UInt8[np.ndarray, "s s 3"]
Result = TypeVar("Result")


class Route(APIRoute):
    """A route that refuses by the first lines, before it reads a body, and then reads it strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle = super().get_route_handler()
        expected = None
        if self.body_field is not None:
            expected = FORM if isinstance(self.body_field.field_info, params.Form) else JSON
        is_writing = self.openapi_extra is WRITING

        async def strict(request: Request) -> Response:
            if is_writing:
                guards.check_writer(request.headers, request.app.state.service.settings)
            if expected is not None:
                _check_type(request.headers.get("content-type", ""), expected)
            return await handle(_Request(request.scope, request.receive))

        return strict


class _Request(Request):
    async def json(self) -> Any:
        """Read JSON as the standard has it: no NaN, no endless nesting.

        Raises:
            Problem: it has so many fields that only to say which are wrong would take long.

        """
        read = orjson.loads(await self.body())
        if isinstance(read, dict) and len(read) > _MAX_FIELDS:
            raise Problem(422, f"expected at most {_MAX_FIELDS} fields, came {len(read):,}; send fewer")
        return read

    async def _get_form(self, **_: Any) -> FormData:
        """Read a form without ever writing to disk.

        Raises:
            Problem: it is damaged (400), or there are too many files (413).

        """
        if self._form is None:
            settings: Settings = self.app.state.service.settings
            async with aclosing(self.stream()) as stream:
                parser = _Parser(
                    self.headers,
                    stream,
                    max_files=settings.max_images,
                    max_fields=_MAX_FIELDS,
                    max_part_size=_MAX_FIELD_BYTES,
                )
                try:
                    self._form = await parser.parse()
                except MultiPartException as error:
                    if parser.n_files > settings.max_images:
                        raise Problem(
                            413, f"expected at most {settings.max_images} files in one request, came more; send fewer"
                        ) from error
                    raise Problem(400, f"the form cannot be read: {error.message}") from error
        return self._form


class _Parser(MultiPartParser):
    """Keeps files in memory, where they are bounded by what a request may hold."""

    spool_max_size = 0
    """Never: the standard library takes 0 for no bound."""

    is_whole = False

    @property
    def n_files(self) -> int:
        """How many files there were so far."""
        return self._current_files

    async def parse(self) -> FormData:
        """Read a form to its end.

        Raises:
            MultiPartException: it is damaged, or has no end.

        """
        form = await super().parse()
        if not self.is_whole:
            for file in self._files_to_close_on_error:
                file.close()
            raise MultiPartException("it ends before its last boundary.")
        return form

    def on_end(self) -> None:
        """Note that the last boundary was there."""
        self.is_whole = True

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        """Take part of a header, unless it is longer than any name of a file."""
        super().on_header_value(data, start, end)
        if len(self._current_partial_header_value) > _MAX_NAME_BYTES:
            raise MultiPartException("a header of one of its parts is too long")


def _check_type(given: str, expected: str) -> None:
    kind = given.partition(";")[0].strip().lower()
    if kind != expected:
        came = f"came {problems.as_text(kind)[:100]!r}" if kind else "came none"
        raise Problem(415, f"expected a body of type {expected}, {came}")


class Decoder:
    """Threads that decode pictures, as many as there are cores; as many pictures as wait for the model may wait here.

    Decoded, a picture takes up to a thousand times the memory of its file, so that there are never many at a time.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(count_threads(), "zehn-decoding")
        self._is_ending = False
        self.n_waiting = 0

    async def call(self, function: Callable[[], Result], n: int = 1) -> Result:
        """Return what a function returns that decodes n pictures, one after the other, and is called in its turn.

        Raises:
            Problem: too many wait already, or the service is ending.

        """
        if self.n_waiting and self.n_waiting + n > self._settings.queue_size:
            raise problems.busy("too many pictures wait to be decoded; try again in a moment")
        self._check_goes_on()
        self.n_waiting += n
        future = asyncio.get_running_loop().run_in_executor(self._threads, function)
        try:
            return await future
        except asyncio.CancelledError:
            # the end cancels what waits, and whoever asked is still there
            if future.cancelled() and not _is_cancelled():
                self._check_goes_on()
            raise
        finally:
            self.n_waiting -= n

    async def squares(self, shelf: Shelf, files: Sequence[UploadFile]) -> list[Square]:
        """Return files as the squares that a shelf's model sees.

        Raises:
            Problem: too many files wait already, or the service is ending.
            ImageError: one that is no image; the message says which of them.

        """
        data = [await file.read() for file in files]
        # one after the other: no request takes more than one of the threads, or holds more than one large image
        return await self.call(lambda: self._squares(shelf, data), len(data))

    def stop(self) -> None:
        """End, without waiting for what is being decoded; what waits is told to come again."""
        self._is_ending = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _squares(self, shelf: Shelf, data: Sequence[bytes]) -> list[Square]:
        squares = []
        for place, one in enumerate(data, start=1):
            self._check_goes_on()
            try:
                squares.append(shelf.square(one))
            except ImageError as error:
                which = f"file {place} of {len(data)}: " if len(data) > 1 else ""
                raise ImageError(f"{which}{error}") from error
        return squares

    def _check_goes_on(self) -> None:
        if self._is_ending:
            raise problems.ending()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
