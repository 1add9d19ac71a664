"""Servers of a cluster killed with SIGKILL while images are added and searched for; a replica that takes over.

``ZEHN_KILLS=50`` kills so many instead of a handful.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.servers import Server
from zehn import distances, engines
from zehn.cli import main
from zehn.engines import NewRecord
from zehn.engines._postgres import changes
from zehn.errors import CollectionError
from zehn.scale import cluster

D = 4
N_KILLS = int(os.environ.get("ZEHN_KILLS", "3"))
EUCLIDEAN = distances.get("euclidean")


def some(n: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)


def records(n: int, prefix: str) -> list[NewRecord]:
    return [NewRecord(f"{prefix}/{i}".encode(), 1, 2, b"", 3, 4, prefix) for i in range(n)]


@pytest.fixture(scope="module")
def servers(postgres: Server) -> Iterator[list[Server]]:
    """A coordinator and two shards that keep what they answer."""
    del postgres  # where that one cannot be had, nor can these
    made = [Server(is_durable=True) for _ in range(3)]
    cluster.init(made[0].url, [shard.url for shard in made[1:]])
    yield made
    for server in made:
        server.stop()


@pytest.fixture
def address(servers: list[Server], request: pytest.FixtureRequest) -> str:
    for server in servers:  # where a test failed, one may be down
        server.start()
    name = "".join(one if one.isalnum() else "-" for one in request.node.name)
    return f"{servers[0].url}?collection={name}"


class Writer(threading.Thread):
    """Adds batches until it is told to stop or refused; knows what was answered."""

    def __init__(self, address: str, prefix: str) -> None:
        super().__init__()
        self.address, self.prefix = address, prefix
        self.known: dict[bytes, tuple[int, Any]] = {}
        self.asked: tuple[list[NewRecord], Any] = ([], some(0))
        self.error: BaseException | None = None
        self.is_told_to_stop = False

    def run(self) -> None:
        try:
            with engines.connect(self.address) as engine:
                for number in range(10**6):
                    if self.is_told_to_stop:
                        return
                    self.asked = (records(37, f"{self.prefix}{number}"), some(37, seed=number))
                    ids = engine.add(*self.asked)
                    for record, id_, code in zip(self.asked[0], ids.tolist(), self.asked[1], strict=True):
                        self.known[record.path] = (id_, code)
        except BaseException as error:  # noqa: BLE001
            self.error = error

    def wait_for(self, n_rows: int) -> None:
        """Wait until so many rows were answered."""
        end = time.monotonic() + 60
        while len(self.known) < n_rows and self.is_alive():
            assert time.monotonic() < end
            time.sleep(0.005)


def check_all_is_there(engine: engines.Engine, known: dict[bytes, tuple[int, Any]]) -> None:
    """No answered row is lost, and the collection is in order."""
    assert engine.verify() == []
    there = {record.path: record.id for batch in engine.walk() for record in batch}
    assert {path: id_ for path, (id_, _) in known.items()}.items() <= there.items()
    assert len(engine) == len(there)
    np.testing.assert_array_equal(
        engine.codes([id_ for id_, _ in known.values()]), np.array([code for _, code in known.values()])
    )
    path, (id_, code) = next(iter(known.items()))
    found = engine.search(code[None], 1, EUCLIDEAN)
    assert found.n_searched == len(there)
    assert found.distances[0, 0] == 0
    assert [record.path for record in engine.get([id_])] == [path]


def search_until_refused(engine: engines.Engine, queries: Any, truth: Any) -> None:
    while True:
        np.testing.assert_array_equal(engine.search(queries, 5, EUCLIDEAN).ids, truth)


@pytest.mark.parametrize(
    ("place", "n_least"), [(0, 1), (1, 1_000), (2, 1)], ids=["coordinator", "first_shard", "second_shard"]
)
def test_killed_while_adding(
    servers: list[Server], address: str, place: int, n_least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # rows go to the shards directly, or through the coordinator
    monkeypatch.setattr(changes, "_LEAST_SENT", n_least)
    chance = random.Random(place)
    engines.create(address, D).close()
    known: dict[bytes, tuple[int, Any]] = {}
    for round_ in range(N_KILLS):
        writer = Writer(address, f"{round_}-")
        writer.start()
        writer.wait_for(100)
        time.sleep(chance.uniform(0, 0.2))
        servers[place].kill()
        writer.join(60)
        assert not writer.is_alive()
        assert isinstance(writer.error, CollectionError)
        assert "\n" not in str(writer.error)
        known |= writer.known
        servers[place].start()
        with engines.connect(address) as engine:
            # the same batch once more completes what was cut off, whatever had become of it
            again = engine.add(*writer.asked)
            known |= {
                one.path: (id_, code)
                for one, id_, code in zip(writer.asked[0], again.tolist(), writer.asked[1], strict=True)
            }
            check_all_is_there(engine, known)
    assert cluster.status(servers[0].url).is_healthy


def test_killed_while_searching(servers: list[Server], address: str, capsys: pytest.CaptureFixture[str]) -> None:
    codes = some(500)
    with engines.create(address, D) as engine:
        ids = engine.add(records(500, "a"), codes)
        truth = engine.search(codes[:20], 5, EUCLIDEAN)
        threading.Timer(0.1, servers[2].kill).start()
        with pytest.raises(CollectionError, match="zehn_shard_1") as caught:
            search_until_refused(engine, codes[:20], truth.ids)
        assert "zehn cluster status" in str(caught.value)
        assert main(["cluster", "status", "--coordinator", servers[0].url]) == 1
        assert f"zehn: shard 1 ({servers[2].url})" in capsys.readouterr().err
        with pytest.raises(CollectionError, match="zehn_shard_1"):
            engine.add(records(50, "b"), some(50, seed=1))
        with engines.connect(f"{address}&allow_partial=1", read_only=True) as partial:
            found = partial.search(codes, 5, EUCLIDEAN)
            assert "shard 1" in found.missing[0]
            # what is found are the nearest of those that are there
            there = np.isin(ids, np.unique(found.ids))
            assert 0 < there.sum() < 500
            assert found.n_searched == there.sum()
            assert f"{500 - there.sum()} of 500 images were not searched" in found.missing
            assert (found.ids[there, 0] == ids[there]).all()
        servers[2].start()
        np.testing.assert_array_equal(engine.search(codes[:20], 5, EUCLIDEAN).ids, truth.ids)
        check_all_is_there(engine, {f"a/{i}".encode(): (int(ids[i]), codes[i]) for i in range(500)})


def test_a_replica_takes_over(servers: list[Server], address: str) -> None:
    shard = servers[2]
    engines.create(address, D).close()
    with shard.replica() as replica:
        # from now on a commit is answered when the replica has it too
        shard.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        shard.execute("SELECT pg_reload_conf()")
        writer = Writer(address, "r")
        writer.start()
        writer.wait_for(300)
        (state,) = [one for one in cluster.status(servers[0].url).servers if one.name == "shard 1"]
        assert [follower.state for follower in state.followers] == ["streaming"]
        shard.kill()
        writer.join(60)
        assert isinstance(writer.error, CollectionError)
        with pytest.raises(CollectionError, match="the shard 1 is a replica, which cannot be written to; promote it"):
            cluster.init(servers[0].url, [servers[1].url, replica.url])
        replica.promote()
        assert cluster.init(servers[0].url, [servers[1].url, replica.url]).is_healthy
        with engines.connect(address) as engine:
            engine.add(*writer.asked)
            check_all_is_there(engine, writer.known)
        # back again, for the tests that follow: the old one has missed what came since
        with engines.connect(address) as engine:
            engine.remove([record.id for batch in engine.walk() for record in batch])
    shard.start()
    shard.execute("ALTER SYSTEM RESET synchronous_standby_names")
    shard.execute("SELECT pg_reload_conf()")
    cluster.init(servers[0].url, [servers[1].url, shard.url])
