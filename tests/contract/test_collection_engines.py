"""One suite for every engine of collections: the same answers as scipy's distances sorted, and the same refusals."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from scipy.spatial.distance import cdist

from tests import servers
from zehn import distances, engines, plugins
from zehn.engines import Engine, NewRecord, Record
from zehn.errors import CollectionError, ConfigError, InputError, UnknownNameError

_numbers = itertools.count()
PLACES: dict[str, Callable[[Path], str]] = {
    "embedded": lambda folder: str(folder / "own.zehn"),
    "postgres": lambda _: f"{servers.shared().url}?collection=own-{next(_numbers)}",
    "postgres-sharded": lambda _: f"{servers.shared_cluster()}?collection=own-{next(_numbers)}",
}
"""Where each engine makes a collection that is its own for the test whose folder is given."""
KINDS = [*plugins.names("engines"), pytest.param("postgres-sharded", marks=pytest.mark.sharded)]
D = 4


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return PLACES[request.param](tmp_path)


@pytest.fixture
def engine(address: str) -> Iterator[Engine]:
    with engines.create(address, D, {"fingerprint": "f" * 64}) as made:
        yield made


def record(path: str | bytes, label: str | None = None, **others: Any) -> NewRecord:
    name = path.encode() if isinstance(path, str) else path
    known = {"size": 10, "mtime_ns": 1_700_000_000_000_000_000, "sha256": b"s" * 32, "width": 640, "height": 480}
    return NewRecord(name, label=label, **{**known, **others})


def some(n: int, d: int = D, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def fill(engine: Engine, n: int, seed: int = 0) -> tuple[Any, Any]:
    codes = some(n, seed=seed)
    labels = ["cat", "dog", None]
    records = [record(f"{seed}/{i}.jpg", labels[i % 3], width=i, size=i * 10) for i in range(n)]
    return engine.add(records, codes), codes


def of(name: str, d: int = D) -> distances.Distance:
    mixing = some(d, d, seed=9).astype(np.float64)
    return distances.get(name, np.zeros(d), mixing @ mixing.T + np.eye(d))


def oracle(name: str, queries: Any, codes: Any) -> Any:
    """All distances by scipy, in float64, with what Zehn says of codes without a direction."""
    left, right = queries.astype(np.float64), codes.astype(np.float64)
    named: Any = {"manhattan": "cityblock"}.get(name, name)
    if name == "mahalanobis":
        mixing = some(codes.shape[1], codes.shape[1], seed=9).astype(np.float64)
        inverse = np.linalg.inv(mixing @ mixing.T + np.eye(len(mixing)))
        return cdist(left, right, "mahalanobis", VI=inverse)
    if name in ("cosine", "correlation"):
        lost = [np.ptp(x, axis=1) == 0 if name == "correlation" else (x == 0).all(axis=1) for x in (left, right)]
        with np.errstate(all="ignore"):
            found = cdist(left, right, named)
        found[lost[0], :], found[:, lost[1]] = 1.0, 1.0
        found[np.ix_(*lost)] = 0.0
        return found
    return cdist(left, right, named)


def check_answer(found: engines.Neighbors, expected: Any, ids: Any, k: int, *, tolerance: float = 1e-6) -> None:
    """The k smallest of all distances, each of the id it is said to be of, ties by id."""
    n_there = min(k, len(ids))
    smallest = np.sort(expected, axis=1)[:, :n_there]
    kept = np.isfinite(smallest)
    places = np.searchsorted(
        ids, np.where(found.ids[:, :n_there] < 0, ids[0] if len(ids) else 0, found.ids[:, :n_there])
    )
    assert (found.ids[:, n_there:] == -1).all()
    assert np.isinf(found.distances[:, n_there:]).all()
    assert ((found.ids[:, :n_there] >= 0) == kept).all()
    np.testing.assert_allclose(found.distances[:, :n_there], smallest, rtol=1e-6, atol=tolerance)
    own = np.take_along_axis(expected, places, axis=1)
    np.testing.assert_allclose(found.distances[:, :n_there][kept], own[kept], rtol=1e-6, atol=tolerance)
    for row, values in zip(found.ids, found.distances, strict=True):
        there = row[row >= 0]
        assert len(set(there.tolist())) == len(there)
        assert all(a < b or x < y for a, b, x, y in zip(values, values[1:], row, row[1:], strict=False) if y >= 0)


class TestSearch:
    @pytest.mark.parametrize("name", distances.names())
    @pytest.mark.parametrize("d", [1, 10, 40])
    def test_answers_are_those_of_sorting_scipys_distances(self, address: str, name: str, d: int) -> None:
        if name == "correlation" and d == 1:
            pytest.skip("one number has no correlation")
        codes, queries = some(900, d), some(40, d, seed=1)
        with engines.create(address, d) as engine:
            ids = engine.add([record(f"{i}") for i in range(900)], codes)
            found = engine.search(queries, 12, of(name, d))
            check_answer(found, oracle(name, queries, codes), ids, 12)
            assert found.n_searched == 900
            assert found.recall == 1.0
            assert found.ids.dtype == np.int64
            assert found.distances.dtype == np.float32

    @pytest.mark.parametrize("name", distances.names())
    def test_ties_are_ordered_by_id_for_copies_of_a_code(self, engine: Engine, name: str) -> None:
        codes = np.repeat(some(30), 20, axis=0)
        ids = engine.add([record(f"{i}") for i in range(600)], codes)
        found = engine.search(codes[::20], 7, of(name))
        assert found.ids.tolist() == [ids[start : start + 7].tolist() for start in range(0, 600, 20)]

    def test_nothing_to_search(self, engine: Engine) -> None:
        found = engine.search(some(2), 3, of("euclidean"))
        assert found.ids.tolist() == [[-1] * 3] * 2
        assert np.isinf(found.distances).all()
        assert found.n_searched == 0

    def test_no_query(self, engine: Engine) -> None:
        fill(engine, 3)
        assert engine.search(some(0), 3, of("euclidean")).ids.shape == (0, 3)

    def test_more_asked_for_than_there_are_and_one_excluded(self, engine: Engine) -> None:
        ids, codes = fill(engine, 3)
        found = engine.search(codes[:1], 5, of("manhattan"), exclude=ids[:1])
        expected = np.sort(cdist(codes[:1], codes[1:], "cityblock"))[0]
        np.testing.assert_allclose(found.distances[0, :2], expected, rtol=1e-6)
        assert sorted(found.ids[0, :2].tolist()) == ids[1:].tolist()
        assert found.ids[0, 2:].tolist() == [-1] * 3

    def test_wrong_questions_are_refused(self, engine: Engine) -> None:
        fill(engine, 3)
        with pytest.raises(InputError, match="queries have 3 dimensions but this collection was built with 4"):
            engine.search(some(1, 3), 1, of("euclidean"))
        with pytest.raises(InputError, match="queries of finite numbers"):
            engine.search(np.full((1, D), np.nan, np.float32), 1, of("euclidean"))
        with pytest.raises(InputError, match="k ≥ 1, came 0"):
            engine.search(some(1), 0, of("euclidean"))

    def test_an_approximate_search_states_its_recall(self, engine: Engine) -> None:
        ids, codes = fill(engine, 3_000)
        exact = engine.search(codes[:200], 10, of("euclidean"))
        rough = engine.search(codes[:200], 10, of("euclidean"), approximate=True)
        assert (rough.distances >= exact.distances).all()
        truly = np.mean(
            [len(set(a) & set(b)) / 10 for a, b in zip(rough.ids.tolist(), exact.ids.tolist(), strict=True)]
        )
        assert 0 < rough.recall <= 1
        # the stated recall is of other queries, so both scatter about the true one
        assert abs(rough.recall - truly) < 0.1
        assert len(ids) == rough.n_searched

    def test_percentiles(self, engine: Engine) -> None:
        _, codes = fill(engine, 300)
        pairs = cdist(codes, codes)[np.triu_indices(300, 1)].astype(np.float32)
        asked = np.quantile(pairs, [0, 0.2, 0.999, 1]).astype(np.float32).reshape(2, 2)
        expected = [[100 * (pairs > value).mean() for value in row] for row in asked]
        np.testing.assert_allclose(engine.percentiles(asked, of("euclidean")), expected, atol=0.5)
        assert np.isnan(engine.percentiles(np.array([np.inf], np.float32), of("euclidean"))).all()

    def test_percentiles_of_nothing(self, engine: Engine) -> None:
        fill(engine, 1)
        assert np.isnan(engine.percentiles(np.zeros(2, np.float32), of("cosine"))).all()


class TestFilters:
    @pytest.mark.parametrize(
        ("where", "lets_through"),
        [
            ("label = 'cat'", lambda of: of.label == "cat"),
            ("label <> 'cat'", lambda of: of.label not in (None, "cat")),
            ("label is null", lambda of: of.label is None),
            ("label IS NOT NULL AND width >= 100", lambda of: of.label is not None and of.width >= 100),
            ("label in ('dog', 'owl') or size between 20 and 50", lambda of: of.label == "dog" or 20 <= of.size <= 50),
            ("not (width > 5)", lambda of: of.width <= 5),
            ("width not in (1, 2, 3)", lambda of: of.width not in (1, 2, 3)),
            ("path like '0/1%'", lambda of: of.path.startswith(b"0/1")),
            ("path not like '%7.jpg'", lambda of: not of.path.endswith(b"7.jpg")),
            ("path = '0/5.jpg'", lambda of: of.path == b"0/5.jpg"),
            ("size > height", lambda of: of.size > of.height),
            ("size * 1 = size", None),
            ("mtime < '2023-11-14T22:13:21Z' and mtime > '2023'", lambda _: True),
            ("mtime >= '2024'", lambda _: False),
            ("added > '2020-01-01' and id < 40", lambda of: of.id < 40),
            ("width < -1.5", lambda _: False),
            ("id < 99999999999999999999999", lambda _: True),
        ],
    )
    def test_a_filter_lets_through_what_it_says(self, engine: Engine, where: str, lets_through: Any) -> None:
        ids, codes = fill(engine, 200)
        if lets_through is None:
            with pytest.raises(ConfigError, match="cannot filter by"):
                engine.count(where)
            return
        chosen = np.array([of.id for of in engine.get(ids) if lets_through(of)], np.int64)
        assert engine.count(where) == len(chosen)
        assert [of.id for batch in engine.walk(where=where, n_batch=7) for of in batch] == chosen.tolist()
        for name in ("euclidean", "cosine"):
            found = engine.search(codes[:5], 6, of(name), where=where, exclude=ids[:5])
            expected = oracle(name, codes[:5], codes)[:, np.isin(ids, chosen)]
            expected[ids[:5][:, None] == chosen] = np.inf
            check_answer(found, expected, chosen, 6)
            assert found.n_searched == len(chosen)

    @pytest.mark.parametrize(
        "where",
        [
            "", "label", "label = cat", 'label = "cat"', "1 = 1", "label = 'a'; drop table images",
            "upper(label) = 'CAT'",
            "id in (select id from images)", "colour = 'red'", "images.id = 1", "label = 3", "width = 'wide'",
            "width like '1%'", "label = null", "label is true", "label = ?", "x" * 20_000, "not " * 3_000 + "id = 1",
            "id between symmetric 3 and 1", "label = 'a' collate nocase", "label like 'a' escape 'b'", "label = 'open",
            " or ".join(["id = 1"] * 501), " and ".join(["id = 1"] * 600),
        ],
    )  # fmt: skip
    def test_anything_else_is_refused(self, engine: Engine, where: str) -> None:
        fill(engine, 3)
        with pytest.raises(ConfigError, match=r"a filter (is made )?of"):
            engine.search(some(1), 1, of("euclidean"), where=where)
        with pytest.raises(ConfigError, match=r"a filter (is made )?of"):
            engine.count(where)
        assert len(engine) == 3

    def test_a_filter_sees_what_changed(self, engine: Engine) -> None:
        ids, codes = fill(engine, 50)

        def search() -> int:
            return engine.search(codes[:1], 50, of("euclidean"), where="label = 'cat'").n_searched

        assert search() == 17
        engine.touch([replace(engine.get(ids[:1])[0], label="dog")])
        assert search() == 16
        engine.remove(ids[3:4])
        assert search() == 15

    def test_a_long_filter_is_let_through(self, engine: Engine) -> None:
        ids, _ = fill(engine, 3)
        assert engine.count(" or ".join([f"id = {ids[0]}"] * 500)) == 1


class TestRecords:
    def test_what_another_model_made_is_refused(self, engine: Engine) -> None:
        with pytest.raises(CollectionError, match="changed meanwhile"):
            engine.add([record("a")], some(1), fingerprint="e" * 64)
        assert len(engine) == 0
        assert len(engine.add([record("a")], some(1), fingerprint="f" * 64)) == 1

    def test_facts_and_attachments_are_set_together_or_not_at_all(self, engine: Engine) -> None:
        with pytest.raises(CollectionError, match="changed meanwhile"):
            engine.set_facts({"a": "b"}, {"c": b"d"}, expected={"fingerprint": "e" * 64})
        assert "a" not in engine.facts()
        assert engine.attachment("c") is None
        engine.set_facts({"a": "b"}, {"c": b"d"}, expected={"fingerprint": "f" * 64})
        assert engine.facts()["a"] == "b"
        assert engine.attachment("c") == b"d"

    def test_a_thumbnail_stays_where_none_is_given(self, engine: Engine) -> None:
        ids = engine.add([record("a")], some(1), [b"jpeg"])
        engine.add([record("a")], some(1))
        assert engine.thumbnail(int(ids[0])) == b"jpeg"
        engine.add([record("a")], some(1), [None])
        assert engine.thumbnail(int(ids[0])) is None

    def test_what_was_added_is_there(self, engine: Engine) -> None:
        codes, thumbnails = some(3), [b"jpeg", None, b""]
        given = [record(b"caf\xe9/\xff.jpg", "caf\udce9"), record("b", None, width=0), record("c", "é", sha256=b"")]
        ids = engine.add(given, codes, thumbnails)
        stored = engine.get(ids)
        assert [replace(of, id=0, added="") for of in stored] == [
            Record(0, of.path, of.size, of.mtime_ns, of.sha256, of.width, of.height, of.label, "") for of in given
        ]
        assert ids.tolist() == sorted(ids.tolist()) == [of.id for of in stored]
        assert all(len(of.added) == len("2026-01-31T12:00:00Z") and of.added.endswith("Z") for of in stored)
        np.testing.assert_array_equal(engine.codes(ids[::-1]), codes[::-1])
        assert [engine.thumbnail(int(id_)) for id_ in [*ids, 99]] == [b"jpeg", None, b"", None]
        assert engine.find([b"b", b"nothing"]) == {b"b": stored[1]}
        assert engine.count_labels() == {"caf\udce9": 1, None: 1, "é": 1}
        assert engine.verify() == []

    def test_a_path_that_is_there_is_replaced(self, engine: Engine) -> None:
        ids, _ = fill(engine, 5)
        before = engine.get(ids)
        engine.search(some(1), 1, of("euclidean"))
        new = some(2, seed=5)
        again = engine.add([record("0/3.jpg", "owl"), record("new")], new, [b"picture", None])
        assert again[0] == ids[3]
        assert again[1] > ids.max()
        assert len(engine) == 6
        stored = engine.get(again[:1])[0]
        assert (stored.label, stored.added) == ("owl", before[3].added)
        assert engine.search(new, 1, of("euclidean")).ids[:, 0].tolist() == again.tolist()

    def test_ids_are_never_given_twice(self, engine: Engine, address: str) -> None:
        ids, _ = fill(engine, 5)
        assert engine.remove(ids) == 5
        engine.compact()
        engine.close()
        with engines.connect(address) as again:
            assert len(again) == 0
            assert fill(again, 2)[0].min() > ids.max()

    def test_touch_changes_what_is_known_and_nothing_else(self, engine: Engine) -> None:
        ids, codes = fill(engine, 3)
        first, second, third = engine.get(ids)
        # two names changed with each other, and a label
        engine.touch([replace(first, path=second.path, mtime_ns=5), replace(second, path=first.path, label="owl")])
        assert engine.get(ids) == [
            replace(first, path=second.path, mtime_ns=5), replace(second, path=first.path, label="owl"), third,
        ]  # fmt: skip
        np.testing.assert_array_equal(engine.codes(ids), codes)
        with pytest.raises(InputError, match=r"another image has the path b'0/2\.jpg'"):
            engine.touch([replace(first, path=third.path)])
        with pytest.raises(InputError, match="two images cannot have one path"):
            engine.touch([replace(first, path=b"x"), replace(second, path=b"x")])
        with pytest.raises(InputError, match="id 99 is not in the collection"):
            engine.touch([replace(first, id=99)])
        assert engine.get(ids)[0].path == second.path

    def test_a_walk_sees_one_state_while_the_collection_changes(self, engine: Engine) -> None:
        ids, codes = fill(engine, 25)
        seen, vectors = [], []
        for batch, part in engine.walk_codes(n_batch=4):
            seen += [of.id for of in batch]
            vectors.append(part)
            engine.remove([batch[0].id])
            engine.add([record(f"more/{batch[0].id}")], some(1))
        assert seen == ids.tolist()
        np.testing.assert_array_equal(np.concatenate(vectors), codes)
        assert len(engine) == 25
        assert [of.id for batch in engine.walk(after_id=int(ids[20])) for of in batch][:2] == [
            int(ids[21]),
            int(ids[22]),
        ]

    def test_walking_through_nothing(self, engine: Engine) -> None:
        assert list(engine.walk()) == []
        assert list(engine.walk_codes()) == []

    def test_many_at_once(self, engine: Engine) -> None:
        n = 5_000
        ids = engine.add([record(f"{i}") for i in range(n)], some(n))
        paths = [str(i).encode() for i in range(n)]
        assert [of.id for of in engine.find([*paths, *paths[:3]]).values()] == ids.tolist()
        assert [of.path for of in engine.get(ids[::-1])] == paths[::-1]
        assert engine.remove(ids[:4_000]) == 4_000
        assert len(engine) == engine.count() == 1_000

    def test_wrong_additions_are_refused_and_change_nothing(self, engine: Engine) -> None:
        ids, _ = fill(engine, 3)
        with pytest.raises(InputError, match="codes have 3 dimensions but this collection was built with 4"):
            engine.add([record("x")], some(1, 3))
        for bad in (np.nan, np.inf, -np.inf, 1e20):
            with pytest.raises(InputError, match="codes of finite numbers"):
                engine.add([record("x"), record("y")], np.array([[0.0] * D, [0, 0, bad, 0]]))
        with pytest.raises(InputError, match="path b'x' is given twice"):
            engine.add([record("x"), record("x")], some(2))
        with pytest.raises(InputError, match="came 1 images, 2 codes and 1 thumbnails"):
            engine.add([record("x")], some(2))
        with pytest.raises(InputError, match="came 1 images, 1 codes and 0 thumbnails"):
            engine.add([record("x")], some(1), [])
        for refused in (engine.remove, engine.get, engine.codes):
            with pytest.raises(InputError, match="id 77 is not in the collection"):
                refused([int(ids[0]), 77])
        assert len(engine) == 3
        assert engine.verify() == []

    def test_nothing_added_and_nothing_removed(self, engine: Engine) -> None:
        assert engine.add([], some(0)).tolist() == []
        assert engine.remove([]) == 0
        assert engine.get([]) == []
        assert engine.codes([]).shape == (0, D)
        engine.touch([])


class TestStore:
    def test_it_is_there_when_it_is_opened_again(self, engine: Engine, address: str) -> None:
        _, codes = fill(engine, 40)
        engine.set_facts({"name": "holidays", "fit": "crop"})
        engine.set_facts({"fit": None, "new": "\udcff"})
        engine.attach("model.h5", b"\0model")
        before = engine.search(codes, 5, of("cosine"))
        engine.close()
        engine.close()
        with engines.connect(address, read_only=True) as again:
            assert again.facts() == {"fingerprint": "f" * 64, "name": "holidays", "new": "\udcff"}
            assert (again.attachment("model.h5"), again.attachment("other")) == (b"\0model", None)
            assert (len(again), again.n_components) == (40, D)
            np.testing.assert_array_equal(again.search(codes, 5, of("cosine")).ids, before.ids)
            assert again.info()["n_images"] == 40
            assert again.info()["read_only"]

    def test_what_is_read_only_is_not_written_to(self, engine: Engine, address: str) -> None:
        ids, _ = fill(engine, 2)
        with engines.connect(address, read_only=True) as reader:
            for write in (
                lambda: reader.add([record("x")], some(1)), lambda: reader.remove(ids), reader.compact,
                lambda: reader.set_facts({"a": "b"}), lambda: reader.begin_reencoding("g", 3),
            ):  # fmt: skip
                with pytest.raises(CollectionError, match="read-only"):
                    write()
            assert reader.verify() == []

    def test_what_was_closed_says_so(self, engine: Engine) -> None:
        engine.close()
        with pytest.raises(CollectionError, match="was closed; open it again"):
            len(engine)

    @pytest.mark.usefixtures("engine")
    def test_a_place_that_is_taken_and_one_that_is_empty(self, address: str) -> None:
        assert engines.exists(address)
        with pytest.raises(CollectionError, match=r"is at .* already"):
            engines.create(address, D)
        with pytest.raises(CollectionError, match="no collection at"):
            engines.connect(address + "x")
        with pytest.raises(InputError, match="at least one dimension, came 0"):
            engines.create(address + "x", 0)
        assert not engines.exists(address + "x")

    def test_a_reader_sees_what_was_committed(self, engine: Engine, address: str) -> None:
        ids, codes = fill(engine, 100)
        with engines.connect(address, read_only=True) as reader:
            assert reader.search(codes[:1], 1, of("euclidean")).ids[0, 0] == ids[0]
            engine.remove(ids[:1])
            assert reader.search(codes[:1], 1, of("euclidean")).ids[0, 0] != ids[0]
            (new,) = engine.add([record("new")], codes[:1])
            assert reader.search(codes[:1], 1, of("euclidean")).ids[0, 0] == new
            assert reader.search(codes[:1], 1, of("cosine")).ids[0, 0] == new
            engine.add([record("new")], codes[:1] + 100)
            check_answer(
                reader.search(codes, 5, of("euclidean")),
                oracle("euclidean", codes, np.concatenate([codes[1:], codes[:1] + 100])),
                np.append(ids[1:], new), 5,
            )  # fmt: skip

    def test_a_snapshot_is_of_one_state(self, engine: Engine, address: str) -> None:
        ids, codes = fill(engine, 10)
        with engines.connect(address, read_only=True) as reader:
            with reader.snapshot():
                engine.remove(ids[:1])
                hits = reader.search(codes[:1], 3, of("euclidean")).ids[0]
                assert hits[0] == ids[0]
                assert [of.id for of in reader.get(hits)] == hits.tolist()
                assert sum(len(batch) for batch in reader.walk()) == len(reader) == 10
            assert len(reader) == 9
        with engine.snapshot(), pytest.raises(CollectionError, match="within a snapshot"):
            engine.remove(ids[1:2])

    def test_the_state_is_another_one_after_every_change(self, engine: Engine, address: str) -> None:
        with engines.connect(address, read_only=True) as reader:
            seen = [reader.state()]
            ids, codes = fill(engine, 4)
            seen.append(reader.state())
            engine.touch([replace(engine.get(ids[:1])[0], label="bird")])
            seen.append(reader.state())
            engine.add([record("0/1.jpg")], codes[:1])
            seen.append(reader.state())
            engine.remove(ids[:1])
            seen.append(reader.state())
            assert len(set(seen)) == len(seen)
            assert engine.state() == reader.state() == seen[-1]

    def test_all_codes_follow_what_is_committed(self, engine: Engine, address: str) -> None:
        with engines.connect(address, read_only=True) as reader:
            assert [part.shape for part in reader.all_codes()] == [(0,), (0, D)]
            ids, codes = fill(engine, 40)
            before = reader.all_codes()
            engine.remove(ids[3:5])
            engine.add([record("0/1.jpg")], codes[:1] + 1)
            there, values = reader.all_codes()
            assert there.tolist() == [id_ for id_ in ids.tolist() if id_ not in ids[3:5]]
            np.testing.assert_array_equal(values, reader.codes(there))
            np.testing.assert_array_equal(before[1], codes)
            with pytest.raises(ValueError, match="read-only"):
                values[0] = 0

    def test_threads_share_an_engine(self, engine: Engine) -> None:
        ids, codes = fill(engine, 200)
        failures: list[BaseException] = []

        def search() -> None:
            try:
                for row in range(30):
                    found = engine.search(codes[row][None], 3, of("euclidean")).ids
                    assert found[0, 0] == ids[row]
            except BaseException as error:  # noqa: BLE001
                failures.append(error)

        threads = [threading.Thread(target=search) for _ in range(4)]
        for thread in threads:
            thread.start()
        for start in range(20):
            engine.add([record(f"thread/{start}")], some(1, seed=start) + 50)
        for thread in threads:
            thread.join()
        assert not failures

    def test_a_backup_is_a_collection(self, engine: Engine, tmp_path: Path) -> None:
        ids, codes = fill(engine, 30)
        engine.set_facts({"name": "x"})
        target = str(tmp_path / "backup.zehn")
        engine.backup(target)
        engine.remove(ids)
        with engines.connect(target) as copy:
            assert copy.verify() == []
            assert copy.facts() == engine.facts()
            np.testing.assert_array_equal(copy.codes(ids), codes)
        with pytest.raises(CollectionError, match=r"is at .* already"):
            engine.backup(target)


class TestReencoding:
    def test_new_codes_take_over_all_at_once(self, engine: Engine, address: str) -> None:
        ids, codes = fill(engine, 30)
        assert engine.reencoding() is None
        begun = engine.begin_reencoding("g" * 64, 6)
        assert (begun.n_done, begun.n_left) == (0, 30)
        engine.put_codes(ids[:10], some(10, 6, seed=1))
        engine.close()
        with engines.connect(address) as again:
            # the old codes serve, and what was put stays
            assert again.search(codes[:1], 1, of("euclidean")).distances[0, 0] == 0
            resumed = again.begin_reencoding("g" * 64, 6)
            assert (resumed.n_done, resumed.n_left) == (10, 20)
            assert [of.id for of in again.unencoded(n_batch=3)] == ids[10:13].tolist()
            with pytest.raises(CollectionError, match="20 images have no new code yet"):
                again.finish_reencoding({})
            (added,) = again.add([record("meanwhile")], codes[:1])
            again.add([record("0/0.jpg")], codes[:1])
            again.remove(ids[-1:])
            left = [of.id for of in again.unencoded()]
            assert left == [ids[0], *ids[10:-1], added]
            again.put_codes(np.array([*left, 999]), some(len(left) + 1, 6, seed=2))
            again.finish_reencoding({"fingerprint": "g" * 64}, {"model.h5": b"new"})
            assert (again.n_components, again.reencoding()) == (6, None)
            assert again.facts()["fingerprint"] == "g" * 64
            assert again.attachment("model.h5") == b"new"
            everything = np.array([*ids[:-1], added])
            stored = again.codes(everything)
            np.testing.assert_array_equal(stored[1:10], some(10, 6, seed=1)[1:])
            check_answer(
                again.search(stored[:4], 5, of("manhattan", 6)), oracle("manhattan", stored[:4], stored), everything, 5
            )
            assert again.verify() == []

    def test_another_model_begins_anew_and_dropping_forgets(self, engine: Engine) -> None:
        ids, codes = fill(engine, 4)
        engine.begin_reencoding("g", 6)
        engine.put_codes(ids, some(4, 6))
        assert engine.begin_reencoding("h", 2).n_left == 4
        engine.put_codes(ids[:1], some(1, 2))
        engine.drop_reencoding()
        assert engine.reencoding() is None
        np.testing.assert_array_equal(engine.codes(ids), codes)
        for refused in (lambda: engine.put_codes(ids, codes), engine.unencoded, lambda: engine.finish_reencoding({})):
            with pytest.raises(CollectionError, match="no change of model was begun"):
                refused()

    def test_another_change_of_model_is_not_mixed_with_this_one(self, engine: Engine) -> None:
        ids, codes = fill(engine, 4)
        engine.begin_reencoding("g", 6)
        engine.put_codes(ids[:2], some(2, 6), fingerprint="g")
        engine.drop_reencoding()
        for _ in range(2):  # none is under way, then another
            with pytest.raises(CollectionError, match="abandoned, or another one begun, by another process"):
                engine.unencoded(fingerprint="g")
            with pytest.raises(CollectionError, match="abandoned, or another one begun, by another process"):
                engine.put_codes(ids[2:], some(2, 6), fingerprint="g")
            with pytest.raises(CollectionError, match="abandoned, or another one begun, by another process"):
                engine.finish_reencoding({"fingerprint": "g"}, fingerprint="g")
            engine.begin_reencoding("h", 6)
        begun = engine.reencoding()
        assert begun is not None
        assert (begun.fingerprint, begun.n_done) == ("h", 0)
        np.testing.assert_array_equal(engine.codes(ids), codes)

    def test_wrong_codes_are_refused(self, engine: Engine) -> None:
        ids, _ = fill(engine, 4)
        engine.begin_reencoding("g", 6)
        with pytest.raises(InputError, match="codes have 4 dimensions"):
            engine.put_codes(ids, some(4))
        with pytest.raises(InputError, match="an id per code, came 4 ids and 3 codes"):
            engine.put_codes(ids, some(3, 6))
        with pytest.raises(InputError, match="at least one dimension, came 0"):
            engine.begin_reencoding("g", 0)


class Life(RuleBasedStateMachine):
    """Anything may happen to a collection in any order, and every answer stays that of sorting scipy's distances."""

    place: Callable[[], str]

    @initialize()
    def begin(self) -> None:
        self.address = self.place()
        self.engine = engines.create(self.address, 2)
        self.known: dict[bytes, tuple[int, list[int], str | None]] = {}
        self.gone: set[int] = set()

    @rule(
        paths=st.lists(st.integers(0, 40), unique=True, max_size=15),
        label=st.sampled_from(["a", "b", None]),
        data=st.data(),
    )
    def add(self, paths: list[int], label: str | None, data: st.DataObject) -> None:
        # codes of few whole numbers: many are equal
        codes = [[data.draw(st.integers(-2, 2)), data.draw(st.integers(-2, 2))] for _ in paths]
        names = [f"{path}".encode() for path in paths]
        ids = self.engine.add([record(name, label) for name in names], np.array(codes, np.float32).reshape(-1, 2))
        for name, id_, code in zip(names, ids.tolist(), codes, strict=True):
            assert id_ not in self.gone
            assert name not in self.known or self.known[name][0] == id_
            self.known[name] = (id_, code, label)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        names = data.draw(st.lists(st.sampled_from(sorted(self.known)), unique=True))
        ids = [self.known.pop(name)[0] for name in names]
        assert self.engine.remove(ids) == len(ids)
        self.gone.update(ids)

    @rule()
    def reopen(self) -> None:
        self.engine.close()
        self.engine = engines.connect(self.address)

    @rule()
    def compact(self) -> None:
        self.engine.compact()

    @rule(
        name=st.sampled_from(distances.names()),
        k=st.integers(1, 50),
        where=st.sampled_from([None, "label = 'a'", "label is null or id > 20"]),
        is_excluded=st.booleans(),
    )
    def search(self, name: str, k: int, where: str | None, is_excluded: bool) -> None:
        chosen = sorted(
            (id_, code) for id_, code, label in self.known.values()
            if where is None or (label == "a" if "'a'" in where else label is None or id_ > 20)
        )  # fmt: skip
        ids = np.array([id_ for id_, _ in chosen], np.int64)
        codes = np.array([code for _, code in chosen], np.float32).reshape(-1, 2)
        queries = np.concatenate([codes[:3], np.array([[0, 0], [0.5, -1]], np.float32)])
        exclude = np.concatenate([ids[:3], [-1, -1]]) if is_excluded else None
        expected = oracle(name, queries, codes) if len(codes) else np.empty((len(queries), 0))
        if exclude is not None:
            expected[exclude[:, None] == ids] = np.inf
        found = self.engine.search(queries, k, of(name, 2), where=where, exclude=exclude)
        check_answer(found, expected, ids, k)

    @invariant()
    def all_is_well(self) -> None:
        if not hasattr(self, "engine"):
            return
        assert len(self.engine) == len(self.known)
        assert self.engine.verify() == []
        stored = {of.path: (of.id, of.label) for batch in self.engine.walk() for of in batch}
        assert stored == {name: (id_, label) for name, (id_, _, label) in self.known.items()}

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.close()


