from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.servers import Server
from zehn.cli import main
from zehn.engines._postgres import changes, shards
from zehn.errors import CollectionError, ConfigError
from zehn.scale import cluster

COLUMNS = {"images": "id bigint NOT NULL, name text", "codes_1": "id bigint NOT NULL, code vector(3)"}
KEYS = {name: (f"ALTER TABLE {{schema}}.{name} ADD PRIMARY KEY (id)",) for name in COLUMNS}


@pytest.fixture
def databases(postgres: Server) -> list[str]:
    """A coordinator and two shards, as databases of one server."""
    return [postgres.new_database() for _ in range(3)]


@pytest.fixture
def connection(databases: list[str]) -> Iterator[Any]:
    cluster.init(databases[0], databases[1:])
    with psycopg.connect(databases[0], autocommit=True) as made:
        yield made


def make(connection: Any, schema: str = "zehn_a") -> None:
    with connection.transaction():
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"CREATE TABLE {schema}.state (next_id bigint, n_images bigint)")
        connection.execute(f"INSERT INTO {schema}.state VALUES (0, 0)")
        shards.create_tables(connection, schema, COLUMNS, KEYS, shards.shards_of(connection))


def fill(connection: Any, n: int) -> None:
    with connection.transaction():
        connection.execute("INSERT INTO zehn_a.images SELECT i, 'x' FROM generate_series(0, %s) AS i", (n - 1,))
        connection.execute(
            "INSERT INTO zehn_a.codes_1 SELECT i, ARRAY[i, 0, 1] FROM generate_series(0, %s) AS i", (n - 1,)
        )
        connection.execute("UPDATE zehn_a.state SET next_id = %s, n_images = %s", (n, n))


class TestInit:
    def test_a_cluster_is_made_and_made_again(self, databases: list[str]) -> None:
        first = cluster.init(databases[0], databases[1:])
        assert first.is_healthy
        assert [server.name for server in first.servers] == ["coordinator", "shard 0", "shard 1"]
        assert {server.vector_version.count(".") for server in first.servers} == {2}
        again = cluster.init(databases[0], databases[1:])
        assert [server.address for server in again.servers] == [server.address for server in first.servers] == databases

    def test_a_shard_more(self, databases: list[str], postgres: Server) -> None:
        cluster.init(databases[0], databases[1:])
        assert len(cluster.init(databases[0], [*databases[1:], postgres.new_database()]).servers) == 4
        with pytest.raises(ConfigError, match="expected at least the 3 shards that there are, came 1"):
            cluster.init(databases[0], databases[1:2])

    def test_what_is_no_cluster_is_refused(self, databases: list[str], postgres: Server) -> None:
        with pytest.raises(ConfigError, match="at least one shard, came none"):
            cluster.init(databases[0], [])
        with pytest.raises(ConfigError, match=r"shard 1 \(.*\) is the same database as the shard 0"):
            cluster.init(databases[0], [databases[1], databases[1].replace("127.0.0.1", "localhost")])
        with pytest.raises(ConfigError, match="is the same database as the coordinator"):
            cluster.init(databases[0], databases[:1])
        with pytest.raises(
            CollectionError, match=r"the shard 0 \(postgresql://me:\*\*\*@127.0.0.1:1/x\) does not answer"
        ):
            cluster.init(databases[0], ["postgresql://me:hidden@127.0.0.1:1/x"])
        with pytest.raises(CollectionError, match=r"does not answer: .*does not exist"):
            cluster.init(databases[0], [postgres.url_of("nowhere")])
        with pytest.raises(CollectionError, match="there is no cluster at postgresql://"):
            cluster.status(databases[0])

    def test_a_user_who_may_not(self, databases: list[str], postgres: Server) -> None:
        postgres.execute("DROP ROLE IF EXISTS somebody")
        postgres.execute("CREATE ROLE somebody LOGIN")
        somebody = databases[0].replace("postgres@", "somebody@")
        with pytest.raises(CollectionError, match="the coordinator refused: permission denied to create extension"):
            cluster.init(somebody, databases[1:])

    def test_passwords_are_in_the_mapping_and_nowhere_else(self, databases: list[str], postgres: Server) -> None:
        # trust asks for none, so none is kept
        asked = databases[1].replace("postgres@", "postgres:secret@")
        cluster.init(databases[0], [asked, databases[2]])
        for table in ("zehn_cluster.shards", "pg_foreign_server", "pg_user_mappings"):
            assert "secret" not in str(postgres.execute(f"SELECT * FROM {table}", url=databases[0]))

    def test_a_shard_is_replaced_by_one_that_has_its_rows(
        self, connection: Any, databases: list[str], postgres: Server
    ) -> None:
        make(connection)
        fill(connection, 20)
        with pytest.raises(ConfigError, match=r"shard 1 \(.*\) does not hold its part of a; give the server that does"):
            cluster.init(databases[0], [databases[1], postgres.new_database()])
        moved = postgres.new_database()
        name, template = (url.rpartition("/")[2] for url in (moved, databases[2]))
        postgres.execute(f"DROP DATABASE {name}")
        # the coordinator's connection to it would keep it from being copied
        connection.execute("SELECT postgres_fdw_disconnect_all()")
        postgres.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        postgres.execute(f"DROP DATABASE {template}")
        state = cluster.init(databases[0], [databases[1], moved])
        assert state.is_healthy
        assert [server.address for server in state.servers] == [databases[0], databases[1], moved]
        assert connection.execute("SELECT count(*) FROM zehn_a.images").fetchone() == (20,)


