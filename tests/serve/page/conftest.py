"""A real service, a real Chromium, and who sits before it."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect, sync_playwright

from zehn import Collection, codes, config, datasets, store
from zehn.figures import style
from zehn.serve import page as page_files
from zehn.serve.app import create_app
from zehn.serve.settings import Settings
from zehn.serve.shelves import Shelves

DESK, PHONE = (1440, 900), (390, 844)
N_PER_CLASS = 12
PICTURES, RUN = "pictures", "digits-run"
# software rendering: a machine that tests has no graphics card
_ARGUMENTS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
_SECONDS_TO_START = 30
_MILLISECONDS = 20_000


@pytest.fixture(autouse=True)
def place() -> None:
    """Leave the folder and the variables alone: the service of the whole session has its own."""


@dataclass(frozen=True)
class Served:
    """A service that listens on a port of this machine."""

    url: str
    shelves: Shelves


Serve = Callable[[Shelves, Settings], Any]


@contextmanager
def listening(shelves: Shelves, settings: Settings) -> Iterator[Served]:
    """Serve the page and the API until the block ends."""
    app = create_app(shelves, settings)
    page_files.mount(app)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + _SECONDS_TO_START
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.started, "the service did not start"
        try:
            yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", shelves)
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where collections, caches and runs of these tests are."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEHN_HOME", str(folder / "home"))
        patch.setenv("ZEHN_CACHE", str(folder / "cache"))
        patch.delenv("ZEHN_TOKEN", raising=False)
        yield folder


@pytest.fixture(scope="session")
def pictures(home: Path, cifar10_dir: Path) -> Path:
    """Real CIFAR-10 images as files, in a folder for each class."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEHN_DATA", str(cifar10_dir))
        loaded = datasets.load("cifar10")
    for label, name in enumerate(loaded.class_names):
        (home / "photos" / name).mkdir(parents=True)
        for nth, index in enumerate(np.flatnonzero(loaded.y_test == label)[:N_PER_CLASS]):
            Image.fromarray(loaded.x_test[index]).save(home / "photos" / name / f"{nth:02}.png")
    return home / "photos"


@pytest.fixture(scope="session")
def run(home: Path) -> store.Run:
    """A run on the bundled digits as ``zehn run`` leaves it, its figures made up."""
    settings = config.resolve("smoke", assignments=['data.name="digits"', "data.n_train=80", "data.n_test=40"])
    loaded = datasets.subset(datasets.load("digits"), n_train=80, n_test=40, seed=settings.seed)
    model = store.load_model("cifar10")
    with store.Run.create(home / "runs" / RUN) as made:
        store.write_atomically(made.path / "config.toml", config.to_toml(settings))
        made.write_json("run.json", {"dataset": "digits", "preset": "smoke", "seed": 0, "data_dir": None})
        made.write_json("data/data.json", datasets.describe(loaded))
        for name, path in (("cifar10", "train/model.h5"), ("cifar10-robust", "robust/model.h5")):
            (made.path / path).parent.mkdir()
            shutil.copy(store.find_model(name), made.path / path)
        values = codes.encode(model, loaded.images)
        codes.write(made.path / "check/codes.npz", values, np.arange(len(values)), loaded.labels, model.fingerprint)
        points = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
        codes.write(made.path / "check/umap.npz", points, np.arange(80, 120), None, model.fingerprint)
        _write_findings(made)
        for stage in ("data", "train", "check", "query", "robust"):
            made.mark_done(stage, "inputs", 61.5)
    return made


def _write_findings(run: store.Run) -> None:
    epoch = {
        split: {"loss": 0.5, "channel_accuracy": 0.4, "psnr": 15.0, "mse": 0.03}
        for split in ("train", "validation", "test")
    }
    epochs = [{"epoch": n, "seconds": 1.0, **epoch} for n in (1, 2, 3)]
    run.write_json("train/history.json", {"epochs": epochs, "best_epoch": 2})
    score = {"mean": 0.61, "low": 0.6, "high": 0.62}
    scores = {name: {"P@10": score, "mAP@1000": score, "ms_per_query": 0.2} for name in ("euclidean", "cosine")}
    overlap = {a: {b: 1.0 if a == b else 0.4 for b in scores} for a in scores}
    told = {"scores": scores, "overlap": overlap, "recommendation": "Use euclidean."}
    run.write_json("query/query.json", told)
    headline = [{"name": name, "value": "0.610 (0.600–0.620)"} for name in ("P@10", "mAP@1000", "SSIM", "PSNR", "more")]
    run.write_json("report.json", {"dataset": "Digits", "headline": headline, "verdict": "Better than chance."})
    (run.path / "report.pdf").write_bytes(b"%PDF-1.4\n%%EOF\n")
    figure = style.render(style.message("a figure"), "png")
    store.write_atomically(run.path / "check/umap.png", figure)


