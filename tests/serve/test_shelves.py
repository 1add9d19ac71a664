"""Collections and runs as they are served: the answers are those of zehn search, whatever happens meanwhile."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zehn import codes, distances, images, store
from zehn.collection import Collection
from zehn.engines import NewRecord
from zehn.errors import CollectionError, ConfigError, ImageError, InputError, RunError, UnknownNameError
from zehn.serve.background import Background
from zehn.serve.settings import Settings
from zehn.serve.shelves import Shelf, Shelves
from zehn.serve.shelves.of_collection import CollectionShelf
from zehn.serve.shelves.of_run import RunShelf

from .conftest import Draw, MakeRun

Open = Callable[..., Shelves]


def png(seed: int, size: tuple[int, int] = (48, 40), kind: str = "PNG") -> bytes:
    patches = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(patches).resize(size, Image.Resampling.NEAREST).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(params=["mine", "digits"])
def shelf(request: pytest.FixtureRequest) -> Shelf:
    return request.getfixturevalue(request.param)


class TestBoth:
    def test_it_is_a_shelf(self, shelf: Shelf) -> None:
        assert isinstance(shelf, Shelf)

    def test_info_says_what_there_is(self, shelf: Shelf) -> None:
        info = shelf.info()
        assert info.n_images == len(shelf) == sum(info.labels.values())
        assert (info.kind, info.n_components, info.image_size) == (shelf.kind, 10, 32)
        assert info.model == "cifar10"
        assert info.fingerprint == shelf.model.fingerprint == store.load_model("cifar10").fingerprint
        assert info.distances == tuple(distances.names())
        assert info.has_versions
        assert info.state == shelf.state()
        _, values = shelf._engine.all_codes()  # type: ignore[attr-defined]
        np.testing.assert_allclose(info.code_mean, values.mean(axis=0), atol=15)
        assert all(low < high for low, high in zip(info.code_low, info.code_high, strict=True))
        assert shelf.info() is info

    @pytest.mark.parametrize("name", distances.names())
    def test_hits_are_the_nearest_by_any_distance(self, shelf: Shelf, name: str) -> None:
        ids = np.array([3, 0, 7])
        found = shelf.search_ids(ids, 5, distance=name)
        there, values = shelf._engine.all_codes()  # type: ignore[attr-defined]
        model = shelf.model
        apart = distances.between(name, values[ids], values, model.code_mean, model.code_covariance)
        apart[np.arange(3), ids] = np.inf
        for hits, own in zip(found, apart, strict=True):
            nearest = np.lexsort((there, own))[:5]
            assert [hit.id for hit in hits] == nearest.tolist()
            np.testing.assert_allclose([hit.distance for hit in hits], own[nearest], rtol=1e-5, atol=1e-6)
            assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
            assert {hit.distance_name for hit in hits} == {name}
            for hit in hits:
                record = shelf.record(hit.id)
                assert (hit.path, hit.label) == (os.fsdecode(record.path), record.label)
        assert shelf.search(shelf.codes(ids), 5, distance=name, exclude=ids.tolist()) == found

    def test_a_filter_leaves_out_the_others(self, shelf: Shelf) -> None:
        label = next(iter(shelf.info().labels))
        (found,) = shelf.search_ids([0], 1000, where=f"label = '{label}'")
        assert {hit.label for hit in found} == {label}
        own = shelf.record(0).label == label
        assert len(found) == shelf.info().labels[label] - own
        assert shelf.search_ids([0], 5, where="label = 'nothing'") == [[]]
        with pytest.raises(ConfigError, match="cannot filter by"):
            shelf.search_ids([0], 5, where="label = ")

    def test_an_approximate_search_states_its_recall(self, shelf: Shelf) -> None:
        (found,) = shelf.search_ids([0], 3, approximate=True)
        assert len(found) == 3
        assert 0 < found[0].recall <= 1

    @pytest.mark.parametrize("id_", [-1, 10**6, 2**62])
    def test_an_id_that_is_not_there(self, shelf: Shelf, id_: int) -> None:
        asked: list[Callable[[], Any]] = [
            lambda: shelf.codes([id_]),
            lambda: shelf.search_ids([id_], 3),
            lambda: shelf.shown([0, id_]),
            lambda: shelf.record(id_),
            lambda: shelf.picture(id_),
            lambda: shelf.picture_file(id_, 32),
            lambda: shelf.squares([id_]),
            lambda: shelf.explain(shelf.codes([0])[0], id_),
        ]
        for ask in asked:
            with pytest.raises(InputError, match=f"id {id_} is not in the"):
                ask()

    def test_what_cannot_be_searched(self, shelf: Shelf) -> None:
        code = shelf.codes([0])
        with pytest.raises(InputError, match="k ≥ 1, came 0"):
            shelf.search(code, 0)
        with pytest.raises(InputError, match="10"):
            shelf.search(code[:, :4], 3)
        with pytest.raises(InputError, match="finite"):
            shelf.search(code * np.float32(np.nan), 3)
        with pytest.raises(UnknownNameError, match="did you mean 'cosine'"):
            shelf.search(code, 3, distance="cosin")
        with pytest.raises(UnknownNameError, match="version"):
            shelf.search(code, 3, version="robuster")
        with pytest.raises(CollectionError, match="not encoded with the robust model yet"):
            shelf.search(code, 3, version="robust")
        with pytest.raises(InputError, match="64 bits"):
            shelf.codes([2**70])

    def test_records_come_page_by_page(self, shelf: Shelf) -> None:
        first = shelf.records(limit=7)
        second = shelf.records(after_id=first[-1].id, limit=7)
        assert [record.id for record in first + second] == list(range(14))
        everything = shelf.records(limit=10_000)
        assert len(everything) == len(shelf)
        assert shelf.records(after_id=everything[-1].id) == []
        label = next(iter(shelf.info().labels))
        assert {record.label for record in shelf.records(where=f"label = '{label}'")} == {label}

    def test_ids_by_chance(self, shelf: Shelf) -> None:
        some = shelf.random_ids(5, seed=1).tolist()
        assert len(set(some)) == 5
        assert some == shelf.random_ids(5, seed=1).tolist()
        assert sorted(shelf.random_ids(10_000).tolist()) == list(range(len(shelf)))
        with pytest.raises(InputError, match="came -1"):
            shelf.random_ids(-1)

    def test_distances_of_all_images(self, shelf: Shelf) -> None:
        code = shelf.codes([4])[0]
        ids, apart = shelf.distances(code, "manhattan")
        assert ids.tolist() == list(range(len(shelf)))
        assert apart.argmin() == 4
        chosen, of_chosen = shelf.distances(code, "manhattan", np.array([9, 4, 10**6, -1]))
        assert chosen.tolist() == [9, 4, 10**6, -1]
        np.testing.assert_array_equal(of_chosen, [apart[9], apart[4], np.nan, np.nan])

    def test_codes_are_those_of_the_model(self, shelf: Shelf) -> None:
        squares = shelf.squares([2, 5])
        assert squares.shape == (2, 32, 32, 3)
        np.testing.assert_allclose(shelf.encode(squares), shelf.codes([2, 5]), rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(shelf.encode(list(squares)), shelf.encode(squares))
        large = np.repeat(np.repeat(squares[0], 3, axis=0), 5, axis=1)
        assert shelf.encode([squares[0], large]).shape == (2, 10)
        robust = shelf.encode(squares, version="robust")
        np.testing.assert_allclose(
            robust, codes.encode(store.load_model("cifar10-robust"), squares), rtol=1e-3, atol=1e-3
        )
        with pytest.raises(InputError, match="at least one image"):
            shelf.encode([])

    def test_decoded_codes_are_images(self, shelf: Shelf) -> None:
        decoded = shelf.decode(shelf.codes([0, 1, 2]))
        assert decoded.shape == (3, 32, 32, 3)
        assert decoded.dtype == np.uint8
        with pytest.raises(InputError, match="expected codes of shape"):
            shelf.decode(np.zeros((1, 9), np.float32))

    def test_explanations(self, shelf: Shelf) -> None:
        code = shelf.codes([0])[0]
        told = shelf.explain(code, 6, "cosine")
        np.testing.assert_array_equal(told.hit_code, shelf.codes([6])[0])
        np.testing.assert_array_equal(told.query_code, code)
        assert told.contributions.sum() == pytest.approx(1)
        np.testing.assert_array_equal(told.hit_reconstruction, shelf.decode(shelf.codes([0, 6]))[1])
        with pytest.raises(InputError, match="a code of 10 numbers, came 3"):
            shelf.explain(code[:3], 6)

    def test_uploads_become_squares_as_files_do(self, shelf: Shelf) -> None:
        data = png(5, (90, 60))
        np.testing.assert_array_equal(shelf.square(data), images.read_square(data, 32, "crop"))
        with pytest.raises(ImageError, match="expected JPEG"):
            shelf.square(b"no image at all")

    def test_warm_means_ready(self, shelf: Shelf) -> None:
        assert not shelf.ready
        shelf.warm()
        assert shelf.ready

    def test_threads_search_at_once(self, shelf: Shelf) -> None:
        expected = shelf.search_ids([1], 4)
        failed: list[object] = []

        def search() -> None:
            for number in range(30):
                name = ("euclidean", "cosine", "manhattan")[number % 3]
                if name == "euclidean" and shelf.search_ids([1], 4) != expected:
                    failed.append(number)
                shelf.search_ids([number % 20], 4, distance=name)

        threads = [threading.Thread(target=search) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not failed


class TestCollection:
    def test_hits_are_those_of_the_collection(self, mine: CollectionShelf) -> None:
        with Collection.open("mine", read_only=True) as collection:
            assert mine.search_ids([4, 9], 6, distance="cosine") == collection.search_ids([4, 9], 6, distance="cosine")

    def test_it_sees_what_others_commit(self, mine: CollectionShelf, draw: Draw, place: Path) -> None:
        before, state = mine.search_ids([0], 40), mine.state()
        info = mine.info()
        with Collection.open("mine") as other:
            other.add(draw(place / "new.png", 99))
            new = other.search_codes(mine.codes([0]), 40)
        assert mine.state() != state
        assert mine.search(mine.codes([0]), 40) == new
        assert len(mine.search_ids([0], 40)[0]) == len(before[0]) + 1
        assert mine.info().n_images == info.n_images + 1
        assert mine.record(30).label is None
        with Collection.open("mine") as other:
            other.engine.touch([replace(other.engine.get([1])[0], label="gnus")])
        assert mine.info().labels["gnus"] == 1
        assert {hit.label for hit in mine.search_ids([0], 40)[0] if hit.id == 1} == {"gnus"}

    def test_it_follows_a_change_of_model(self, mine: CollectionShelf) -> None:
        old = mine.codes([0])
        with Collection.open("mine") as other:
            other.reencode("cifar10-robust")
        assert mine.info().model == "cifar10-robust"
        assert mine.model.fingerprint == store.load_model("cifar10-robust").fingerprint
        assert np.abs(mine.codes([0]) - old).max() > 1
        assert mine.search_ids([0], 3)[0]

    def test_a_snapshot_is_of_one_state_and_one_model(self, mine: CollectionShelf, draw: Draw, place: Path) -> None:
        before = (mine.state(), len(mine), mine.fingerprint(), mine.codes([0]).tolist())
        with mine.snapshot():
            assert (mine.state(), len(mine)) == before[:2]
            with Collection.open("mine") as other:
                other.add(draw(place / "new.png", 99))
                other.reencode("cifar10-robust")
            with mine.snapshot():
                assert (mine.state(), len(mine), mine.fingerprint(), mine.codes([0]).tolist()) == before
            assert len(mine.search_ids([0], 100)[0]) == 29
        assert mine.state() != before[0]
        assert (len(mine), mine.fingerprint()) == (31, store.load_model("cifar10-robust").fingerprint)

    def test_codes_come_with_the_fingerprint_of_the_model_that_made_them(
        self, mine: CollectionShelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shipped, robust = store.load_model("cifar10").fingerprint, store.load_model("cifar10-robust").fingerprint
        squares = mine.squares([0])
        assert mine.encode_with_fingerprint(squares, version="robust")[1] == mine.fingerprint("robust") == robust
        encode = codes.encode

        def change(model: store.Model, given: Any) -> Any:
            with Collection.open("mine") as other:
                other.reencode("cifar10-robust")
            return encode(model, given)

        monkeypatch.setattr("zehn.serve.shelves.stored.encode", change)
        made, fingerprint = mine.encode_with_fingerprint(squares)
        assert fingerprint == shipped != mine.fingerprint() == robust
        np.testing.assert_array_equal(made, encode(store.load_model("cifar10"), squares))
        with pytest.raises(UnknownNameError, match="version"):
            mine.fingerprint("robuster")

    def test_states_outlive_a_restart_and_tell_collections_apart(
        self, mine: CollectionShelf, background: Background
    ) -> None:
        again = CollectionShelf.open("mine", Settings(), background, "mine")
        state = again.state()
        assert state == mine.state()
        again.close()
        with Collection.open("mine") as other:
            other.engine.set_facts({"created": "2001-01-01T00:00:00+00:00"})
        assert state != mine.state()

    def test_pictures_are_files_or_thumbnails(self, mine: CollectionShelf) -> None:
        np.testing.assert_array_equal(mine.picture(0), images.read_image(os.fsdecode(mine.record(0).path)))
        data, kind = mine.picture_file(0, 64)
        assert (kind, data) == ("image/jpeg", mine._engine.thumbnail(0))
        data, kind = mine.picture_file(0)
        assert kind == "image/png"
        np.testing.assert_array_equal(images.read_image(data), mine.picture(0))
        assert max(mine.picture(0, max_side=20).shape) <= 96
        Path(os.fsdecode(mine.record(0).path)).unlink()
        assert mine.picture(0).shape == (40, 48, 3)
        assert mine.squares([0]).shape == (1, 32, 32, 3)

    def test_a_large_picture_is_sent_no_larger_than_is_asked_for(self, place: Path, background: Background) -> None:
        (place / "large").mkdir()
        (place / "large/one.jpg").write_bytes(png(1, (900, 500), "JPEG"))
        with Collection.create("large") as made:
            made.add(place / "large")
        shelf = CollectionShelf.open("large", Settings(max_side=600), background, "large")
        data, kind = shelf.picture_file(0, 300)
        assert kind == "image/jpeg"
        assert max(images.read_image(data).shape) == 300
        assert max(images.read_image(shelf.picture_file(0)[0]).shape) == 600
        assert max(images.read_image(shelf.picture_file(0, 5000)[0]).shape) == 600
        shelf.close()

    def test_files_are_added_under_their_hash_and_found(self, mine: CollectionShelf, place: Path) -> None:
        given = [
            ("../../evil.png", png(50)),
            ("b.jpg", png(51, kind="JPEG")),
            ("again.png", png(50)),
            ("no.gif", b"GIF8"),
        ]
        added = mine.add(given, label="birds")
        assert added.n_added == 2
        assert added.ids == (30, 31, 30)
        assert [name for name, _ in added.skipped] == ["no.gif"]
        kept = sorted(path for path in place.rglob("*") if path.suffix in (".png", ".jpg") and "uploads" in str(path))
        assert all(path.is_relative_to(place / "home/collections/mine.uploads") for path in kept)
        assert len(kept) == 2
        assert not list(place.rglob("*evil*"))
        assert mine.record(30).label == "birds"
        assert mine.search(mine.encode([mine.square(png(51, kind="JPEG"))]), 1)[0][0].id == 31
        again = mine.add(given[:1])
        assert (again.ids, again.n_added, again.n_unchanged) == ((30,), 0, 1)
        with Collection.open("mine") as other:
            assert other.update().n_removed == 0

    def test_only_uploads_are_deleted_when_images_are_removed(self, mine: CollectionShelf) -> None:
        path = Path(os.fsdecode(mine.record(3).path))
        (new,) = mine.add([("a.png", png(50))]).ids
        upload = Path(os.fsdecode(mine.record(new).path))
        assert mine.remove([3, new]) == 2
        assert path.exists()
        assert not upload.exists()
        assert mine.remove([]) == 0
        with pytest.raises(InputError, match="id 3 is not in the"):
            mine.remove([3])
        assert len(mine) == 29

    def test_paths_that_are_imported_delete_nothing(self, mine: CollectionShelf, draw: Draw, place: Path) -> None:
        (new,) = mine.add([("a.png", png(50))]).ids
        own, victim = mine.record(new), draw(place / "victim.png", 60)
        uploads = Path(os.fsdecode(own.path)).parent.parent
        inside = draw(uploads / "ab" / "inside.png", 61)
        linked = uploads / "ab" / f"{'ab' * 32}.png"
        linked.symlink_to(victim)
        up = os.path.relpath(victim, uploads)
        told = [
            NewRecord(os.fsencode(path), 1, 0, digest, 1, 1, None)
            for path, digest in (
                (uploads / up, b""),
                (uploads / "ab" / ".." / up, bytes(32)),
                (inside, bytes(32)),
                (linked, b"\xab" * 32),
            )
        ]
        with Collection.open("mine") as other:
            ids = other.engine.add(told, np.zeros((4, 10), np.float32)).tolist()
        assert mine.remove(ids) == 4
        assert victim.exists()
        assert inside.exists()
        assert mine.remove([new]) == 1
        assert not Path(os.fsdecode(own.path)).exists()

    def test_a_file_that_is_added_while_it_is_removed_stays(
        self, mine: CollectionShelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (new,) = mine.add([("a.png", png(50))]).ids
        resolve, added = Path.resolve, list[Any]()
        adding = threading.Thread(target=lambda: added.append(mine.add([("a.png", png(50))])))

        def wait(path: Path, strict: bool = False) -> Path:
            # the removal has reached its file: who adds now waits, however long
            if adding.ident is None and threading.current_thread() is threading.main_thread():
                adding.start()
                adding.join(0.3)
            return resolve(path, strict)

        monkeypatch.setattr(Path, "resolve", wait)
        assert mine.remove([new]) == 1
        adding.join(60)
        (again,) = added[0].ids
        assert Path(os.fsdecode(mine.record(again).path)).exists()

    @pytest.mark.parametrize("label", ["", "a\nb", "x" * 201, "\x00"])
    def test_labels_are_words(self, mine: CollectionShelf, label: str) -> None:
        with pytest.raises(ConfigError, match="expected a label"):
            mine.add([("a.png", png(50))], label)
        assert len(mine) == 30

    def test_too_many_pixels_are_skipped(self, collection: str, background: Background) -> None:
        shelf = CollectionShelf.open(collection, Settings(max_pixels=1000), background, "mine")
        added = shelf.add([("a.png", png(50))])
        assert (added.ids, added.n_added) == ((), 0)
        assert "pixels" in added.skipped[0][1]
        with pytest.raises(ImageError, match="more than the 1,000 allowed"):
            shelf.square(png(50))
        shelf.close()

    def test_what_cannot_be_written_to(self, mine: CollectionShelf, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert not mine.writable
        with pytest.raises(CollectionError, match="cannot be written to"):
            mine.add([("a.png", png(50))])

    def test_an_empty_collection(self, background: Background) -> None:
        Collection.create("empty").close()
        shelf = CollectionShelf.open("empty", Settings(), background, "empty")
        shelf.warm()
        assert shelf.info().code_high == (0.0,) * 10
        assert shelf.search(np.zeros((2, 10), np.float32), 3) == [[], []]
        assert shelf.random_ids(3).tolist() == []
        assert [part.tolist() for part in shelf.distances(np.zeros(10, np.float32))] == [[], []]
        with pytest.raises(InputError, match="at least 4 images"):
            shelf.start_map()
        shelf.close()

    def test_a_model_that_is_yet_to_be_trained(self, background: Background) -> None:
        Collection.create("untrained", "train").close()
        with pytest.raises(ConfigError, match="yet to be trained"):
            CollectionShelf.open("untrained", Settings(), background, "untrained")


class TestRun:
    def test_records_are_those_of_the_data_set(self, digits: RunShelf) -> None:
        assert [os.fsdecode(digits.record(place).path) for place in (0, 59, 60)] == ["train/0", "train/59", "test/0"]
        assert not digits.writable
        assert digits.run is not None
        data, kind = digits.picture_file(61, 500)
        assert kind == "image/png"
        np.testing.assert_array_equal(images.read_image(data), digits.squares([61])[0])
        with pytest.raises(CollectionError, match="is a run"):
            digits.add([("a.png", png(1))])
        with pytest.raises(CollectionError, match="is a run"):
            digits.remove([1])

    def test_a_run_of_a_folder_shows_its_files(self, folder: Path, make_run: MakeRun, background: Background) -> None:
        run = make_run("photos", f"folder:{folder}", n_train=0, n_test=0)
        shelf = RunShelf(run, "photos", Settings(), background)
        assert len(shelf) == 30
        assert shelf.info().labels == {"cats": 10, "dogs": 10, "emus": 10}
        path = Path(os.fsdecode(shelf.record(7).path))
        assert path.parent.name == shelf.record(7).label
        np.testing.assert_array_equal(shelf.picture(7), images.read_image(path))
        assert shelf.picture(7, max_side=32).shape == (32, 32, 3)
        shelf.close()

    def test_the_run_folder_is_not_written_to(self, make_run: MakeRun, background: Background) -> None:
        run = make_run()
        before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
        for _ in range(2):
            shelf = RunShelf(run, "run", Settings(), background)
            shelf.warm()
            shelf.info()
            shelf.close()
        assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before

    def test_it_is_made_ready_once(self, make_run: MakeRun, background: Background, place: Path) -> None:
        run = make_run()
        states = []
        for _ in range(2):
            shelf = RunShelf(run, "run", Settings(), background)
            states.append((shelf.state(), [path.name for path in (place / "cache/serve/runs").glob("*.zehn")]))
            shelf.close()
        assert states[0] == states[1]
        assert len(states[0][1]) == 1
        assert not list((place / "cache").rglob("*.part*"))

    def test_what_is_no_longer_as_it_was(
        self, make_run: MakeRun, folder: Path, draw: Draw, background: Background
    ) -> None:
        run = make_run("photos", f"folder:{folder}", n_train=0, n_test=0)
        draw(folder / "cats" / "new.png", 77)
        with pytest.raises(RunError, match="no longer those"):
            RunShelf(run, "photos", Settings(), background)

    def test_codes_of_another_model(self, make_run: MakeRun, background: Background) -> None:
        run = make_run()
        (run.path / "train/model.h5").write_bytes(store.find_model("cifar10-robust").read_bytes())
        with pytest.raises(RunError, match="codes of another model"):
            RunShelf(run, "run", Settings(), background)

    def test_a_run_without_codes(self, make_run: MakeRun, background: Background) -> None:
        run = make_run()
        run.begin("check")
        with pytest.raises(RunError, match="has no codes yet"):
            RunShelf(run, "run", Settings(), background)

    def test_a_run_without_a_robust_model(self, make_run: MakeRun, background: Background) -> None:
        run = make_run()
        run.begin("robust")
        shelf = RunShelf(run, "run", Settings(), background)
        assert not shelf.info().has_versions
        with pytest.raises(UnknownNameError, match="unknown version of the model 'robust'"):
            shelf.start_version("robust")
        shelf.close()


class TestShelves:
    def test_nothing_at_all(self, shelves: Open) -> None:
        opened = shelves()
        assert (opened.names(), opened.problems, opened.runs) == ([], [], {})
        assert len(opened) == 0
        assert opened.ready

    @pytest.mark.usefixtures("collection")
    def test_without_a_name_the_newest_run_and_all_collections(self, make_run: MakeRun, shelves: Open) -> None:
        for number, name in enumerate(("old", "new", "unfinished")):
            run = make_run(name)
            os.utime(run.path / "stages.json", (number, number))
            if name == "unfinished":
                run.begin("check")
                os.utime(run.path / "stages.json", (9, 9))
        Collection.create("untrained", "train").close()
        (Path("runs") / "broken").mkdir()
        (Path("runs") / "broken" / "stages.json").write_text("{")
        opened = shelves()
        assert opened.names() == ["new", "mine"]
        assert [shelf.kind for shelf in opened] == ["run", "collection"]
        assert sorted(opened.runs) == ["new", "old", "unfinished"]
        assert len(opened.problems) == 2
        assert any("yet to be trained" in problem for problem in opened.problems)

    @pytest.mark.usefixtures("collection")
    def test_things_are_found_by_name_and_by_path(self, make_run: MakeRun, shelves: Open, place: Path) -> None:
        make_run("first")
        Collection.create(place / "my own.zehn").close()
        Collection.create(place / "other/mine.zehn").close()
        opened = shelves("mine", "first", place / "my own.zehn", "other/mine.zehn", "runs/first")
        assert opened.names() == ["mine", "first", "my own", "mine-2", "first-2"]
        assert opened["mine-2"].name == "mine-2"
        assert len(opened["mine"]) == 30
        assert "mine" in opened
        with pytest.raises(UnknownNameError, match="did you mean 'mine'"):
            opened["mein"]

    @pytest.mark.usefixtures("collection")
    @pytest.mark.parametrize(
        ("name", "error", "message"),
        [
            ("nothing", UnknownNameError, "unknown collection or run 'nothing'.*there are: first, mine"),
            ("photos", RunError, "photos is no run folder"),
            ("absent/thing.zehn", UnknownNameError, "unknown collection or run"),
            ("runs/unfinished", RunError, "has no codes yet"),
        ],
    )
    def test_what_cannot_be_opened(
        self, make_run: MakeRun, shelves: Open, name: str, error: type[Exception], message: str
    ) -> None:
        make_run("first")
        if name == "runs/unfinished":
            make_run("unfinished").begin("check")
        with pytest.raises(error, match=message):
            shelves("mine", name)

    def test_a_new_collection_is_served_at_once(self, shelves: Open) -> None:
        opened = shelves()
        made = opened.create("My photos_2")
        assert opened["My photos_2"] is made
        assert made.writable
        assert made.ready
        assert made.add([("a.png", png(1))]).ids == (0,)
        with pytest.raises(CollectionError, match="already"):
            opened.create("My photos_2")
        assert Shelves.open(["My photos_2"]).names() == ["My photos_2"]

    @pytest.mark.parametrize(
        "name", ["", ".", "..", "../up", "a/b", "a\\b", "a.zehn", "a.", "a ", "-a", "x" * 64, "a\n", "ü", "a\0"]
    )
    def test_names_that_are_none(self, shelves: Open, place: Path, name: str) -> None:
        with pytest.raises(ConfigError, match="expected a name"):
            shelves().create(name)
        assert not list(place.rglob("*.zehn"))

    @pytest.mark.parametrize("model", ["train", "absent", "/etc/passwd", "cifar10.h5"])
    def test_only_models_that_ship(self, shelves: Open, model: str) -> None:
        with pytest.raises(UnknownNameError, match="unknown model"):
            shelves().create("new", model)

    @pytest.mark.usefixtures("collection")
    def test_warming_goes_on_beside(self, shelves: Open) -> None:
        opened = shelves()
        assert not opened.ready
        opened.warm()
        for thread in threading.enumerate():
            if thread.name == "zehn-warming":
                thread.join(30)
        assert opened.ready

    @pytest.mark.parametrize("error", [CollectionError("it is damaged"), RuntimeError("oh")])
    @pytest.mark.usefixtures("collection")
    def test_what_is_damaged_does_not_take_the_others_with_it(
        self, shelves: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
    ) -> None:
        def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr(logging.getLogger("zehn.serve"), "propagate", True)
        Collection.create("broken").close()
        opened = shelves("broken", "mine")
        for name in ("warm", "info", "state"):
            monkeypatch.setattr(opened["broken"], name, fail)
        opened["broken"]._engine.close()  # type: ignore[attr-defined]
        opened.warm()
        for thread in threading.enumerate():
            if thread.name == "zehn-warming":
                thread.join(60)
        assert opened.ready
        assert opened.failed == {"broken": str(error)}
        assert opened.problems == [f"broken: {error}"]
        assert [info.name for info in opened.infos()] == ["mine"]
        assert opened.counts() == [("mine", 30)]
        assert {line.getMessage() for line in caplog.records} == {"a collection or run cannot be read"}
        assert {line.__dict__["fields"]["collection"] for line in caplog.records} == {"broken"}

    @pytest.mark.usefixtures("collection")
    def test_closing_lets_go(self, shelves: Open) -> None:
        opened = shelves()
        opened.close()
        opened.close()
        with pytest.raises(CollectionError, match="was closed"):
            opened._shelves["mine"].state()
