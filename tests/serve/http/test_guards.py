from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from zehn.serve import guards, logs, wire
from zehn.serve.settings import Settings

Draw = Callable[..., bytes]
TOKEN = "only-for-these-tests"  # noqa: S105
SEARCH = "/collections/photos/search"
OTHER = "0.0.0.0"  # noqa: S104


@pytest.fixture(scope="module")
def public(serve: Any) -> Any:
    """A service that believes that other machines reach it."""
    return serve(host=OTHER)


@pytest.fixture(scope="module")
def read_only(serve: Any) -> Any:
    return serve(token="")


def exchanged(port: int, request: bytes) -> bytes:
    """Send bytes as they are, and return what comes back until the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        answer = b""
        try:
            line.sendall(request)
            line.shutdown(socket.SHUT_WR)
            while data := line.recv(65_536):
                answer += data
        except TimeoutError:
            raise
        except OSError:
            pass  # it hung up in the middle
        return answer


def test_every_answer_carries_the_headers_that_keep_pages_apart(served: Any) -> None:
    for path in ("/health", "/nothing", "/collections/photos/images/1/picture", "/metrics"):
        headers = served.http.get(path).headers
        for name, value in guards.HEADERS.items():
            assert headers[name] == value
        assert "server" not in headers or "zehn" not in headers["server"]
    assert "unsafe" not in guards.CONTENT_POLICY
    assert served.http.get("/health").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:80", "[::1]:8010", "127.0.0.1:9"])
def test_this_machine_may_be_called_by_any_of_its_names(served: Any, host: str) -> None:
    assert served.http.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "evil.example:8010", "[::2]", OTHER])
def test_other_names_are_refused(served: Any, host: str) -> None:
    assert served.http.get("/collections", headers={"Host": host}).status_code == 421


def test_a_service_for_other_machines_may_have_any_name(public: Any) -> None:
    assert public.http.get("/health", headers={"Host": "zehn.example"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:3000"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
    ],
)
def test_pages_of_other_sites_may_not_send(served: Any, headers: dict[str, str]) -> None:
    answer = served.http.post(SEARCH, json={"id": 1}, headers=headers)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_our_own_page_and_programs_may_send(served: Any) -> None:
    for headers in ({}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": served.url}):
        assert served.http.post(SEARCH, json={"id": 1}, headers=headers).status_code == 200


def test_other_sites_may_be_let_in_by_name(serve: Any) -> None:
    http, origin = serve(cors_origins=("https://friend.example",)).http, {"Origin": "https://friend.example"}
    answer = http.post(SEARCH, json={"id": 1}, headers=origin | {"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://friend.example"
    asked = origin | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    assert http.options(SEARCH, headers=asked).status_code == 200
    assert http.post(SEARCH, json={"id": 1}, headers={"Origin": "https://foe.example"}).status_code == 403


WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/collections", {"json": {"name": "new"}}),
    ("POST", "/collections/photos/images", {"files": {"files": b"x"}}),
    ("DELETE", "/collections/photos/images/1", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_writing_needs_the_token(served: Any, method: str, path: str, body: dict[str, Any]) -> None:
    cookie = {"Cookie": f"{guards.COOKIE}={guards.session_of(TOKEN)}"}
    wrong: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer"},
        cookie,
    )
    for headers in (*wrong, {"Authorization": f"Bearer {TOKEN}é".encode()}):
        answer = served.http.request(method, path, headers=headers, **body)
        assert answer.status_code == 401, headers
        assert answer.headers["www-authenticate"] == 'Bearer realm="zehn"'
    assert len(served.photos) == 30


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_without_a_token_nobody_writes(read_only: Any, method: str, path: str, body: dict[str, Any]) -> None:
    for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer x"}):
        answer = read_only.http.request(method, path, headers=headers, **body)
        assert answer.status_code == 403
        assert "only reads" in answer.json()["detail"]
    assert read_only.http.post("/session", json={"token": ""}).status_code == 403


def test_who_may_not_write_need_not_send_all_of_it(served: Any) -> None:
    # the body is never read: the answer is there before it
    head = (
        "POST /api/v1/collections/photos/images HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
        line.sendall(head.encode())
        assert line.recv(100).startswith(b"HTTP/1.1 401")


def test_other_machines_need_the_token_to_read_too(public: Any) -> None:
    paths = ("/collections", "/collections/photos/images/1/picture", "/metrics", "/runs", "/openapi.json")
    for path in paths:
        assert public.http.get(path).status_code == 401
        assert public.http.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert public.http.get(path, headers=public.authorized).status_code == 200
    assert public.http.post(SEARCH, json={"id": 1}).status_code == 401
    for path in ("/health", "/ready"):
        assert public.http.get(path).status_code == 200


def test_a_session_reads_and_does_not_write(public: Any) -> None:
    assert public.http.post("/session", json={"token": "wrong"}).status_code == 401
    answer = public.http.post("/session", json={"token": TOKEN})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert TOKEN not in cookie
    public.http.cookies.clear()
    given = {"Cookie": cookie.partition(";")[0]}
    assert public.http.get("/collections", headers=given).status_code == 200
    assert public.http.delete("/collections/photos/images/1", headers=given).status_code == 401
    for wrong in ("x", guards.session_of("another-token-of-theirs"), '"'):
        assert public.http.get("/collections", headers={"Cookie": f"{guards.COOKIE}={wrong}"}).status_code == 401
    assert public.http.get("/collections", headers={"Cookie": ";;;="}).status_code == 401


def test_bodies_are_counted_whatever_their_headers_say(serve: Any, draw_file: Draw) -> None:
    http = serve(max_upload_bytes=20_000, max_body_bytes=2_000).http
    files = {"files": ("a.png", draw_file(1) + bytes(20_000))}
    assert http.post(f"{SEARCH}/upload", files=files).status_code == 413
    assert http.post(SEARCH, json={"id": 1, "where": "x" * 2_000}).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(10):
            yield b'{"id":' + b" " * 1_000

    answer = http.post(SEARCH, content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert "at most 2,000 bytes" in answer.json()["detail"]


def test_a_length_beyond_all_measure_is_refused(served: Any) -> None:
    for length in ("99999999999", "9" * 18):
        head = f"POST /api/v1{SEARCH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
            line.sendall(head.encode())
            assert line.recv(100).startswith(b"HTTP/1.1 413")


def test_too_much_at_once_is_put_off(serve: Any, draw_file: Draw) -> None:
    service = serve(max_bytes_at_once=15_000)
    head = (
        f"POST /api/v1{SEARCH}/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as line:
        part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        line.sendall(head.encode() + part + bytes(14_000))
        answers = [
            service.http.post(f"{SEARCH}/upload", files={"files": ("a.png", draw_file(1) + bytes(2_000))})
            for _ in range(50)
        ]
        assert answers[-1].status_code == 503
        assert answers[-1].headers["retry-after"] == "1"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        answer = service.http.post(f"{SEARCH}/upload", files={"files": ("a.png", draw_file(1))})
        if answer.status_code == 200:
            return
    pytest.fail("what was held was not given back")


def test_a_body_that_does_not_come_to_its_end_is_given_up(serve: Any) -> None:
    service = serve(seconds_to_receive=0.2)
    head = (
        f"POST /api/v1{SEARCH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20\r\n"
        "Content-Type: application/json\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as line:
        line.sendall(head.encode() + b'{"id"')
        assert line.recv(100).startswith(b"HTTP/1.1 408")


def test_slow_clients_do_not_hinder_others(served: Any) -> None:
    head = (
        f"POST /api/v1{SEARCH}/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x"
    )
    lines = [socket.create_connection(("127.0.0.1", served.port), timeout=10) for _ in range(100)]
    try:
        for line in lines:
            line.sendall(head.encode())
        for id_ in range(20):
            assert served.http.post(SEARCH, json={"id": id_}).status_code == 200
            assert served.http.get(f"/collections/photos/images/{id_}/picture").status_code == 200
    finally:
        for line in lines:
            line.close()


def test_a_full_queue_is_answered_503_at_once(serve: Any, monkeypatch: pytest.MonkeyPatch, draw_file: Draw) -> None:
    service, may_go = serve(queue_size=3), threading.Event()
    encode = type(service.photos).encode

    def held(*given: Any, **options: Any) -> Any:
        may_go.wait(20)
        return encode(*given, **options)

    monkeypatch.setattr(type(service.photos), "encode", held)
    answers: list[Any] = []

    def ask() -> None:
        answers.append(service.http.post(f"{SEARCH}/upload", files={"files": ("a.png", draw_file(1))}))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(answers) < 5:
        time.sleep(0.005)
    # the model is busy, and its queue is full; what needs no model goes on
    assert {answer.status_code for answer in answers} == {503}
    assert {answer.headers["retry-after"] for answer in answers} == {"1"}
    assert service.http.post(SEARCH, json={"id": 1}).status_code == 200
    may_go.set()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [503] * 5


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /api/v1/health HTTP/1.1\r\n\r\n",
        b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET /api/v1/../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /api/v1/runs/..%2f..%2fetc/files/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /api/v1/collections/%00%ff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET http://evil.example/api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"GET /api/v1/health HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0",
        b"POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -3\r\n\r\n{}",
        b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nA\x00B: c\r\n\r\n",
        b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_tricks_with_headers_are_answered_4xx_and_leave_the_service_well(served: Any, request_: bytes) -> None:
    answer = exchanged(served.port, request_)
    assert answer == b"" or answer[9:10] in b"24", answer[:200]
    assert b"root:" not in answer
    assert served.http.get("/health").status_code == 200


def send_without_end(port: int, begin: bytes) -> bytes:
    """Send one thing again and again, until that is refused; return the answer."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        try:
            line.sendall(begin)
            for _ in range(100):
                line.sendall(b"x" * 100_000)
            pytest.fail("ten megabytes were taken")
        except ConnectionError:
            with suppress(ConnectionError):
                answer = line.recv(100)
    return answer


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /api/v1/health HTTP/1.1\r\nX: ",
        b"GET /",
        b"X",
        b"POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    ],
)
def test_a_head_without_end_is_given_up(served: Any, begin: bytes) -> None:
    assert send_without_end(served.port, begin)[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 415")


def test_who_begins_and_says_no_more_is_given_up(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SECONDS_TO_SEND_HEAD", 0.1)
    for begin in (b"", b"GET / HT"):
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
            line.sendall(begin)
            assert line.recv(100) == b""


def test_a_connection_serves_one_request_after_the_other(served: Any) -> None:
    ask = b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
        answers = b""
        for _ in range(20):  # more in all than one head may have
            line.sendall(ask)
            while answers.count(b'{"status":"ok"}') < answers.count(b"HTTP/1.1 200") or not answers:
                answers += line.recv(65_536)
        line.sendall(ask.replace(b"\r\nX", b"\r\nConnection: close\r\nX"))
        answers += b"".join(iter(lambda: line.recv(65_536), b""))
    assert answers.count(b"HTTP/1.1 200") == 21


def test_a_request_has_an_id_that_its_sender_may_choose(served: Any) -> None:
    assert served.http.get("/health", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    for wrong in ("x" * 65, "a b", "<script>", ""):
        given = served.http.get("/health", headers={"X-Request-ID": wrong}).headers["x-request-id"]
        assert len(given) == 16


def test_requests_are_written_down_without_what_is_private(served: Any, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("zehn.serve", "uvicorn", "uvicorn.error")
    before = [(name, logging.getLogger(name).handlers[:], logging.getLogger(name).propagate) for name in names]
    logs.set_up("info")
    try:
        asked = {"limit": 1, "where": "label = 'private'"}
        served.http.get("/collections/photos/images", params=asked, headers=served.authorized | {"X-Request-ID": "r1"})
        served.http.get("/caf%C3%A9%0A%FF")
        while len(lines := capsys.readouterr().err.splitlines()) < 2:
            time.sleep(0.005)
    finally:
        for name, handlers, propagate in before:
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(logging.NOTSET)
    [line, odd] = [json.loads(line) for line in lines]
    assert {name: line[name] for name in ("level", "event", "request", "method", "path", "status")} == {
        "level": "info",
        "event": "answered",
        "request": "r1",
        "method": "GET",
        "path": "/api/v1/collections/photos/images",
        "status": 200,
    }
    assert line["ms"] > 0
    assert odd["status"] == 404
    assert not any(word in text for text in lines for word in ("private", TOKEN))


def test_tokens_are_compared_whatever_they_hold() -> None:
    assert guards.is_same("abc", "abc")
    assert not guards.is_same("", "")
    assert not guards.is_same("é\udc80", "abc")


def test_what_is_asked_before_the_end_is_answered(collection_path: Any, draw_file: Draw, monkeypatch: Any) -> None:
    """Ending gracefully: a request under way is answered although the service was told to end."""
    import uvicorn

    from zehn.serve.app import create_app
    from zehn.serve.shelves import Shelves

    with Shelves.open([collection_path], Settings(token=TOKEN)) as shelves, socket.socket() as listener:
        shelf, began, may_go = shelves["photos"], threading.Event(), threading.Event()
        encode = type(shelf).encode

        def held(*given: Any, **options: Any) -> Any:
            began.set()
            may_go.wait(20)
            return encode(*given, **options)

        monkeypatch.setattr(type(shelf), "encode", held)
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        app = create_app(shelves, shelves.settings)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=10))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.005)
        body = (
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
            + draw_file(1)
            + b"\r\n--x--\r\n"
        )
        head = (
            f"POST /api/v1{SEARCH}/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
            line.sendall(head.encode() + body)
            began.wait(10)
            server.should_exit = True
            threading.Timer(0.2, may_go.set).start()
            answer = b"".join(iter(lambda: line.recv(65_536), b""))
        thread.join()
        assert answer.startswith(b"HTTP/1.1 200")
        assert b'"hits"' in answer
