"""No test here finds data by accident, and none writes to the user's cache."""

from __future__ import annotations

import functools
import http.server
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zehn.datasets import _places


@pytest.fixture(autouse=True)
def cache_path(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of this test, empty."""
    path = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv(_places.CACHE_VARIABLE, str(path))
    monkeypatch.delenv(_places.DATA_VARIABLE, raising=False)
    return path


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """A context in which no file grows beyond so many bytes: the system refuses, as it does on a full disk."""
    resource = pytest.importorskip("resource", reason="needs POSIX resource limits")

    @contextmanager
    def limit(n_bytes: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


@pytest.fixture(scope="session")
def batch_pickle() -> Callable[[np.ndarray, list[int]], bytes]:
    """Write a batch of CIFAR-10 byte for byte as Python 2 did: protocol 2, strings for bytes."""

    def string(value: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(value)) + value

    def write(rows: np.ndarray, labels: list[int]) -> bytes:
        empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        shape = b"".join(b"J" + struct.pack("<i", length) for length in rows.shape) + b"\x86"
        array = empty + b"(K\x01" + shape + kind + b"\x89" + string(rows.tobytes()) + b"tb"
        numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
        return b"\x80\x02}(" + string(b"data") + array + string(b"labels") + numbers + b"u."

    return write


@pytest.fixture
def file_server() -> Iterator[Callable[[Path], str]]:
    """Serve folders on this machine; the function returns the address of a folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    servers: list[tuple[http.server.ThreadingHTTPServer, threading.Thread]] = []

    def serve(folder: Path) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()
