"""The command ``zehn serve``."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from zehn.errors import ConfigError


def serve(given: Namespace) -> int:
    """``zehn serve``."""
    from zehn import serve as service

    chosen = {name: getattr(given, name) for name in ("host", "port", "log_level") if getattr(given, name) is not None}
    settings = service.Settings(
        token=_token(given.token_file, service.TOKEN_VARIABLE), cors_origins=tuple(given.cors_origin), **chosen
    )
    service.serve(given.names, settings, open_browser=not given.no_browser)
    return 0


def _token(path: Path | None, variable: str) -> str:
    """Return the token from a file or from the environment; "" for none."""
    if path is None:
        return os.environ.get(variable, "").strip()
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the token from {path}: {error}; name a file that holds nothing else") from error
    if not token:
        raise ConfigError(f"{path} is empty; put a token into it")
    return token
