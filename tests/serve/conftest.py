"""A home for collections, folders of small images, a collection and a run of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zehn import codes, config, datasets, store
from zehn.collection import Collection
from zehn.serve.background import Background
from zehn.serve.settings import Settings
from zehn.serve.shelves import Shelves
from zehn.serve.shelves.of_collection import CollectionShelf
from zehn.serve.shelves.of_run import RunShelf

Draw = Callable[..., Path]
MakeRun = Callable[..., store.Run]
LABELS = ("cats", "dogs", "emus")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in; collections and caches are in it too, never the user's own."""
    monkeypatch.setenv("ZEHN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ZEHN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZEHN_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def folder(place: Path, draw: Draw) -> Path:
    """Thirty images in three folders."""
    for seed in range(30):
        draw(place / "photos" / LABELS[seed % 3] / f"{seed:02}.png", seed)
    return place / "photos"


@pytest.fixture
def collection(folder: Path) -> str:
    """A collection named "mine" of these images, with labels."""
    with Collection.create("mine") as made:
        made.add(folder, labels="folder")
    return "mine"


@pytest.fixture
def make_run(place: Path) -> MakeRun:
    """Write a run folder as ``zehn run`` would, with models that ship and without training or figures."""

    def make(name: str = "run", dataset: str = "digits", *, n_train: int = 60, n_test: int = 20) -> store.Run:
        settings = config.resolve(
            "smoke", assignments=[f'data.name="{dataset}"', f"data.n_train={n_train}", f"data.n_test={n_test}"]
        )
        loaded = datasets.subset(datasets.load(dataset), n_train=n_train, n_test=n_test, seed=settings.seed)
        with store.Run.create(place / "runs" / name) as run:
            store.write_atomically(run.path / "config.toml", config.to_toml(settings))
            run.write_json("run.json", {"dataset": dataset, "preset": "smoke", "seed": 0, "data_dir": None})
            run.write_json("data/data.json", datasets.describe(loaded))
            for shipped, path in (("cifar10", "train/model.h5"), ("cifar10-robust", "robust/model.h5")):
                (run.path / path).parent.mkdir()
                shutil.copy(store.find_model(shipped), run.path / path)
            model = store.load_model("cifar10")
            values = codes.encode(model, loaded.images)
            ids = np.arange(len(values))
            codes.write(run.path / "check/codes.npz", values, ids, loaded.labels, model.fingerprint)
            for stage in ("data", "train", "check", "robust"):
                run.mark_done(stage, "inputs", 1.5)
        return run

    return make


@pytest.fixture
def shelves() -> Iterator[Callable[..., Shelves]]:
    """Open shelves, and close them at the end."""
    opened: list[Shelves] = []

    def open_(*names: str | Path, **settings: Any) -> Shelves:
        opened.append(Shelves.open(names, Settings(**settings)))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


@pytest.fixture
def background() -> Iterator[Background]:
    made = Background()
    yield made
    made.close()


@pytest.fixture
def mine(collection: str, background: Background) -> Iterator[CollectionShelf]:
    """The collection as it is served."""
    shelf = CollectionShelf.open(collection, Settings(), background, collection)
    yield shelf
    shelf.close()


@pytest.fixture
def digits(make_run: MakeRun, background: Background) -> Iterator[RunShelf]:
    """A run of eighty digits as it is served."""
    shelf = RunShelf(make_run(), "run", Settings(), background)
    yield shelf
    shelf.close()
