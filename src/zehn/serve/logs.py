"""What the service writes down: one line of JSON for each request and each mishap, on standard error."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.types import Scope

NAME = "zehn.serve"
_ANSWERED = "answered"
_UVICORN = ("uvicorn", "uvicorn.error")
_PARSER = "python_multipart"
"""It writes a line for every form that is damaged, and we answer those."""


class Lines(logging.Formatter):
    """Each record as one line of JSON: time, level, event, and what the event is about."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": _sendable(record.getMessage()),
        }
        line |= getattr(record, "fields", {})
        if hasattr(record, "request"):
            line["request"] = record.request
        if record.exc_info:
            line["trace"] = _sendable(self.formatException(record.exc_info))
        return orjson.dumps(line, default=str).decode()


def set_up(level: str) -> None:
    """Write what happens to standard error, from a level on: debug, info, warning or error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.getLogger(_PARSER).setLevel(logging.CRITICAL)
    for name in (NAME, *_UVICORN):
        logger = logging.getLogger(name)
        logger.handlers = [handler] if name != "uvicorn.error" else []
        logger.propagate = name == "uvicorn.error"
        logger.setLevel(level.upper() if name == NAME else max(logging.WARNING, logging.getLevelName(level.upper())))


def note(logger: logging.Logger, scope: Scope, request_id: str, status: int, seconds: float) -> None:
    """Write down one request: neither its query nor its headers nor its body, which may hold what is private."""
    if not logger.isEnabledFor(logging.INFO):
        return
    fields = {
        "request": request_id,
        "method": scope["method"],
        "path": _sendable(scope["path"]),
        "status": status,
        "ms": round(1e3 * seconds, 2),
    }
    logger.info(_ANSWERED, extra={"fields": fields})


def _sendable(words: str) -> str:
    return words if words.isascii() else words.encode("utf-8", "backslashreplace").decode()
