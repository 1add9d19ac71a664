"""A collection holds exactly the readable images that it was given, and finds them again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zehn import Collection, images, store
from zehn.collection import collections, exists, groups
from zehn.engines import NewRecord
from zehn.errors import (
    CollectionError,
    ConfigError,
    DataError,
    ImageError,
    InputError,
    ModelFileError,
    UnknownNameError,
)

from .conftest import Draw

OTHER_MODEL = "cifar10-reconstruction"


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with Collection.create(tmp_path / "own.zehn") as made:
        yield made


def names_in(collection: Collection) -> list[str]:
    return [Path(os.fsdecode(record.path)).name for record in collection.records()]


def later(path: Path) -> None:
    """Give a file a time of change that no clock's coarseness hides."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))


def test_what_was_added_is_found_by_itself(collection: Collection, folder: Path) -> None:
    changes = collection.add(folder)
    assert (changes.n_added, changes.n_unchanged, changes.skipped) == (12, 0, ())
    assert len(collection) == 12
    assert repr(collection).endswith("12 images)")
    hits = collection.search([folder / "cats" / "03.png", folder / "dogs" / "07.png"], 5)
    assert [[hit.rank for hit in row] for row in hits] == [[1, 2, 3, 4, 5]] * 2
    assert [Path(row[0].path).name for row in hits] == ["03.png", "07.png"]
    first = hits[0][0]
    assert first.distance == pytest.approx(0, abs=1e-3)
    assert first.distance_name == "euclidean"
    assert first.percentile > 99
    assert first.label is None
    assert first.recall == 1
    assert all(one.distance <= two.distance for one, two in zip(hits[0], hits[0][1:], strict=False))
    assert [record.id for record in collection.records()] == sorted(record.id for record in collection.records())


def test_the_codes_are_those_of_the_model(collection: Collection, folder: Path) -> None:
    from zehn import codes

    collection.add(folder)
    records = list(collection.records())
    squares = np.stack([images.read_square(os.fsdecode(record.path), 32) for record in records])
    expected = codes.encode(store.load_model("cifar10"), squares)
    np.testing.assert_allclose(collection.engine.codes([r.id for r in records]), expected, rtol=1e-4, atol=1e-3)
    assert (records[0].width, records[0].height) == (48, 40)
    assert records[0].size == Path(os.fsdecode(records[0].path)).stat().st_size


