"""What only the engine on PostgreSQL promises: proven answers, indexes, refusals in our words, lost connections."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from tests import servers
from zehn import distances, engines
from zehn.cli import main
from zehn.collection import Collection, collections, places
from zehn.engines import Engine, NewRecord
from zehn.engines._postgres import connections, definitions, measures, search, tables
from zehn.engines._postgres.engine import Engine as PostgresEngine
from zehn.errors import BusyError, CollectionError, ConfigError, InputError

D = 10
_names = count()


def some(n: int, d: int = D, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def records(n: int, prefix: str = "") -> list[NewRecord]:
    return [NewRecord(f"{prefix}{i}".encode(), 1, 2, b"", i, 4, "cat" if i % 50 == 0 else None) for i in range(n)]


def of(name: str, codes: Any) -> distances.Distance:
    exact = codes.astype(np.float64)
    return distances.get(name, exact.mean(axis=0), np.cov(exact.T))


def schema_of(address: str) -> str:
    return f'"zehn_{address.rpartition("=")[2]}"'


@pytest.fixture
def address(postgres: servers.Server) -> str:
    return f"{postgres.url}?collection=engine{next(_names)}"


@pytest.fixture
def engine(address: str) -> Iterator[PostgresEngine]:
    with engines.create(address, D, {"fingerprint": "f"}) as made:
        assert isinstance(made, PostgresEngine)
        yield made


def awkward(kind: str) -> Any:
    """Codes for which float32 says little."""
    codes = some(400, seed=3)
    if kind == "far":
        codes = codes * np.float32(0.01) + 1000
    elif kind == "outliers":
        codes[::40] *= np.float32(1e14)
    elif kind == "tiny":
        codes *= np.float32(1e-30)
    elif kind == "equal":
        codes[:200] = codes[:1] + np.arange(200, dtype=np.float32)[:, None] * np.float32(1e-7)
        codes[200:300] = np.float32(0.1)
        codes[300:350] = 0
    return codes


class TestExactSearch:
    @pytest.mark.parametrize("kind", ["plain", "far", "outliers", "tiny", "equal"])
    @pytest.mark.parametrize("name", distances.names())
    def test_what_is_said_of_a_row_is_a_bound(self, engine: PostgresEngine, name: str, kind: str) -> None:
        codes = awkward(kind)
        ids = engine.add(records(len(codes)), codes)
        distance = of(name, some(500, seed=4))
        queries = np.concatenate([codes[:300:60], some(2, seed=5), np.zeros((1, D))]).astype(np.float64)
        measure = measures.Measure(distance, D)
        assert measure.is_exact
        true = distances.base_distances(
            distance.prepare(queries), distance.prepare(codes.astype(np.float64)), distance.metric
        )
        for row, is_shipped in zip([*range(len(queries)), 0], [False] * len(queries) + [True], strict=True):
            order = measure.order(queries[row], is_shipped=is_shipped)
            with engine._database.walking() as connection:
                asked = f"SELECT id, {order.sql} FROM codes_1 AS c"
                said = dict(connection.execute(asked.encode(), order.values).fetchall())
            least = np.array([order.at_least(said[int(id_)]) for id_ in ids])
            assert (least <= true[row] * (1 + 1e-9) + 1e-30).all()

    @pytest.mark.parametrize("kind", ["plain", "far", "outliers", "tiny", "equal"])
    @pytest.mark.parametrize("name", distances.names())
    def test_the_answers_are_those_of_a_file(self, engine: Engine, tmp_path: Path, name: str, kind: str) -> None:
        codes = awkward(kind)
        with engines.create(tmp_path / "own.zehn", D) as embedded:
            for store in (engine, embedded):
                store.add(records(len(codes)), codes)
            distance = of(name, some(500, seed=4))
            for queries in (codes[::70], codes[:12] + np.float32(0.5) * some(12, seed=6)):
                one, other = (store.search(queries, 9, distance) for store in (engine, embedded))
                np.testing.assert_array_equal(one.ids, other.ids)
                np.testing.assert_allclose(one.distances, other.distances, rtol=1e-6)

    def test_few_rows_prove_an_answer(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        codes = some(3_000)
        engine.add(records(3_000), codes)
        read: list[str] = []

        def stream(*_: Any) -> Iterator[Any]:
            read.append("all")
            return iter(())

        monkeypatch.setattr(tables, "stream", stream)
        for name in distances.names():
            engine.search(codes[:3], 10, of(name, codes))
        assert read == []
        engine.search(codes[:8], 10, of("euclidean", codes))
        assert read == ["all"]

    def test_so_many_rows_at_the_same_distance_are_not_held_at_once(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(search, "_MOST_HELD", 100)
        n_taken: list[int] = []
        nearest = search.Space.nearest

        def counted(space: Any, order: str, values: Any, n_rows: int) -> Any:
            n_taken.append(n_rows)
            return nearest(space, order, values, n_rows)

        monkeypatch.setattr(search.Space, "nearest", counted)
        codes = np.full((3_000, D), 0.5, np.float32)
        engine.add(records(3_000), codes)
        assert engine.search(codes[:1], 5, of("euclidean", some(50))).ids.tolist() == [[0, 1, 2, 3, 4]]
        assert max(n_taken) <= 100

    def test_a_distance_without_a_description_is_searched_by_all_codes(self, engine: Engine) -> None:
        codes = some(300)
        ids = engine.add(records(300), codes)
        own = distances.Distance("own", "l1", np.abs, lambda values: values)
        found = engine.search(codes[:2], 5, own, exclude=ids[:2])
        true = np.abs(np.abs(codes[:2, None]).astype(np.float64) - np.abs(codes)).sum(axis=2)
        np.testing.assert_allclose(found.distances, np.sort(true)[:, 1:6], rtol=1e-5)
        with pytest.raises(ConfigError, match="cannot be indexed for the distance own"):
            engine.prepare_search(own)

    def test_a_map_that_is_nearly_flat_is_left_to_float64(self) -> None:
        flat = np.diag([1.0] * 9 + [1e-7])
        own = distances.Distance(
            "own", "l2", lambda codes: codes @ flat, lambda values: values, is_described=True, _linear=lambda _: flat
        )
        assert not measures.Measure(own, D).is_exact

    def test_an_exact_search_uses_no_index(self, engine: PostgresEngine) -> None:
        codes = some(2_000)
        engine.add(records(2_000), codes)
        engine.prepare_search(of("euclidean", codes))
        measure = measures.Measure(of("euclidean", codes), D)
        with engine._database.walking() as connection:
            connection.execute("SET LOCAL enable_seqscan = off")
            for order, is_indexed in (("(c.code <-> %s::vector) + 0", False), ("c.code <-> %s::vector", True)):
                space = search.Space(connection, D, [("codes_1", "images")], None, 2_000)
                statement, values = space.nearest(order, (measures.as_text(codes[0].astype(np.float64)),), 10)
                plan = str(connection.execute(f"EXPLAIN {statement}".encode(), values).fetchall())
                assert (measure.key in plan) is is_indexed


class TestApproximateSearch:
    @pytest.mark.parametrize("name", distances.names())
    def test_an_index_answers_and_states_its_recall(self, engine: Engine, address: str, name: str) -> None:
        codes = some(2_500)
        ids = engine.add(records(2_500), codes)
        distance = of(name, codes)
        before = engine.search(codes[:20], 10, distance, exclude=ids[:20], approximate=True)
        assert before.recall == 1.0
        engine.prepare_search(distance)
        engine.prepare_search(distance)
        with engines.connect(address, read_only=True) as reader:
            exact = reader.search(codes[:20], 10, distance, exclude=ids[:20])
            found = reader.search(codes[:20], 10, distance, exclude=ids[:20], approximate=True)
        np.testing.assert_array_equal(before.ids, exact.ids)
        hits = [len(set(a) & set(b)) for a, b in zip(exact.ids.tolist(), found.ids.tolist(), strict=True)]
        assert 0.8 < found.recall <= 1
        assert abs(np.mean(hits) / 10 - found.recall) < 0.2
        assert (found.distances >= exact.distances).all()

    def test_the_recall_is_measured_once(self, engine: Engine, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
        codes = some(1_000)
        engine.add(records(1_000), codes)
        distance = of("euclidean", codes)
        engine.prepare_search(distance)
        with engines.connect(address, read_only=True) as reader:
            monkeypatch.setattr(search, "exact", lambda *_, **__: pytest.fail("it is measured again"))
            assert 0 < reader.search(codes[:2], 10, distance, approximate=True).recall <= 1
            monkeypatch.undo()
            engine.add(records(500, "new"), some(500, seed=1))
            assert 0 < reader.search(codes[:2], 10, distance, approximate=True).recall <= 1

    def test_a_filter_that_lets_through_few_is_answered_in_full(self, engine: Engine) -> None:
        codes = some(3_000)
        engine.add(records(3_000), codes)
        distance = of("euclidean", codes)
        engine.prepare_search(distance)
        for where, n_there in (("label = 'cat'", 60), ("width = 7", 1), ("width < 0", 0)):
            found = engine.search(codes[:3], 10, distance, where=where, approximate=True)
            assert found.n_searched == n_there
            assert ((found.ids >= 0).sum(axis=1) == min(10, n_there)).all()

    def test_more_hits_than_an_index_looks_at(self, engine: Engine) -> None:
        codes = some(3_000)
        engine.add(records(3_000), codes)
        engine.prepare_search(of("euclidean", codes))
        found = engine.search(codes[:2], 1_500, of("euclidean", codes), approximate=True)
        assert (found.ids >= 0).all()

    def test_a_search_of_many_dimensions(self, postgres: servers.Server) -> None:
        with engines.create(f"{postgres.url}?collection=wide{next(_names)}", 2_001) as engine:
            codes = some(20, 2_001)
            engine.add(records(20), codes)
            distance = distances.get("euclidean")
            with pytest.raises(ConfigError, match=r"codes of 2,001 dimensions cannot be indexed"):
                engine.prepare_search(distance)
            assert engine.search(codes[:1], 1, distance, approximate=True).distances[0, 0] == 0
            assert engine.search(codes[:1], 1, distances.get("chebyshev")).distances[0, 0] == 0
        with pytest.raises(InputError, match=r"at most 16,000 dimensions, which is all that pgvector holds"):
            engines.create(f"{postgres.url}?collection=wide{next(_names)}", 16_001)

    def test_another_model_has_indexes_of_its_own(self, engine: PostgresEngine, postgres: Any) -> None:
        codes = some(300)
        ids = engine.add(records(300), codes)
        engine.prepare_search(of("cosine", codes))
        engine.begin_reencoding("g", 3)
        engine.put_codes(ids, some(300, 3))
        engine.finish_reencoding({"fingerprint": "g"})
        assert engine.search(some(1, 3), 5, of("cosine", some(9, 3)), approximate=True).recall == 1
        tables = "SELECT relname FROM pg_class WHERE relname ~ '^codes_[0-9]+$' AND relnamespace = %s::regnamespace"
        schema = schema_of(engine._place.server and engine.info()["address"])
        assert sorted(postgres.execute(tables, schema)) == [("codes_1",), ("codes_2",)]
        engine.compact()
        assert postgres.execute(tables, schema) == [("codes_2",)]
        engine.prepare_search(of("cosine", some(9, 3)))
        assert engine.verify() == []


class TestRefusals:
    def test_a_server_that_is_not_there(self) -> None:
        for ask in (engines.exists, engines.connect, lambda address: engines.create(address, 3)):
            with pytest.raises(CollectionError, match=r"cannot reach postgresql://me:\*\*\*@127.0.0.1:1/x.*refused"):
                ask("postgresql://me:secret@127.0.0.1:1/x")

    def test_a_database_that_is_not_there(self, postgres: servers.Server) -> None:
        with pytest.raises(CollectionError, match='database "absent" does not exist; create it, or name another'):
            engines.connect(postgres.url_of("absent"))

    def test_an_address_that_libpq_does_not_understand(self, postgres: servers.Server) -> None:
        with pytest.raises(CollectionError, match=r"cannot read the address .*invalid URI query parameter"):
            engines.connect(f"{postgres.url}?colection=photos")

    def test_pgvector_is_missing_or_old(self, postgres: servers.Server) -> None:
        url = postgres.new_database()
        with pytest.raises(CollectionError, match=r"has no pgvector; install pgvector 0\.7 or newer"):
            engines.connect(url)
        engines.create(url, 3).close()
        postgres.execute("UPDATE pg_extension SET extversion = '0.6.2' WHERE extname = 'vector'", url=url)
        with pytest.raises(CollectionError, match=r"has pgvector 0\.6\.2, expected 0\.7 or newer.*ALTER EXTENSION"):
            engines.connect(url)

    def test_a_database_that_keeps_other_text(self, postgres: servers.Server) -> None:
        postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
        with pytest.raises(CollectionError, match="keeps text as LATIN1, expected UTF8"):
            engines.create(postgres.url_of("latin"), 3)

    @pytest.mark.usefixtures("engine")
    def test_an_old_server(self, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(definitions, "LEAST_SERVER", 99)
        with pytest.raises(CollectionError, match=r"is PostgreSQL .*, expected 99 or newer; update the server"):
            engines.connect(address)

    @pytest.mark.usefixtures("engine")
    def test_a_newer_collection_and_an_older_one(self, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
        first = definitions.MIGRATIONS
        monkeypatch.setattr(definitions, "MIGRATIONS", (*first, ("CREATE TABLE more (id integer)",)))
        with pytest.raises(CollectionError, match="has schema version 1, this Zehn wants 2 and may not write to it"):
            engines.connect(address, read_only=True)
        for read_only in (False, True):
            with engines.connect(address, read_only=read_only) as again:
                assert again.info()["schema_version"] == 2
        monkeypatch.undo()
        with pytest.raises(CollectionError, match="has schema version 2 but this Zehn knows 1 at most"):
            engines.connect(address)

    def test_another_writer_does_not_finish(self, engine: Engine, address: str) -> None:
        inside, done = threading.Event(), threading.Event()

        def write() -> None:
            def work(_: Any) -> None:
                inside.set()
                done.wait(30)

            engine._database.write(work)  # type: ignore[attr-defined]

        thread = threading.Thread(target=write)
        thread.start()
        assert inside.wait(30)
        try:
            with engines.connect(address, options={"seconds_to_wait": 0.2}) as other:
                assert len(other) == 0
                with pytest.raises(BusyError, match=r"which did not finish within 0\.2 s; try again"):
                    other.set_facts({"a": "b"})
        finally:
            done.set()
            thread.join()

    def test_a_statement_that_takes_too_long(self, engine: Engine, address: str) -> None:
        engine.add(records(2_000), some(2_000))
        options = address.replace("?", "?options=-c%20statement_timeout%3D1&")

        def search() -> None:
            with engines.connect(options, read_only=True) as slow:
                for _ in range(100):
                    slow.search(some(20), 500, distances.get("correlation"))

        with pytest.raises(CollectionError, match=r"statement timeout; the server ended the statement"):
            search()

    def test_a_user_who_may_not_write(self, engine: Engine, address: str, postgres: servers.Server) -> None:
        schema, name = schema_of(address), f"reader{next(_names)}"
        for statement in (
            f"CREATE ROLE {name} LOGIN", f"GRANT USAGE ON SCHEMA {schema} TO {name}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {name}",
        ):  # fmt: skip
            postgres.execute(statement)
        engine.add(records(5), some(5))
        theirs = address.replace("postgres@", f"{name}@")
        with engines.connect(theirs, read_only=True) as reader:
            assert reader.search(some(1), 3, distances.get("euclidean")).n_searched == 5
        with engines.connect(theirs) as writer, pytest.raises(CollectionError, match="this user may not"):
            writer.remove([0])
        with pytest.raises(CollectionError, match="permission denied"):
            engines.create(address.replace("postgres@", f"{name}@") + "x", 3)

    def test_every_process_opens_its_own(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(CollectionError, match="was opened by another process"):
            len(engine)

    def test_what_is_damaged_is_found(self, engine: Engine, address: str, postgres: servers.Server) -> None:
        engine.add(records(6), some(6), [b"x"] * 6)
        schema = schema_of(address)
        for statement in (
            f"DELETE FROM {schema}.codes_1 WHERE id = 1", f"DELETE FROM {schema}.images WHERE id = 2",
            f"ALTER TABLE {schema}.images DROP CONSTRAINT images_path_excl",
            f"UPDATE {schema}.images SET path = '5' WHERE id = 4", f"UPDATE {schema}.state SET next_id = 5",
        ):  # fmt: skip
            postgres.execute(statement)
        assert engine.verify() == [
            "there are 5 images but 6 were counted",
            "image 5 has an id that would be given again",
            "images 4, 5 have one path, b'5'",
            "image 1 has no code",
            "row 2 of codes_1 belongs to no image",
            "row 2 of thumbnails belongs to no image",
        ]
        postgres.execute(f"DROP TABLE {schema}.thumbnails")
        assert "cannot be read to its end" in engine.verify()[-1]


class TestConnections:
    def test_threads_take_turns(self, address: str) -> None:
        engines.create(address, D).close()
        failures: list[BaseException] = []
        with engines.connect(address, options={"n_connections": 2}) as engine:
            engine.add(records(100), some(100))

            def read() -> None:
                try:
                    for _ in range(5):
                        with engine.snapshot():
                            assert len(engine.get([3, 5])) == 2
                            engine.search(some(1), 3, distances.get("euclidean"))
                except BaseException as error:  # noqa: BLE001
                    failures.append(error)

            threads = [threading.Thread(target=read) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert not failures

    def test_a_connection_that_is_cut_is_replaced(self, engine: Engine, postgres: servers.Server) -> None:
        engine.add(records(3), some(3))
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'zehn'"
        postgres.execute(cut)
        assert len(engine) == 3
        postgres.execute(cut)
        assert engine.remove([0]) == 1
        with engine.snapshot():
            assert len(engine) == 2
            postgres.execute(cut)
            with pytest.raises(CollectionError, match="cannot reach"):
                len(engine)
        assert len(engine) == 2

    def test_a_change_whose_end_is_unknown_is_not_made_again(
        self, engine: Engine, address: str, postgres: servers.Server
    ) -> None:
        schema = schema_of(address)
        for statement in (
            f"CREATE FUNCTION {schema}.die() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(9); RETURN NULL; END $$",
            f"CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON {schema}.facts DEFERRABLE INITIALLY DEFERRED "
            f"FOR EACH ROW EXECUTE FUNCTION {schema}.die()",
        ):
            postgres.execute(statement)
        with pytest.raises(CollectionError, match=r"it is unknown whether it was; give the same command again"):
            engine.set_facts({"a": "b"})
        assert "a" not in engine.facts()

    def test_a_conflict_that_was_rolled_back_is_tried_again(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "_PAUSES", (0.0, 0.0))
        n_tries = count(1)

        def work(connection: Any) -> int:
            connection.execute("INSERT INTO facts VALUES ('tried', 'once')")
            tried = next(n_tries)
            if tried < 3:
                raise psycopg.errors.DeadlockDetected
            return tried

        assert engine._database.write(work) == 3  # type: ignore[attr-defined]
        assert engine.facts()["tried"] == "once"

    def test_a_server_comes_back(self) -> None:
        with servers.Server(is_durable=True) as server:
            address = f"{server.url}?collection=photos"
            with engines.create(address, D) as engine:
                engine.add(records(5), some(5))
                server.kill()
                with pytest.raises(CollectionError, match="cannot reach"):
                    len(engine)
                server.start()
                assert len(engine) == 5
                server.restart()
                assert engine.add(records(1, "new"), some(1)).tolist() == [5]
                assert engine.verify() == []

    def test_a_replica_is_read_and_not_written_to(self) -> None:
        with servers.Server() as primary:
            address = f"{primary.url}?collection=photos"
            with engines.create(address, D) as engine:
                engine.add(records(50), some(50))
                replica = primary.replica()
                with replica:
                    replica.wait_for(primary)
                    theirs = f"{replica.url}?collection=photos"
                    with pytest.raises(CollectionError, match="the server is a replica, which is read-only"):
                        engines.connect(theirs)
                    with engines.connect(theirs, read_only=True) as reader:
                        with reader.snapshot():
                            assert reader.search(some(1), 1, distances.get("cosine")).ids[0, 0] == 0
                        assert sum(len(batch) for batch in reader.walk()) == 50
                        assert reader.verify() == []

    def test_a_password_is_asked_for_and_never_shown(self, caplog: pytest.LogCaptureFixture) -> None:
        with servers.Server() as server:
            server.execute("CREATE ROLE me LOGIN SUPERUSER PASSWORD 'geheim'")
            rules = server.data / "pg_hba.conf"
            rules.write_text("host all me all scram-sha-256\nhost all postgres all trust\n")
            server.execute("SELECT pg_reload_conf()")
            time.sleep(0.5)
            address = f"postgresql://me:geheim@127.0.0.1:{server.port}/postgres?collection=photos"
            with engines.create(address, D) as engine:
                shown = f"postgresql://me:***@127.0.0.1:{server.port}/postgres?collection=photos"
                assert engine.info()["address"] == shown
                assert "geheim" not in repr(vars(engine))
            with pytest.raises(CollectionError, match=r"password authentication failed.*~/\.pgpass") as refused:
                engines.connect(address.replace("geheim", "falsch"))
            assert "falsch" not in str(refused.value)
        assert "geheim" not in caplog.text


class TestBackup:
    def test_it_is_a_file_with_the_same_ids(self, engine: Engine, tmp_path: Path) -> None:
        codes = some(40)
        ids = engine.add(records(40), codes, [b"x", None] * 20)
        engine.remove(ids[:3])
        engine.attach("model.h5", b"\0model")
        engine.begin_reencoding("g", 4)
        engine.put_codes(ids[5:9], some(4, 4))
        path = tmp_path / "folder" / "copy.zehn"
        engine.backup(str(path))
        with engines.connect(path) as copy:
            assert copy.verify() == []
            assert copy.get(ids[3:]) == engine.get(ids[3:])
            assert copy.thumbnails(ids) == engine.thumbnails(ids)
            assert copy.attachment("model.h5") == b"\0model"
            assert copy.reencoding() == engine.reencoding()
            assert copy.add(records(1, "new"), codes[:1])[0] == 40
        assert [one.name for one in path.parent.iterdir() if one.name.startswith(".")] == []


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZEHN_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "collections"


Draw = Callable[..., Path]


class TestCollections:
    def test_a_name_leads_to_it(self, home: Path, database: str, draw: Draw, tmp_path: Path) -> None:
        url = database.replace("postgres@", "postgres:secret@")
        with Collection.create("photos", engine=url) as collection:
            assert (collection.name, collection.address) == ("photos", f"{engines.masked(url)}?collection=photos")
            assert collection.add(draw(tmp_path / "a.png", 1)).n_added == 1
            assert "secret" not in json.dumps(collection.info())
        pointer = home / "photos.zehn-url"
        assert stat.S_IMODE(pointer.stat().st_mode) == 0o600
        assert pointer.read_text() == f"{url}?collection=photos\n"
        assert collections() == ["photos"]
        assert places.name_of(f"{url}?collection=photos") == "photos"
        assert places.short_name_of(f"{url}?collection=other") == "other"
        with Collection.open("photos", read_only=True) as again:
            assert len(again) == 1
            with again.opened_again() as writer:
                assert writer.remove([0]) == 1
        with pytest.raises(CollectionError, match=r"there is a collection at .*photos\.zehn-url already"):
            Collection.create("photos", engine=url)
        with pytest.raises(CollectionError, match=r"there is a collection at postgresql://postgres:\*\*\*@"):
            Collection.create("others", engine=f"{url}?collection=photos")
        with pytest.raises(ConfigError, match="expected a name such as photos"):
            Collection.create("./others", engine=url)
        with pytest.raises(ConfigError, match=r"came 'postgresql://postgres:\*\*\*@") as refused:
            Collection.create(url, engine="photos")
        assert "secret" not in str(refused.value)
        # what another name leads to does not matter
        (home / "broken.zehn-url").write_text("")
        assert places.name_of(f"{url}?collection=photos") == "photos"
        pointer.write_text("nonsense")
        with pytest.raises(CollectionError, match=r"photos\.zehn-url holds no URL"):
            Collection.open("photos")

    @pytest.mark.usefixtures("home")
    def test_every_command_works_on_it(
        self, database: str, draw: Draw, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        url = database.replace("postgres@", "postgres:secret@")
        folder = tmp_path / "photos"
        for seed in range(9):
            draw(folder / ("cats" if seed < 5 else "dogs") / f"{seed}.png", seed)
        image = str(folder / "cats" / "1.png")

        def run(*words: str) -> str:
            code = main(list(words))
            printed = capsys.readouterr()
            assert code == 0, printed.err
            assert "secret" not in printed.out + printed.err
            return printed.out

        assert "fill it with: zehn index add photos" in run("index", "create", "photos", "--engine", url)
        assert "9 added" in run("index", "add", "photos", str(folder), "--labels", "folder")
        assert run("search", image, "--paths-only", "--k", "1").strip() == image
        assert "cats" in run("search", image, "--where", "label = 'cat' or label like 'CAT_'", "--explain")
        assert "ready for approximate searches by cosine" in run("index", "prepare", "photos", "--distance", "cosine")
        for name in distances.names():
            assert image in run("search", image, "--distance", name, "--approximate")
        (folder / "cats" / "0.png").unlink()
        assert "1 removed" in run("index", "update", "photos")
        assert "removed 1 images; 7 are left" in run("index", "remove", "photos", "--ids", "1")
        assert "all is well" in run("index", "verify", "photos")
        assert json.loads(run("index", "info", "photos", "--json"))["engine"] == "postgres"
        assert "images encoded with cifar10" in run("index", "reencode", "photos", "--model", "cifar10-robust")
        assert "MB now" in run("index", "compact", "photos")
        for ending in ("npz", "parquet"):
            assert "7 images" in run("index", "export", "photos", str(tmp_path / f"codes.{ending}"))
        assert "7 images" in run("index", "import", "photos", str(tmp_path / "codes.npz"))
        run("index", "backup", "photos", str(tmp_path / "backup.zehn"))
        assert "all is well" in run("index", "verify", str(tmp_path / "backup.zehn"))
        run("duplicates", "photos")
        assert run("index", "list").split() == ["photos"]
        assert "7" in run("index", "info", f"{url}?collection=photos")
        assert main(["index", "info", f"{url}?collection=absent"]) == 2
        said = capsys.readouterr().err
        assert said.startswith("zehn: there is no collection postgresql://postgres:***@")
