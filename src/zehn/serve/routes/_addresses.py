"""What the routes have in common: names in addresses, and what they lead to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from zehn.serve import page
from zehn.serve.guards import API
from zehn.serve.problems import Problem
from zehn.serve.schemas import LARGEST_ID
from zehn.serve.service import service_of
from zehn.serve.shelves import Shelf
from zehn.serve.uploads import Route

Name = Annotated[str, Path(max_length=200, description="Of a collection or a run.", examples=["photos"])]
ImageId = Annotated[int, Path(ge=0, le=LARGEST_ID, description="Of an image.", examples=[12])]


def new_router(tag: str) -> APIRouter:
    """Return a router of the API whose routes read strictly."""
    return APIRouter(prefix=API, tags=[tag], route_class=Route, generate_unique_id_function=lambda route: route.name)


def shelf_of(request: Request, name: str) -> Shelf:
    """Return what a name in an address stands for.

    Raises:
        UnknownNameError: nothing.

    """
    return service_of(request).shelves[name]


def check_at_most(what: str, given: int, most: int) -> None:
    """Refuse more than this service was started for.

    Raises:
        Problem: it is more.

    """
    if given > most:
        raise Problem(422, f"expected {what} of at most {most:,}, came {given:,}; ask for less")


def is_known(request: Request, etag: str) -> bool:
    """Return whether the asker has an answer of this version already (RFC 9110, 13.1.2)."""
    return page.is_known(etag, request.headers.get("if-none-match", ""))


def image_not_there(error: Exception) -> Problem:
    """Return the problem of an id that is not there, where it is what the address or the query names."""
    return Problem(404, str(error), kind="urn:zehn:InputError")
