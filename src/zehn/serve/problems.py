"""What goes wrong, said as problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from zehn.errors import (
    BusyError,
    CollectionError,
    ConfigError,
    DataError,
    ImageError,
    InputError,
    MissingExtraError,
    RunError,
    UnknownNameError,
    ZehnError,
)

MEDIA_TYPE = "application/problem+json"
REQUEST_ID = "zehn.request_id"
"""Where the id of a request is kept in its scope."""
SECONDS_TO_RETRY = 1
_ABOUT_NOTHING_ELSE = "about:blank"
_IN_ADDRESSES = frozenset({"collection", "run", "file of the run"})
"""Kinds of names that are part of an address: an unknown one means that nothing is there."""
_STATUSES: tuple[tuple[type[ZehnError], int], ...] = (
    (ImageError, 422), (InputError, 422), (ConfigError, 422),
    (BusyError, 503), (CollectionError, 409), (DataError, 404), (RunError, 404), (MissingExtraError, 501),
)  # fmt: skip
"""The first that fits; what is none of these is our fault."""
_N_MISTAKES_SAID = 3
_MOST_MISTAKES = 20
"""That are listed; of thousands the first few tell enough."""
_LONGEST_PLACE = 100
_OUR_OWN = "Value error, "
"""What pydantic sets before sentences of ours."""
_WORDS = {
    400: "the body of the request cannot be read; send it again",
    404: "there is nothing at this address; /api/v1/openapi.json lists what there is",
    405: "this address does not take that method; the header Allow lists those that it takes",
}


class Problem(HTTPException):
    """A request that is answered with problem details."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str = _ABOUT_NOTHING_ELSE,
        headers: Mapping[str, str] | None = None,
        mistakes: list[dict[str, str]] | None = None,
    ) -> None:
        """Say what was expected, what came and what to do; ``mistakes`` are the fields that are wrong."""
        super().__init__(status, detail, dict(headers) if headers else None)
        self.kind, self.mistakes = kind, mistakes


def busy(detail: str) -> Problem:
    """Return the problem of a service that has too much to do; it says when to come again."""
    return Problem(503, detail, headers={"Retry-After": str(SECONDS_TO_RETRY)})


def ending() -> Problem:
    """Return the problem of a service that was told to end."""
    return busy("the service is ending; try again in a moment")


def of_error(error: ZehnError) -> Problem:
    """Return what one of our errors is over HTTP; its sentence is the detail, its class part of the type."""
    if isinstance(error, UnknownNameError) and error.kind in _IN_ADDRESSES:
        status = 404
    else:
        status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    headers = {"Retry-After": str(SECONDS_TO_RETRY)} if status == 503 else None
    return Problem(status, str(error), kind=f"urn:zehn:{type(error).__name__}", headers=headers)


def response(problem: HTTPException, request_id: str) -> Response:
    """Return the answer to a request that cannot be done."""
    content: dict[str, Any] = {
        "type": getattr(problem, "kind", _ABOUT_NOTHING_ELSE),
        "title": HTTPStatus(problem.status_code).phrase,
        "status": problem.status_code,
        # what came from outside may hold what is no text
        "detail": as_text(str(problem.detail)),
        "instance": f"urn:zehn:request:{request_id}",
    }
    if getattr(problem, "mistakes", None):
        content["errors"] = problem.mistakes  # type: ignore[attr-defined]
    return Response(orjson.dumps(content), problem.status_code, problem.headers, MEDIA_TYPE)


def as_text(words: str) -> str:
    """Return text that every JSON reader takes: bytes that are no UTF-8 become replacement characters."""
    return words if words.isascii() else words.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


async def on_problem(request: Request, error: Exception) -> Response:
    """Answer what was refused on purpose, here or by the libraries below, whose words we make ours."""
    if not isinstance(error, HTTPException):
        raise error
    if not isinstance(error, Problem):
        words = _WORDS.get(error.status_code, str(error.detail))
        error = Problem(error.status_code, words, headers=error.headers)
    return response(error, request.scope[REQUEST_ID])


async def on_zehn_error(request: Request, error: Exception) -> Response:
    """Answer one of our errors."""
    if not isinstance(error, ZehnError):
        raise error
    return response(of_error(error), request.scope[REQUEST_ID])


async def on_invalid(request: Request, error: Exception) -> Response:
    """Answer a request whose fields are wrong; what came is not repeated, as it may be anything."""
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    mistakes = [
        {
            "where": as_text(".".join(str(part) for part in one["loc"]))[:_LONGEST_PLACE],
            "what": as_text(str(one["msg"]).removeprefix(_OUR_OWN)),
        }
        for one in found[:_MOST_MISTAKES]
    ]
    said = "; ".join(f"{one['where']}: {one['what']}" for one in mistakes[:_N_MISTAKES_SAID])
    more = len(found) - _N_MISTAKES_SAID
    problem = Problem(422, said + (f"; and {more} more" if more > 0 else ""), mistakes=mistakes)
    return response(problem, request.scope[REQUEST_ID])
