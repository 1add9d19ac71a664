"""A user's folder: every readable image is in, everything else is listed, nothing moves, and it is decoded once."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image

from zehn import datasets, images
from zehn.datasets import Dataset, _decoded
from zehn.errors import ConfigError, DataError, UnknownNameError


def draw(path: Path, seed: int, shape: tuple[int, ...] = (32, 32, 3)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).save(path)


def fill(folder: Path, n_images: int, first: int = 0) -> None:
    for seed in range(first, first + n_images):
        draw(folder / f"{seed:03}.png", seed)


def load(folder: Path, **options: Any) -> Dataset:
    return datasets.load(f"folder:{folder}", options=options)


def by_name(dataset: Dataset) -> dict[str, np.ndarray]:
    assert dataset.paths is not None
    return {Path(path).name: image for path, image in zip(dataset.paths, dataset.images, strict=True)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pictures"


def test_every_image_is_there_once_under_its_path(folder: Path) -> None:
    fill(folder, 30)
    dataset = load(folder)
    assert dataset.n_train + dataset.n_test == 30
    assert dataset.name == "folder"
    for name, image in by_name(dataset).items():
        assert_array_equal(image, images.read_image(folder / name))
    assert dataset.labels is None
    assert dataset.notes == ()
    assert datasets.verify(f"folder:{folder}", dataset=dataset) == []


def test_formats_sizes_and_modes_are_mixed_freely(folder: Path) -> None:
    for number, name in enumerate(["a.jpg", "b.JPEG", "deep/er/c.webp", "d.bmp", "e.tiff", "f.gif", "g.png"]):
        draw(folder / name, number, (20 + number, 40, 3))
    draw(folder / "grey.png", 50, (10, 10))
    draw(folder / "alpha.png", 51, (10, 10, 4))
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(folder / "sixteen.png")
    dataset = datasets.load(f"folder:{folder}", image_size=28)
    assert dataset.images.shape == (10, 28, 28, 3)
    assert dataset.images.dtype == np.uint8
    assert_array_equal(by_name(dataset)["sixteen.png"], np.full((28, 28, 3), 40_000 // 256))


def test_bad_files_are_listed_and_skipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder, 4)
    draw(folder / "sub" / "corrupt.jpg", 9, (64, 64, 3))
    corrupt = folder / "sub" / "corrupt.jpg"
    corrupt.write_bytes(corrupt.read_bytes()[:600])
    (folder / "text.png").write_text("just text")
    (folder / "empty.gif").touch()
    (folder / "README.txt").write_text("not a promise of an image")
    (folder / ".hidden.png").write_text("nor is this")
    (folder / "gone.png").symlink_to(folder / "nowhere")
    Image.new("L", (3_000, 3_000)).save(folder / "bomb.png")
    dataset = load(folder, max_pixels=1_000_000)
    assert len(dataset.images) == 4
    reasons = {one.path: one.reason for one in dataset.skipped}
    assert set(reasons) == {os.path.join("sub", "corrupt.jpg"), "text.png", "empty.gif", "gone.png", "bomb.png"}  # noqa: PTH118
    assert "damaged or cut short" in reasons[os.path.join("sub", "corrupt.jpg")]  # noqa: PTH118
    assert reasons["text.png"] == "expected JPEG, PNG, WebP, BMP, TIFF or GIF, came a file that begins with b'just tex'"
    assert reasons["empty.gif"] == "the file is empty"
    assert reasons["gone.png"] == "the file cannot be read: No such file or directory"
    assert "9,000,000" not in reasons["bomb.png"]
    assert "3,000 × 3,000 pixels, more than the 1,000,000 allowed" in reasons["bomb.png"]
    assert dataset.notes == (f"5 files in {folder} cannot be read and are skipped",)


def test_without_images_the_folder_is_refused(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").touch()
    with pytest.raises(DataError, match=r"no images in .*: expected files named \.bmp, .*, came 1 other files"):
        load(folder)
    (folder / "text.png").write_text("just text")
    with pytest.raises(DataError, match=r"at least two readable images .*, came 0 \(1 cannot be read; text\.png: exp"):
        load(folder)
    fill(folder, 1)
    with pytest.raises(DataError, match=r"at least two readable images .*, came 1"):
        load(folder)
    fill(folder, 2)
    assert (load(folder).n_train, load(folder).n_test) == (1, 1)


def test_wrong_paths_and_options_are_told(folder: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        load(folder)
    with pytest.raises(ConfigError, match="as folder:PATH, came no path"):
        datasets.load("folder")
    fill(folder, 2)
    with pytest.raises(UnknownNameError, match="did you mean 'crop'"):
        load(folder, fit="corp")
    with pytest.raises(ConfigError, match="test_share must lie between 0 and 1, came 1"):
        load(folder, test_share=1.0)
    with pytest.raises(ConfigError, match="n_threads ≥ 0, came 89478485, -1"):
        load(folder, n_threads=-1)


def test_subfolders_are_classes(folder: Path) -> None:
    for seed in range(12):
        draw(folder / ("cats", "dogs", "ants")[seed % 3] / "more" / f"{seed}.png", seed)
    dataset = load(folder)
    assert dataset.class_names == ("ants", "cats", "dogs")
    assert dataset.paths is not None
    assert dataset.labels is not None
    for path, label in zip(dataset.paths, dataset.labels, strict=True):
        assert Path(path).relative_to(folder).parts[0] == dataset.class_names[label]
    assert datasets.verify("folder", dataset=dataset) == []
    draw(folder / "stray.png", 99)
    assert load(folder).labels is None


def test_folders_that_name_a_split_are_no_classes(folder: Path) -> None:
    for seed in range(8):
        draw(folder / ("train", "Test")[seed % 2] / ("x", "y")[seed // 4] / f"{seed}.png", seed)
    assert load(folder).class_names == ("x", "y")
    shutil.rmtree(folder)
    for seed in range(4):
        draw(folder / "one" / f"{seed}.png", seed)
    assert load(folder).labels is None


def sides(dataset: Dataset, folder: Path) -> tuple[set[str], set[str]]:
    """The top folders of the training images, and of the test images."""
    assert dataset.paths is not None
    tops = [Path(path).relative_to(folder).parts[0] for path in dataset.paths]
    return set(tops[: dataset.n_train]), set(tops[dataset.n_train :])


def test_the_folders_own_split_is_kept(folder: Path) -> None:
    for seed in range(24):
        draw(folder / ("train", "val", "Test")[seed % 3] / "xy"[seed % 2] / f"{seed}.png", seed)
    draw(folder / "more" / "x" / "24.png", 24)
    dataset = load(folder, test_share=0.9)
    assert (dataset.n_train, dataset.n_test) == (17, 8)
    assert sides(dataset, folder) == ({"train", "val", "more"}, {"Test"})
    assert dataset.origin.endswith("; those in Test/ are the test images, all others the training images")
    assert dataset.notes == ()
    for path, image in zip(dataset.paths or (), dataset.images, strict=True):
        assert_array_equal(image, images.read_image(path))


def test_the_folders_own_split_without_classes_has_no_labels(folder: Path) -> None:
    for seed in range(9):
        draw(folder / ("train", "training", "testing")[seed % 3] / f"{seed}.png", seed)
    dataset = load(folder)
    assert (dataset.n_train, dataset.n_test, dataset.labels) == (6, 3, None)


@pytest.mark.parametrize("names", [("train", "val"), ("test", "control"), ("a", "b")])
def test_without_folders_for_both_parts_the_content_decides(folder: Path, names: tuple[str, str]) -> None:
    for seed in range(24):
        draw(folder / names[seed % 2] / f"{seed}.png", seed)
    dataset = load(folder, test_share=0.5)
    assert sides(dataset, folder) == (set(names), set(names))
    assert dataset.origin == f"the 24 readable images in {folder}"
    assert dataset.class_names == tuple(sorted(names))


def test_a_part_without_readable_images_is_told(folder: Path) -> None:
    fill(folder / "train", 3)
    (folder / "test").mkdir()
    (folder / "test" / "text.png").write_text("just text")
    with pytest.raises(DataError, match=r"inside and outside of test.* in .*, came 0 inside and 3 outside; add images"):
        load(folder)


def test_a_split_that_comes_later_is_seen(folder: Path, cache_path: Path) -> None:
    fill(folder / "train", 12)
    assert load(folder).n_train < 12
    fill(folder / "test", 5, first=12)
    assert (load(folder).n_train, load(folder).n_test) == (12, 5)
    assert len(list(cache_path.glob("folders/*/*"))) == 1


@pytest.mark.parametrize("tops", [("",), ("train", "test")])
def test_the_first_images_of_each_part_are_of_all_classes(folder: Path, tops: tuple[str, ...]) -> None:
    for seed in range(60):
        draw(folder / tops[seed % len(tops)] / "abc"[seed // 20] / f"{seed:03}.png", seed, (8, 8, 3))
    dataset = load(folder, test_share=0.5)
    assert dataset.labels is not None
    for start, n_part in ((0, dataset.n_train), (dataset.n_train, dataset.n_test)):
        assert n_part > 15
        assert set(dataset.labels[start : start + 10]) == {0, 1, 2}
        contents = [Path(path).read_bytes() for path in (dataset.paths or ())[start : start + n_part]]
        hashes = [hashlib.sha256(content).hexdigest() for content in contents]
        assert hashes == sorted(hashes)


def test_adding_files_moves_no_other(folder: Path) -> None:
    fill(folder, 60)
    before = load(folder)
    fill(folder, 40, first=60)
    (folder / "000.png").rename(folder / "renamed.png")
    after = load(folder)
    assert after.paths is not None
    assert before.paths is not None
    renamed = {"000.png": "renamed.png"}
    tests_before = {Path(path).name for path in before.paths[before.n_train :]}
    tests_after = {Path(path).name for path in after.paths[after.n_train :]}
    survivors = {renamed.get(name, name) for name in (Path(path).name for path in before.paths)}
    assert tests_after & survivors == {renamed.get(name, name) for name in tests_before}
    assert 5 <= after.n_test <= 30


@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=60), st.floats(0.01, 0.99))
def test_the_split_is_complete_and_keeps_copies_together(digests: list[int], share: float) -> None:
    train, test = _decoded.split(digests, share)
    assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(digests)))
    assert len(train) >= 1
    assert len(test) >= 1
    for side in (train, test):
        assert [digests[i] for i in side] == sorted(digests[i] for i in side)
    if len(test) > 1 and len(train) > 1:
        assert not {digests[i] for i in train} & {digests[i] for i in test}


def test_the_share_of_test_images_is_met_on_average() -> None:
    digests = [int(value) for value in np.random.default_rng(0).integers(0, 2**64, 20_000, np.uint64)]
    assert abs(len(_decoded.split(digests, 1 / 6)[1]) / 20_000 - 1 / 6) < 0.01


def test_it_is_decoded_once_and_mapped_from_then_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder, 10)
    first = load(folder)
    monkeypatch.setattr(images, "read_square", lambda *_, **__: pytest.fail("decoded again"))
    second = load(folder)
    assert_array_equal(second.images, first.images)
    assert second.paths == first.paths
    assert isinstance(second.x_train, np.memmap)
    assert np.shares_memory(second.images, second.x_test)


def test_writing_to_the_images_changes_no_file(folder: Path) -> None:
    fill(folder, 4)
    before = load(folder).images.copy()
    load(folder).x_train[:] = 0
    assert_array_equal(load(folder).images, before)


@pytest.mark.parametrize("change", ["touch", "add", "remove"])
def test_any_change_decodes_anew_and_drops_the_old(folder: Path, cache_path: Path, change: str) -> None:
    fill(folder, 5)
    load(folder)
    (old,) = cache_path.glob("folders/*/*")
    if change == "touch":
        os.utime(folder / "000.png", (1, 1))
    elif change == "add":
        fill(folder, 6)
    else:
        (folder / "000.png").unlink()
    dataset = load(folder)
    (new,) = cache_path.glob("folders/*/*")
    assert new != old
    assert len(dataset.images) == {"touch": 5, "add": 6, "remove": 4}[change]


def checksum(folder: Path, **options: Any) -> str:
    checksums = load(folder, **options).checksums
    assert list(checksums) == ["folder"]
    return checksums["folder"]


def test_the_checksum_tells_any_change_of_the_images(folder: Path) -> None:
    fill(folder, 5)
    seen = [checksum(folder)]
    fill(folder, 6)
    seen.append(checksum(folder))
    (folder / "001.png").unlink()
    seen.append(checksum(folder))
    draw(folder / "002.png", 99)
    seen.append(checksum(folder))
    (folder / "003.png").rename(folder / "moved.png")
    seen.append(checksum(folder))
    (folder / "text.png").write_text("just text")
    seen.append(checksum(folder))
    (folder / "004.png").write_bytes(b"damaged")
    seen += [checksum(folder), checksum(folder, fit="pad"), checksum(folder, test_share=0.5)]
    assert len(set(seen)) == len(seen)


def test_the_checksum_tells_nothing_else(folder: Path, cache_path: Path, tmp_path: Path) -> None:
    fill(folder, 5)
    (folder / "text.png").write_text("just text")
    first = checksum(folder)
    assert checksum(folder) == first
    os.utime(folder / "000.png", (1, 1))
    (folder / "notes.txt").write_text("no image")
    assert checksum(folder, n_threads=1) == first
    shutil.rmtree(cache_path / "folders")
    assert checksum(folder) == first
    assert checksum(folder.rename(tmp_path / "elsewhere")) == first


def test_other_settings_have_entries_of_their_own(folder: Path, cache_path: Path) -> None:
    fill(folder, 5)
    load(folder)
    assert datasets.load(f"folder:{folder}", image_size=40).images.shape == (5, 40, 40, 3)
    assert len(list(cache_path.glob("folders/*/*"))) == 2


@pytest.mark.parametrize("name", ["images.npy", "index.json"])
@pytest.mark.parametrize("n_kept", [0, 60, 200])
def test_a_damaged_entry_is_made_anew(folder: Path, cache_path: Path, name: str, n_kept: int) -> None:
    fill(folder, 5)
    expected = load(folder).images.copy()
    (entry,) = cache_path.glob("folders/*/*")
    (entry / name).write_bytes((entry / name).read_bytes()[:n_kept])
    assert_array_equal(load(folder).images, expected)


def test_an_entry_of_a_length_below_zero_is_made_anew(folder: Path, cache_path: Path) -> None:
    fill(folder, 5)
    expected = load(folder).images.copy()
    (path,) = cache_path.glob("folders/*/*/images.npy")
    path.write_bytes(path.read_bytes().replace(b"'shape': (5,", b"'shape':(-1,"))
    assert_array_equal(load(folder).images, expected)


def test_a_full_disk_is_told_and_leaves_nothing(
    folder: Path, cache_path: Path, full_disk: Callable[[int], Any]
) -> None:
    fill(folder, 20)
    with full_disk(10_000), pytest.raises(DataError, match=r"cannot keep the decoded images in .*File too large; free"):
        load(folder)
    assert list(cache_path.glob("folders/*/*")) == []
    assert len(load(folder).images) == 20


def test_too_little_room_is_told_before_decoding(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder, 4)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 1_000))
    with pytest.raises(
        DataError, match=r"decoding takes up to 0 MB there, 0 MB are free; free some space there, or nam"
    ):
        load(folder)


def test_an_unwritable_cache_is_told(folder: Path, cache_path: Path) -> None:
    fill(folder, 4)
    (cache_path / "folders").touch()
    with pytest.raises(
        DataError, match=r"cannot keep the decoded images in .*; free some space there, or name another"
    ):
        load(folder)


def test_progress_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder, 5)
    monkeypatch.setattr(_decoded, "_FILES_PER_BATCH", 2)
    told: list[Any] = []
    datasets.load(f"folder:{folder}", progress=lambda *fact: told.append(fact))
    assert told == [("reading images", 2, 5), ("reading images", 4, 5), ("reading images", 5, 5)]


def test_names_that_are_no_unicode_are_read(folder: Path) -> None:
    fill(folder, 2)
    try:
        os.rename(folder / "000.png", os.fsencode(folder) + b"/\xff.png")  # noqa: PTH104 – a path of bytes
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    assert len(load(folder).images) == 2
    assert len(load(folder).images) == 2


def test_the_home_of_nobody_is_no_folder() -> None:
    with pytest.raises(ConfigError, match="as folder:PATH, came '~nobody-such/x', and there is no such user"):
        datasets.load("folder:~nobody-such/x")
