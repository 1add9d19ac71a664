"""How many requests a second the service answers, how long each takes, and what a kill costs.

    python benchmarks/serving.py --seconds 60 --out serving.json

makes a collection of 60,000 codes (a mixture of Gaussians in ten dimensions, as in benchmarks/search.py), starts
``zehn serve`` on it, and asks from this process over loopback: searches by id, then searches by an uploaded JPEG, each
by so many connections that ask again as soon as they are answered. Server and client share the machine's processors;
the client's share is stated. Then images are added while the server is killed with SIGKILL and started again, and
every image that was answered as added must be there. Reads /proc, so it needs Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zehn import Collection, engines

N_COMPONENTS = 10
N_GAUSSIANS = 50
SPREAD = 3.0
BATCH = 10_000
NAME = "loaded"
TOKEN = "only-for-this-benchmark"  # noqa: S105 – it guards nothing
BOUNDARY = "zehnzehnzehn"
END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length: "
WARM_UP_SECONDS = 3.0
SECONDS_TO_START = 60.0

Ask = Callable[[], bytes]


def fill(path: Path, n: int) -> None:
    """Make a collection of n images that are not there."""
    generator = np.random.default_rng(1)
    centers = np.random.default_rng(0).normal(0, SPREAD, (N_GAUSSIANS, N_COMPONENTS))
    codes = centers[generator.integers(0, N_GAUSSIANS, n)] + generator.normal(size=(n, N_COMPONENTS))
    with Collection.create(path, "cifar10") as collection:
        for start in range(0, n, BATCH):
            places = range(start, min(start + BATCH, n))
            records = [
                engines.NewRecord(
                    f"/photographs/{i // 1000}/{i:08}.jpg".encode(), 30_000, i, b"h" * 32, 640, 480, f"class {i % 10}"
                )
                for i in places
            ]
            collection.engine.add(records, codes[places.start : places.stop].astype(np.float32))


def jpeg(seed: int, side: int) -> bytes:
    """Return a photograph of nothing, as a file."""
    patches = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(patches).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


class Server:
    """``zehn serve`` in a process of its own."""

    def __init__(self, path: Path, log: Path) -> None:
        """Say what is to be served."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.path, self.log = path, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it, and return the seconds until it was ready."""
        began = time.perf_counter()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "zehn", "serve", str(self.path), "--port", str(self.port), "--no-browser"],
                env=os.environ | {"ZEHN_TOKEN": TOKEN},
                stdout=log,
                stderr=log,
            )
        while time.perf_counter() - began < SECONDS_TO_START:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/ready") as answer:
                    if answer.status == 200:
                        return time.perf_counter() - began
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"the server did not start: {self.log.read_text()[-2000:]}")

    def kill(self, number: int) -> float:
        """Send a signal, and return the seconds until it was gone."""
        began = time.perf_counter()
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()
        return time.perf_counter() - began

    def memory_mb(self) -> float:
        """Return how much memory it holds."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1e3

    def processor_s(self) -> float:
        """Return the seconds of processor time that it has had."""
        after_name = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def pid(self) -> int:
        """Its number."""
        if self.process is None:
            raise RuntimeError("the server was not started")
        return self.process.pid


@contextmanager
def serving(path: Path, log: Path) -> Iterator[Server]:
    """Give a server that is ready, and end it."""
    server = Server(path, log)
    server.start()
    try:
        yield server
    finally:
        server.kill(signal.SIGTERM)


class Connection(asyncio.Protocol):
    """Asks, waits for the answer, asks again; as cheap as it can be, so that the server has the processors."""

    def __init__(self, ask: Ask, until: float, seconds: list[float], done: asyncio.Future[None]) -> None:
        """Ask until a time has come; ``seconds`` gets how long each answer took."""
        self.ask, self.until, self.seconds, self.done = ask, until, seconds, done
        self.n_bad, self.began, self.rest, self.n_missing = 0, 0.0, b"", -1

    def connection_made(self, transport: Any) -> None:
        """Ask for the first time."""
        self.transport = transport
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """End."""
        if not self.done.done():
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Read an answer to its end."""
        self.rest += data
        if self.n_missing < 0:
            end = self.rest.find(END_OF_HEAD)
            if end < 0:
                return
            at = self.rest.find(LENGTH) + len(LENGTH)
            length = int(self.rest[at : self.rest.find(b"\r", at)])
            self.n_bad += not self.rest.startswith(b"HTTP/1.1 200")
            self.n_missing = end + len(END_OF_HEAD) + length
        if len(self.rest) < self.n_missing:
            return
        self.seconds.append(time.perf_counter() - self.began)
        if time.perf_counter() > self.until:
            self.transport.close()
        else:
            self._ask()

    def _ask(self) -> None:
        self.rest, self.n_missing, self.began = b"", -1, time.perf_counter()
        self.transport.write(self.ask())


async def load(port: int, ask: Ask, n_connections: int, seconds: float) -> tuple[list[float], int]:
    """Return how long each answer took, and how many were no good."""
    loop, until = asyncio.get_running_loop(), time.perf_counter() + seconds
    took: list[float] = []
    connections = []
    for _ in range(n_connections):
        done = loop.create_future()
        _, connection = await loop.create_connection(
            lambda done=done: Connection(ask, until, took, done), "127.0.0.1", port
        )
        connections.append(connection)
    await asyncio.gather(*(connection.done for connection in connections))
    return took, sum(connection.n_bad for connection in connections)


