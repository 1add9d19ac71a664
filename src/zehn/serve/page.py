"""The page: its files, read and compressed once, served under the hash of what is in them.

Nothing is built and nothing is fetched from elsewhere. Every file lies under ``/static/HASH/``, one hash for all, so
that the modules' relative imports need no rewriting, and a browser may keep them for ever and never mixes two versions.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request, Response
from starlette.routing import Route

FOLDER: Final = Path(__file__).with_name("page")
INDEX: Final = "index.html"
ICON: Final = "icon.svg"
MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_STATIC = "/static/"
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_HASH_LENGTH = 16
_GZIP_LEVEL = 9
_METHODS = ("GET", "HEAD")


@dataclass(frozen=True)
class Asset:
    """One file of the page as it is sent."""

    body: bytes
    compressed: bytes
    media_type: str
    etag: str


@dataclass(frozen=True)
class Page:
    """All files of the page by their names, and the hash of them all."""

    version: str
    assets: Mapping[str, Asset]


def mount(app: FastAPI) -> None:
    """Serve the page at ``/``, and what it is made of under ``/static/``.

    What is served is a list made now: an address never becomes a path.
    """
    page = read_page()

    async def index(request: Request) -> Response:
        return answer(request, page.assets[INDEX], _ASK_AGAIN)

    async def icon(request: Request) -> Response:
        return answer(request, page.assets[ICON], _ASK_AGAIN)

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name == INDEX or name not in page.assets:
            return Response("there is no such file of the page\n", 404, media_type="text/plain")
        # a page that was opened before an update still finds the files, which it must not keep under the old hash
        is_current = request.path_params["version"] == page.version
        return answer(request, page.assets[name], _FOR_EVER if is_current else _ASK_AGAIN)

    routes = {"/": index, "/favicon.ico": icon, f"{_STATIC}{{version}}/{{name}}": asset}
    for path, endpoint in routes.items():
        app.router.routes.append(Route(path, endpoint, methods=list(_METHODS), include_in_schema=False))


def read_page(folder: Path = FOLDER) -> Page:
    """Read all files of the page, with the addresses in ``index.html`` as they are served."""
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in MEDIA_TYPES}
    version = _hash(b"".join(name.encode() + b"\0" + body + b"\0" for name, body in files.items()))
    files[INDEX] = files[INDEX].replace(f'"{_STATIC}'.encode(), f'"{_STATIC}{version}/'.encode())
    assets = {name: _asset(body, MEDIA_TYPES[Path(name).suffix]) for name, body in files.items()}
    return Page(version, assets)


def answer(request: Request, asset: Asset, caching: str) -> Response:
    """Return a file, compressed where the browser takes that, or only that it has not changed."""
    headers = {"ETag": asset.etag, "Cache-Control": caching, "Vary": "Accept-Encoding"}
    if is_known(asset.etag, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    body = asset.body
    if takes_gzip(request.headers.get("accept-encoding", "")):
        body, headers["Content-Encoding"] = asset.compressed, "gzip"
    return Response(body, headers=headers, media_type=asset.media_type)


def is_known(etag: str, if_none_match: str) -> bool:
    """Return whether the header If-None-Match names a version, compared weakly (RFC 9110, 13.1.2)."""
    known = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return "*" in known or etag.removeprefix("W/") in known


def takes_gzip(accept_encoding: str) -> bool:
    """Return whether the header Accept-Encoding takes gzip: named, and not with a quality of nought."""
    for part in accept_encoding.lower().split(","):
        coding, _, quality = part.replace(" ", "").partition(";q=")
        if coding in {"gzip", "*"}:
            return quality.strip("0.") != "" if quality else True
    return False


def _asset(body: bytes, media_type: str) -> Asset:
    # without a time in it, the same file always compresses to the same bytes
    return Asset(body, gzip.compress(body, _GZIP_LEVEL, mtime=0), media_type, f'W/"{_hash(body)}"')


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_HASH_LENGTH]
