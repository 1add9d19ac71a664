"""What is exported comes back, however many rows at a time; what is no export adds nothing and says why."""

from __future__ import annotations

import io
import os
import random
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zehn import Collection, codes
from zehn.engines import NewRecord
from zehn.errors import CollectionError, DataError, RunError

from .conftest import Draw

D, N = 10, 7
ENDINGS = ["npz", "parquet"]
LABELS = (None, "", "katze", "chat é", None, "x" * 300, "犬")
PATHS = (b"/a.png", b"/\xff\xfe \n\x1b.png", b"/" + b"deep/" * 200 + b"a.png", b"/b", b"/c", b"/d", b"/e")
HASHES = (b"", b"\0" * 32, b"h" * 31 + b"\0", b"", b"\1" * 32, b"\2" * 32, b"\3" * 32)
Arrays = dict[str, Any]


def records() -> list[NewRecord]:
    rows = zip(PATHS, HASHES, LABELS, strict=True)
    return [
        NewRecord(path, 10**12 + row, -row, digest, row, 2 * row, label)
        for row, (path, digest, label) in enumerate(rows)
    ]


def some_codes(n: int = N) -> Any:
    return np.random.default_rng(0).normal(size=(n, D)).astype(np.float32)


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with Collection.create(tmp_path / "own.zehn") as made:
        made.engine.add(records(), some_codes())
        yield made


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Collection]:
    with Collection.create(tmp_path / "empty.zehn") as made:
        yield made


def known_of(collection: Collection) -> list[tuple[Any, ...]]:
    names = ("path", "size", "sha256", "width", "height", "label")
    return [tuple(getattr(record, name) for name in names) for record in collection.records()]


def codes_of(collection: Collection) -> Any:
    return collection.engine.codes([record.id for record in collection.records()])


@pytest.mark.parametrize("n_batch", [1, 3, 10_000])
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_exported_comes_back(
    collection: Collection,
    empty: Collection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
    n_batch: int,
) -> None:
    walk = collection.engine.walk_codes
    monkeypatch.setattr(collection.engine, "walk_codes", lambda: walk(n_batch=n_batch))
    for module in ("npz", "parquet", "exchange"):
        monkeypatch.setattr(f"zehn.collection.{module}.N_BATCH", n_batch, raising=False)
    path = tmp_path / "new" / f"codes.{ending}"
    assert collection.export(path) == N
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert empty.import_codes(path) == N
    assert known_of(empty) == known_of(collection)
    np.testing.assert_array_equal(codes_of(empty), codes_of(collection))
    assert empty.verify() == []
    assert empty.import_codes(path) == N
    assert len(empty) == N


def test_an_exported_npz_is_as_large_as_what_is_in_it(collection: Collection, tmp_path: Path) -> None:
    collection.export(tmp_path / "codes.npz")
    more = [NewRecord(b"/%d" % row, 1, 1, b"", 1, 1) for row in range(1_000)]
    collection.engine.add(more, some_codes(1_000))
    collection.export(tmp_path / "more.npz")
    sizes = [(tmp_path / name).stat().st_size for name in ("codes.npz", "more.npz")]
    assert sizes[1] - sizes[0] < 1_000 * 200  # though one path has 1,000 bytes


def test_others_can_read_an_exported_npz(collection: Collection, tmp_path: Path) -> None:
    collection.export(tmp_path / "codes.npz")
    with np.load(tmp_path / "codes.npz") as file:
        np.testing.assert_array_equal(file["codes"], codes_of(collection))
        offsets = file["path_offsets"]
        found = [file["path_bytes"][offsets[row] : offsets[row + 1]].tobytes() for row in range(N)]
        assert tuple(found) == PATHS
        assert file["fingerprint"] == collection.model.fingerprint
        assert file["mtime_ns"].tolist() == [-row for row in range(N)]
        assert file["added"][0].endswith(b"Z")