def test_adding_again_reads_nothing(collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection.add(folder)
    monkeypatch.setattr("zehn.collection.decoding.decode_all", lambda *_: pytest.fail("a file was read"))
    assert collection.add(folder).n_unchanged == 12


def test_many_go_through_processes(collection: Collection, tmp_path: Path, draw: Draw) -> None:
    for seed in range(70):
        draw(tmp_path / "many" / f"{seed:02}.png", seed, (12, 12))
    collection.n_workers = 2
    told: list[tuple[str, int, int]] = []
    changes = collection.add(tmp_path / "many", progress=lambda *words: told.append(words))
    assert changes.n_added == 70
    assert names_in(collection) == sorted(names_in(collection))
    assert told[-1] == ("adding images", 70, 70)


def test_a_named_collection_lives_at_home(home: Path) -> None:
    assert not exists("mine")
    Collection.create("mine").close()
    assert collections() == ["mine"]
    assert exists("mine")
    with Collection.open("mine", read_only=True) as mine:
        assert mine.name == "mine"
        assert mine.address == str(home / "mine.zehn")
        assert mine.search_codes(np.zeros((1, 10), np.float32)) == [[]]
    with pytest.raises(CollectionError, match="already; open it"):
        Collection.create("mine")
    with pytest.raises(CollectionError, match="no collection thine; there are: mine"):
        Collection.open("thine")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "cifra10"}, "did you mean 'cifar10'"),
        ({"fit": "squeeze"}, "unknown fit"),
        ({"thumbnail_size": -1}, "thumbnail_size must lie between 0"),
        ({"model": "train", "preset": "quik"}, "did you mean 'quick'"),
    ],
)
def test_a_wrong_setting_makes_nothing(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Collection.create("mine", **options)
    assert not exists("mine")


def test_odd_files_are_handled_or_listed(collection: Collection, tmp_path: Path, draw: Draw) -> None:
    folder = tmp_path / "odd"
    draw(folder / "good.png", 0)
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("just text")
    whole = draw(folder / "truncated.jpg", 1, (200, 200)).read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    Image.new("CMYK", (30, 30), (10, 20, 30, 40)).save(folder / "cmyk.jpg")
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(folder / "sixteen.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(folder / "sideways.jpg", exif=exif)
    Image.new("L", (20_000, 5_000)).save(folder / "enormous.png")
    (folder / "dangling.png").symlink_to(folder / "absent.png")
    (folder / "circle").symlink_to(folder)
    changes = collection.add(folder)
    reasons = {Path(one.path).name: one.reason for one in changes.skipped}
    assert sorted(reasons) == ["dangling.png", "empty.png", "enormous.png", "text.jpg", "truncated.jpg"]
    assert reasons["empty.png"] == "the file is empty"
    assert "bomb" in reasons["enormous.png"]
    assert sorted(names_in(collection)) == ["animated.gif", "cmyk.jpg", "good.png", "sideways.jpg", "sixteen.png"]
    sizes = {Path(os.fsdecode(one.path)).name: (one.width, one.height) for one in collection.records()}
    assert sizes["sideways.jpg"] == (40, 60)
    assert collection.verify() == []


def test_paths_may_be_any_bytes(collection: Collection, tmp_path: Path, draw: Draw) -> None:
    odd = os.fsencode(tmp_path) + b"/odd/\xff\xfe \n.png"
    draw(Path(os.fsdecode(odd)), 0)
    collection.add(os.fsencode(tmp_path) + b"/odd")
    hit = collection.search(os.fsdecode(odd))[0][0]
    assert os.fsencode(hit.path) == odd
    assert json.loads(json.dumps(hit.path)) == hit.path
    assert collection.update().n_unchanged == 1
    assert collection.remove(odd) == 1


def test_folders_give_labels_and_filters_know_them(collection: Collection, folder: Path) -> None:
    collection.add(folder)
    assert collection.info()["labels"] == {None: 12}
    assert collection.add(folder, labels="folder").n_unchanged == 12
    assert collection.info()["labels"] == {"cats": 6, "dogs": 6}
    hits = collection.search(folder / "dogs" / "07.png", 20, where="label = 'cats'")[0]
    assert {hit.label for hit in hits} == {"cats"}
    assert len(hits) == 6
    assert len(list(collection.records("label = 'dogs' and width >= 48"))) == 6
    with pytest.raises(ConfigError, match="cannot filter by"):
        collection.search(folder / "dogs" / "07.png", where="nonsense = 3")
    with pytest.raises(UnknownNameError, match="there are: folder"):
        collection.add(folder, labels="file")


def test_update_finds_what_is_new_changed_touched_and_gone(collection: Collection, folder: Path, draw: Draw) -> None:
    collection.add(folder, labels="folder")
    ids = {Path(os.fsdecode(record.path)).name: record.id for record in collection.records()}
    (folder / "cats" / "00.png").unlink()
    later(draw(folder / "cats" / "01.png", 101))
    later(folder / "cats" / "02.png")
    draw(folder / "birds" / "20.png", 20)
    changes = collection.update()
    assert (changes.n_added, changes.n_changed, changes.n_unchanged, changes.n_removed) == (1, 1, 10, 1)
    found = {Path(os.fsdecode(record.path)).name: record for record in collection.records()}
    assert "00.png" not in found
    assert {name: record.id for name, record in found.items() if name != "20.png"} == {
        name: id_ for name, id_ in ids.items() if name != "00.png"
    }
    assert found["20.png"].label == "birds"
    assert found["20.png"].id > max(ids.values())
    assert Path(collection.search(folder / "cats" / "01.png")[0][0].path).name == "01.png"
    assert collection.update().n_unchanged == 12


def test_update_looks_after_files_that_were_added_alone(collection: Collection, folder: Path, draw: Draw) -> None:
    alone = [folder / "cats" / "00.png", folder / "cats" / "01.png", folder / "cats" / "02.png"]
    collection.add(alone)
    alone[0].unlink()
    later(draw(alone[1], 101))
    changes = collection.update()
    assert (changes.n_added, changes.n_changed, changes.n_unchanged, changes.n_removed) == (0, 1, 1, 1)


def test_a_folder_that_is_not_mounted_loses_nothing(collection: Collection, folder: Path) -> None:
    collection.add(folder)
    folder.rename(folder.with_name("elsewhere"))
    changes = collection.update()
    assert changes.n_removed == 0
    assert "its images are kept" in changes.skipped[0].reason
    folder.mkdir()
    assert collection.update().n_removed == 0
    assert collection.remove(folder) == 12
    assert collection.update().skipped == ()


def test_images_within_a_shard_are_gone_with_it_alone(collection: Collection, folder: Path) -> None:
    collection.add(folder)
    shard = folder / "b.tar"
    shard.write_bytes(b"of webdataset")
    within = NewRecord(os.fsencode(shard / "q.png"), 10, 0, b"", 32, 32)
    collection.engine.add([within], np.zeros((1, collection.engine.n_components), np.float32))
    assert collection.update().n_removed == 0
    shard.unlink()
    assert collection.update().n_removed == 1


def test_a_thorough_look_sees_what_size_and_time_hide(collection: Collection, folder: Path) -> None:
    collection.add(folder)
    path = folder / "cats" / "00.png"
    status, data = path.stat(), bytearray(path.read_bytes())
    replacement = folder / "cats" / "01.png"
    data[:] = replacement.read_bytes()[: len(data)].ljust(len(data), b"\0")
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert collection.update().n_changed == 0
    changes = collection.update(thorough=True)
    assert changes.n_changed + len(changes.skipped) == 1


def test_images_are_removed_by_id_by_path_and_by_folder(collection: Collection, folder: Path) -> None:
    collection.add(folder)
    first = next(iter(collection.records()))
    assert collection.remove(first.id) == 1
    assert collection.remove([folder / "cats" / "01.png"]) == 1
    assert collection.remove(str(folder / "dogs")) == 6
    assert len(collection) == 4
    with pytest.raises(InputError, match="not in the collection"):
        collection.remove([first.id, next(iter(collection.records())).id])
    with pytest.raises(DataError, match=r"no image of .* lies at"):
        collection.remove([folder / "cats" / "02.png", "/absent"])
    assert len(collection) == 4
    assert collection.update().n_added == 8  # the folder is remembered, and the files are still there


def test_what_cannot_be_added_is_refused(collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file or folder"):
        collection.add(tmp_path / "absent")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match="there are no images in"):
        collection.add(tmp_path / "bare")
    with pytest.raises(InputError, match="at least one path"):
        collection.add([])
    with pytest.raises(ImageError, match="cannot be read"):
        collection.search(tmp_path / "absent.png")


@pytest.mark.parametrize("distance", ["euclidean", "cosine", "manhattan", "chebyshev", "mahalanobis", "correlation"])
def test_every_distance_finds_and_explains(collection: Collection, folder: Path, distance: str) -> None:
    collection.add(folder)
    hits = collection.search(folder / "cats" / "03.png", 3, distance=distance, explain=True)[0]
    assert Path(hits[0].path).name == "03.png"
    for hit in hits[1:]:
        assert hit.explanation is not None
        assert hit.explanation.contributions.sum() == pytest.approx(1)
        assert hit.explanation.hit_reconstruction.shape == (32, 32, 3)
        np.testing.assert_array_equal(hit.explanation.hit_code, collection.engine.codes([hit.id])[0])


def test_an_image_of_the_collection_is_not_its_own_hit(collection: Collection, folder: Path) -> None:
    collection.add(folder)
    records = list(collection.records())
    hits = collection.search_ids([records[0].id, records[5].id], 20)
    assert [len(row) for row in hits] == [11, 11]
    assert records[0].id not in {hit.id for hit in hits[0]}
    with pytest.raises(InputError, match="dimensions"):
        collection.search_codes(np.zeros((1, 9), np.float32))


def test_pictures_come_from_files_or_thumbnails(collection: Collection, folder: Path) -> None:
    collection.add(folder)
    record = next(iter(collection.records()))
    assert collection.picture(record.id).shape == (40, 48, 3)
    assert collection.picture(record.id, max_side=32).shape == (40, 48, 3)
    shutil.rmtree(folder)
    assert collection.picture(record.id).shape == (40, 48, 3)


def test_copies_and_near_duplicates_are_told(collection: Collection, folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "cats" / "00.png", folder / "dogs" / "copy.png")
    with Image.open(folder / "cats" / "01.png") as picture:
        picture.resize((96, 80)).save(folder / "dogs" / "large.jpg", quality=85)
    collection.add(folder)
    pairs = collection.duplicates()
    assert [{Path(os.fsdecode(one.path)).name for one in (pair.first, pair.second)} for pair in pairs] == [
        {"00.png", "copy.png"}, {"01.png", "large.jpg"}
    ]  # fmt: skip
    assert [pair.is_copy for pair in pairs] == [True, False]
    assert [len(group) for group in groups(pairs)] == [2, 2]
    assert len(collection.duplicates(threshold=1e9, max_difference=None)) > 50
    with Collection.create(tmp_path / "other.zehn") as other:
        other.add(folder / "dogs")
        both = collection.duplicates(other=other, where="label is null")
        assert {Path(os.fsdecode(pair.second.path)).name for pair in both if pair.first.path == pair.second.path} == {
            *names_in(other)
        }
    with (
        Collection.create(tmp_path / "third.zehn", OTHER_MODEL) as third,
        pytest.raises(CollectionError, match="use the model that made them"),
    ):
        collection.duplicates(other=third)
    with Collection.create(tmp_path / "empty.zehn") as empty:
        assert collection.duplicates(other=empty) == []


@pytest.mark.parametrize("ending", ["parquet", "npz"])
def test_export_and_import_are_a_round_trip(
    collection: Collection, folder: Path, tmp_path: Path, draw: Draw, ending: str
) -> None:
    draw(Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")), 77)
    collection.add(folder, labels="folder")
    path = tmp_path / f"codes.{ending}"
    assert collection.export(path) == 13
    with Collection.create(tmp_path / "again.zehn") as again:
        assert again.import_codes(path) == 13
        for one, two in zip(collection.records(), again.records(), strict=True):
            for name in ("path", "size", "sha256", "width", "height", "label"):
                assert getattr(one, name) == getattr(two, name)
        ids = [record.id for record in collection.records()]
        np.testing.assert_array_equal(
            again.engine.codes([record.id for record in again.records()]), collection.engine.codes(ids)
        )
        assert again.add(folder, labels="folder").n_changed == 13  # nobody had read the files here
        assert again.add(folder, labels="folder").n_unchanged == 13
    with (
        Collection.create(tmp_path / "other.zehn", OTHER_MODEL) as other,
        pytest.raises(CollectionError, match="the collection's are of model"),
    ):
        other.import_codes(path)


@pytest.mark.parametrize("ending", ["parquet", "npz"])
def test_an_empty_collection_goes_through_a_file_too(collection: Collection, tmp_path: Path, ending: str) -> None:
    assert collection.export(tmp_path / f"none.{ending}") == 0
    assert collection.import_codes(tmp_path / f"none.{ending}") == 0


@pytest.mark.parametrize("ending", ["parquet", "npz"])
def test_codes_of_zehn_encode_can_be_imported(
    collection: Collection, folder: Path, tmp_path: Path, ending: str
) -> None:
    from zehn import pipeline

    pipeline.encode(str(folder), "cifar10", tmp_path / f"codes.{ending}")
    assert collection.import_codes(tmp_path / f"codes.{ending}") == 12
    hits = collection.search(folder / "cats" / "03.png")[0]
    assert Path(hits[0].path).name == "03.png"
    assert collection.update().n_changed == 12  # nobody had hashed the files


def test_a_foreign_file_is_refused(collection: Collection, tmp_path: Path) -> None:
    for name in ("bad.npz", "bad.parquet"):
        (tmp_path / name).write_bytes(b"no such thing")
        with pytest.raises(DataError, match="damaged or holds no codes"):
            collection.import_codes(tmp_path / name)
    with pytest.raises(UnknownNameError, match=r"\.parquet"):
        collection.export(tmp_path / "codes.csv")
    with pytest.raises(DataError, match="there is no file"):
        collection.import_codes(tmp_path / "absent.npz")


def test_another_model_is_refused_with_the_reason(collection: Collection, folder: Path) -> None:
    collection.add(folder)
    other = store.find_model(OTHER_MODEL).read_bytes()
    for data, message in (
        (other, "use the model that made them, or encode all images anew"),
        (other[:99], "is damaged"),
    ):
        collection.engine.attach("model.h5", data)
        with Collection.open(collection.address) as opened:
            with pytest.raises(CollectionError, match=message):
                opened.search(folder / "cats" / "00.png")
            with pytest.raises(CollectionError, match=message):
                opened.add(folder / "cats", thorough=True)
            assert any(message in problem for problem in opened.verify())


def test_the_file_moves_as_one(folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "own.h5"
    shutil.copy(store.find_model(OTHER_MODEL), model)
    with Collection.create(tmp_path / "a.zehn", model, fit="pad") as collection:
        collection.add(folder)
        collection.backup(tmp_path / "b.zehn")
    model.unlink()
    (tmp_path / "a.zehn").unlink()
    (tmp_path / "moved").mkdir()
    (tmp_path / "b.zehn").rename(tmp_path / "moved" / "c.zehn")
    with Collection.open(tmp_path / "moved" / "c.zehn", read_only=True) as moved:
        assert Path(moved.search(folder / "cats" / "03.png")[0][0].path).name == "03.png"
        assert moved.info()["model"] == "own.h5"
        assert moved.info()["fit"] == "pad"
        with pytest.raises(CollectionError, match="read"):
            moved.add(folder / "cats", thorough=True, labels="folder")


def test_reencoding_goes_on_where_it_stopped(
    collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection.add(folder)
    monkeypatch.setattr("zehn.collection.reencoding._N_BATCH", 5)
    before = collection.model.fingerprint

    def interrupt(what: str, n_done: int, n_all: int) -> None:
        assert (what, n_all) == ("encoding anew", 12)
        if n_done >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collection.reencode(OTHER_MODEL, progress=interrupt)
    assert collection.model.fingerprint == before
    assert Path(collection.search(folder / "cats" / "03.png")[0][0].path).name == "03.png"
    assert collection.info()["reencoding"] == {
        "fingerprint": store.load_model(OTHER_MODEL).fingerprint, "n_done": 10, "n_left": 2
    }  # fmt: skip
    (folder / "dogs" / "11.png").unlink()
    skipped = collection.reencode()
    assert [Path(one.path).name for one in skipped] == ["11.png"]
    assert collection.info()["reencoding"] is None
    assert collection.info()["model"] == OTHER_MODEL
    assert Path(collection.search(folder / "cats" / "03.png")[0][0].path).name == "03.png"
    assert collection.verify() == []
    with pytest.raises(CollectionError, match="no change of model was begun"):
        collection.reencode()


def test_a_change_of_model_is_abandoned(collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection.add(folder)
    monkeypatch.setattr("zehn.collection.reencoding._N_BATCH", 5)
    before = collection.model.fingerprint

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collection.reencode(OTHER_MODEL, progress=interrupt)
    assert collection.info()["reencoding"]["n_done"] == 5
    collection.abandon_reencoding()
    assert (collection.info()["reencoding"], collection.model.fingerprint) == (None, before)
    assert Path(collection.search(folder / "cats" / "03.png")[0][0].path).name == "03.png"
    assert collection.verify() == []
    for refused in (collection.abandon_reencoding, collection.reencode):
        with pytest.raises(CollectionError, match="no change of model was begun"):
            refused()


@pytest.mark.parametrize("left", ["the next model, damaged", "new codes alone"])
def test_what_is_left_of_a_change_of_model_is_abandoned(left: str, collection: Collection, folder: Path) -> None:
    collection.add(folder)
    if left == "new codes alone":
        collection.engine.begin_reencoding("zehn-0123456789abcdef", 3)
    else:
        collection.engine.set_facts({}, {"next-model.h5": b"cut short"})
    collection.abandon_reencoding()
    assert collection.info()["reencoding"] is None
    with pytest.raises(CollectionError, match="none to abandon"):
        collection.abandon_reencoding()


def test_a_change_of_model_that_another_abandons_meanwhile_stops(
    collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection.add(folder)
    monkeypatch.setattr("zehn.collection.reencoding._N_BATCH", 5)
    before = collection.model.fingerprint

    def abandon(*_: object) -> None:
        with Collection.open(collection.address) as other:
            if other.info()["reencoding"]:
                other.abandon_reencoding()

    with pytest.raises(CollectionError, match="by another process meanwhile"):
        collection.reencode(OTHER_MODEL, progress=abandon)
    assert (collection.info()["reencoding"], collection.model.fingerprint) == (None, before)
    assert collection.verify() == []


def test_reencoding_without_file_or_thumbnail_says_so(tmp_path: Path, folder: Path) -> None:
    with Collection.create(tmp_path / "bare.zehn", thumbnail_size=0) as collection:
        collection.add(folder)
        (folder / "cats" / "03.png").unlink()
        with pytest.raises(CollectionError, match=r"1 images can be read neither .*03\.png"):
            collection.reencode(OTHER_MODEL)
        collection.update()
        collection.reencode(OTHER_MODEL)
        assert len(collection) == 11


def test_a_reader_follows_a_change_of_model(collection: Collection, folder: Path) -> None:
    collection.add(folder)
    with Collection.open(collection.address, read_only=True) as reader:
        assert reader.model.fingerprint == collection.model.fingerprint
        collection.reencode(OTHER_MODEL)
        assert Path(reader.search(folder / "cats" / "03.png")[0][0].path).name == "03.png"
        assert reader.model.fingerprint == store.load_model(OTHER_MODEL).fingerprint


def test_the_first_images_train_a_model(tmp_path: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    from zehn import config

    small = {"train": {"epochs": 1, "decoder_seen": 0, "objectives": {"reconstruction": 1.0}}}
    monkeypatch.setitem(config.PRESETS, "smoke", small)
    for seed in range(24):
        draw(tmp_path / "photos" / f"{seed:02}.png", seed)
    with Collection.create("own", "train", preset="smoke", n_components=4) as collection:
        assert collection.verify() == []
        with pytest.raises(ConfigError, match="yet to be trained: add images first"):
            collection.search(tmp_path / "photos" / "00.png")
        with pytest.raises(DataError, match="at least 16 readable images"):
            collection.add(tmp_path / "photos" / "00.png")
        told: list[str] = []
        collection.add(tmp_path / "photos", progress=lambda what, *_: told.append(what))
        assert {"reading images to train on", "training", "adding images"} <= set(told)
        assert collection.info()["n_components"] == 4
        assert collection.info()["model"] == "trained on own"
        assert Path(collection.search(tmp_path / "photos" / "07.png")[0][0].path).name == "07.png"
        assert collection.verify() == []


def test_what_cannot_be_looked_at_is_not_gone(
    collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection.add(folder)
    proper = os.stat

    def refuse(path: Any, **options: Any) -> Any:
        if b"/cats" in os.fsencode(path):
            raise PermissionError(13, "Permission denied")
        return proper(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", refuse)
        assert collection.update().n_removed == 0
    assert len(collection) == 12


def test_an_empty_path_removes_nothing(collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection.add(folder)
    monkeypatch.chdir(folder)
    with pytest.raises(InputError, match="came an empty one"):
        collection.remove(["cats", ""])
    assert len(collection) == 12
    monkeypatch.setenv("HOME", str(folder))
    assert collection.remove("~/cats") == 6
    assert collection.remove(np.array([record.id for record in collection.records()])[0]) == 1


def reencoded_meanwhile(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let another process finish a change of model while the first images are being encoded."""
    from zehn import codes

    proper, begun = codes.encode, list[bool]()

    def encode(*given: Any) -> Any:
        if not begun:
            begun.append(True)
            with Collection.open(collection.address) as other:
                other.reencode(OTHER_MODEL)
        return proper(*given)

    monkeypatch.setattr(codes, "encode", encode)


def test_codes_of_the_model_before_are_not_added(
    collection: Collection, folder: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection.add(folder)
    draw(folder / "birds" / "20.png", 20)
    reencoded_meanwhile(collection, monkeypatch)
    with pytest.raises(CollectionError, match="the model of this collection changed meanwhile; give the same command"):
        collection.add(folder)
    assert len(collection) == 12
    assert collection.add(folder).n_added == 1
    assert collection.search(folder / "birds" / "20.png", 1)[0][0].distance == pytest.approx(0, abs=1e-3)


def test_a_search_is_of_one_model_whatever_others_do(
    collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection.add(folder)
    reencoded_meanwhile(collection, monkeypatch)
    for _ in range(2):
        hit = collection.search(folder / "cats" / "03.png", 1, explain=True)[0][0]
        assert Path(hit.path).name == "03.png"
        assert hit.distance == pytest.approx(0, abs=1e-3)
    assert collection.info()["model"] == OTHER_MODEL


def test_numbers_beyond_all_bounds_are_answered_or_refused(collection: Collection, folder: Path) -> None:
    collection.add(folder)
    assert len(collection.search(folder / "cats" / "03.png", 10**13)[0]) == 12
    for ids in ([10**20], [-(10**20)]):
        with pytest.raises(InputError, match="is not in the collection"):
            collection.remove(ids)
        with pytest.raises(InputError, match="is not in the collection"):
            collection.search_ids(ids)


def test_what_looks_like_a_users_home_is_a_name(collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"~nobody-such\.jpg: the file cannot be read"):
        collection.search("~nobody-such.jpg")
    with pytest.raises(CollectionError, match="there is no collection ~nobody-such/x"):
        Collection.open("~nobody-such/x")
    with pytest.raises(ModelFileError, match="there is no model file ~nobody-such/x"):
        Collection.create(tmp_path / "other.zehn", "~nobody-such/x")


def test_a_models_name_may_be_any_bytes(folder: Path, tmp_path: Path) -> None:
    model = tmp_path / os.fsdecode(b"\xff.h5")
    shutil.copy(store.find_model(OTHER_MODEL), model)
    with Collection.create(tmp_path / "other.zehn", model) as collection:
        assert collection.info()["model"] == model.name
        collection.add(folder)
        collection.reencode(model)


def test_a_collection_is_never_without_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zehn.engines.embedded.Engine.attach", lambda *_: pytest.fail("it was there without"))
    with Collection.create(tmp_path / "other.zehn") as collection:
        assert collection.verify() == []
