"""Part files into a collection: all of it, once, and only what its own model made."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from zehn import Collection, store
from zehn.errors import CollectionError, DataError
from zehn.scale import encoding
from zehn.scale.encoding import loading, parts

from .conftest import Draw, N, expected_codes

BATCH = encoding.Options(batch=5)


@pytest.fixture
def codes(photos: Path, tmp_path: Path) -> Path:
    encoding.encode(photos, tmp_path / "codes", n_workers=0, options=BATCH)
    return tmp_path / "codes"


@pytest.fixture
def collection(tmp_path: Path) -> Any:
    with Collection.create(tmp_path / "own.zehn", "cifar10") as made:
        yield made


def test_what_was_encoded_is_in_the_collection(
    codes: Path, collection: Collection, photos: Path, model: store.Model
) -> None:
    told: list[tuple[str, int, int]] = []
    assert encoding.load(codes, collection, progress=lambda *one: told.append(one)) == N
    assert told[-1] == ("loading images", N, N)
    records = list(collection.records())
    expected = expected_codes(model, sorted(photos.rglob("*.png")))
    assert {record.path for record in records} == set(expected)
    for record, code in zip(records, collection.engine.codes([record.id for record in records]), strict=True):
        np.testing.assert_allclose(code, expected[record.path], atol=1e-4)
        assert (record.width, record.height, len(record.sha256)) == (48, 40, 32)
    assert collection.verify() == []
    hits = collection.search(photos / "cats" / "03.png", 1)
    assert hits[0][0].path == str(photos / "cats" / "03.png")


def test_what_is_there_is_passed_over_and_so_it_goes_on(
    codes: Path, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "N_BATCH", 5)

    def stop(what: str, n_done: int, n_all: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encoding.load(codes, collection, progress=stop)
    n_before = len(collection)
    assert 0 < n_before < N
    assert encoding.load(codes, collection) == N - n_before
    ids = [record.id for record in collection.records()]
    assert encoding.load(codes, collection) == 0
    assert [record.id for record in collection.records()] == ids


def test_files_that_did_not_change_are_not_read_again(codes: Path, collection: Collection, photos: Path) -> None:
    encoding.load(codes, collection)
    changes = collection.add(photos)
    assert (changes.n_unchanged, changes.n_added, changes.n_changed) == (N, 0, 0)


def test_another_image_under_the_same_path_replaces_code_and_thumbnail(
    codes: Path, collection: Collection, photos: Path, draw: Draw
) -> None:
    collection.add(photos)
    draw(photos / "cats" / "00.png", 99)
    encoding.encode(photos, codes, n_workers=0, options=BATCH)
    assert encoding.load(codes, collection) == 1
    record = collection.engine.find([os.fsencode(photos / "cats" / "00.png")]).popitem()[1]
    assert collection.engine.thumbnail(record.id) is None
    assert len(collection) == N


def test_urls_are_loaded_too_and_survive_an_update(tmp_path: Path, photos: Path, collection: Collection) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in photos.rglob("*.png"):
        memory.pipe_file(f"/loaded/{path.name}", path.read_bytes())
    encoding.encode("memory://loaded", tmp_path / "codes", n_workers=0)
    assert encoding.load(tmp_path / "codes", collection) == N
    assert collection.update().n_removed == 0
    assert next(collection.records()).path.startswith(b"memory:///loaded/")


def test_codes_of_another_model_or_fit_are_refused(codes: Path, tmp_path: Path) -> None:
    with (
        Collection.create(tmp_path / "other.zehn", "cifar10-reconstruction") as other,
        pytest.raises(CollectionError, match=r"made with fingerprint zehn-.*encode with what the collection"),
    ):
        encoding.load(codes, other)
    with (
        Collection.create(tmp_path / "padded.zehn", fit="pad") as padded,
        pytest.raises(CollectionError, match=r"made with fit crop, but those of .* have pad"),
    ):
        encoding.load(codes, padded)


def test_what_is_no_finished_encoding_says_so(codes: Path, collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no manifest\.json in"):
        encoding.load(tmp_path / "absent", collection)
    manifest = codes / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"is_complete": true', '"is_complete": false'))
    with pytest.raises(DataError, match="is not finished; give the same zehn encode again"):
        encoding.load(codes, collection)


@pytest.mark.parametrize("change", [{"n_images": None}, {"parts": 3}, {"parts": [{"name": "../elsewhere.parquet"}]}])
def test_a_manifest_that_says_something_else_is_damaged(
    codes: Path, collection: Collection, change: dict[str, Any]
) -> None:
    manifest = codes / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))
    with pytest.raises(DataError, match=r"manifest\.json is damaged .*give the same zehn encode again"):
        encoding.load(codes, collection)
    assert len(collection) == 0


def test_a_large_part_is_added_in_pieces(codes: Path, collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "N_BATCH", 2)
    told: list[int] = []
    assert encoding.load(codes, collection, progress=lambda *one: told.append(one[1])) == N
    assert all(after - before <= 2 for before, after in pairwise([0, *told]))


def damage(path: Path, **columns: Any) -> None:
    table = pyarrow.parquet.read_table(path)
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, [values(table[name].to_pylist())])
    pyarrow.parquet.write_table(table, path)


@pytest.mark.parametrize(
    "columns",
    [
        {"path_bytes": lambda values: [b""] * len(values)},
        {"path_bytes": lambda values: [value + b"\0" for value in values]},
        {"path_bytes": lambda values: [value + b"/../.." for value in values]},
        {"sha256": lambda values: [b"short"] * len(values)},
        {"size": lambda values: [-1] * len(values)},
        {"width": lambda values: ["wide"] * len(values)},
        {"path_bytes": lambda values: [None] * len(values)},
        {"code_3": lambda values: [float("nan")] * len(values)},
    ],
    ids=["empty", "zero", "climbing", "hash", "size", "type", "null", "nan"],
)
def test_a_part_that_holds_something_else_adds_nothing(
    codes: Path, collection: Collection, columns: dict[str, Any]
) -> None:
    damage(next(codes.glob("part-*")), **columns)
    with pytest.raises(DataError, match=r"is damaged .*; remove it and give the same zehn encode again"):
        encoding.load(codes, collection)
    assert len(collection) == 0


def test_a_part_that_is_gone_or_cut_says_so(codes: Path, collection: Collection) -> None:
    victim = next(codes.glob("part-*"))
    data = victim.read_bytes()
    for left in (data[: len(data) // 2], None):
        victim.unlink() if left is None else victim.write_bytes(left)
        with pytest.raises(DataError, match=f"{victim.name} is damaged"):
            encoding.load(codes, collection)


def test_a_part_file_is_what_index_import_reads(codes: Path, collection: Collection) -> None:
    n = sum(collection.import_codes(path) for path in codes.glob(f"{parts.PREFIX}*"))
    assert n == N == len(collection)
