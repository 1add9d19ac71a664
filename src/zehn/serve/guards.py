"""What stands before every request: who may ask, from where, how much, how long; and what every answer carries."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
import time
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zehn.serve import logs, problems
from zehn.serve.metrics import Metrics
from zehn.serve.problems import Problem
from zehn.serve.settings import Settings, is_loopback

API = "/api/v1"
COOKIE = "zehn_session"
REQUEST_ID = "X-Request-ID"
OPEN_PATHS = frozenset({f"{API}/health", f"{API}/ready", f"{API}/session"})
"""What answers without a token, wherever the service is bound to; of the API, that is."""
CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""What every answer carries, unless it says otherwise itself."""

MAX_QUESTION_BYTES = 131_072
"""Of JSON other than codes to decode: a code of the most numbers goes into it."""

_SITE, _ELSEWHERE = "sec-fetch-site", "cross-site"
_MANY_CODES = "/decode"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_KNOWN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OUR_PAGES = frozenset({"same-origin", "none"})
_SESSION = b"zehn session"
_FORM = "multipart/form-data"

_logger = logging.getLogger(logs.NAME)


class Guards:
    """Middleware around everything: it refuses, counts, times and writes down."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self.app, self.settings, self.metrics = app, settings, metrics
        self.is_local = settings.is_local
        self.n_bytes = 0
        """Of all bodies that are here now."""
        self._headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever goes wrong is answered in words."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            else:  # there are no web sockets
                await send({"type": "websocket.close", "code": 1008})
            return
        await _Request(self, scope, receive, send).answer()

    def check(self, scope: Scope, headers: Headers) -> None:
        """Refuse a request by its first lines.

        Raises:
            Problem: it is meant for another service (421), comes from another site's page (403), or needs a token
                (401).

        """
        if self.is_local:
            check_host(headers.get("host", ""), self.settings)
        if scope["method"] not in _SAFE or (scope["path"].startswith(API) and headers.get(_SITE) == _ELSEWHERE):
            check_origin(headers, self.settings)
        if not self.is_local and needs_token(scope["method"], scope["path"]):
            check_reader(headers, self.settings)

    def limit(self, path: str, headers: Headers) -> int:
        """Return how many bytes the body of a request may have."""
        if headers.get("content-type", "").lower().startswith(_FORM):
            return self.settings.max_upload_bytes
        most = self.settings.max_body_bytes
        return most if path.endswith(_MANY_CODES) else min(most, MAX_QUESTION_BYTES)

    def complete(self, headers: MutableHeaders, request_id: str) -> None:
        """Add to the headers of an answer what is not there yet."""
        there = {name for name, _ in headers.raw}
        headers.raw.extend(pair for pair in self._headers if pair[0] not in there)
        headers.raw.append((REQUEST_ID.lower().encode(), request_id.encode()))
        if b"cache-control" not in there:
            headers.raw.append((b"cache-control", b"no-store"))


class _Request:
    """One request on its way through the guards."""

    def __init__(self, guards: Guards, scope: Scope, receive: Receive, send: Send) -> None:
        self.guards, self.scope, self._receive, self._send = guards, scope, receive, send
        self.headers = Headers(scope=scope)
        given = self.headers.get(REQUEST_ID, "")
        self.id = given if _KNOWN_ID.fullmatch(given) else secrets.token_hex(8)
        self.status = 0
        self.n_bytes = 0
        self.limit = guards.limit(scope.get("path", ""), self.headers)
        self.is_received = False
        self.deadline = 0.0
        scope[problems.REQUEST_ID] = self.id

    async def answer(self) -> None:
        """Let the app answer, or say why not."""
        began = time.perf_counter()
        try:
            try:
                self.guards.check(self.scope, self.headers)
                self._check_length()
                await self.guards.app(self.scope, self.receive, self.send)
            except Problem as problem:
                await self._refuse(problem)
            except asyncio.CancelledError:
                # the service ends, and this took too long; nothing comes after it that could be cancelled instead
                await self._refuse(problems.ending())
            except Exception:
                _logger.exception("a mistake in Zehn", extra={"request": self.id})
                await self._refuse(Problem(500, "a mistake in Zehn; its log says more, under the id of this request"))
        finally:
            self.guards.n_bytes -= self.n_bytes
            seconds = time.perf_counter() - began
            self.guards.metrics.note(self.scope, self.status, seconds)
            logs.note(_logger, self.scope, self.id, self.status, seconds)

    async def _refuse(self, problem: Problem) -> None:
        if not self.status:
            await problems.response(problem, self.id)(self.scope, self._receive, self.send)

    async def send(self, message: Message) -> None:
        """Pass on what the app answers, with the headers that all answers carry."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.guards.complete(MutableHeaders(scope=message), self.id)
        await self._send(message)

    async def receive(self) -> Message:
        """Pass on what comes, as long as it is not too much and does not take too long.

        Raises:
            Problem: it is (413, 408), or too much is under way already (503).

        """
        if self.is_received:
            return await self._receive()
        message = await self._in_time()
        if message["type"] == "http.request":
            self.is_received = not message.get("more_body", False)
            self._count(len(message.get("body", b"")))
        return message

    async def _in_time(self) -> Message:
        now = asyncio.get_running_loop().time()
        self.deadline = self.deadline or now + self.guards.settings.seconds_to_receive
        try:
            async with asyncio.timeout_at(self.deadline):
                return await self._receive()
        except TimeoutError:
            seconds = self.guards.settings.seconds_to_receive
            raise Problem(
                408, f"the request did not come to its end within {seconds:g} s; send less, or faster"
            ) from None

    def _count(self, n_bytes: int) -> None:
        self.n_bytes += n_bytes
        self.guards.n_bytes += n_bytes
        if self.n_bytes > self.limit:
            raise _too_large(self.limit)
        if self.guards.n_bytes > self.guards.settings.max_bytes_at_once:
            raise problems.busy("too much is being uploaded at once; try again in a moment")

    def _check_length(self) -> None:
        """Refuse at once what says itself that it is too large."""
        said = self.headers.get("content-length", "")
        if said.isdecimal() and said.isascii() and (len(said) > 15 or int(said) > self.limit):
            raise _too_large(self.limit)


