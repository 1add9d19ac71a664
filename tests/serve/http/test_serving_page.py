"""What docs/serving.md shows works: each curl command, and the Python client, against a service that listens."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zehn.serve.settings import Settings

Draw = Callable[..., bytes]
TOKEN = "only-for-these-tests"  # noqa: S105
PAGE = Path(__file__).resolve().parents[3] / "docs" / "serving.md"
WORDS = PAGE.read_text(encoding="utf-8")
SHOWN = "http://127.0.0.1:8010"
_CONSOLE = "\n".join(re.findall(r"```console\n(.*?)```", WORDS, re.DOTALL)).replace("\\\n", " ")
CURLS = [line.removeprefix("$ ").partition("   #")[0] for line in _CONSOLE.splitlines() if line.startswith("$ curl")]


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, draw_file: Draw) -> None:
    """The files that the page speaks of, in the folder that we are in."""
    for seed, name in enumerate(("holiday.jpg", "a.jpg", "b.jpg")):
        (tmp_path / name).write_bytes(draw_file(100 + seed, kind="JPEG"))


@pytest.mark.parametrize("command", CURLS)
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_curl_command_works(served: Any, command: str) -> None:
    asked = command.replace("curl ", "curl --silent --show-error --fail-with-body --noproxy '*' ", 1)
    done = subprocess.run(
        ["bash", "-c", asked.replace(SHOWN, served.url)],
        env=os.environ | {"ZEHN_TOKEN": TOKEN},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    if b"{" in done.stdout[:1]:
        assert json.loads(done.stdout)


def test_there_are_such_commands_and_all_ways_to_search_are_among_them() -> None:
    assert len(CURLS) >= 20
    assert all(any(what in command for command in CURLS) for what in ("/search/upload", '"id"', '"code"'))


def test_the_client_works_as_shown(served: Any) -> None:
    [example] = re.findall(r"```python\n(.*?)```", WORDS, re.DOTALL)
    names: dict[str, Any] = {"print": lambda *_: None}
    exec(example.replace(SHOWN, served.url), names)  # noqa: S102 – our own page
    assert names["codes"].shape == (2, 10)
    assert names["pictures"].shape == (2, 32, 32, 3)
    assert len(names["answer"].hits) == 5


def test_an_answer_is_as_shown(served: Any) -> None:
    [shown] = re.findall(r"```json\n(.*?)```", WORDS, re.DOTALL)
    answer = served.http.post("/collections/photos/search", json={"id": 12, "k": 1}).json()
    expected = json.loads(shown)
    assert answer.keys() == expected.keys()
    assert answer["query"].keys() == expected["query"].keys()
    assert answer["hits"][0].keys() == expected["hits"][0].keys()


def test_limits_and_statuses_are_as_said(served: Any) -> None:
    settings = Settings()
    for said in (
        f"{settings.max_upload_bytes // 10**6} MB of upload, 128 kB of JSON ({settings.max_body_bytes // 10**6} MB of",
        f"{settings.max_connections} connections, ",
        f"{settings.max_images} images of at most {settings.max_pixels // 10**6} megapixels",
        f"k ≤ {settings.max_k:,}, {settings.seconds_to_receive:.0f} s for the body",
        f"{settings.queue_size} images before the model",
        f"{settings.max_bytes_at_once // 10**6} MB of bodies",
    ):
        assert said in " ".join(WORDS.split())
    table = {
        int(status) for row in re.findall(r"^\| (\d{3}[\d, ]*) \|", WORDS, re.MULTILINE) for status in row.split(",")
    }
    document = served.app.openapi()["paths"].values()
    documented = {
        int(status)
        for path in document
        for of in path.values()
        for status in of["responses"]
        if 400 <= int(status) != 501
    }
    assert documented <= table
