"""A download goes on where it broke off, gives up in time, and ends with the published file or with an error."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zehn.datasets import _download
from zehn.errors import DataError, DownloadError

CONTENT = np.random.default_rng(0).bytes(300_000)
IMPATIENT = _download.Patience(timeout_s=5, n_attempts=3, pause_s=0.01)


@dataclass
class Script:
    """What the server does, and what it was asked."""

    content: bytes = CONTENT
    breaks_after: list[int] = field(default_factory=list)
    """Bytes after which the first answers break off."""
    statuses: list[int] = field(default_factory=list)
    """Refusals before the first answer."""
    head_status: int = 200
    ranges: bool = True
    delay_s: float = 0.0
    asked: list[str | None] = field(default_factory=list)


def handler(script: Script) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers["Range"]
            script.asked.append(asked)
            time.sleep(script.delay_s)
            if script.statuses:
                self.send_error(script.statuses.pop(0))
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and script.ranges else 0
            if start and start >= len(script.content):
                self.send_error(416)
                return
            body = script.content[start:]
            self.send_response(206 if start else 200)
            if start:
                total = len(script.content)
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: script.breaks_after.pop(0)] if script.breaks_after else body)

        def do_HEAD(self) -> None:
            time.sleep(script.delay_s)
            self.send_response(script.head_status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Say nothing: clients hang up on purpose here."""


@contextmanager
def serving(script: Script) -> Iterator[str]:
    server = Server(("127.0.0.1", 0), handler(script))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/data.bin"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def remote(url: str, content: bytes = CONTENT) -> _download.Remote:
    return _download.Remote(url, hashlib.md5(content, usedforsecurity=False).hexdigest(), len(content))


