"""Maps of codes: made once by UMAP in a process of its own, kept, and taken up again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zehn import codes, engines, measures
from zehn.collection import Collection
from zehn.errors import InputError, MissingExtraError
from zehn.serve import maps
from zehn.serve.background import DONE, FAILED, RUNNING, Background, Task
from zehn.serve.maps import layout
from zehn.serve.settings import Settings
from zehn.serve.shelves import Shelf
from zehn.serve.shelves.of_collection import CollectionShelf
from zehn.serve.shelves.of_run import RunShelf

from .conftest import Draw, MakeRun


def made(shelf: Shelf) -> maps.Map:
    ends = time.monotonic() + 300
    while shelf.map_task().state == RUNNING:
        assert time.monotonic() < ends
        time.sleep(0.01)
    assert shelf.map_task() == Task(DONE, len(shelf), len(shelf))
    drawn = shelf.map()
    assert drawn is not None
    return drawn


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lay codes out by their first two numbers instead of by UMAP in a process of its own."""
    asked: list[int] = []

    def answer(given: dict[str, Any], _: object) -> Any:
        assert list(given) == ["codes"]
        asked.append(len(given["codes"]))
        return given["codes"][:, :2].copy()

    monkeypatch.setattr(maps, "_asked", answer)
    return asked


def test_umap_draws_the_codes_of_a_collection(mine: CollectionShelf) -> None:
    assert mine.map() is None
    assert mine.map_task() == Task()
    assert mine.start_map().state == RUNNING
    drawn = made(mine)
    assert drawn.ids.tolist() == list(range(30))
    assert drawn.points.shape == (30, 2)
    assert (drawn.points.min(), drawn.points.max()) == (0, 1)
    assert drawn.label_names == ("cats", "dogs", "emus")
    assert [drawn.label_names[place] for place in drawn.labels] == [mine.record(id_).label for id_ in range(30)]
    assert drawn.state == mine.state()
    assert np.unique(drawn.points, axis=0).shape == (30, 2)