@pytest.mark.parametrize("name", KINDS)
def test_any_life_of_a_collection(name: str, tmp_path: Path) -> None:
    numbers = iter(range(10**6))

    class Own(Life):
        @staticmethod
        def place() -> str:
            folder = tmp_path / str(next(numbers))
            folder.mkdir()
            return PLACES[name](folder)

    run_state_machine_as_test(
        Own,
        settings=settings(
            max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@pytest.mark.parametrize("engine_name", KINDS)
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_codes_of_any_scale(engine_name: str, tmp_path_factory: Any, data: st.DataObject) -> None:
    d = data.draw(st.sampled_from([2, 5, 20]))
    scale = 10.0 ** data.draw(st.integers(-6, 6))
    shift = data.draw(st.sampled_from([0.0, 10.0, 1000.0]))
    name = data.draw(st.sampled_from(["euclidean", "manhattan", "chebyshev", "cosine"]))
    codes = ((some(150, d, seed=data.draw(st.integers(0, 99))) + shift) * scale).astype(np.float32)
    with engines.create(PLACES[engine_name](tmp_path_factory.mktemp("scale")), d) as engine:
        ids = engine.add([record(f"{i}") for i in range(150)], codes)
        found = engine.search(codes[:20], 9, of(name, d))
        # where codes are far from the origin and close together, cosine itself has few digits
        check_answer(found, oracle(name, codes[:20], codes), ids, 9, tolerance=1e-12 if name == "cosine" else 1e-30)


def test_an_address_that_no_engine_knows() -> None:
    with pytest.raises(UnknownNameError, match="unknown kind of address 'mysql'"):
        engines.connect("mysql://here")
    with pytest.raises(ConfigError, match="did you mean 'seconds_to_wait'"):
        engines.connect("x", options={"second_to_wait": 3.0})
