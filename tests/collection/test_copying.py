"""Copies between engines: the same, whatever interrupted them; brought up to date; refused where they are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.servers import Server
from zehn import Collection, collection, engines
from zehn.cli import main
from zehn.collection import copying
from zehn.engines import NewRecord
from zehn.errors import CollectionError
from zehn.scale import cluster

D, N = 10, 50


class Stop(Exception):  # noqa: N818
    """What interrupts a copy."""


def records(n: int = N) -> list[NewRecord]:
    return [
        NewRecord(
            f"/photos/{i} é.png".encode() + b"\xff" * (i % 3), i, -i, bytes([i]) * 32, i, 2 * i, ["cat", None][i % 2]
        )
        for i in range(n)
    ]


def some(n: int = N, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_N_BATCH", 7)


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[Collection]:
    with Collection.create("origin") as made:
        made.engine.add(records(), some(), [None if i % 4 else b"picture %d" % i for i in range(N)])
        yield made


def make_server(postgres: Server, tmp_path: Path, n_shards: int) -> str:
    databases = [postgres.new_database() for _ in range(1 + n_shards)]
    postgres.execute("CREATE EXTENSION vector", url=databases[0])
    if n_shards:
        cluster.init(databases[0], databases[1:])
    return f"{databases[0]}?collection=copy"


@pytest.fixture(params=["embedded", "postgres", "sharded"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place where no collection is."""
    if request.param == "embedded":
        return "copy"
    return make_server(request.getfixturevalue("postgres"), tmp_path, 2 if request.param == "sharded" else 0)


def content(engine: engines.Engine) -> list[Any]:
    rows = []
    for batch, codes in engine.walk_codes():
        thumbnails = engine.thumbnails([one.id for one in batch])
        rows += [
            (one.path, one.size, one.mtime_ns, one.sha256, one.width, one.height, one.label, code.tobytes(), thumbnail)
            for one, code, thumbnail in zip(batch, codes, thumbnails, strict=True)
        ]
    return rows


def stopping_after(n_calls: int) -> Callable[..., None]:
    calls = iter(range(n_calls))

    def tell(*_: object) -> None:
        if next(calls, None) is None:
            raise Stop

    return tell


def test_a_copy_is_the_same(origin: Collection, target: str) -> None:
    done = collection.copy("origin", target)
    assert (done.n_images, len(done.checksum)) == (N, 32)
    with Collection.open(target) as copy:
        assert content(copy.engine) == content(origin.engine)
        assert copy.model.fingerprint == origin.model.fingerprint
        assert copy.verify() == []
        left, right = (one.engine.facts() for one in (origin, copy))
        right.pop("copy")
        assert left == right
    assert collection.copy("origin", target) == done


def test_and_back(origin: Collection, target: str) -> None:
    collection.copy("origin", target)
    collection.copy(target, "back")
    with Collection.open("back") as back:
        assert content(back.engine) == content(origin.engine)


def test_an_interrupted_copy_goes_on(origin: Collection, target: str) -> None:
    n_stops = 0
    while True:
        try:
            collection.copy("origin", target, progress=stopping_after(2))
        except Stop:
            n_stops += 1
            if n_stops == 5:
                break
    collection.copy("origin", target)
    with Collection.open(target) as copy:
        # each batch but that in which it stopped is there once
        assert content(copy.engine) == content(origin.engine)
        assert [one.id for one in copy.records()] == list(range(N))


def test_a_copy_is_brought_up_to_date(origin: Collection, target: str) -> None:
    collection.copy("origin", target)
    origin.engine.remove([3, 4, 49])
    origin.engine.add([NewRecord(b"/new", 1, 2, b"", 3, 4), records()[7]], some(2, seed=1), [b"x", b"y"])
    origin.engine.set_facts({"sources": "[1]"})
    assert collection.copy("origin", target).n_images == N - 2
    with Collection.open(target) as copy:
        assert sorted(content(copy.engine)) == sorted(content(origin.engine))
        assert copy.engine.facts()["sources"] == "[1]"


def test_what_changes_while_it_is_copied(origin: Collection, target: str) -> None:
    changes: Iterator[Callable[[], object]] = iter(
        [lambda: origin.engine.remove([1]), lambda: origin.engine.add([NewRecord(b"/n", 1, 2, b"", 3, 4)], some(1))]
    )

    def change(what: str, n_done: int, n_all: int) -> None:
        if n_done > 20 and what == "copying images":
            next(changes, lambda: 0)()

    assert collection.copy("origin", target, progress=change).n_images == N
    with Collection.open(target) as copy:
        assert sorted(content(copy.engine)) == sorted(content(origin.engine))


def test_what_is_no_copy_is_left_alone(origin: Collection, tmp_path: Path) -> None:
    Collection.create("other").close()
    with pytest.raises(CollectionError, match="there is a collection at other already, which is no copy of this one"):
        collection.copy("origin", "other")
    with pytest.raises(CollectionError, match="there is no collection nowhere"):
        collection.copy("nowhere", "copy")
    collection.copy("origin", "copy")
    origin.engine.set_facts({"fingerprint": "another"})
    with pytest.raises(CollectionError, match="which is no copy of this one as it is now"):
        collection.copy("origin", "copy")


def test_from_the_command_line(origin: Collection, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "copy", "origin", "copy"]) == 0
    assert "50 images: copy; checksum " in capsys.readouterr().out
    assert main(["index", "copy", "nowhere", "copy"]) == 2