class TestStatus:
    def test_rows_bytes_and_collections(self, connection: Any, databases: list[str]) -> None:
        make(connection)
        fill(connection, 100)
        connection.execute("CREATE SCHEMA zehn_alone")
        connection.execute("CREATE TABLE zehn_alone.state AS SELECT 3 AS n_images")
        state = cluster.status(databases[0])
        assert state.servers[0].n_rows == 0
        assert sum(server.n_rows or 0 for server in state.servers) == 100
        assert all((server.n_bytes or 0) > 0 for server in state.servers)
        assert [(one.name, one.n_images, one.n_shards, one.is_unfinished) for one in state.collections] == [
            ("a", 100, 2, False), ("alone", 3, 0, False),
        ]  # fmt: skip

    def test_a_shard_that_is_gone_is_named(
        self, connection: Any, databases: list[str], postgres: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        connection.execute("SELECT postgres_fdw_disconnect_all()")
        name = databases[2].rpartition("/")[2]
        postgres.execute(f"DROP DATABASE {name}")
        assert main(["cluster", "status", "--coordinator", databases[0], "--json"]) == 1
        printed = capsys.readouterr()
        state = json.loads(printed.out)
        assert [bool(server["problem"]) for server in state["servers"]] == [False, False, True]
        assert f"zehn: shard 1 ({databases[2]})" in printed.err
        assert main(["cluster", "status", "--coordinator", databases[0]]) == 1
        assert "ill" in capsys.readouterr().out

    def test_from_the_command_line(self, databases: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        words = ["--coordinator", databases[0], "--shard", databases[1], "--shard", databases[2]]
        assert main(["cluster", "init", *words]) == 0
        assert capsys.readouterr().out.count("well") == 3
        assert main(["cluster", "init", *words[:2], "--shard", "postgresql://127.0.0.1:1/x"]) == 2
        assert "does not answer" in capsys.readouterr().err


class TestLayout:
    def test_rows_are_spread_and_searches_go_to_all_shards_at_once(self, connection: Any) -> None:
        make(connection)
        fill(connection, 1000)
        counts = shards.count_rows(connection, "zehn_a")
        assert sum(counts) == 1000
        assert min(counts) > 400
        parts = shards.parts_of(connection, "zehn_a", "codes_1")
        query = shards.of_all_parts(
            parts, "SELECT id, (code <-> '[0, 0, 0]'::vector) + 0 AS rough FROM {images} ORDER BY rough LIMIT 4"
        )
        assert sorted(row[0] for row in connection.execute(query.encode()))[:4] == [0, 1, 2, 3]
        plan = [row[0].strip() for row in connection.execute(f"EXPLAIN (VERBOSE, COSTS OFF) {query}".encode())]
        assert sum("Async Foreign Scan" in line for line in plan) == 2
        assert sum("ORDER BY" in line and "LIMIT 4" in line for line in plan if line.startswith("Remote SQL")) == 2

    def test_tables_come_and_go(self, connection: Any, databases: list[str], postgres: Server) -> None:
        make(connection)
        for _ in range(2):  # the second finds what the first left on the shards
            with connection.transaction(force_rollback=True):
                shards.add_table(connection, "zehn_a", "codes_2", "id bigint NOT NULL", ())
        with connection.transaction():
            shards.add_table(connection, "zehn_a", "codes_2", "id bigint NOT NULL", ())
        assert shards.large_tables(connection, "zehn_a") == ["codes_1", "codes_2", "images"]
        with connection.transaction():
            shards.drop_table(connection, "zehn_a", "codes_2")
        for url in databases:
            assert postgres.execute("SELECT to_regclass('zehn_a.codes_2')", url=url) == [(None,)]
        assert len(shards.shards_in_use(connection, "zehn_a")) == 2
        assert shards.shards_in_use(connection, "zehn_b") == []

    def test_leftovers_go_and_other_collections_stay(
        self, connection: Any, databases: list[str], postgres: Server
    ) -> None:
        # what was made on the shards before the coordinator died
        postgres.execute("CREATE SCHEMA zehn_a CREATE TABLE images (id bigint)", url=databases[1])
        make(connection)
        fill(connection, 10)
        postgres.execute("CREATE SCHEMA zehn_b CREATE TABLE state (one integer)", url=databases[2])
        with pytest.raises(CollectionError, match=r"shard 1 .* holds a collection b that was made there"):
            make(connection, "zehn_b")
        connection.execute("DROP SCHEMA zehn_a CASCADE")
        with pytest.raises(CollectionError, match=r"shard 0 .* holds a collection a that was made there"):
            make(connection)

    def test_another_coordinator_takes_nothing_away(
        self, connection: Any, databases: list[str], postgres: Server
    ) -> None:
        make(connection)  # empty as yet
        other = postgres.new_database()
        cluster.init(other, databases[1:])
        refused = pytest.raises(CollectionError, match=r"shard 0 .* holds a collection a that was made .* by another")
        with psycopg.connect(other, autocommit=True) as theirs, refused:
            make(theirs)
        fill(connection, 10)
        assert sum(shards.count_rows(connection, "zehn_a")) == 10

    def test_what_a_shard_refuses_is_not_taken_for_its_end(self, connection: Any) -> None:
        shard = shards.shards_of(connection)[1]

        def ask(statement: str) -> None:
            with shards.direct(connection, shard) as own:
                own.execute("SET statement_timeout = 50")
                own.execute(statement.encode())

        for statement, said in (("SELECT pg_sleep(9)", "statement timeout"), ("SELECT 1 / 0", "division by zero")):
            with pytest.raises(CollectionError, match=rf"shard 1 \(.*\) refused: .*{said}; mend there what it says"):
                ask(statement)
        with pytest.raises(CollectionError, match=r"shard 1 \(.*\) does not answer"):
            ask("SELECT pg_terminate_backend(pg_backend_pid())")

    def test_nobody_waits_for_ever_for_what_was_left_on_a_shard(
        self, databases: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shards, "SECONDS_TO_LOCK", 1)
        cluster.init(databases[0], databases[1:])
        with psycopg.connect(databases[0], autocommit=True) as connection, psycopg.connect(databases[1]) as left:
            make(connection)
            left.execute("LOCK TABLE zehn_a.images IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                fill(connection, 1)


class TestUnfinished:
    def test_a_change_that_ends_leaves_nothing(self, connection: Any) -> None:
        make(connection)
        with changes.whole(connection, "zehn_a"):
            assert changes.is_unfinished(connection, "zehn_a")
        assert not changes.is_unfinished(connection, "zehn_a")
        with pytest.raises(ZeroDivisionError), changes.whole(connection, "zehn_a"):
            1 / 0  # noqa: B018
        assert not changes.is_unfinished(connection, "zehn_a")

    def test_rows_that_are_sent_to_the_shards_come_with_the_change_or_not_at_all(
        self, connection: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(connection)
        monkeypatch.setattr(changes, "_LEAST_SENT", 100)

        def put(first: int, n: int) -> list[str]:
            ids = list(range(first, first + n))
            named = []
            for to in changes.destinations(connection, "images", ids):
                named.append(to.table)
                with to.connection.cursor().copy(f"COPY {to.table} (id) FROM STDIN".encode()) as copy:
                    for row in to.rows.tolist():
                        copy.write_row((ids[row],))
            return named

        connection.execute("SET search_path TO zehn_a, public")
        with contextlib.suppress(ZeroDivisionError), changes.whole(connection, "zehn_a"):
            assert put(0, 500) == ['"zehn_a"."images"'] * 2
            1 / 0  # noqa: B018
        assert sum(shards.count_rows(connection, "zehn_a")) == 0
        assert not changes.is_unfinished(connection, "zehn_a")
        with changes.whole(connection, "zehn_a"):
            put(0, 500)
            assert put(500, 10) == ["images"]
        # each where PostgreSQL itself looks for it
        assert connection.execute(
            "SELECT count(*) FROM images WHERE id = ANY (%s)", (list(range(510)),)
        ).fetchone() == (510,)
        for id_ in (0, 1, 499, 505):
            assert connection.execute("SELECT id FROM images WHERE id = %s", (id_,)).fetchall() == [(id_,)]

    def test_what_was_cut_off_is_mended_by_the_next_change(
        self, connection: Any, databases: list[str], postgres: Server
    ) -> None:
        make(connection)
        fill(connection, 10)
        changes._announce(connection, "zehn_a")
        # one shard committed, the other and the coordinator did not
        for table in COLUMNS:
            postgres.execute(f"INSERT INTO zehn_a.{table} (id) VALUES (77), (78)", url=databases[1])
        ((removed,),) = postgres.execute("DELETE FROM zehn_a.images WHERE id < 10 RETURNING 1", url=databases[2])[:1]
        n_left = 10 - postgres.execute("SELECT count(*) FROM zehn_a.codes_1 WHERE id < 10", url=databases[2])[0][0]
        assert removed == 1
        with changes.whole(connection, "zehn_a"):
            pass
        assert connection.execute("SELECT n_images FROM zehn_a.state").fetchone() == (n_left,)
        assert connection.execute("SELECT max(id) < 10 FROM zehn_a.images").fetchone() == (True,)
        assert connection.execute("SELECT max(id) < 10 FROM zehn_a.codes_1").fetchone() == (True,)
