"""One collection's SQLite file: opened, read and written in transactions, refusals said in Zehn's words."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from zehn.engines import _schema, _tables
from zehn.errors import BusyError, CollectionError

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_AT_APPLICATION_ID = 68
_LEAST_FREE = 1_000_000
"""With fewer bytes left on a disk, an I/O error is taken for a full one."""
_LEAST_TO_SHARE = 65_536
"""With fewer bytes left on a disk, there is no room for the file by which readers and writers share a collection."""
_LEAST_SHARED = 32_768
"""That file is at least as large where it is in use."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system says that knows no hard links."""
_SETTINGS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = FULL",  # what was answered survives a power cut too
    "PRAGMA cache_size = -65536",
    "PRAGMA trusted_schema = OFF",  # a file from outside is data
    "PRAGMA cell_size_check = ON",
)


class Connection(sqlite3.Connection):
    """A connection that may read a file without locks, as one that nobody writes to."""

    frozen: tuple[int, int] | None = None
    """Size and time of that file when it was opened so."""


class Database:
    """A connection to one file, shared by the threads of a process, each waiting for the others."""

    def __init__(self, path: Path, *, read_only: bool, seconds_to_wait: float) -> None:
        """Open a file that :func:`create` made.

        Raises:
            CollectionError: nothing is there, or no collection, a damaged one, that of a newer Zehn, or one that may
                not be written to though it is to be.
            BusyError: it is to be brought up to date and another process does not finish.

        """
        self.path, self.read_only, self._seconds = path, read_only, seconds_to_wait
        self._lock, self._process = threading.RLock(), os.getpid()
        self._within_snapshot: int | None = None
        self._connection: Connection | None = None
        _check_header(path)
        if not read_only and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            raise CollectionError(
                f"cannot write to {path}: the file or its folder is read-only; open it with read_only=True, or make "
                "both writable"
            )
        with self.said():
            self._connection = self._open()
            try:
                _schema.migrate(self._connection, str(path), read_only=read_only)
                self._check_schema()
                _tables.state_of(self._connection)
            except BaseException:
                self.close()
                raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give the connection for reading; all that is read in the block is of one state, or a BusyError is raised."""
        with self._lock, self.said():
            connection = self._checked()
            if connection.in_transaction:
                yield connection
                return
            with self._unchanged(connection):
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    _end(connection)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all that this thread reads in the block be of one state; other threads wait."""
        with self.reading() as connection:
            # the state is that of the first thing read
            connection.execute("SELECT version FROM state").fetchone()
            before, self._within_snapshot = self._within_snapshot, threading.get_ident()
            try:
                yield
            finally:
                self._within_snapshot = before

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give the connection for one transaction: all of it is on disk after the block, nothing if it raises.

        Raises:
            CollectionError: it was opened read-only, or within a snapshot.
            BusyError: another process writes and does not finish.

        """
        with self._lock, self.said():
            connection = self._checked()
            self.check_writable()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("UPDATE state SET version = version + 1")
                connection.execute("COMMIT")
            finally:
                _end(connection)

    @contextmanager
    def walking(self) -> Iterator[Connection]:
        """Give a connection of its own whose state stays while the file is written to; the snapshot's within one.

        A BusyError is raised at the end of the block where that state could not be kept.
        """
        with self.said():
            if self._within_snapshot == threading.get_ident():
                yield self._checked()
                return
            self._own()
            with closing(self._open()) as connection, self._unchanged(connection):
                connection.execute("BEGIN")
                yield connection

    def check_unchanged(self, connection: Connection) -> None:
        """Refuse what a connection has read if the file was written to that nobody was thought to write to.

        Raises:
            BusyError: it was.

        """
        if connection.frozen is not None and connection.frozen != _status(self.path):
            raise BusyError(f"{self.path} was written to meanwhile; give the same command again")

    def check_writable(self) -> None:
        """Refuse to write where that cannot be.

        Raises:
            CollectionError: it was opened read-only, or within a snapshot.

        """
        if self.read_only:
            raise CollectionError(f"{self.path} was opened read-only; open it for writing to change it")
        if self._within_snapshot == threading.get_ident():
            raise CollectionError("nothing can be written within a snapshot; write after its block")

    def compact(self) -> None:
        """Write the file anew without the room that removed rows left."""
        with self._lock, self.said():
            self.check_writable()
            connection = self._checked()
            connection.execute("VACUUM")
            # readers may hold the log's end for now; then it is emptied later
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def backup(self, target: Path) -> None:
        """Write a consistent copy to a new file, which appears when it is whole.

        Raises:
            CollectionError: a file is there, or cannot be written.
            BusyError: the collection was written to meanwhile.

        """
        with self.walking() as connection, _appearing(target) as beside:
            with closing(sqlite3.connect(beside)) as copy:
                connection.backup(copy)
            self.check_unchanged(connection)

    def n_bytes(self) -> int:
        """Return how large the file and its log are."""
        files = (self.path, _beside(self.path, "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Close the connection; the last process to do so empties the log into the file."""
        with self._lock, self.said():
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def said(self) -> Iterator[None]:
        """Turn what SQLite says into an error that says what to do.

        Raises:
            BusyError: another process writes.
            CollectionError: anything else.

        """
        try:
            yield
        except sqlite3.Error as error:
            raise _refusal(self.path, error, self._seconds) from error
        except UnicodeDecodeError as error:  # SQLite quotes a damaged schema, and Python cannot read what it says
            raise CollectionError(f"{self.path} is damaged ({error}); restore a backup") from error
        except MemoryError as error:  # SQLite says so of some damage too
            raise CollectionError(f"no memory to read {self.path}; free some, or run zehn index verify") from error

    def _own(self) -> Connection:
        if self._connection is None:
            raise CollectionError(f"{self.path} was closed; open it again")
        if self._process != os.getpid():
            raise CollectionError(f"{self.path} was opened by another process; every process opens its own")
        return self._connection

    def _checked(self) -> Connection:
        connection = self._own()
        if connection.in_transaction:
            self.check_unchanged(connection)
        elif connection.frozen is not None and (connection.frozen != _status(self.path) or self._is_shared()):
            # it was opened as a file that nobody writes to, and somebody does
            connection.close()
            self._connection = connection = self._open()
        return connection

    @contextmanager
    def _unchanged(self, connection: Connection) -> Iterator[None]:
        try:
            yield
        except Exception:
            # what seemed damaged may have been half written
            self.check_unchanged(connection)
            raise
        self.check_unchanged(connection)

    def _open(self) -> Connection:
        # who cannot make the file by which a collection is shared reads without locks, as long as nobody else shares it
        can_share = os.access(self.path.parent, os.W_OK) and _free_bytes(self.path) >= _LEAST_TO_SHARE
        status = _status(self.path)
        is_frozen = self.read_only and not can_share and not self._is_shared()
        mode = "rw" if not self.read_only else "ro&immutable=1" if is_frozen else "ro"
        address = f"file:{quote(os.fsencode(self.path.absolute()))}?mode={mode}"
        connection = sqlite3.connect(
            address, uri=True, timeout=self._seconds, isolation_level=None, check_same_thread=False, factory=Connection
        )
        connection.frozen = status if is_frozen else None
        connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        for setting in _SETTINGS:
            connection.execute(setting)
        return connection

    def _is_shared(self) -> bool:
        """Say whether something is in the log, or somebody has the file open for writing; or did when it was killed."""
        log, shared = (_status(_beside(self.path, ending))[0] for ending in ("-wal", "-shm"))
        return log > 0 or shared >= _LEAST_SHARED

    def _check_schema(self) -> None:
        """Refuse a file that would run statements of its own."""
        kinds = "SELECT name FROM sqlite_schema WHERE type IN ('trigger', 'view')"
        foreign = self._checked().execute(kinds).fetchone()
        if foreign:
            raise CollectionError(f"{self.path} holds {foreign[0]!r}, which Zehn did not write; do not trust the file")


