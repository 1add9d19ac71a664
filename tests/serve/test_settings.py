"""Where a service listens and who may use it: what would be unsafe is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from zehn import serve
from zehn.cli import main
from zehn.errors import ConfigError
from zehn.serve.settings import Settings, is_loopback

TOKEN = "t" * 24


def test_this_machine_alone_needs_no_token() -> None:
    assert Settings().is_local
    assert Settings(host="::1").is_local
    assert Settings(host="127.3.2.1").is_local


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", "", "localhost.example.org"])  # noqa: S104 – refused
def test_other_hosts_need_a_token(host: str) -> None:
    with pytest.raises(ConfigError, match="expected a token"):
        Settings(host=host)
    assert not Settings(host=host, token=TOKEN).is_local


@pytest.mark.parametrize("token", ["short", "t" * 15, "with space " * 3, "ö" * 20, "t" * 20 + "\n"])
def test_a_token_that_is_guessed_or_no_header_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(ConfigError, match="expected a token") as refused:
        Settings(token=token)
    assert token not in str(refused.value)
    assert token not in repr(refused.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"port": -1}, "port from 0 to 65535, came -1"),
        ({"port": 70_000}, "port from 0 to 65535"),
        ({"max_connections": 0}, "max_connections must be at least 1, came 0"),
        ({"max_k": 0}, "max_k must be at least 1, came 0"),
        ({"batch_size": -3}, "batch_size must be at least 1"),
        ({"seconds_to_close": -1.0}, "seconds_to_close must lie between"),
        ({"log_level": "loud"}, "log level of debug"),
    ],
)
def test_numbers_out_of_range(given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Settings(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("origin", ["https://example.org", "http://a-b.example:8080", "http://[::1]:80"])
def test_origins(origin: str) -> None:
    assert Settings(cors_origins=(origin,)).cors_origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "*",
        "null",
        "example.org",
        "https://example.org/",
        "https://Example.org",
        "https://a b",
        "https://a\n",
        "ftp://a",
    ],
)
def test_what_is_no_origin(origin: str) -> None:
    with pytest.raises(ConfigError, match=r"expected an origin such as https://example\.org"):
        Settings(cors_origins=(origin,))


def test_origins_are_given_one_by_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    given: list[Settings] = []

    def note(_: list[str | Path], settings: Settings, *, open_browser: bool) -> None:
        del open_browser
        given.append(settings)

    monkeypatch.setattr(serve, "serve", note)
    assert main(["serve", "--cors-origin", "https://a.example", "--cors-origin", "https://b.example"]) == 0
    assert main(["serve"]) == 0
    assert [one.cors_origins for one in given] == [("https://a.example", "https://b.example"), ()]
    assert main(["serve", "--cors-origin", "a.example"]) == 2
    assert "expected an origin such as https://example.org" in capsys.readouterr().err


def test_settings_never_show_the_token() -> None:
    assert TOKEN not in repr(Settings(token=TOKEN))


def test_loopback() -> None:
    assert is_loopback("LOCALHOST")
    assert is_loopback("[::1]")
    assert not is_loopback("127.0.0.1.example.org")
