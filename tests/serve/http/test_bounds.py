"""What could wear the service out, or lead it astray: each is bounded, and said in words."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zehn.codes import count_threads
from zehn.errors import RunError
from zehn.serve import wire
from zehn.serve.guards import Guards
from zehn.serve.maps import Map
from zehn.serve.metrics import Metrics
from zehn.serve.problems import Problem
from zehn.serve.settings import Settings
from zehn.serve.uploads import Decoder

Draw = Callable[..., bytes]
SEARCH = "/collections/photos/search"
PICTURE = "/collections/photos/images/3/picture"
OPEN = "/api/v1/openapi.json"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that are given up soon."""
    monkeypatch.setattr(wire, "SECONDS_TO_FINISH", 0.2)
    monkeypatch.setattr(wire, "SECONDS_TO_READ", 0.2)


def in_threads(n: int, ask: Callable[[], Any]) -> tuple[list[threading.Thread], list[Any]]:
    """Ask n times at once, and return the threads and the list that the answers go into."""
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(ask())) for _ in range(n)]
    for thread in threads:
        thread.start()
    return threads, answers


def test_pictures_are_made_a_few_at_a_time_and_no_more_may_wait_than_the_queue_takes(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, may_go = serve(queue_size=4), threading.Event()
    make, at_once, most = type(service.photos).picture_file, [0], [0]
    lock = threading.Lock()

    def held(*given: Any, **options: Any) -> Any:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        may_go.wait(20)
        with lock:
            at_once[0] -= 1
        return make(*given, **options)

    monkeypatch.setattr(type(service.photos), "picture_file", held)
    threads, answers = in_threads(12, lambda: service.http.get(PICTURE))
    deadline = time.monotonic() + 10
    while len(answers) < 8 and time.monotonic() < deadline:
        time.sleep(0.005)
    may_go.set()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [503] * 8
    assert most[0] <= count_threads()


def test_pages_of_other_sites_may_not_have_us_work_by_showing_our_pictures(served: Any, serve: Any) -> None:
    theirs = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert served.http.get(PICTURE, headers=theirs).status_code == 403
    assert served.http.get(PICTURE, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert served.http.get(PICTURE, headers={"Sec-Fetch-Site": "none"}).status_code == 200
    # the page itself may be led to from anywhere
    assert served.http.get(f"{served.url}/", headers=theirs).status_code == 404
    friend = serve(cors_origins=("https://friend.example",)).http
    known = theirs | {"Origin": "https://friend.example"}
    assert friend.get(PICTURE, headers=known).status_code == 200
    assert friend.get(PICTURE, headers=theirs | {"Origin": "https://foe.example"}).status_code == 403


def test_who_waits_for_a_decoder_at_the_end_is_told_to_come_again() -> None:
    may_go, began = threading.Event(), threading.Semaphore(0)

    def held() -> int:
        began.release()
        may_go.wait(20)
        return 1

    async def run() -> None:
        decoder = Decoder(Settings())
        first = [asyncio.create_task(decoder.call(held)) for _ in range(count_threads())]
        second = asyncio.create_task(decoder.call(held))
        await asyncio.sleep(0)
        for _ in first:
            await asyncio.to_thread(began.acquire)
        began_to_stop = time.monotonic()
        decoder.stop()
        assert time.monotonic() - began_to_stop < 10  # it does not wait for them
        with pytest.raises(Problem, match="is ending") as caught:
            await second
        assert caught.value.status_code == 503
        may_go.set()
        assert await asyncio.gather(*first) == [1] * count_threads()
        with pytest.raises(Problem, match="is ending"):
            await decoder.call(held)
        assert decoder.n_waiting == 0

    asyncio.run(run())


def test_a_request_that_the_end_cuts_short_is_answered_503() -> None:
    sent: list[Any] = []

    async def app(*_: Any) -> None:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        async def receive() -> Any:
            return {"type": "http.disconnect"}

        scope = {"type": "http", "method": "GET", "path": "/x", "headers": [(b"host", b"127.0.0.1")]}
        guards = Guards(app, Settings(), Metrics())
        task = asyncio.ensure_future(guards(scope, receive, send))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(run())
    assert sent[0]["status"] == 503
    assert b"retry-after" in dict(sent[0]["headers"])


def test_who_is_answered_need_not_be_heard_to_the_end(served: Any, short: None) -> None:
    head = f"POST /api/v1{SEARCH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999999999\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
        line.sendall(head.encode())
        assert line.recv(65_536).startswith(b"HTTP/1.1 413")
        hung_up, deadline = False, time.monotonic() + 10
        while not hung_up and time.monotonic() < deadline:
            try:
                line.sendall(b"x")
                line.settimeout(0.05)
                hung_up = line.recv(100) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                hung_up = True
        assert hung_up


def test_a_connection_goes_on_where_the_rest_of_a_refused_body_comes(served: Any, short: None) -> None:
    head = f"POST /api/v1{SEARCH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\nContent-Type: text/plain\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
        line.sendall(head.encode())
        assert line.recv(65_536).startswith(b"HTTP/1.1 415")
        line.sendall(b"xxxGET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert line.recv(65_536).startswith(b"HTTP/1.1 200")
        time.sleep(0.4)  # longer than it would have had
        line.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert line.recv(65_536).startswith(b"HTTP/1.1 200")


def test_who_asks_and_never_reads_is_given_up(served: Any, short: None, caplog: pytest.LogCaptureFixture) -> None:
    ask = f"GET {OPEN} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        line.settimeout(10)
        line.connect(("127.0.0.1", served.port))
        deadline, is_open = time.monotonic() + 10, True
        while is_open and time.monotonic() < deadline:
            line.settimeout(0.05)
            try:
                line.sendall(ask * 30)
            except TimeoutError:
                continue
            except ConnectionError:
                is_open = False
        assert not is_open
    assert served.http.get("/health").status_code == 200
    assert not [one for one in caplog.records if one.levelname == "ERROR"]  # nothing was written to who is gone


def test_who_reads_slowly_is_not_given_up(served: Any, short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LEAST_READ", 1)
    ask = f"GET {OPEN} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    whole = len(served.http.get(f"{served.url}{OPEN}").content)
    with socket.socket() as line:
        line.settimeout(10)
        line.connect(("127.0.0.1", served.port))
        line.sendall(ask * 80)
        n_read = 0
        while n_read < 80 * whole:
            data = line.recv(40_000)
            assert data
            n_read += len(data)
            time.sleep(0.001)


def test_no_more_connections_are_kept_than_the_service_was_started_for(serve: Any) -> None:
    service = serve(max_connections=5)
    service.http.close()
    lines = [socket.create_connection(("127.0.0.1", service.port), timeout=10) for _ in range(8)]
    try:
        time.sleep(0.05)
        answers = [line.recv(1_000) for line in lines[5:]]
        assert all(answer.startswith(b"HTTP/1.1 503") and b"retry-after: 1" in answer for answer in answers)
        lines[0].sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert lines[0].recv(1_000).startswith(b"HTTP/1.1 200")
    finally:
        for line in lines:
            line.close()
    deadline, answer = time.monotonic() + 10, b""
    while not answer.startswith(b"HTTP/1.1 200") and time.monotonic() < deadline:
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as line:
            line.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = line.recv(1_000)
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "body",
    [
        {"codes": [[""] * 100_000]},
        {"codes": [[""]] * 60},
        {"codes": [[[]]] * 60_000},
        {f"{place}": 0 for place in range(60_000)},
        {f"{place}": 0 for place in range(31)},
    ],
)
def test_thousands_of_mistakes_are_answered_with_the_first_few(served: Any, body: dict[str, Any]) -> None:
    answer = served.http.post("/collections/photos/decode", json=body)
    assert answer.status_code == 422
    assert len(answer.content) < 5_000
    assert len(answer.json().get("errors", ())) <= 20


def test_mistakes_beyond_the_first_are_counted(served: Any) -> None:
    answer = served.http.post("/collections/photos/decode", json={f"{place}": 0 for place in range(31)}).json()
    assert len(answer["errors"]) == 20
    assert answer["detail"].endswith("and 29 more")


def test_json_other_than_codes_is_small(served: Any) -> None:
    assert served.http.post(SEARCH, content=b" " * 300_000).status_code == 413
    assert served.http.post("/collections/photos/decode", content=b" " * 300_000).status_code == 415


def test_removing_waits_its_turn_among_all_that_writes(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    monkeypatch.setattr(type(served.photos), "remove", lambda *_: names.append(threading.current_thread().name))
    answer = served.http.delete("/collections/photos/images/1", headers=served.authorized)
    assert (answer.status_code, names) == (204, ["zehn-writing"])


def test_a_picture_that_is_known_is_not_sent_again_if_it_is_still_there(served: Any) -> None:
    etag = served.http.get(PICTURE).headers["etag"]
    for known in ("*", etag, f"W/{etag}", f'"x", {etag}'):
        assert served.http.get(PICTURE, headers={"If-None-Match": known}).status_code == 304
    assert served.http.get(PICTURE, headers={"If-None-Match": f'"x{etag[1:]}'}).status_code == 200
    gone = f"{PICTURE.replace('/3/', '/999/')}"
    for known in ("*", etag, etag.replace("-3-", "-999-")):
        assert served.http.get(gone, headers={"If-None-Match": known}).status_code == 404


def test_a_picture_whose_file_changed_is_another(served: Any) -> None:
    path = served.http.get("/collections/photos/images/5").json()["path"]
    ask = {"v": served.photos.state()}
    before = served.http.get("/collections/photos/images/5/picture", params=ask)
    assert "immutable" not in before.headers["cache-control"]  # the collection does not know when a file changes
    with open(path, "rb") as file:  # noqa: PTH123
        kept = file.read()
    try:
        Image.new("RGB", (48, 40), (1, 2, 3)).save(path)
        headers = {"If-None-Match": before.headers["etag"]}
        after = served.http.get("/collections/photos/images/5/picture", headers=headers)
        assert after.status_code == 200
        assert after.headers["etag"] != before.headers["etag"]
    finally:
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(kept)


def test_a_cookie_is_for_https_alone_where_a_proxy_says_that_it_is_that(serve: Any) -> None:
    http = serve(host="0.0.0.0").http  # noqa: S104
    token = {"token": "only-for-these-tests"}
    assert "Secure" not in http.post("/session", json=token).headers["set-cookie"]
    answer = http.post("/session", json=token, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in answer.headers["set-cookie"]


def test_one_damaged_collection_does_not_hide_the_others(
    serve: Any, tmp_path: Any, draw_file: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zehn import Collection

    (tmp_path / "1.png").write_bytes(draw_file(1))
    with Collection.create(tmp_path / "odd.zehn") as collection:
        collection.add(tmp_path / "1.png")
    service = serve(tmp_path / "odd.zehn")
    kind = type(service.photos)
    info, n_images = kind.info, kind.__len__

    def info_or_not(shelf: Any) -> Any:
        if shelf.name == "odd":
            raise RunError("it is damaged")
        return info(shelf)

    def n_or_not(shelf: Any) -> int:
        if shelf.name == "odd":
            raise RunError("it is damaged")
        return n_images(shelf)

    monkeypatch.setattr(kind, "info", info_or_not)
    monkeypatch.setattr(kind, "__len__", n_or_not)
    assert [one["name"] for one in service.http.get("/collections").json()["collections"]] == ["photos"]
    metrics = service.http.get("/metrics")
    assert metrics.status_code == 200
    assert 'zehn_images{collection="photos"} 30.0' in metrics.text


def test_distances_say_of_which_map_they_are(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "etag" not in served.http.post("/collections/photos/distances", json={"id": 5}).headers
    made = Map(np.array([5, 3]), np.zeros((2, 2), np.float32), np.array([-1, -1], np.int16), (), "some-state")
    monkeypatch.setattr(type(served.photos), "map", lambda _: made)
    points = served.http.get("/collections/photos/map/points")
    answer = served.http.post("/collections/photos/distances", json={"id": 5})
    assert answer.headers["etag"] == points.headers["etag"]
    assert np.frombuffer(answer.content, "<f4")[0] == 0


def test_a_code_of_a_model_that_is_no_longer_there_is_not_searched_with(
    served: Any, draw_file: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"files": ("a.png", draw_file(1))}
    monkeypatch.setattr(type(served.photos), "fingerprint", lambda *_, **__: "another")
    answer = served.http.post(f"{SEARCH}/upload", files=files)
    assert answer.status_code == 409
    assert "send it again" in answer.json()["detail"]
    assert served.http.post(SEARCH, json={"id": 1}).status_code == 200


def test_a_search_is_of_one_state_from_beginning_to_end(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, open_, asked = type(served.photos), [0], []
    snapshot = kind.snapshot

    @contextmanager
    def counted(shelf: Any) -> Any:
        with snapshot(shelf):
            open_[0] += 1
            yield
            open_[0] -= 1

    monkeypatch.setattr(kind, "snapshot", counted)
    for name in ("codes", "shown", "search", "__len__"):
        method = getattr(kind, name)

        def noting(*given: Any, method: Any = method, name: str = name, **options: Any) -> Any:
            asked.append((name, open_[0] > 0))
            return method(*given, **options)

        monkeypatch.setattr(kind, name, noting)
    assert served.http.post(SEARCH, json={"id": 1}).status_code == 200
    assert {("codes", True), ("shown", True), ("search", True), ("__len__", True)} <= set(asked)


def test_pictures_that_are_no_larger_than_they_say_are_shown(served: Any) -> None:
    with Image.open(io.BytesIO(served.http.get(PICTURE, params={"max_side": 20}).content)) as picture:
        assert max(picture.size) <= 48