@pytest.mark.parametrize("ending", ENDINGS)
def test_update_gives_imported_images_thumbnails(tmp_path: Path, folder: Path, empty: Collection, ending: str) -> None:
    path = tmp_path / f"codes.{ending}"
    with Collection.create(tmp_path / "first.zehn") as first:
        first.add(folder, labels="folder")
        first.export(path)
        expected = {record.path: record for record in first.records()}
    (folder / "cats").rename(tmp_path / "away")
    assert empty.import_codes(path) == 12
    ids = [record.id for record in empty.records()]
    assert [empty.engine.thumbnail(id_) for id_ in ids] == [None] * 12
    changes = empty.update()
    assert (changes.n_changed, changes.n_removed) == (6, 0)
    (tmp_path / "away").rename(folder / "cats")
    changes = empty.update()
    assert (changes.n_changed, changes.n_unchanged) == (6, 6)
    for record in empty.records():
        assert empty.engine.thumbnail(record.id) is not None
        assert (record.sha256, record.mtime_ns, record.label) == (
            expected[record.path].sha256,
            expected[record.path].mtime_ns,
            expected[record.path].label,
        )
    assert empty.update().n_unchanged == 12


@pytest.mark.parametrize("ending", ENDINGS)
def test_without_thumbnails_nothing_is_encoded_again(tmp_path: Path, folder: Path, ending: str) -> None:
    with Collection.create(tmp_path / "bare.zehn", thumbnail_size=0) as bare:
        bare.add(folder)
        bare.export(tmp_path / f"codes.{ending}")
        bare.import_codes(tmp_path / f"codes.{ending}")
        assert bare.update().n_unchanged == 12
        assert all(record.mtime_ns for record in bare.records())


def test_a_thumbnail_stays_unless_it_shows_another_image(
    tmp_path: Path, folder: Path, draw: Draw, empty: Collection
) -> None:
    first = folder / "cats" / "00.png"
    empty.add(folder)
    empty.export(tmp_path / "codes.npz")
    shutil.copy(first, tmp_path / "before.png")
    draw(first, 99)
    os.utime(first, ns=(1, 1))
    assert empty.update().n_changed == 1
    empty.import_codes(tmp_path / "codes.npz")
    shown = {Path(os.fsdecode(record.path)).name: empty.engine.thumbnail(record.id) for record in empty.records()}
    assert [name for name, thumbnail in shown.items() if thumbnail is None] == ["00.png"]
    assert empty.update().n_changed == 1
    assert Path(empty.search(first, 1)[0][0].path) == first


def refused(collection: Collection, path: Path, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        collection.import_codes(path)
    assert str(caught.value).startswith(str(path))
    assert len(collection) == 0
    assert collection.verify() == []


def changed_npz(collection: Collection, path: Path, change: Callable[[Arrays], Any]) -> Path:
    collection.export(path)
    with np.load(path) as file:
        arrays: Arrays = dict(file)
    change(arrays)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names in another version of the format
        np.savez(path, **arrays)
    return path


def put(name: str, change: Callable[[Any], Any]) -> Callable[[Arrays], None]:
    """Return a change of one array."""
    return lambda arrays: arrays.update({name: change(arrays[name])})


def at(place: int, value: Any) -> Callable[[Any], Any]:
    def change(values: Any) -> Any:
        changed = values.copy()
        changed[place] = value
        return changed

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("codes"), "no item named 'codes.npy'"),
        (lambda arrays: arrays.pop("fingerprint"), "no item named 'fingerprint.npy'"),
        (lambda arrays: arrays.pop("path_bytes"), "no item named 'path_bytes.npy'"),
        (lambda arrays: arrays.pop("path_offsets"), "is damaged or holds no codes"),
        (put("codes", lambda values: values[:, :9]), "9 dimensions but this collection was built with 10"),
        (put("codes", lambda values: values[:3]), r"shape \(4?3?,?\)?.*came|of shape"),
        (put("codes", lambda values: values[0]), r"codes \(n, d\), came \(10,\)"),
        (put("codes", lambda values: values[..., None]), r"codes \(n, d\), came"),
        (put("codes", lambda values: values.astype(np.int64)), "codes as float32, came int64"),
        (put("codes", lambda values: values.astype(complex)), "codes as float32, came complex128"),
        (put("codes", np.asfortranarray), "codes is not as large as it says"),
        (put("codes", at(6, np.nan)), "came NaN, infinity or larger"),
        (put("codes", at(6, -np.inf)), "came NaN, infinity or larger"),
        (put("codes", lambda values: values.astype(np.float64) * 1e300), "came NaN, infinity or larger"),
        (put("codes", lambda values: values.astype(object)), "codes as float32, came object"),
        (put("label_name_bytes", lambda _: np.array([{}, []], object)), "came object"),
        (put("size", at(6, -1)), "no negative size, came -1"),
        (put("width", at(0, -5)), "no negative width, came -5"),
        (put("height", lambda values: values.astype(np.float64)), "height as int64, came float64"),
        (put("height", lambda values: values[:-1]), r"height of shape \(7,\), came \(6,\)"),
        (put("size", lambda _: np.full(7, 2**64 - 1, np.uint64)), "no negative size"),
        (put("size", lambda values: values.astype("M8[s]")), "size as int64, came datetime64"),
        (put("has_label", lambda values: values.astype(np.int8)), "has_label as bool, came int8"),
        (put("sha256", lambda values: values[:, :31]), r"sha256 of shape \(7, 32\), came \(7, 31\)"),
        (put("path_offsets", lambda values: values[:-1]), r"path_offsets of shape \(8,\), came \(7,\)"),
        (put("path_offsets", at(0, 1)), "offsets from 0 on, came 1"),
        (put("path_offsets", at(3, 0)), "offsets that ascend"),
        (put("path_offsets", at(7, 2**62)), "offsets that ascend"),
        (put("path_offsets", at(7, -(2**62))), "offsets that ascend"),
        (put("path_bytes", lambda values: np.append(values, values[:1])), "offsets that ascend to .* at the end"),
        (put("path_bytes", at(0, 0)), "absolute paths without zero bytes"),
        (put("path_bytes", at(0, ord("a"))), "absolute paths without zero bytes, came b'aa.png'"),
        (put("path_bytes", at(2, 0)), "absolute paths without zero bytes"),
        (
            put("path_bytes", lambda values: np.full_like(values, ord("/"))),
            r"paths without \. and \.\. or a slash too many",
        ),
        (put("label_name_bytes", at(0, 0)), "labels without zero bytes"),
        (put("label_name_bytes", at(0, 255)), "utf-8"),
        (put("fingerprint", lambda value: np.array([value])), r"one text as the fingerprint, came \(1,\)"),
        (put("fingerprint", lambda _: np.array(7)), "fingerprint as <U0, came int64"),
        (put("fingerprint", lambda _: np.array("x" * 2_000)), "one text as the fingerprint"),
    ],
)
def test_a_wrong_npz_adds_nothing(
    collection: Collection, empty: Collection, tmp_path: Path, change: Callable[[Arrays], Any], message: str
) -> None:
    refused(empty, changed_npz(collection, tmp_path / "codes.npz", change), message)