@pytest.fixture(scope="session")
def service(home: Path, pictures: Path, run: store.Run) -> Iterator[Served]:
    """A collection of real images and a run, served."""
    with Collection.create(PICTURES) as made:
        made.add(pictures, labels="folder")
    settings = Settings()
    with Shelves.open([PICTURES, run.path], settings) as shelves, listening(shelves, settings) as served:
        yield served


@pytest.fixture(scope="session")
def run_service(home: Path, run: store.Run) -> Iterator[Served]:
    """The run alone, for what needs no real images."""
    settings = Settings()
    with Shelves.open([run.path], settings) as shelves, listening(shelves, settings) as served:
        yield served


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Playwright, which drives browsers; its event loop runs meanwhile, in the way of other tests' own."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Chromium; without one these tests are skipped."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine; install it: apt-get install chromium")
    sandbox = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
    launched = playwright.chromium.launch(executable_path=path, args=[*_ARGUMENTS, *sandbox])
    yield launched
    launched.close()


@dataclass
class Visit:
    """Somebody before the page."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    """What the console said in red."""
    expected: list[str] = field(default_factory=list)
    """Parts of errors that a test brings about on purpose."""

    def open(self, address: str) -> None:
        """Open a view, such as ``pictures/search?id=3``."""
        self.page.goto(f"{self.url}/#/{address}")
        expect(self.page.locator("h1").first).to_be_visible()

    def surprises(self) -> list[str]:
        """Return the errors that nobody expected."""
        return [error for error in self.errors if not any(part in error for part in self.expected)]

    def drop(self, path: Path) -> None:
        """Drop a file onto the page."""
        self._bring(path, "drop")

    def paste(self, path: Path) -> None:
        """Paste a file into the page."""
        self._bring(path, "paste")

    def _bring(self, path: Path, how: str) -> None:
        self.page.evaluate(
            """([bytes, name, how]) => {
              const data = new DataTransfer();
              data.items.add(new File([Uint8Array.from(bytes)], name, {type: "image/png"}));
              const kinds = how === "drop" ? ["dragenter", "dragover", "drop"] : ["paste"];
              for (const kind of kinds) document.body.dispatchEvent(how === "drop"
                ? new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true})
                : new ClipboardEvent(kind, {clipboardData: data, bubbles: true, cancelable: true}));
            }""",
            [list(path.read_bytes()), path.name, how],
        )

    def hits(self) -> Locator:
        """Return the hits of the view."""
        return self.page.locator("ol.hits > li")

    def shown_ids(self) -> list[str]:
        """Return which images the hits are, by what they lead to."""
        links = self.page.locator("ol.hits .hit-link")
        return [str(link.get_attribute("href")).split("id=")[1].split("&")[0] for link in links.all()]


Enter = Callable[..., Visit]


@pytest.fixture
def enter(browser: Browser) -> Iterator[Enter]:
    """Open a window onto a service; at the end the console must have been quiet."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def open_(served: Served, size: tuple[int, int] = DESK, **options: Any) -> Visit:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
        context.set_default_timeout(_MILLISECONDS)
        contexts.append(context)
        page = context.new_page()
        visit = Visit(page, served.url)
        page.on("console", lambda said: visit.errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: visit.errors.append(str(error)))
        visits.append(visit)
        return visit

    expect.set_options(timeout=_MILLISECONDS)
    yield open_
    for context in contexts:
        context.close()
    assert [visit.surprises() for visit in visits] == [[] for _ in visits]


@pytest.fixture
def visit(enter: Enter, service: Served) -> Visit:
    """Somebody at a desk, before the collection and the run."""
    return enter(service)