def test_a_map_is_made_once(
    quick: list[int], mine: CollectionShelf, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine.start_map()
    points = made(mine).points
    assert mine.start_map() == Task(DONE, 30, 30)
    again = CollectionShelf.open("mine", Settings(), background, "mine")
    assert again.map_task().state == DONE
    kept = again.map()
    assert kept is not None
    np.testing.assert_array_equal(kept.points, points)
    again.close()
    assert quick == [30]


def test_a_map_of_an_earlier_state_stays_until_another_is_made(
    quick: list[int], mine: CollectionShelf, draw: Draw, place: Path
) -> None:
    mine.start_map()
    before = made(mine)
    with Collection.open("mine") as other:
        other.add(draw(place / "new.png", 99))
    assert mine.map() is before
    assert before.state != mine.state()
    assert mine.map_task() == Task()
    ids, apart = mine.distances(mine.codes([0])[0], ids=before.ids)
    assert len(ids) == len(apart) == 30
    mine.start_map()
    assert made(mine).ids.tolist() == list(range(31))
    assert quick == [30, 31]


def test_other_labels_need_no_other_map(quick: list[int], mine: CollectionShelf) -> None:
    mine.start_map()
    before = made(mine)
    with Collection.open("mine") as other:
        records = other.engine.get(range(30))
        other.engine.touch([replace(records[0], label="aardvarks"), replace(records[1], label=None)])
    after = mine.map()
    assert after is not None
    assert after.state == mine.state()
    assert after.label_names == ("aardvarks", "cats", "dogs", "emus")
    assert after.labels.tolist()[:3] == [0, -1, 1]
    np.testing.assert_array_equal(after.points, before.points)
    assert quick == [30]


@pytest.mark.parametrize("kept", [b"", b"no array", None])
def test_what_is_damaged_is_made_again(
    quick: list[int], mine: CollectionShelf, background: Background, place: Path, kept: bytes | None
) -> None:
    mine.start_map()
    made(mine)
    (path,) = (place / "cache/serve/maps").iterdir()
    if kept is None:
        np.savez(path, points=np.zeros((3, 2), np.float32))
    else:
        path.write_bytes(kept)
    again = CollectionShelf.open("mine", Settings(), background, "mine")
    assert again.map() is None
    again.start_map()
    assert len(made(again).ids) == 30
    again.close()


def test_too_few_images(background: Background, draw: Draw, place: Path) -> None:
    with Collection.create("few") as few:
        few.add([draw(place / f"{seed}.png", seed) for seed in range(3)])
    shelf = CollectionShelf.open("few", Settings(), background, "few")
    with pytest.raises(InputError, match="at least 4 images for a map, came 3"):
        shelf.start_map()
    shelf.close()


def test_without_umap(mine: CollectionShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"'umap'.*zehn\[train\]"):
        mine.start_map()


def test_a_run_begins_with_the_map_that_it_drew(make_run: MakeRun, background: Background, monkeypatch: Any) -> None:
    run = make_run()
    drawn = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    fingerprint = codes.read(run.path / "check/codes.npz").fingerprint
    codes.write(run.path / "check/umap.npz", drawn, np.arange(60, 80), None, fingerprint)
    monkeypatch.setitem(sys.modules, "umap", None)
    shelf = RunShelf(run, "run", Settings(), background)
    shelf.start_map()
    points = made(shelf).points
    assert points.shape == (80, 2)
    scaled = (drawn - drawn.min(axis=0)) / np.ptp(drawn, axis=0).max()
    moved = points[60:] - scaled
    np.testing.assert_allclose(moved, np.broadcast_to(moved[0], moved.shape), atol=1e-5)
    shelf.close()


@pytest.mark.parametrize("end", ["fingerprint", "ids"])
def test_a_map_that_does_not_fit_is_not_taken(
    quick: list[int], make_run: MakeRun, background: Background, end: str
) -> None:
    run = make_run()
    fingerprint = codes.read(run.path / "check/codes.npz").fingerprint
    points, ids = np.zeros((20, 2), np.float32), np.arange(60, 80)
    given = (ids, "zehn-another") if end == "fingerprint" else (ids + 1, fingerprint)
    codes.write(run.path / "check/umap.npz", points, given[0], None, given[1])
    shelf = RunShelf(run, "run", Settings(), background)
    shelf.start_map()
    assert np.unique(made(shelf).points, axis=0).shape == (80, 2)
    assert quick == [80]
    shelf.close()


def test_a_process_that_breaks_down_is_told_of(mine: CollectionShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "_PROGRAM", "raise SystemExit('it went wrong')")
    mine.start_map()
    while mine.map_task().state == RUNNING:
        time.sleep(0.01)
    task = mine.map_task()
    assert task.state == FAILED
    assert task.error == "the map could not be made: it went wrong; ask for it again"


def test_the_process_ends_with_the_service(mine: CollectionShelf, background: Background, monkeypatch: Any) -> None:
    monkeypatch.setattr(maps, "_PROGRAM", "import time; time.sleep(600)")
    mine.start_map()
    time.sleep(0.3)
    began = time.monotonic()
    background.close()
    assert time.monotonic() - began < 8
    assert mine.map_task() == Task()


class TestLayout:
    def test_others_lie_among_their_nearest(self) -> None:
        values = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
        places = np.arange(0, 400, 2)
        laid = layout(values, places, values[places])
        np.testing.assert_array_equal(laid[places], values[places])
        assert np.median(np.linalg.norm(laid - values, axis=1)[1::2]) < 0.2
        assert measures.trustworthiness(values, laid, 10) > 0.95

    def test_copies_lie_where_their_likes_do(self) -> None:
        values = np.array([[0, 0], [5, 5], [9, 0], [5, 5]], np.float32)
        laid = layout(values, np.arange(3), values[:3] * 2)
        np.testing.assert_allclose(laid[3], [10, 10], atol=1e-4)

    def test_fewer_than_are_asked_for(self) -> None:
        values = np.array([[0.0], [1.0], [9.0]], np.float32)
        laid = layout(values, np.array([0]), np.array([[3.0, 4.0]], np.float32))
        np.testing.assert_allclose(laid, [[3, 4]] * 3)


def test_a_key_differs_where_content_does() -> None:
    ids, values = np.arange(3), np.eye(3, dtype=np.float32)
    keys: list[Callable[[], maps.Content]] = [
        lambda: maps.content_of(ids, values, "s"),
        lambda: maps.content_of(ids + 1, values, "s"),
        lambda: maps.content_of(ids, values + 1, "s"),
    ]
    assert len({make().key for make in keys}) == 3
    assert maps.content_of(ids, values, "another").key == keys[0]().key


def test_a_mirror_is_public() -> None:
    assert engines.Mirror(np.arange(2), np.eye(2, dtype=np.float32)).ids.tolist() == [0, 1]