def _too_large(limit: int) -> Problem:
    return Problem(413, f"expected at most {limit:,} bytes in one request, came more; send less at a time")


def needs_token(method: str, path: str) -> bool:
    """Return whether reading a path needs the token, where the service can be reached from other machines.

    The page itself does not: it is where one enters the token.
    """
    return path.startswith(API) and path not in OPEN_PATHS and method != "OPTIONS"


def check_host(host: str, settings: Settings) -> None:
    """Refuse requests that a page from elsewhere sends by giving its own name our address (DNS rebinding).

    Raises:
        Problem: the header names another host than this machine.

    """
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name != settings.host and not is_loopback(name):
        raise Problem(
            421, f"expected a request to this machine, came one to {problems.as_text(host)[:100]!r}; use 127.0.0.1"
        )


def check_origin(headers: Headers, settings: Settings) -> None:
    """Refuse what pages of other sites send: browsers send it without asking, where it looks like a plain form.

    They cannot read what comes back, but each picture that they show us to have is work for us.

    Raises:
        Problem: the request comes from another site's page.

    """
    origin, site = headers.get("origin"), headers.get(_SITE)
    if origin is not None and origin in settings.cors_origins:
        return
    is_ours = site in _OUR_PAGES if site is not None else origin is None or _netloc(origin) == headers.get("host")
    if not is_ours:
        raise Problem(
            403, "pages of other sites may not use this service, unless it was started with their --cors-origin"
        )


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def check_reader(headers: Headers, settings: Settings) -> None:
    """Refuse who has neither the token nor the cookie that was given for it.

    Raises:
        Problem: neither.

    """
    if not is_bearer(headers, settings.token) and not is_session(headers, settings.token):
        raise unauthorized("reading needs the service's token, as it can be reached from other machines")


def check_writer(headers: Headers, settings: Settings) -> None:
    """Refuse who has not the token; the cookie is good for reading only, as a browser sends it by itself.

    Raises:
        Problem: the service has no token (403), or it is missing or wrong (401).

    """
    if not settings.token:
        raise Problem(403, "this service only reads; start it with --token-file FILE, or with ZEHN_TOKEN, to write")
    if not is_bearer(headers, settings.token):
        raise unauthorized("writing needs the service's token")


def unauthorized(detail: str) -> Problem:
    """Return the problem of a token that is missing or wrong."""
    how = "send it as: Authorization: Bearer TOKEN"
    return Problem(401, f"{detail}; {how}", headers={"WWW-Authenticate": 'Bearer realm="zehn"'})


def is_bearer(headers: Headers, token: str) -> bool:
    """Return whether a request carries the token; how long that takes tells nothing of it."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and is_same(given.strip(), token)


def is_session(headers: Headers, token: str) -> bool:
    """Return whether a request carries the cookie that was given for the token."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return False
    return COOKIE in cookies and is_same(cookies[COOKIE].value, session_of(token))


def is_same(given: str, expected: str) -> bool:
    """Compare secrets in constant time; what is no secret is like no other."""
    return bool(expected) and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def session_of(token: str) -> str:
    """Return the cookie for a token, which does not give the token away."""
    return hmac.new(token.encode(), _SESSION, hashlib.sha256).hexdigest()
