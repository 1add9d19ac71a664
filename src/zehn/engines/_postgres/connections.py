"""Single connections to a collection's database: opened, told how to behave, asked again where that helps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg

from zehn.engines._postgres import faults, shards
from zehn.engines._postgres.addresses import Address
from zehn.engines._postgres.shards import Connection
from zehn.errors import CollectionError

_Answer = TypeVar("_Answer")

_PAUSES = (0.2, 1.0)
"""Seconds before a second and a third try."""
_PREPARED_AFTER = 2
"""A statement that was given so often is prepared."""
_SETTINGS = """
SELECT set_config('search_path', format('%%I, %%I', %s::text, coalesce((
           SELECT nspname::text FROM pg_extension JOIN pg_namespace AS place ON place.oid = extnamespace
           WHERE extname = 'vector'), 'public')), false),
       set_config('lock_timeout', %s, false),
       set_config('tcp_keepalives_idle', %s, false),
       set_config('plan_cache_mode', 'force_custom_plan', false),
       set_config('jit', 'off', false)
"""
"""Plans are made for the values at hand, so that filters go to shards; compiling one takes longer than such scans. The
server, too, looks whether the other side is there: the writers' lock of a machine that is gone would stay for hours."""


def tried(ask: Callable[[], _Answer]) -> _Answer:
    """Return an answer, asked for again where what went wrong may pass."""
    for pause in _PAUSES:
        try:
            return ask()
        except psycopg.Error as error:
            if not faults.may_pass(error):
                raise
            time.sleep(pause)
    return ask()


def value(connection: Connection, statement: str, *values: Any) -> Any:
    """Return the first value that a statement gives, or None."""
    row = connection.execute(statement.encode(), values or None).fetchone()
    return row[0] if row else None


@contextmanager
def connected(address: Address) -> Iterator[Connection]:
    """Connect to a collection's database, each statement a transaction of its own."""
    connection = tried(lambda: _connect(address))
    try:
        yield connection
    finally:
        connection.close()


def configure(connection: Connection, address: Address, seconds_to_wait: float) -> None:
    """Let a connection speak of a collection's tables by their bare names."""
    idle = shards.KEEPALIVES["keepalives_idle"]
    connection.execute(_SETTINGS, (address.schema, f"{seconds_to_wait * 1000:.0f}ms", idle))
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED


def arguments_of(address: Address) -> dict[str, Any]:
    """Return what connections to an address are opened with; what is in the address comes first."""
    given = psycopg.conninfo.conninfo_to_dict(address.server)
    ours: dict[str, Any] = {"connect_timeout": shards.SECONDS_TO_CONNECT, "fallback_application_name": "zehn"}
    ours |= shards.KEEPALIVES
    kept = {name: value for name, value in ours.items() if name not in given}
    return {**kept, "autocommit": True, "prepare_threshold": _PREPARED_AFTER, "client_encoding": "UTF8"}


def _connect(address: Address) -> Connection:
    try:
        return psycopg.connect(address.server, **arguments_of(address))
    except psycopg.ProgrammingError as error:  # libpq cannot read the address
        raise CollectionError(
            f"cannot read the address {address.shown}: {address.masked(' '.join(str(error).split()))}; expected one "
            "such as postgresql://me@host:5432/database?collection=photos"
        ) from None
