"""Folders are remembered whoever else remembers others meanwhile; images are forgotten by any number of paths."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zehn import Collection
from zehn.collection import files, upkeep
from zehn.engines import NewRecord
from zehn.errors import CollectionError

N_FOLDERS = 25


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with Collection.create(tmp_path / "own.zehn") as made:
        yield made


def folders(parent: Path, name: str, n: int) -> list[files.Source]:
    for number in range(n):
        (parent / name / str(number)).mkdir(parents=True)
    return [files.source_of(parent / name / str(number)) for number in range(n)]


def test_two_writers_lose_no_folder_of_each_other(collection: Collection, tmp_path: Path) -> None:
    both = [folders(tmp_path, name, N_FOLDERS) for name in ("a", "b")]
    start = threading.Barrier(2)
    failed: list[BaseException] = []

    def remember(sources: list[files.Source]) -> None:
        try:
            with Collection.open(collection.address) as own:
                start.wait()
                for source in sources:
                    upkeep.remember(own.engine, [source])
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=remember, args=(sources,)) for sources in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert {one.path for one in upkeep.folders_of(collection.engine)} == {one.path for of in both for one in of}


@pytest.mark.parametrize("removes", [False, True])
def test_a_folder_that_comes_in_between_stays(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, removes: bool
) -> None:
    first, second = folders(tmp_path, "a", 2)
    proper, told = collection.engine.set_facts, list[bool]()

    def set_facts(*given: Any, **options: Any) -> None:
        if not told:
            told.append(True)
            with Collection.open(collection.address) as other:
                upkeep.remember(other.engine, [second])
        proper(*given, **options)

    if removes:
        upkeep.remember(collection.engine, [first])
    monkeypatch.setattr(collection.engine, "set_facts", set_facts)
    if removes:
        collection.remove(os.fsdecode(first.path))
    else:
        upkeep.remember(collection.engine, [first])
    assert upkeep.folders_of(collection.engine) == ([second] if removes else [second, first])


def test_a_store_that_refuses_is_not_asked_for_ever(collection: Collection, tmp_path: Path) -> None:
    sources = folders(tmp_path, "a", 1)
    with (
        Collection.open(collection.address, read_only=True) as reader,
        pytest.raises(CollectionError, match="was opened read-only"),
    ):
        upkeep.remember(reader.engine, sources)


def test_many_paths_are_forgotten_at_once(collection: Collection) -> None:
    paths = [f"/photos/{number % 50}/{number}.jpg" for number in range(2_000)]
    records = [NewRecord(os.fsencode(path), 1, 1, b"", 1, 1) for path in paths]
    collection.engine.add(records, np.zeros((2_000, 10), np.float32))
    assert collection.remove([*paths[:1_000], "/photos/7"]) == 1_000 + 20
    assert len(collection) == 980


@pytest.mark.parametrize(
    ("path", "expected"),
    [(b"/a/b/c", [b"/a/b/c", b"/a/b", b"/a", b"/"]), (b"/", [b"/"]), (b"/a", [b"/a", b"/"])],
)
def test_what_a_path_lies_in(path: bytes, expected: list[bytes]) -> None:
    assert list(files.upwards(path)) == expected
