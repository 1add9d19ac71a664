"""The engine on PostgreSQL with pgvector: one server, replicas, or a cluster of shards, under one address.

``postgresql://me@host/database?collection=photos`` is the schema ``zehn_photos`` of that database; one database holds
many collections. Needs the extra ``scale``, of which nothing is loaded before such an address is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zehn.errors import MissingExtraError

if TYPE_CHECKING:
    from zehn.engines._postgres.engine import Engine

SCHEMES = ("postgresql", "postgres")
"""Addresses are libpq's URLs, with the parameters ``collection`` and ``allow_partial`` besides libpq's own."""


@dataclass(frozen=True)
class Options:
    """How the engine waits and searches."""

    seconds_to_wait: float = 20.0
    """How long to wait for another process that writes."""
    n_connections: int = 8
    """Connections that the threads of a process share."""
    n_to_read: int = 8
    """So many queries at once are answered by reading all codes once, rather than each by a scan of the server's."""
    hnsw_m: int = 16
    """Neighbours of a code in the index for approximate search."""
    hnsw_ef_construction: int = 64
    """Candidates that are looked at when a code is put into that index."""
    hnsw_ef_search: int = 100
    """Candidates that are looked at when it is searched."""
    build_memory_mb: int = 512
    """Memory of the server's that making that index may take."""
    allow_partial: bool = False
    """Search on without shards that do not answer; the answer says so."""


def create(
    address: str,
    n_components: int,
    facts: dict[str, str],
    options: Options,
    *,
    attachments: Mapping[str, bytes] | None = None,
) -> Engine:
    """Make an empty collection; see :func:`zehn.engines.create`."""
    _check_installed()
    from zehn.engines._postgres import creation, engine, reencoding

    reencoding.check_dimensions(n_components)
    creation.create(address, n_components, facts, attachments or {}, options.seconds_to_wait)
    return engine.Engine(address, options)


def connect(address: str, options: Options, *, read_only: bool = False) -> Engine:
    """Open a collection; see :func:`zehn.engines.connect`."""
    _check_installed()
    from zehn.engines._postgres import engine

    return engine.Engine(address, options, read_only=read_only)


def exists(address: str) -> bool:
    """Return whether the database has a collection of that name."""
    _check_installed()
    from zehn.engines._postgres import creation

    return creation.exists(address)


def _check_installed() -> None:
    try:
        import psycopg
        import psycopg_pool
    except ImportError as error:
        raise MissingExtraError("psycopg", "scale") from error
    del psycopg, psycopg_pool
