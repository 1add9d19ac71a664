"""The other version of a model: all images are encoded by it as well, and searched among their own codes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zehn import codes, distances, store
from zehn.collection import Collection
from zehn.errors import CollectionError, InputError
from zehn.serve import cache, versions
from zehn.serve.background import DONE, RUNNING, Background, Task
from zehn.serve.settings import Settings
from zehn.serve.shelves import Shelf
from zehn.serve.shelves.of_collection import CollectionShelf
from zehn.serve.shelves.of_run import RunShelf

from .conftest import Draw, MakeRun


def made(shelf: Shelf) -> None:
    shelf.start_version("robust")
    ends = time.monotonic() + 120
    while shelf.version_task("robust").state == RUNNING:
        assert time.monotonic() < ends
        time.sleep(0.01)
    assert shelf.version_task("robust") == Task(DONE, len(shelf), len(shelf))


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images were encoded at a time."""
    counted: list[int] = []
    encode = codes.encode

    def count(model: Any, images: Any, **options: Any) -> Any:
        counted.append(len(images))
        return encode(model, images, **options)

    monkeypatch.setattr("zehn.serve.versions.encode", count)
    return counted


@pytest.fixture(params=["mine", "digits"])
def shelf(request: pytest.FixtureRequest) -> Shelf:
    return request.getfixturevalue(request.param)


def test_hits_are_the_nearest_by_the_other_model(shelf: Shelf) -> None:
    assert shelf.version_task("robust") == Task()
    made(shelf)
    model = store.load_model("cifar10-robust")
    values = codes.encode(model, shelf.squares(range(len(shelf))))
    np.testing.assert_allclose(shelf.codes([5, 2], version="robust"), values[[5, 2]], rtol=1e-3, atol=1e-3)
    for name in ("euclidean", "mahalanobis"):
        apart = distances.between(name, values[:1], values, model.code_mean, model.code_covariance)[0]
        (found,) = shelf.search_ids([0], 6, distance=name, version="robust")
        assert [hit.id for hit in found] == np.argsort(apart, kind="stable")[1:7].tolist()
        np.testing.assert_allclose([hit.distance for hit in found], np.sort(apart)[1:7], rtol=1e-3)
        assert all(0 <= hit.percentile <= 100 for hit in found)
        assert found[0].path == os.fsdecode(shelf.record(found[0].id).path)
    (first,) = shelf.search(shelf.encode(shelf.squares([7]), version="robust"), 1, version="robust")
    assert first[0].id == 7
    label = shelf.record(0).label
    (same,) = shelf.search_ids([0], 1000, version="robust", where=f"label = '{label}'")
    assert len(same) == shelf.info().labels[str(label)] - 1
    with pytest.raises(InputError, match="id 999 is not in"):
        shelf.codes([999], version="robust")


def test_they_are_encoded_once(encoded: list[int], mine: CollectionShelf, background: Background) -> None:
    del encoded[:]
    made(mine)
    assert sum(encoded) == 30
    again = CollectionShelf.open("mine", Settings(), background, "mine")
    assert again.version_task("robust").state == DONE
    assert again.search_ids([0], 3, version="robust") == mine.search_ids([0], 3, version="robust")
    again.close()
    assert sum(encoded) == 30


def test_only_what_is_new_is_encoded_again(
    encoded: list[int], mine: CollectionShelf, draw: Draw, place: Path, folder: Path
) -> None:
    made(mine)
    with Collection.open("mine") as other:
        other.add(draw(place / "new.png", 99))
        other.remove([4])
        draw(folder / "cats" / "00.png", 1234)
        other.update()
    assert mine.version_task("robust") == Task()
    with pytest.raises(CollectionError, match="or others have come since"):
        mine.search_ids([0], 3, version="robust")
    del encoded[:]
    made(mine)
    assert sum(encoded) == 3  # the new one, the one that was removed and came back, the one that changed
    values = codes.encode(store.load_model("cifar10-robust"), mine.squares([0, 1, 30]))
    np.testing.assert_allclose(mine.codes([0, 1, 30], version="robust"), values, rtol=1e-3, atol=1e-3)


def test_what_was_ended_half_way_goes_on(
    encoded: list[int], make_run: MakeRun, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zehn.serve.shelves.of_run._N_AT_ONCE", 10)
    monkeypatch.setattr(versions, "_N_KEPT", 20)
    run, first, stopped = make_run(), Background(), threading.Event()
    shelf, seen = RunShelf(run, "run", Settings(), first), 0
    sliced = shelf._versions._squares

    def stopping(ids: Any) -> Iterator[Any]:
        nonlocal seen
        for part in sliced(ids):
            if seen == 50:
                first._stop()
                stopped.set()
            seen += len(part[0])
            yield part

    monkeypatch.setattr(shelf._versions, "_squares", stopping)
    shelf.start_version("robust")
    assert stopped.wait(60)
    first.close()
    shelf.close()
    del encoded[:]
    again = RunShelf(run, "run", Settings(), background)
    made(again)
    assert sum(encoded) == 40
    values = codes.encode(store.load_model("cifar10-robust"), again.squares(range(80)))
    np.testing.assert_allclose(again.codes(range(80), version="robust"), values, rtol=1e-3, atol=1e-3)
    assert not list((cache.folder_path() / "unfinished").iterdir())
    again.close()


def test_images_that_are_gone_are_read_from_thumbnails_or_left_out(
    folder: Path, draw: Draw, place: Path, background: Background
) -> None:
    with Collection.create("bare", thumbnail_size=0) as bare:
        bare.add(folder)
    for name, n_left in (("bare", 29), ("mine", 30)):
        if name == "mine":
            draw(folder / "cats" / "00.png", 0)
            with Collection.create("mine") as made_:
                made_.add(folder)
        (folder / "cats" / "00.png").unlink()
        shelf = CollectionShelf.open(name, Settings(), background, name)
        made(shelf)
        (found,) = shelf.search(shelf.encode(shelf.squares([1]), version="robust"), 100, version="robust")
        assert len(found) == n_left
        if name == "bare":
            with pytest.raises(CollectionError, match="image 0 has no code of the other model"):
                shelf.codes([0], version="robust")
        shelf.close()


@pytest.mark.parametrize("arrays", [{}, {"ids": np.arange(3)}, {"ids": np.arange(30), "codes": np.zeros((30, 4))}])
def test_what_is_damaged_is_made_again(mine: CollectionShelf, arrays: dict[str, Any], background: Background) -> None:
    made(mine)
    (path,) = (cache.folder_path() / "versions").iterdir()
    cache.write("versions", path.stem, arrays)
    again = CollectionShelf.open("mine", Settings(), background, "mine")
    assert again.version_task("robust") == Task()
    again.close()


def test_only_models_that_have_one(folder: Path, background: Background) -> None:
    with Collection.create("robust", "cifar10-robust") as made_:
        made_.add(folder)
    shelf = CollectionShelf.open("robust", Settings(), background, "robust")
    assert not shelf.info().has_versions
    shelf.close()
