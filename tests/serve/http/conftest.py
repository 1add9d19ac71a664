"""A service that really listens, and a client of it."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from PIL import Image

from zehn import Collection
from zehn.serve import wire
from zehn.serve.app import create_app
from zehn.serve.settings import Settings
from zehn.serve.shelves import Shelf, Shelves

TOKEN = "only-for-these-tests"  # noqa: S105
LABELS = ("cats", "dogs", "emus")
N_IMAGES = 30


@dataclass(frozen=True)
class Served:
    """A service that listens on a port of this machine."""

    port: int
    app: FastAPI
    shelves: Shelves
    http: httpx.Client
    """Its addresses begin below the API."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def photos(self) -> Shelf:
        return self.shelves["photos"]

    @property
    def authorized(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {TOKEN}"}

    def documented(self, path: str, method: str = "post") -> set[int]:
        """Return the statuses that the OpenAPI document names for an operation."""
        return {int(status) for status in self.app.openapi()["paths"][f"/api/v1{path}"][method]["responses"]}


Serve = Callable[..., Served]


@contextmanager
def listening(shelves: Shelves) -> Iterator[Served]:
    """Serve shelves from a thread, until the block ends."""
    app = create_app(shelves, shelves.settings)
    config = uvicorn.Config(
        app,
        http=wire.protocol_of(shelves.settings),
        log_config=None,
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not (server.started and shelves.ready):
            time.sleep(0.005)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False, timeout=30) as http:
            yield Served(port, app, shelves, http)
        server.should_exit = True
        thread.join()


def png(seed: int, size: tuple[int, int] = (48, 40), kind: str = "PNG", **options: Any) -> bytes:
    """Return a picture of coarse patches as a file."""
    patches = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(patches).resize(size, Image.Resampling.NEAREST).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def draw_file() -> Callable[..., bytes]:
    return png


@pytest.fixture
def listen() -> Callable[[Shelves], AbstractContextManager[Served]]:
    """Serve other shelves, within a block."""
    return listening


@pytest.fixture(scope="module")
def collection_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of thirty pictures with labels; each module has its own."""
    home = tmp_path_factory.mktemp("served")
    for seed in range(N_IMAGES):
        path = home / "pictures" / LABELS[seed % 3] / f"{seed:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(seed))
    with Collection.create(home / "photos.zehn") as collection:
        collection.add(home / "pictures", labels="folder")
    return home / "photos.zehn"


@pytest.fixture(scope="module")
def serve(collection_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Serve the collection with settings of one's own, until the module's end."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as ending:
        patch.setenv("ZEHN_CACHE", str(tmp_path_factory.mktemp("cache")))

        def begin(*more: Path, **settings: Any) -> Served:
            given = Settings(**{"token": TOKEN} | settings)
            return ending.enter_context(listening(ending.enter_context(Shelves.open([collection_path, *more], given))))

        yield begin


@pytest.fixture(scope="module")
def served(serve: Serve) -> Served:
    """The service as most tests need it."""
    return serve()