def test_a_compressed_npz_is_refused(collection: Collection, empty: Collection, tmp_path: Path) -> None:
    collection.export(tmp_path / "codes.npz")
    with np.load(tmp_path / "codes.npz") as file:
        np.savez_compressed(tmp_path / "packed.npz", **dict(file))
    refused(empty, tmp_path / "packed.npz", "is compressed, and Zehn compresses nothing")


def test_an_npz_that_says_it_is_larger_is_refused(collection: Collection, empty: Collection, tmp_path: Path) -> None:
    path = tmp_path / "codes.npz"
    collection.export(path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    for name, shape in (("codes.npy", (10**15, D)), ("path_bytes.npy", (10**15,)), ("size.npy", (-1,))):
        buffer = io.BytesIO()
        header = {"descr": "<f4" if name == "codes.npy" else "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(buffer, header)
        if name == "size.npy":
            buffer = io.BytesIO(buffer.getvalue().replace(b"|u1", b"<i8"))
        with zipfile.ZipFile(path, "w") as archive:
            for other, data in entries.items():
                archive.writestr(other, buffer.getvalue() if other == name else data)
        refused(empty, path, "is not as large as it says")


Columns = Mapping[str, Any]


def changed_parquet(
    collection: Collection, path: Path, change: Callable[[dict[str, Any]], Any], **metadata: str
) -> Path:
    collection.export(path)
    table = pyarrow.parquet.read_table(path)
    columns = {name: table[name] for name in table.column_names}
    change(columns)
    kept = {"fingerprint": collection.model.fingerprint, **metadata}
    pyarrow.parquet.write_table(pyarrow.table(columns).replace_schema_metadata(kept), path)
    return path


def cells(name: str, values: Any, kind: Any = None) -> Callable[[dict[str, Any]], None]:
    """Return a change of one column."""
    return lambda columns: columns.update({name: pyarrow.array(values, kind)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda columns: columns.pop("path_bytes"), "expected one column path_bytes, came 0"),
        (lambda columns: columns.pop("sha256"), "expected one column sha256, came 0"),
        (lambda columns: columns.pop("label_name"), "expected one column label_name, came 0"),
        (lambda columns: columns.pop("code_3"), "expected the columns code_0, code_1 and so on"),
        (lambda columns: columns.pop("code_9"), "9 dimensions but this collection was built with 10"),
        (cells("code_x", [0.0] * N), "expected the columns code_0, code_1 and so on"),
        (cells("code_0", ["a"] * N), "fractions in the column code_0, came string"),
        (cells("code_0", [[1.0]] * N), "fractions in the column code_0, came list"),
        (cells("code_0", [1.0] * (N - 1) + [None]), "a value in every row of code_0, came none in 1"),
        (cells("code_0", [1.0] * (N - 1) + [float("nan")]), "came NaN, infinity or larger"),
        (cells("code_0", [1e300] * N, pyarrow.float64()), "came NaN, infinity or larger"),
        (cells("size", [-1] * N), "no negative size"),
        (cells("size", [2**63] * N, pyarrow.uint64()), "is damaged or holds no codes .*not in range"),
        (cells("size", [None] * N, pyarrow.int64()), "a value in every row of size, came none in 7"),
        (cells("width", [0.5] * N), "whole numbers in the column width, came double"),
        (cells("label_name", list(range(N))), "text in the column label_name, came int64"),
        (cells("label_name", [["a"]] * N), "text in the column label_name, came list"),
        (cells("label_name", ["a\0b"] * N), "labels without zero bytes"),
        (cells("path_bytes", ["/a"] * N), "bytes in the column path_bytes, came string"),
        (cells("path_bytes", [b"/same"] * N), "rows 0 and 1 have one path"),
        (cells("path_bytes", [b"/%d" % row for row in range(N - 1)] + [None]), "every row of path_bytes"),
        (cells("path_bytes", [b"/%d\0" % row for row in range(N)]), "absolute paths without zero bytes"),
        (cells("path_bytes", [b""] * N), "absolute paths without zero bytes"),
        (
            cells("path_bytes", [b"/a/../%d" % row for row in range(N)]),
            r"paths without \. and \.\. .* came b'/a/\.\./0'",
        ),
        (cells("path_bytes", [b"/a/./%d" % row for row in range(N)]), r"paths without \. and \.\."),
        (cells("sha256", [b"short"] * N), "hashes of 32 bytes, came one of 5"),
    ],
)
def test_a_wrong_parquet_adds_nothing(
    collection: Collection, empty: Collection, tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    refused(empty, changed_parquet(collection, tmp_path / "codes.parquet", change), message)


def test_a_parquet_of_another_program_will_do(collection: Collection, empty: Collection, tmp_path: Path) -> None:
    def change(columns: dict[str, Any]) -> None:
        columns["label_name"] = columns["label_name"].cast(pyarrow.large_string())
        columns["path_bytes"] = columns["path_bytes"].cast(pyarrow.large_binary())
        columns["size"] = columns["size"].cast(pyarrow.uint64())
        columns["width"] = columns["width"].cast(pyarrow.int8())
        columns["code_0"] = columns["code_0"].cast(pyarrow.float64())
        columns["own"] = pyarrow.array(range(N))

    assert empty.import_codes(changed_parquet(collection, tmp_path / "codes.parquet", change)) == N
    assert known_of(empty) == known_of(collection)
    np.testing.assert_array_equal(codes_of(empty), codes_of(collection))


def test_a_parquet_with_columns_of_one_name_is_refused(
    collection: Collection, empty: Collection, tmp_path: Path
) -> None:
    path = tmp_path / "codes.parquet"
    collection.export(path)
    table = pyarrow.parquet.read_table(path)
    pyarrow.parquet.write_table(table.append_column("size", table["width"]), path)
    refused(empty, path, "expected one column size, came 2")
    pyarrow.parquet.write_table(table.replace_schema_metadata(None), path)
    refused(empty, path, "fingerprint")


@pytest.mark.parametrize("ending", ENDINGS)
def test_all_is_checked_before_anything_is_added(
    collection: Collection, empty: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path = tmp_path / f"codes.{ending}"
    if ending == "npz":
        changed_npz(collection, path, put("codes", at(6, np.nan)))
    else:
        changed_parquet(collection, path, cells("code_0", [1.0] * 6 + [float("nan")]))
    monkeypatch.setattr(f"zehn.collection.{ending}.N_BATCH", 2)
    refused(empty, path, "came NaN, infinity or larger")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_damaged_file_adds_nothing(collection: Collection, empty: Collection, tmp_path: Path, ending: str) -> None:
    """Bytes flipped and cut off anywhere: it is refused, or nothing that is read was hit."""
    path = tmp_path / f"codes.{ending}"
    collection.export(path)
    data, chance = path.read_bytes(), random.Random(0)
    for round_ in range(90):
        damaged = bytearray(data)
        if round_ % 3 == 0:
            del damaged[chance.randrange(len(data)) :]
        for _ in range(chance.choice((0, 1, 1, 1, 20)) if round_ % 3 == 0 else 1 + round_ % 3):
            if damaged:
                damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            empty.import_codes(path)
        except (DataError, CollectionError) as error:
            assert str(error).startswith(str(path))  # noqa: PT017
            assert len(empty) == 0
        else:
            if (
                ending == "npz"
            ):  # all of it has checksums; the end of a Parquet file, which says what is where, has none
                assert known_of(empty) == known_of(collection)
                np.testing.assert_array_equal(codes_of(empty), codes_of(collection))
            empty.remove([record.id for record in empty.records()])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(
        ["codes", "fingerprint", "size", "width", "has_label", "sha256", "path_offsets", "path_bytes"]
    ),
    values=hnp.arrays(
        st.one_of(
            hnp.scalar_dtypes(),
            hnp.unicode_string_dtypes(),
            hnp.byte_string_dtypes(),
            hnp.datetime64_dtypes(),
            hnp.array_dtypes(allow_subarrays=True),
        ),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=8),
    ),
)
def test_any_array_in_the_place_of_another_is_refused_or_read(
    collection: Collection, empty: Collection, tmp_path: Path, name: str, values: Any
) -> None:
    path = changed_npz(collection, tmp_path / "codes.npz", lambda arrays: arrays.update({name: values}))
    try:
        empty.import_codes(path)
    except (DataError, CollectionError) as error:
        assert str(error).startswith(str(path))  # noqa: PT017
        assert len(empty) == 0
    else:
        if len(empty):
            empty.remove([record.id for record in empty.records()])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"paths": np.array(["/a\0b", "/c"])}, "absolute paths without zero bytes|holds no codes"),
        ({"paths": np.array(["/a", "/a"])}, "rows 0 and 1 have one path"),
        ({"paths": np.array(["/a", "/\ud800"])}, "is damaged or holds no codes"),
        ({"paths": np.array(["/a"])}, "expected as many paths as codes"),
        ({"codes": np.zeros(2, np.float32)}, "is damaged or holds no codes|came"),
        ({"codes": np.zeros((2, 3), np.float32)}, "3 dimensions"),
        ({"codes": np.full((2, D), np.inf, np.float32)}, "came NaN, infinity or larger"),
        ({"codes": np.array([{}, {}], object)}, "is damaged or holds no codes"),
        ({"paths": None}, "without the paths of their images"),
    ],
)
def test_wrong_codes_of_zehn_encode_add_nothing(
    empty: Collection, tmp_path: Path, arrays: Arrays, message: str
) -> None:
    whole: Arrays = {
        "codes": some_codes(2), "ids": np.arange(2), "fingerprint": np.array(empty.model.fingerprint),
        "paths": np.array(["/a", "/b"]),
    }  # fmt: skip
    given_ = {name: values for name, values in {**whole, **arrays}.items() if values is not None}
    np.savez(tmp_path / "codes.npz", **given_)
    refused(empty, tmp_path / "codes.npz", message)


def test_codes_of_zehn_encode_come_with_labels_and_no_more(empty: Collection, tmp_path: Path) -> None:
    paths = ["relative.png", os.fsdecode(b"/\xff.png")]
    codes.write(tmp_path / "codes.npz", some_codes(2), [0, 1], [3, 4], empty.model.fingerprint, paths=paths)
    assert empty.import_codes(tmp_path / "codes.npz") == 2
    assert known_of(empty) == [
        (os.fsencode(Path.cwd() / "relative.png"), 0, b"", 0, 0, "3"), (b"/\xff.png", 0, b"", 0, 0, "4")
    ]  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_export_that_fails_leaves_nothing(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / f"codes.{ending}").write_bytes(b"before")

    def stop() -> Iterator[Any]:
        yield [*collection.engine.get([0])], codes_of(collection)[:1]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(collection.engine, "walk_codes", stop)
    with pytest.raises(RunError, match=r"the disk is full|No space left|no room"):
        collection.export(place / f"codes.{ending}")
    assert [entry.read_bytes() for entry in place.iterdir()] == [b"before"]