def fetch(script: Script, path: Path, **options: Any) -> None:
    with serving(script) as url:
        _download.download(remote(url), path, IMPATIENT, **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "data.bin"


def test_the_file_arrives_whole_with_progress(path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    fetch(Script(), path, progress=lambda *fact: told.append(fact))
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == ["data.bin"]
    assert told[-1] == ("downloading data.bin", 300_000, 300_000)
    assert all(a[1] < b[1] for a, b in itertools.pairwise(told))


def test_a_broken_connection_is_resumed_where_it_broke(path: Path) -> None:
    script = Script(breaks_after=[100_000, 50_000])
    fetch(script, path)
    assert path.read_bytes() == CONTENT
    assert script.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_run_goes_on_from_what_an_earlier_one_left(path: Path) -> None:
    path.parent.mkdir()
    path.with_name("data.bin.part").write_bytes(CONTENT[:123_456])
    script = Script()
    fetch(script, path)
    assert path.read_bytes() == CONTENT
    assert script.asked == ["bytes=123456-"]


def test_a_server_without_ranges_sends_it_all_again(path: Path) -> None:
    script = Script(breaks_after=[100_000], ranges=False)
    fetch(script, path)
    assert path.read_bytes() == CONTENT
    assert script.asked == [None, "bytes=100000-"]


def test_a_part_of_something_else_is_thrown_away(path: Path) -> None:
    path.parent.mkdir()
    path.with_name("data.bin.part").write_bytes(b"something else")
    script = Script()
    fetch(script, path)
    assert path.read_bytes() == CONTENT
    assert script.asked == ["bytes=14-", None]


def test_a_part_longer_than_the_file_is_thrown_away(path: Path) -> None:
    path.parent.mkdir()
    path.with_name("data.bin.part").write_bytes(bytes(len(CONTENT) + 1))
    fetch(Script(), path)
    assert path.read_bytes() == CONTENT


def test_passing_refusals_are_retried_and_lasting_ones_not(path: Path) -> None:
    script = Script(statuses=[503, 429])
    fetch(script, path)
    assert len(script.asked) == 3
    script = Script(statuses=[404] * 9)
    path.unlink()
    with pytest.raises(DownloadError, match=r"cannot download http://127.*Not Found; check the network"):
        fetch(script, path)
    assert len(script.asked) == 1


def test_a_refused_range_starts_again(path: Path) -> None:
    path.parent.mkdir()
    path.with_name("data.bin.part").write_bytes(CONTENT[:1_000])
    script = Script(statuses=[416])
    fetch(script, path)
    assert script.asked == ["bytes=1000-", None]
    assert path.read_bytes() == CONTENT


def test_it_gives_up_after_attempts_without_a_new_byte(path: Path) -> None:
    script = Script(breaks_after=[1_000] + [0] * 9)
    with pytest.raises(DownloadError, match=r"the connection ended after 1,000 of 300,000 bytes"):
        fetch(script, path)
    assert len(script.asked) == IMPATIENT.n_attempts
    assert path.with_name("data.bin.part").read_bytes() == CONTENT[:1_000]
    assert not path.exists()


def test_another_file_of_the_same_length_is_refused_and_not_kept(path: Path) -> None:
    with pytest.raises(DownloadError, match=r"is not the published file: .*expected MD5"):
        fetch(Script(content=bytes(len(CONTENT))), path)
    assert list(path.parent.iterdir()) == []


def test_a_file_of_another_length_is_refused_before_it_is_fetched(path: Path) -> None:
    with pytest.raises(DownloadError, match=r"expected 300,000 bytes .*it offers 26; is there a log-in page"):
        fetch(Script(content=b"<html>Please log in</html>"), path)


def test_a_silent_server_is_given_up_in_time(path: Path) -> None:
    with serving(Script(delay_s=1.0)) as url:
        start = time.monotonic()
        with pytest.raises(DownloadError, match=r"cannot download"):
            _download.download(remote(url), path, _download.Patience(timeout_s=0.2, n_attempts=2, pause_s=0.01))
        assert time.monotonic() - start < 0.9


def test_a_slow_look_up_of_the_name_is_given_up_in_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up = threading.Event()

    def slow(*_: Any, **__: Any) -> Any:
        looked_up.wait(5)
        raise socket.gaierror(socket.EAI_AGAIN, "slow")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    start = time.monotonic()
    with pytest.raises(DownloadError, match=r"no answer within 0\.2 s"):
        _download.download(remote("http://nowhere.invalid/x"), path, _download.Patience(timeout_s=0.2, n_attempts=1))
    assert time.monotonic() - start < 2
    looked_up.set()


QUICK = _download.Patience(timeout_s=5, n_attempts=3, pause_s=0.01, first_answer_s=0.2)


def test_without_a_first_answer_it_is_given_up_at_once(path: Path) -> None:
    with serving(Script(delay_s=1.0)) as url:
        start = time.monotonic()
        with pytest.raises(DownloadError, match=r"no answer within 0\.2 s"):
            _download.download(remote(url), path, QUICK)
        assert time.monotonic() - start < QUICK.timeout_s
    start = time.monotonic()
    with pytest.raises(DownloadError, match=r"Connection refused"):
        _download.download(remote(url), path, dataclasses.replace(QUICK, pause_s=30))
    assert time.monotonic() - start < 5
    assert not path.parent.exists()


@pytest.mark.parametrize("head_status", [200, 405, 503])
def test_after_the_first_answer_patience_is_as_usual(path: Path, head_status: int) -> None:
    script = Script(breaks_after=[100_000, 0, 50_000], statuses=[503], head_status=head_status)
    with serving(script) as url:
        _download.download(remote(url), path, QUICK)
    assert path.read_bytes() == CONTENT
    assert script.asked == [None, None, "bytes=100000-", "bytes=100000-", "bytes=150000-"]


def test_nothing_listening_is_told(path: Path) -> None:
    with serving(Script()) as url:
        pass
    with pytest.raises(DownloadError, match=r"Connection refused"):
        _download.download(remote(url), path, IMPATIENT)
    assert not path.parent.exists()


def test_a_full_disk_is_told_and_not_retried(path: Path, full_disk: Callable[[int], Any]) -> None:
    script = Script()
    with full_disk(100_000), pytest.raises(DataError, match=r"cannot write .*part: File too large; free some space"):
        fetch(script, path)
    assert len(script.asked) == 1
    fetch(script, path)
    assert path.read_bytes() == CONTENT


def test_an_unwritable_folder_is_told(path: Path) -> None:
    path.parent.write_bytes(b"a file where the folder should be")
    with pytest.raises(DataError, match=r"cannot write .*; free some space, or name another folder with --data-dir"):
        fetch(Script(), path)
