"""``zehn serve`` from the command line to its end: what cannot be is one line, and an end is a quiet one."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from zehn.cli import main
from zehn.errors import MissingExtraError
from zehn.serve import Settings, process, serve

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start ``zehn serve`` on a free port, wait until it says its address, and kill it at the end."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
        served = subprocess.Popen(
            [sys.executable, "-m", "zehn", "serve", "--port", "0", "--no-browser", *words],
            env=os.environ | ENVIRONMENT | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(served)
        assert served.stdout is not None
        lines = []
        for line in served.stdout:
            lines.append(line)
            found = re.search(r"http://\S+/", line)
            if found:
                return served, found[0]
        raise AssertionError(f"it did not start: {lines} {served.stderr and served.stderr.read()}")

    yield begin
    for one in started:
        one.kill()
        one.communicate()


@pytest.fixture
def fail(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command where it goes wrong, and return the one line that says why."""

    def call(*words: str) -> str:
        assert main(["serve", "--no-browser", *words]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return call


def get(address: str) -> httpx.Response:
    return httpx.get(f"{address}api/v1/collections", timeout=30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(collection: str, start: Start, number: signal.Signals) -> None:
    served, address = start(collection)
    assert [one["name"] for one in get(address).json()["collections"]] == ["mine"]
    assert httpx.get(address).status_code == 200
    served.send_signal(number)
    _, said = served.communicate(timeout=30)
    assert served.returncode == 0
    assert "Traceback" not in said


def test_what_was_answered_outlives_a_kill(
    collection: str, start: Start, draw: Callable[..., Path], place: Path
) -> None:
    token = "t" * 24
    served, address = start(collection, ZEHN_TOKEN=token)
    with draw(place / "new.png", 77).open("rb") as file:
        added = httpx.post(
            f"{address}api/v1/collections/mine/images",
            files={"files": file},
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
    assert added.status_code == 201
    served.kill()
    served.wait()
    _, address = start(collection)
    (info,) = get(address).json()["collections"]
    assert info["n_images"] == 31


def test_torch_is_not_needed(collection: str, place: Path) -> None:
    script = place / "script.py"
    blocked = ("torch", "pytorch_lightning", "kornia", "umap", "sklearn", "matplotlib", "pandas", "onnx", "pyarrow")
    script.write_text(
        f"import sys\nsys.modules |= dict.fromkeys({blocked!r})\n"
        "from zehn.serve.shelves import Shelves\n"
        "with Shelves.open(['mine']) as shelves:\n"
        "    print(shelves['mine'].search_ids([0], 1)[0][0].rank)\n"
    )
    command = [sys.executable, str(script)]
    done = subprocess.run(command, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr


def test_a_port_that_is_taken(fail: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        said = fail("--port", str(other.getsockname()[1]))
    assert said.startswith("zehn: cannot listen on port")
    assert "choose another --port" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--host", "0.0.0.0"), "expected a token, as 0.0.0.0 can be reached from other machines"),  # noqa: S104
        (("--host", "no.such.host.invalid", "--token-file", "token"), "no.such.host.invalid"),
        (("--token-file", "absent"), "cannot read the token from absent"),
        (("--token-file", "empty"), "empty is empty"),
        (("--token-file", "short"), "expected a token of at least 16"),
        (("--port", "99999"), "expected a port from 0 to 65535"),
        (("--log-level", "loud"), "expected a log level"),
        (("--port", "0", "absent"), "unknown collection or run 'absent'"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    place: Path, fail: Callable[..., str], words: tuple[str, ...], message: str
) -> None:
    (place / "token").write_text("t" * 24 + "\n")
    (place / "empty").write_text("\n")
    (place / "short").write_text("letmein")
    said = fail(*words)
    assert message in said
    assert "letmein" not in said


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtraError, match=r"zehn\[serve\]"):
        serve((), Settings())


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104
        ("::1", "[::1]"),
        ("[::1]", "[::1]"),
        ("localhost", "localhost"),
    ],
)
def test_the_address_that_is_shown(host: str, shown: str) -> None:
    assert process._address(host, 80) == f"http://{shown}:80/"


def test_a_browser_needs_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not process._has_screen()
    monkeypatch.setenv("DISPLAY", ":0")
    assert process._has_screen()


def test_the_start_is_light() -> None:
    script = (
        "import sys\nimport zehn.cli.parser\nprint([m for m in ('fastapi', 'uvicorn', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n"
