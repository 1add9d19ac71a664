"""What is sent to the service, as far as Zehn reads it itself: forms, JSON, headers. Schemathesis has the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from types import SimpleNamespace
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException

from fuzz._folder import placed
from zehn.serve import page, uploads
from zehn.serve.problems import Problem
from zehn.serve.schemas import requests
from zehn.serve.settings import Settings

TOKENS = (
    b"--x\r\n", b"--x--\r\n", b"\r\n\r\n", b"Content-Disposition: form-data; name=", b'filename="',
    b"filename*=UTF-8''%ff", b"Content-Type: image/png", b"Content-Transfer-Encoding: base64", b'"code":', b'"id":',
    b'"where":', b"1e999", b"[" * 200, b"null", b"gzip;q=", b"*;q=0", b"9" * 30, b'"\\ud800"', b"charset=",
)  # fmt: skip
_FORM = b"multipart/form-data; boundary=x"


def seeds() -> Mapping[str, bytes]:
    """Return a form with a file, bodies, and a header."""
    return {
        "form": (
            b'--x\r\nContent-Disposition: form-data; name="k"\r\n\r\n5\r\n'
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
            b"\x89PNG\r\n--x--\r\n"
        ),
        "search": b'{"id": 12, "k": 5, "distance": "cosine", "where": "label = \'cat\'"}',
        "code": b'{"code": [0.5, -1.25, 3e-7], "reconstruct": true}',
        "accept": b"br;q=1.0, gzip;q=0.5, *;q=0",
    }


def check(data: bytes) -> None:
    """Read bytes as a form, as JSON and as headers."""
    placed("none", b"")
    for kind in ("form", "json"):
        try:
            came = _loop().run_until_complete(getattr(_request(data), kind)())
        except (HTTPException, Problem, ValueError):  # the last: no JSON, which FastAPI answers
            continue
        if kind == "form":
            _loop().run_until_complete(came.close())
        for body in (requests.Search, requests.Explain, requests.Decode):
            try:
                body.model_validate(came)
            except ValidationError:
                continue
    page.takes_gzip(data.decode("latin-1"))
    with suppress(Problem):
        uploads._check_type(data.decode("latin-1"), uploads.JSON)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _request(data: bytes) -> Any:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": data, "more_body": False}

    app = SimpleNamespace(state=SimpleNamespace(service=SimpleNamespace(settings=Settings())))
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", _FORM)], "app": app}
    return uploads._Request(scope, receive)