def measure(server: Server, ask: Ask, n_connections: int, seconds: float) -> dict[str, Any]:
    """Return the figures of one kind of request."""
    asyncio.run(load(server.port, ask, n_connections, WARM_UP_SECONDS))
    memory, processor, own, began = server.memory_mb(), server.processor_s(), time.process_time(), time.perf_counter()
    took, n_bad = asyncio.run(load(server.port, ask, n_connections, seconds))
    wall, own, theirs = time.perf_counter() - began, time.process_time() - own, server.processor_s() - processor
    return {
        "connections": n_connections,
        "seconds": wall,
        "requests_per_second": len(took) / wall,
        "not_200": n_bad,
        "p50_ms": 1e3 * float(np.percentile(took, 50)),
        "p99_ms": 1e3 * float(np.percentile(took, 99)),
        "max_ms": 1e3 * max(took),
        "server_processor_ms_per_request": 1e3 * theirs / len(took),
        "client_share_of_processor_time": own / (own + theirs),
        "memory_mb_at_start": memory,
        "memory_mb_at_end": server.memory_mb(),
    }


def asking_by_id(n: int, k: int) -> Ask:
    """Return what makes searches by ids drawn by chance."""
    draw = random.Random(0)

    def ask() -> bytes:
        return posted("search", b'{"id":%d,"k":%d}' % (draw.randrange(n), k), "application/json")

    return ask


def asking_by_upload(side: int) -> Ask:
    """Return what makes searches by one of a hundred JPEGs."""
    draw = random.Random(0)
    requests = [posted("search/upload", *form("files", jpeg(seed, side))) for seed in range(100)]
    return lambda: draw.choice(requests)


def form(field: str, data: bytes) -> tuple[bytes, str]:
    """Return a form with one file, and its type."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="a.jpg"\r\n\r\n'
    return head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"


def posted(what: str, body: bytes, kind: str) -> bytes:
    """Return a request as it goes over the wire."""
    head = (
        f"POST /api/v1/collections/{NAME}/{what} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def measure_kills(server: Server, n_kills: int) -> dict[str, Any]:
    """Add images, kill the server in the middle, start it again: all that was answered must be there."""
    added: list[int] = []
    restarts = []
    for round_ in range(n_kills):
        began, seed = time.perf_counter(), 10_000 * round_
        while time.perf_counter() - began < 1.0 + 0.1 * round_:
            seed += 1
            body, kind = form("files", jpeg(1_000_000 + seed, 64))
            added += json.loads(exchanged(server, posted("images", body, kind)))["ids"]
        # in the middle of the next one
        body, kind = form("files", jpeg(2_000_000 + seed, 64))
        with socket.create_connection(("127.0.0.1", server.port)) as line:
            line.sendall(posted("images", body, kind))
            time.sleep(0.001 * round_)
            server.kill(signal.SIGKILL)
        restarts.append(server.start())
    known = [is_there(server, id_) for id_ in added]
    return {"kills": n_kills, "added": len(added), "lost": known.count(False), "restart_s": max(restarts)}


def exchanged(server: Server, request: bytes) -> bytes:
    """Return the body of an answer."""
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(request.replace(b"Host:", b"Connection: close\r\nHost:", 1))
        answer = b"".join(iter(lambda: line.recv(65_536), b""))
    return answer.partition(END_OF_HEAD)[2]


def is_there(server: Server, id_: int) -> bool:
    """Return whether an image is in the collection and has a code."""
    return b'"code"' in exchanged(
        server, f"GET /api/v1/collections/{NAME}/images/{id_} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    )


def show(name: str, figures: dict[str, Any]) -> None:
    """Print one kind of request as a line."""
    print(
        f"{name}: {figures['requests_per_second']:,.0f} requests/s over {figures['seconds']:.0f} s, "
        f"p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} ms, worst {figures['max_ms']:.0f} ms, "
        f"{figures['not_200']} not 200; the client took {100 * figures['client_share_of_processor_time']:.0f} % of the "
        f"processor time; memory {figures['memory_mb_at_start']:.0f} → {figures['memory_mb_at_end']:.0f} MB"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--upload-connections", type=int, default=8)
    parser.add_argument("--side", type=int, default=256, help="of the JPEGs that are uploaded, in pixels")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the collection is made; a temporary one by default")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = Path(folder) / f"{NAME}.zehn"
        fill(path, given.images)
        with serving(path, Path(folder) / "server.log") as server:
            figures: dict[str, Any] = {"images": given.images, "processors": os.cpu_count()}
            for name, ask, n_connections in (
                ("by id", asking_by_id(given.images, given.k), given.connections),
                ("by upload", asking_by_upload(given.side), given.upload_connections),
            ):
                figures[name] = measure(server, ask, n_connections, given.seconds)
                show(name, figures[name])
            figures["killed"] = measure_kills(server, given.kills)
            print(
                "killed {kills} times: {added} images added, {lost} lost; ready {restart_s:.1f} s after".format_map(
                    figures["killed"]
                )
            )
    if given.out:
        given.out.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
