"""What only the engine in one file promises: kills, two writers, read-only places, full disks, damaged files.

``ZEHN_KILLS=200`` kills so many writers instead of a handful.
"""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zehn import distances, engines
from zehn.engines import Engine, NewRecord, _database, _loading, _schema, _tables, embedded
from zehn.errors import BusyError, CollectionError

N_KILLS = int(os.environ.get("ZEHN_KILLS", "6"))
CHILD = Path(__file__).with_name("busy_child.py")
D = 3


def some(n: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)


def records(n: int, prefix: str = "") -> list[NewRecord]:
    return [NewRecord(f"{prefix}{i}".encode(), 1, 2, b"", 3, 4) for i in range(n)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own.zehn"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    with engines.create(path, D) as made:
        made.add(records(50), some(50))
        yield made


def execute(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


class TestKills:
    def test_nothing_answered_is_lost_however_often_a_writer_is_killed(self, path: Path) -> None:
        chance = random.Random(0)
        engines.create(path, D).close()
        known: set[int] = set()
        for seed in range(N_KILLS):
            said = self.run_and_kill(path, seed, chance.uniform(0.0, 0.4))
            with engines.connect(path) as engine:
                assert engine.verify() == []
                there = {record.id: record for batch in engine.walk() for record in batch}
                doubtful, names = self.replay(said, known)
                extra = set(there) - known
                # the one operation that was not answered happened as a whole or not at all
                assert extra <= doubtful or {there[id_].path for id_ in extra} == names, seed
                assert known - set(there) in (set(), doubtful), seed
                known = set(there)
                if known:
                    asked = engine.codes(sorted(known))
                    found = engine.search(asked, 1, distances.get("euclidean"))
                    assert found.ids[:, 0].tolist() == sorted(known)

    @staticmethod
    def run_and_kill(path: Path, seed: int, seconds: float) -> list[list[str]]:
        with subprocess.Popen(
            [sys.executable, str(CHILD), str(path), str(seed)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            timer = threading.Timer(seconds, child.send_signal, (signal.SIGKILL,))
            timer.start()
            lines = child.stdout.read().split("\n")
            timer.join()
        assert child.returncode == -signal.SIGKILL
        # the last line may be cut short: then it was not said
        return [line.split() for line in lines[:-1]]

    @staticmethod
    def replay(said: list[list[str]], known: set[int]) -> tuple[set[int], set[bytes]]:
        """Follow what was answered, and return what the last operation would remove and which paths it would add."""
        asked: list[str] = []
        for line in said:
            if line[0] != "ok":
                asked = line
            elif asked[0] == "+":
                known |= {int(id_) for id_ in line[1:]}
            elif asked[0] == "-":
                known -= {int(id_) for id_ in asked[1:]}
            if line[0] == "ok":
                asked = []
        if not asked or asked[0] == "c":
            return set(), set()
        if asked[0] == "-":
            return {int(id_) for id_ in asked[1:]}, set()
        return set(), {name.encode() for name in asked[1:]}


class TestWriters:
    def test_a_second_writer_waits(self, engine: Engine, path: Path) -> None:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, other.execute, ("ROLLBACK",))
        timer.start()
        engine.add(records(1, "late"), some(1))
        timer.join()
        other.close()
        assert len(engine) == 51

    def test_a_second_writer_that_waits_too_long_is_told(self, engine: Engine, path: Path) -> None:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with (
            engines.connect(path, options={"seconds_to_wait": 0.05}) as second,
            pytest.raises(BusyError, match=r"being written to by another process, which did not finish within 0\.05 s"),
        ):
            second.add(records(1, "late"), some(1))
        # readers do not wait
        assert len(engine.search(some(1), 3, distances.get("euclidean")).ids) == 1
        other.close()

    def test_a_reader_that_is_far_behind_reads_all_anew(
        self, engine: Engine, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with engines.connect(path, read_only=True, options={"n_scanned": 0}) as reader:
            reader.search(some(1), 1, distances.get("euclidean"))
            monkeypatch.setattr(_tables, "_N_CHANGES", 4)
            for start in range(3):
                engine.add(records(3, f"{start}/"), some(3, seed=1 + start))
            found = reader.search(some(3, seed=1), 1, distances.get("euclidean"))
            assert found.ids[:, 0].tolist() == [50, 51, 52]
            assert found.n_searched == 59
        assert engine.verify() == []

    def test_another_process_opens_its_own(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        own = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: own + 1)
        with pytest.raises(CollectionError, match="every process opens its own"):
            len(engine)
        monkeypatch.undo()


AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


class TestReadOnlyPlaces:
    @pytest.fixture
    def closed(self, engine: Engine, path: Path) -> Path:
        engine.close()
        return path

    def as_nobody(self, script: str, path: Path, meanwhile: Callable[[], None] | None = None) -> str:
        """Run a script as a user that may not write, and return what it prints; after its first line do something."""
        if os.geteuid() == 0:
            if shutil.which("setpriv") is None:
                pytest.skip("root may write anywhere, and there is no setpriv to be another user")
            for folder in [path.parent, *path.parent.parents][:-2]:
                folder.chmod(folder.stat().st_mode | 0o055)
        path.parent.chmod(0o555)
        command = [sys.executable, "-c", script, str(path)]
        try:
            with subprocess.Popen(
                AS_NOBODY + command if os.geteuid() == 0 else command, env={**os.environ, "HOME": "/nowhere"},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            ) as child:  # fmt: skip
                assert child.stdin is not None
                assert child.stdout is not None
                assert child.stderr is not None
                said = child.stdout.readline()
                if said and meanwhile is not None:
                    meanwhile()
                    child.stdin.write("go on\n")
                    child.stdin.flush()
                said, errors = said + child.stdout.read(), child.stderr.read()
        finally:
            path.parent.chmod(0o755)
        if "Permission denied" in errors and "zehn" not in said:
            pytest.skip("another user cannot run this Python")
        assert child.returncode == 0, errors
        return said

    def test_a_collection_in_a_folder_that_cannot_be_written_to_is_searched(self, closed: Path) -> None:
        closed.chmod(0o444)
        said = self.as_nobody(
            "import sys, numpy as np; from zehn import engines, distances, errors; print('zehn')\n"
            "engine = engines.connect(sys.argv[1], read_only=True)\n"
            "print(engine.search(np.zeros((1, 3), np.float32), 50, distances.get('cosine')).n_searched)\n"
            "print(engine.verify(), [len(batch) for batch in engine.walk()])\n"
            "try: engines.connect(sys.argv[1])\n"
            "except errors.CollectionError as error: print(error)",
            closed,
        )
        assert said.startswith("zehn\n50\n[] [50]\ncannot write to ")
        assert "open it with read_only=True" in said

    def test_one_that_was_not_closed_says_what_to_do(self, engine: Engine, path: Path) -> None:
        engine.set_facts({"a": "b"})
        copy = path.parent / "copy"
        copy.mkdir()
        for ending in ("", "-wal"):
            shutil.copy(f"{path}{ending}", copy / f"own.zehn{ending}")
        said = self.as_nobody(
            "import sys; from zehn import engines, errors; print('zehn')\n"
            "try: print(len(engines.connect(sys.argv[1], read_only=True)))\n"
            "except errors.CollectionError as error: print(error)",
            copy / "own.zehn",
        )
        assert "copy it together with its -wal file to a folder that can be written to" in said

    def test_one_that_is_open_elsewhere_is_read_in_one_state(self, engine: Engine, path: Path) -> None:
        engine.add(records(3_000, "more"), some(3_000), [b"x" * 200] * 3_000)
        engine.close()
        with engines.connect(path, options={"seconds_to_wait": 0.1}) as writer:
            writer.compact()
            assert path.with_name("own.zehn-wal").stat().st_size == 0

            def change() -> None:
                writer.remove(range(0, 3_050, 2))
                writer.add(records(1_000, "late"), some(1_000), [b"y" * 3_000] * 1_000)
                writer.compact()

            said = self.as_nobody(
                "import sys; from zehn import engines\n"
                "engine = engines.connect(sys.argv[1], read_only=True)\n"
                "walk = engine.walk_codes(n_batch=10); ids = [record.id for record in next(walk)[0]]\n"
                "print('zehn', flush=True); input()\n"
                "ids += [record.id for batch, _ in walk for record in batch]\n"
                "print(ids == list(range(3050)), len(engine))\n",
                path, change,
            )  # fmt: skip
            assert said == "zehn\nTrue 2525\n"

    @pytest.fixture
    def unshared(self, closed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
        """Read it as if there were no room for the file by which it is shared."""
        os.utime(closed, ns=(10**18, 10**18))  # clocks of files are coarse
        monkeypatch.setattr(_database, "_free_bytes", lambda _: 0)
        with engines.connect(closed, read_only=True) as reader:
            yield reader

    @staticmethod
    def halve(path: Path) -> None:
        with engines.connect(path) as writer:
            writer.remove(range(25))

    def test_a_walk_during_which_it_was_written_to_says_so(self, unshared: Engine, closed: Path) -> None:
        walk = unshared.walk(n_batch=10)
        assert len(next(walk)) == 10
        self.halve(closed)
        with pytest.raises(BusyError, match="was written to meanwhile; give the same command again"):
            list(walk)
        assert (len(unshared), unshared.verify()) == (25, [])

    def test_a_backup_during_which_it_was_written_to_is_none(
        self, unshared: Engine, closed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def disturbed(connection: _database.Connection, copy: sqlite3.Connection) -> None:
            self.halve(closed)
            sqlite3.Connection.backup(connection, copy)

        with monkeypatch.context() as patched:
            patched.setattr(_database.Connection, "backup", disturbed, raising=False)
            with pytest.raises(BusyError, match="was written to meanwhile"):
                unshared.backup(str(tmp_path / "backup.zehn"))
        assert not [entry for entry in tmp_path.iterdir() if "backup" in entry.name]
        unshared.backup(str(tmp_path / "backup.zehn"))

    def test_codes_read_while_it_was_written_to_are_not_kept(
        self, unshared: Engine, closed: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        load = _loading.load

        def disturbed(*given: Any) -> Any:
            ids, codes = load(*given)
            self.halve(closed)
            return ids, 0 * codes

        with monkeypatch.context() as patched:
            patched.setattr(_loading, "load", disturbed)
            with pytest.raises(BusyError, match="was written to meanwhile"):
                unshared.all_codes()
        ids, codes = unshared.all_codes()
        assert ids.tolist() == list(range(25, 50))
        np.testing.assert_array_equal(codes, some(50)[25:])

    def test_a_snapshot_that_cannot_be_kept_says_so(self, unshared: Engine, closed: Path) -> None:
        def read_twice() -> None:
            with unshared.snapshot():
                assert len(unshared) == 50
                self.halve(closed)
                len(unshared)

        with pytest.raises(BusyError, match="was written to meanwhile"):
            read_twice()
        assert len(unshared) == 25

    def test_what_a_killed_writer_left_does_not_hinder_reading(self, closed: Path) -> None:
        # an empty log, with the file by which it was shared, without it and with a piece of it
        for n_bytes in (32_768, 0, 4_096):
            path = closed.with_name("own.zehn-shm")
            path.write_bytes(b"\0" * n_bytes)
            closed.with_name("own.zehn-wal").write_bytes(b"")
            said = self.as_nobody(
                "import sys; from zehn import engines; print('zehn')\n"
                "engine = engines.connect(sys.argv[1], read_only=True)\n"
                "print(len(engine), engine.verify(), [len(batch) for batch in engine.walk()])",
                closed,
            )
            assert said == "zehn\n50 [] [50]\n", n_bytes


class TestFullDisks:
    def test_a_full_disk_is_said_and_loses_nothing(self, engine: Engine, path: Path) -> None:
        assert isinstance(engine, embedded.Engine)
        with engine._database.reading() as connection:
            (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
        with engine._database.said():
            engine._database._checked().execute(f"PRAGMA max_page_count = {n_pages + 1}")
        with pytest.raises(CollectionError, match=r"the disk is full: no room to write to .*what was answered"):
            engine.add(records(200, "new"), some(200), [b"x" * 5_000] * 200)
        assert len(engine) == 50
        assert engine.verify() == []
        assert engine.search(some(50), 1, distances.get("euclidean")).ids[:, 0].tolist() == list(range(50))
        engine.close()
        with engines.connect(path) as again:
            assert again.verify() == []
            assert len(again.add(records(200, "new"), some(200))) == 200

    def test_a_disk_that_refuses_in_the_middle_loses_nothing(self, engine: Engine, path: Path) -> None:
        engine.close()
        script = (
            "import resource, signal, sys, numpy as np; from zehn import engines, errors\n"
            "engine = engines.connect(sys.argv[1])\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
            "n = 0\n"
            "try:\n"
            "    while True:\n"
            "        record = engines.NewRecord(b'x%d' % n, 1, 2, b'', 3, 4)\n"
            "        engine.add([record], np.zeros((1, 3), np.float32), [b'x' * 20_000])\n"
            "        n += 1\n"
            "except errors.CollectionError as error: print(n, error)\n"
        )
        answer = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
        n_answered = int(answer.stdout.split()[0])
        assert answer.returncode == 0, answer.stderr
        with engines.connect(path) as again:
            assert again.verify() == []
            assert len(again) == 50 + n_answered

    def test_a_backup_that_fails_leaves_nothing(self, engine: Engine, tmp_path: Path) -> None:
        engine.add(records(300, "new"), some(300), [b"x" * 2_000] * 300)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        try:
            with pytest.raises(CollectionError, match=r"backup\.zehn"):
                engine.backup(str(tmp_path / "backup.zehn"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
        assert not [entry for entry in tmp_path.iterdir() if "backup" in entry.name]


class TestFiles:
    def test_a_closed_collection_is_one_file_that_can_be_moved(
        self, engine: Engine, path: Path, tmp_path: Path
    ) -> None:
        engine.close()
        assert [entry.name for entry in tmp_path.iterdir()] == ["own.zehn"]
        moved = tmp_path / "caf\udce9 %41?#&.zehn"
        path.rename(moved)
        with engines.connect(moved) as again:
            assert len(again) == 50
            assert len(again.add(records(1, "new"), some(1))) == 1
        with engines.connect(moved, read_only=True) as again:
            assert len(again) == 51

    @pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"\x89PNG" * 100, "another database"])
    def test_a_file_that_is_no_collection(self, path: Path, content: Any) -> None:
        if isinstance(content, str):
            execute(path, "CREATE TABLE other (x)")
        else:
            path.write_bytes(content)
        with pytest.raises(CollectionError, match="is no collection of Zehn"):
            engines.connect(path)

    def test_a_folder_is_no_collection(self, tmp_path: Path) -> None:
        with pytest.raises(CollectionError, match=r"cannot read .*: Is a directory"):
            engines.connect(tmp_path)

    def test_a_place_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(CollectionError, match=r"cannot write .*own\.zehn"):
            engines.create(tmp_path / "file" / "own.zehn", D)

    def test_damage_is_found(self, engine: Engine, path: Path) -> None:
        engine.close()
        execute(
            path,
            "UPDATE codes SET code = x'000000000000000000000000' WHERE id = 3",
            "UPDATE codes SET code = x'00' WHERE id = 4",
            "DELETE FROM codes WHERE id = 5",
            "INSERT INTO thumbnails VALUES (99, x'00')",
            "UPDATE state SET n_images = 7, next_id = 9, last_change = 1000",
        )
        with engines.connect(path) as again:
            assert again.verify() == [
                "row 99 of thumbnails belongs to no image",
                "image 5 has no code",
                "there are 50 images but 7 were counted",
                "image 49 has an id that would be given again",
                "change 50 is the last one noted but 1000 were counted",
                "the code of image 3 in codes is not what was stored",
                "the code of image 4 in codes is not what was stored",
            ]
            with pytest.raises(CollectionError, match="restore a backup"):
                again.search(some(1), 1, distances.get("euclidean"))

    def test_codes_that_are_text_are_damage(self, engine: Engine, path: Path) -> None:
        engine.close()
        execute(path, "UPDATE codes SET code = 'abcdefghijkl' WHERE id = 3", "UPDATE codes SET code = 7.5 WHERE id = 4")
        with engines.connect(path) as again:
            assert [f"image {id_} in codes" in said for id_, said in zip((3, 4), again.verify(), strict=True)] == [
                True
            ] * 2
            with pytest.raises(CollectionError, match="restore a backup"):
                again.search(some(1), 1, distances.get("euclidean"))
            with pytest.raises(CollectionError, match="restore a backup"):
                list(again.walk_codes())

    def test_a_file_that_appears_meanwhile_is_not_replaced(
        self, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_database, "_sync", lambda _: path.write_text("theirs"))
        with pytest.raises(CollectionError, match=r"something is at .* already"):
            engines.create(path, D)
        assert path.read_text() == "theirs"
        assert [entry.name for entry in tmp_path.iterdir()] == ["own.zehn"]

    def test_a_file_system_without_links_will_do(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        with engines.create(path, D) as made:
            assert made.verify() == []
        with pytest.raises(CollectionError, match=r"something is at .* already"):
            engines.create(path, D)

    @pytest.mark.parametrize("seed", range(5))
    def test_flipped_bytes_are_found_or_harmless(self, engine: Engine, path: Path, seed: int) -> None:
        engine.add(records(500, "more"), some(500))
        engine.close()
        content = bytearray(path.read_bytes())
        chance = random.Random(seed)
        for _ in range(20):
            place = chance.randrange(4_096, len(content))
            content[place : place + 64] = chance.randbytes(64)
        path.write_bytes(content)
        try:
            with engines.connect(path, read_only=True) as again:
                assert again.verify()
        except CollectionError as error:
            assert "restore a backup" in str(error) or "make the file" in str(error)  # noqa: PT017

    @pytest.mark.parametrize("wrong", ["cat", 1.5, None, b"1"])
    def test_damaged_ids_are_refused(self, wrong: Any) -> None:
        assert _tables.ids_in(iter([(3,), (1,)])).tolist() == [3, 1]
        with pytest.raises(CollectionError, match="ids of the collection are damaged"):
            _tables.ids_in([(1,), (wrong,)])

    def test_a_file_with_statements_of_its_own_is_refused(self, engine: Engine, path: Path) -> None:
        engine.close()
        execute(path, "CREATE TRIGGER evil AFTER INSERT ON images BEGIN DELETE FROM images; END")
        with pytest.raises(CollectionError, match="holds 'evil', which Zehn did not write"):
            engines.connect(path)

    def test_compacting_gives_room_back(self, engine: Engine) -> None:
        ids = engine.add(records(300, "new"), some(300), [b"x" * 5_000] * 300)
        engine.remove(ids)
        before = engine.info()["n_bytes"]
        engine.compact()
        assert engine.info()["n_bytes"] < before / 4
        assert engine.verify() == []


class TestMigrations:
    MORE = (*_schema.MIGRATIONS, ("ALTER TABLE images ADD COLUMN stars INTEGER", "UPDATE images SET stars = 5"))

    def test_an_older_file_is_brought_up_to_date(
        self, engine: Engine, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine.close()
        monkeypatch.setattr(_schema, "MIGRATIONS", self.MORE)
        with pytest.raises(CollectionError, match="schema version 1, this Zehn wants 2 and may not write"):
            engines.connect(path, read_only=True)
        with engines.connect(path) as again:
            assert again.info()["schema_version"] == 2
            assert again.verify() == []
            assert len(again) == 50
        with engines.connect(path, read_only=True) as again:
            assert again.find([b"7"])[b"7"].id == 7

    def test_a_migration_that_fails_changes_nothing(
        self, engine: Engine, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine.close()
        with monkeypatch.context() as patched:
            patched.setattr(_schema, "MIGRATIONS", (*self.MORE, ("NO SQL AT ALL",)))
            with pytest.raises(CollectionError, match="syntax error"):
                engines.connect(path)
        with engines.connect(path) as again:
            assert again.verify() == []

    def test_a_file_of_a_newer_zehn_is_refused(self, engine: Engine, path: Path) -> None:
        engine.close()
        execute(path, "PRAGMA user_version = 7")
        with pytest.raises(CollectionError, match=r"schema version 7 but this Zehn knows 1 at most.*update Zehn"):
            engines.connect(path)