def create(path: Path, *, n_components: int, facts: dict[str, str], attachments: Mapping[str, bytes]) -> None:
    """Write an empty collection to a new file, which appears when it is whole.

    Raises:
        CollectionError: a file is there, or cannot be written.

    """
    with _appearing(path) as beside, closing(sqlite3.connect(beside, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        _schema.migrate(connection, str(path), read_only=False)
        connection.execute("UPDATE state SET n_components = ?", (n_components,))
        _tables.set_facts(connection, facts)
        _tables.attach(connection, attachments)


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """Give a place beside a path to write a database to, and move it there when the block is done.

    Raises:
        CollectionError: a file is there, or cannot be written.

    """
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path):
            raise _taken(path)
        beside.unlink(missing_ok=True)
        yield beside
        _sync(beside)
        _move(beside, path)
        _sync(path.parent)
    except OSError as error:
        raise CollectionError(f"cannot write {path}: {error.strerror or error}; name another place") from error
    except sqlite3.Error as error:
        raise _refusal(path, error, 0.0) from error
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                _beside(beside, ending).unlink(missing_ok=True)


def _move(beside: Path, path: Path) -> None:
    """Give a file its name, unless something appeared there meanwhile."""
    try:
        os.link(beside, path)
    except OSError as error:
        if error.errno == errno.EEXIST or (error.errno in _NO_LINKS and os.path.lexists(path)):
            raise _taken(path) from error
        if error.errno not in _NO_LINKS:
            raise
        beside.rename(path)


def _taken(path: Path) -> CollectionError:
    return CollectionError(f"something is at {path} already; name another place, or delete it")


def _sync(path: Path) -> None:
    # a folder cannot be opened on every system
    with suppress(PermissionError):
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _status(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:  # it is not there
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _end(connection: sqlite3.Connection) -> None:
    # where the disk refuses, SQLite has rolled back by itself
    with suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _check_header(path: Path) -> None:
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        raise CollectionError(f"no collection at {path}; make one with: zehn index create NAME") from None
    except OSError as error:
        raise CollectionError(f"cannot read {path}: {error.strerror}; name a collection's file") from error
    kind = header[_AT_APPLICATION_ID : _AT_APPLICATION_ID + 4]
    is_own = header.startswith(_MAGIC) and kind == struct.pack(">I", _schema.APPLICATION_ID)
    if len(header) < _HEADER_BYTES or not is_own:
        raise CollectionError(f"{path} is no collection of Zehn, or its beginning is damaged; name another file")


def _refusal(path: Path, error: sqlite3.Error, seconds: float) -> CollectionError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return BusyError(
            f"{path} is being written to by another process, which did not finish within {seconds:g} s; try again "
            "when it is done"
        )
    free = _free_bytes(path)
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and free < _LEAST_FREE):
        return CollectionError(
            f"the disk is full: no room to write to {path} ({free / 1e6:.1f} MB left); free some space, then give the "
            "same command again: what was answered before is kept"
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return CollectionError(f"{path} is damaged ({error}); restore a backup")
    if code == sqlite3.SQLITE_CANTOPEN and _beside(path, "-wal").exists():
        return CollectionError(
            f"cannot open {path}: it was not closed and its folder is read-only; copy it together with its -wal file "
            "to a folder that can be written to"
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return CollectionError(f"cannot use {path}: {error}; make the file and its folder readable and writable")
    return CollectionError(f"{path}: {error}; run zehn index verify, and restore a backup if it finds anything")


def _free_bytes(path: Path) -> int:
    folder = next((parent for parent in path.absolute().parents if parent.exists()), Path("/"))
    return shutil.disk_usage(folder).free
