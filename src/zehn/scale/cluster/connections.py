"""Connections to the servers of a cluster, and their refusals in one line each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from zehn.engines._postgres import addresses, shards
from zehn.engines._postgres.shards import Connection
from zehn.errors import CollectionError


@contextmanager
def opened(name: str, url: str) -> Iterator[Connection]:
    """Open a connection to a server, each statement of which is committed by itself.

    Raises:
        CollectionError: it does not answer.

    """
    try:
        # an address that names a collection will do
        connection = psycopg.connect(
            addresses.parse(url).server, autocommit=True, connect_timeout=shards.SECONDS_TO_CONNECT
        )
    except psycopg.Error as error:
        raise CollectionError(
            f"the {name} ({addresses.shown(url)}) does not answer: {said(error, url)}; check its address, and "
            "that it is running"
        ) from error
    with connection:
        yield connection


@contextmanager
def told(name: str) -> Iterator[None]:
    """Turn what a server refuses into an error that names it.

    Raises:
        CollectionError: it refused.

    """
    try:
        yield
    except psycopg.Error as error:
        raise CollectionError(
            f"the {name} refused: {said(error)}; give a user who may do that, such as postgres, or mend what it says"
        ) from error


def said(error: psycopg.Error, url: str = "") -> str:
    """Return what a server said, in one line, without the password of an address."""
    text = " ".join(f"{error.diag.message_primary or error} {error.diag.message_detail or ''}".split())
    return addresses.parse(url).masked(text) if url else text
