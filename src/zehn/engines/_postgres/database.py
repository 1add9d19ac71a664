"""Connections to a collection's database: read in snapshots, written to by one at a time, refusals in Zehn's words."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from zehn.engines._postgres import changes, definitions, faults, shards
from zehn.engines._postgres.addresses import Address
from zehn.engines._postgres.connections import arguments_of, configure, connected, tried, value
from zehn.engines._postgres.shards import Connection
from zehn.errors import CollectionError

_Answer = TypeVar("_Answer")

_SECONDS_TO_GIVE = 1.0
"""How long the pool may take to give a connection, before the server is asked what is the matter."""
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_LOCK = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"

# it logs each failure to connect, and who waits is told in the end
logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())


class Database:
    """A pool of connections to a collection, shared by the threads of a process."""

    def __init__(
        self,
        address: Address,
        *,
        read_only: bool,
        seconds_to_wait: float,
        n_connections: int,
        allow_partial: bool = False,
    ) -> None:
        """Open a collection that :func:`create` made.

        Raises:
            CollectionError: the server cannot be reached, nothing is there, or it is of a newer Zehn, or may not be
                written to though it is to be.
            BusyError: it is to be brought up to date and another process does not finish.

        """
        self.address, self.read_only, self._seconds = address, read_only, seconds_to_wait
        self._allow_partial = allow_partial
        self._process, self._own, self._is_closed = os.getpid(), threading.local(), False
        with self.said(), self.open() as connection:
            self.vector_version = check_server(connection, address)
            if not is_there(connection, address.schema):
                raise CollectionError(f"no collection at {address.shown}; make one with: zehn index create NAME")
            if not read_only and value(connection, "SELECT pg_is_in_recovery()"):
                raise CollectionError(
                    f"cannot write to {address.shown}: the server is a replica, which is read-only; name the primary, "
                    "or open it with read_only=True"
                )
            migrate(connection, address, read_only=read_only)
            self.is_sharded = value(connection, "SELECT to_regclass('unfinished') IS NOT NULL")
        self._pool = ConnectionPool(
            address.server, kwargs=arguments_of(address), configure=self._configure, min_size=0, max_size=n_connections,
            check=ConnectionPool.check_connection, open=False, num_workers=1,
            reconnect_timeout=shards.SECONDS_TO_CONNECT,
        )  # fmt: skip

    def read(self, work: Callable[[Connection], _Answer]) -> _Answer:
        """Return what is read of one state: that of the thread's snapshot, or that of now.

        What is cut off is tried again, but not within a snapshot, whose state would be another.
        """
        own: Connection | None = getattr(self._own, "connection", None)
        if own is not None:
            self._check()
            with self.said():
                return work(own)
        return self._tried(lambda: self._read(work))

    def write(self, work: Callable[[Connection], _Answer]) -> _Answer:
        """Return what one transaction returns: all of it is stored then, nothing if it raises.

        Raises:
            CollectionError: it was opened read-only, or within a snapshot; or the connection was lost in the end.
            BusyError: another process writes and does not finish.

        """
        self.check_writable()
        return self._tried(lambda: self._write(work))

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all that this thread reads in the block be of one state."""
        if getattr(self._own, "connection", None) is not None:
            yield
            return
        with self.said(), self._pooled() as connection, _reading(connection):
            self._begin(connection)
            self._own.connection = connection
            try:
                yield
            finally:
                self._own.connection = None

    @contextmanager
    def walking(self) -> Iterator[Connection]:
        """Give a connection of its own whose state stays while others write; the snapshot's within one."""
        self._check()
        own: Connection | None = getattr(self._own, "connection", None)
        if own is not None:
            with self.said():
                yield own
            return
        with self.said(), self.open() as connection, _reading(connection):
            self._begin(connection)
            yield connection

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """Give a connection outside of any transaction, with the writers' lock."""
        self.check_writable()
        with self.said(), self.open() as connection, self._locked(connection):
            yield connection

    def check_writable(self) -> None:
        """Refuse to write where that cannot be.

        Raises:
            CollectionError: it was opened read-only, or within a snapshot.

        """
        self._check()
        if self.read_only:
            raise CollectionError(f"{self.address.shown} was opened read-only; open it for writing to change it")
        if getattr(self._own, "connection", None) is not None:
            raise CollectionError("nothing can be written within a snapshot; write after its block")

    @contextmanager
    def open(self) -> Iterator[Connection]:
        """Open a connection outside of the pool, at once or not at all."""
        with connected(self.address) as connection:
            self._configure(connection)
            yield connection

    @contextmanager
    def said(self) -> Iterator[None]:
        """Turn what PostgreSQL says into an error that says what to do.

        Raises:
            BusyError: another process writes.
            CollectionError: anything else.

        """
        try:
            yield
        except psycopg.Error as error:
            raise faults.told(error, self.address, self._seconds) from error

    def close(self) -> None:
        """Close all connections; a second call does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._pool.close()

    def _begin(self, connection: Connection) -> None:
        """Let the state be that of now, not that of when something is first read, on each server."""
        connection.execute("SELECT version FROM state")
        if self.is_sharded and self._allow_partial:
            shards.missing(connection, self.address.schema)
        elif self.is_sharded:
            parts = shards.parts_of(connection, self.address.schema)
            connection.execute(shards.of_all_parts(parts, "SELECT id FROM {images} LIMIT 1").encode())

    def _read(self, work: Callable[[Connection], _Answer]) -> _Answer:
        with self._pooled() as connection, _reading(connection):
            return work(connection)

    def _write(self, work: Callable[[Connection], _Answer]) -> _Answer:
        is_ending = False
        with self._pooled() as connection, self._locked(connection):
            try:
                with self._changing(connection):
                    answer = work(connection)
                    connection.execute("UPDATE state SET version = version + 1")
                    is_ending = True
            except psycopg.OperationalError as error:
                if is_ending and (connection.closed or self.is_sharded):
                    raise faults.unknown(error, self.address) from error
                raise
        return answer

    def _changing(self, connection: Connection) -> AbstractContextManager[Any]:
        return changes.whole(connection, self.address.schema) if self.is_sharded else connection.transaction()

    @contextmanager
    def _locked(self, connection: Connection) -> Iterator[None]:
        """Let nobody else write meanwhile; the lock ends with the connection at the latest."""
        connection.execute(_LOCK, (self.address.schema,))
        try:
            yield
        finally:
            try:
                connection.execute(_UNLOCK, (self.address.schema,))
            except psycopg.Error:  # whoever is given this connection next must not have the lock
                connection.close()

    @contextmanager
    def _pooled(self) -> Iterator[Connection]:
        self._check()
        if self._pool.closed:
            self._pool.open()
        connection = self._taken()
        try:
            yield connection
        finally:
            self._pool.putconn(connection)

    def _taken(self) -> Connection:
        """Take a connection of the pool, as long as the server answers."""
        end = time.monotonic() + max(self._seconds, _SECONDS_TO_GIVE)
        while True:
            try:
                return self._pool.getconn(_SECONDS_TO_GIVE)
            except PoolTimeout as error:
                # it does not say why; a try of our own does, and whoever asked need not try again
                with self.said(), connected(self.address):
                    pass
                if time.monotonic() > end:
                    raise CollectionError(
                        f"all {self._pool.max_size} connections to {self.address.shown} are in use; try again"
                    ) from error

    def _tried(self, ask: Callable[[], _Answer]) -> _Answer:
        with self.said():
            return tried(ask)

    def _configure(self, connection: Connection) -> None:
        configure(connection, self.address, self._seconds)

    def _check(self) -> None:
        if self._is_closed:
            raise CollectionError(f"{self.address.shown} was closed; open it again")
        if self._process != os.getpid():
            raise CollectionError(f"{self.address.shown} was opened by another process; every process opens its own")


def check_server(connection: Connection, address: Address) -> tuple[int, ...]:
    """Refuse a server that cannot hold collections, and return the version of its pgvector.

    Raises:
        CollectionError: it is too old, or its database does not keep UTF-8, or lacks pgvector.

    """
    where, least = address.shown, ".".join(map(str, definitions.LEAST_VECTOR))
    if connection.info.server_version < definitions.LEAST_SERVER * 10_000:
        raise CollectionError(
            f"{where} is PostgreSQL {value(connection, 'SHOW server_version')}, expected "
            f"{definitions.LEAST_SERVER} or newer; update the server"
        )
    encoding = value(connection, "SHOW server_encoding")
    if encoding != "UTF8":
        raise CollectionError(
            f"the database of {where} keeps text as {encoding}, expected UTF8; make one with: createdb -E UTF8 NAME"
        )
    version = value(connection, "SELECT max(extversion) FROM pg_extension WHERE extname = 'vector'")
    if version is None:
        raise CollectionError(
            f"the database of {where} has no pgvector; install pgvector {least} or newer on the server, then give its "
            "database: CREATE EXTENSION vector"
        )
    numbers = definitions.numbers_of(version)
    if numbers < definitions.LEAST_VECTOR:
        raise CollectionError(
            f"the database of {where} has pgvector {version}, expected {least} or newer; install it on the server, "
            "then give its database: ALTER EXTENSION vector UPDATE"
        )
    return numbers


def is_there(connection: Connection, schema: str) -> bool:
    """Return whether there is a collection."""
    return bool(value(connection, "SELECT count(*) FROM pg_namespace WHERE nspname = %s", schema))


def migrate(connection: Connection, address: Address, *, read_only: bool) -> None:
    """Bring the tables of an open collection up to date, in one transaction.

    Raises:
        CollectionError: a collection of a newer Zehn, or an older one that may not be written to.

    """
    known, where = len(definitions.MIGRATIONS), address.shown
    version = _version(connection)
    if version > known:
        raise CollectionError(
            f"{where} has schema version {version} but this Zehn knows {known} at most; it was written by a newer one: "
            "update Zehn"
        )
    if version == known:
        return
    if read_only:
        raise CollectionError(
            f"{where} has schema version {version}, this Zehn wants {known} and may not write to it; open it once for "
            "writing, then it is brought up to date"
        )
    with connection.transaction():
        lock(connection, address)
        # another process may have been quicker
        make(connection, _version(connection))


def lock(connection: Connection, address: Address) -> None:
    """Let nobody else write until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (address.schema,))


def make(connection: Connection, version: int) -> None:
    """Make the small tables of the versions after one; 0 is an empty schema."""
    for number, statements in enumerate(definitions.MIGRATIONS[version:], start=version + 1):
        for statement in statements:
            connection.execute(statement.encode())
        connection.execute("INSERT INTO migrations VALUES (%s)", (number,))


@contextmanager
def _reading(connection: Connection) -> Iterator[None]:
    connection.execute(_SNAPSHOT)
    try:
        yield
    finally:
        with suppress(psycopg.Error):
            connection.execute("ROLLBACK")


def _version(connection: Connection) -> int:
    return int(value(connection, "SELECT max(number) FROM migrations") or 0)
