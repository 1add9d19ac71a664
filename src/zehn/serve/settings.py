"""How the service behaves: the only home of its defaults."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from zehn.errors import ConfigError

TOKEN_VARIABLE = "ZEHN_TOKEN"  # noqa: S105 – the name of the variable, not a token
"""Environment variable: the token, where no file is named."""
LEAST_TOKEN = 16
"""Characters of a token at least: a shorter one is guessed."""
_ORIGIN = re.compile(r"https?://([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
"""As browsers write it: lower case, no path, no slash at its end."""
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class Settings:
    """Where the service listens, who may use it, and how much it takes."""

    host: str = "127.0.0.1"
    port: int = 8010
    """0 takes any that is free."""
    token: str = field(default="", repr=False)
    """Who has it may write; without one nobody may. Bound to other than this machine, reading needs it too."""
    log_level: str = "info"
    cors_origins: tuple[str, ...] = ()
    """Other sites whose pages may use the service, such as https://example.org."""
    max_connections: int = 512
    """That are open at once; more are closed as they come."""
    max_upload_bytes: int = 20_000_000
    """Of one request."""
    max_body_bytes: int = 1_000_000
    """Of one request that uploads nothing."""
    max_pixels: int = 50_000_000
    """Of one image; more are refused before they are decoded."""
    max_images: int = 32
    """Of one request."""
    max_codes: int = 64
    """That are decoded for one request."""
    max_k: int = 1_000
    max_page: int = 1_000
    """Records that are listed at once."""
    max_side: int = 2_048
    """Longest side of a picture that is sent, in pixels."""
    queue_size: int = 256
    """Images that wait for the model at most; who comes then is told to come again."""
    batch_size: int = 64
    """Images that the model encodes at once."""
    seconds_to_gather: float = 0.002
    """How long an image waits for others, to be encoded with them."""
    seconds_to_receive: float = 60.0
    """How long the body of a request may take to arrive."""
    max_bytes_at_once: int = 320_000_000
    """Of all bodies that are being received or decoded at once; who comes then is told to come again."""
    seconds_to_close: float = 10.0
    """How long requests may go on when the service is told to end."""

    def __post_init__(self) -> None:
        """Refuse what would be unsafe or senseless.

        Raises:
            ConfigError: a host other than this machine without a token, a token that is easily guessed, an origin
                that is none, or a number out of its range.

        """
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"expected a port from 0 to 65535, came {self.port}")
        if self.log_level not in LOG_LEVELS:
            raise ConfigError(f"expected a log level of {', '.join(LOG_LEVELS)}, came {self.log_level!r}")
        self._check_token()
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ConfigError(
                    f"expected an origin such as https://example.org, in lower case and without a path, came {origin!r}"
                )
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, came {getattr(self, name)}")
        for name in ("seconds_to_gather", "seconds_to_receive", "seconds_to_close"):
            if not 0 <= getattr(self, name) <= 3_600:
                raise ConfigError(f"{name} must lie between 0 and 3600, came {getattr(self, name)}")

    @property
    def is_local(self) -> bool:
        """Say whether only programs of this machine reach the service."""
        return is_loopback(self.host)

    def _check_token(self) -> None:
        if not self.token:
            if not self.is_local:
                raise ConfigError(
                    f"expected a token, as {self.host} can be reached from other machines; put one into a file and "
                    f"name it with --token-file, or set {TOKEN_VARIABLE}"
                )
            return
        # never the token itself in a message
        if len(self.token) < LEAST_TOKEN or not self.token.isascii() or not self.token.isprintable():
            raise ConfigError(
                f"expected a token of at least {LEAST_TOKEN} printable ASCII characters, came another; make one with: "
                "python -c 'import secrets; print(secrets.token_urlsafe())'"
            )
        if " " in self.token:
            raise ConfigError("expected a token without spaces, came one with; make one with secrets.token_urlsafe()")


_COUNTS = (
    "max_connections", "max_upload_bytes", "max_body_bytes", "max_pixels", "max_images", "max_codes", "max_k",
    "max_page", "max_side", "max_bytes_at_once", "queue_size", "batch_size",
)  # fmt: skip


def is_loopback(host: str) -> bool:
    """Say whether a host name or address means this machine and is reached from it alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
