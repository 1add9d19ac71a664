"""CIFAR-10 is found in any of its forms, verified before it is opened, and loaded as it is published.

Most tests run on a small set of files in the very format of the official ones; the last ones need the real files.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from zehn import datasets, images
from zehn.datasets import _download, cifar10
from zehn.errors import ChecksumError, DataError, DownloadError, UnknownNameError

N_PER_BATCH = 20
CLASS_NAMES = tuple("abcdefghij")


@pytest.fixture
def rows() -> np.ndarray:
    """The pixels of all batches, as the files hold them: (6, 20, 3072), red, then green, then blue planes."""
    return np.random.default_rng(0).integers(0, 256, (6, N_PER_BATCH, 3072), np.uint8)


@pytest.fixture
def small_files(
    tmp_path: Path, rows: np.ndarray, batch_pickle: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A small CIFAR-10, its checksums in place of the published ones; the folder that holds its folder."""
    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    for number, name in enumerate(names):
        (folder / name).write_bytes(batch_pickle(rows[number], [i % 10 for i in range(N_PER_BATCH)]))
    class_names = b"".join(b"U\x01" + name.encode() for name in CLASS_NAMES)
    (folder / "batches.meta").write_bytes(b"\x80\x02}U\x0blabel_names](" + class_names + b"es.")
    publish(folder, monkeypatch)
    monkeypatch.setattr(cifar10, "_N_PER_BATCH", N_PER_BATCH)
    monkeypatch.setattr(cifar10, "_N_TRAIN", 5 * N_PER_BATCH)
    return folder.parent


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checksums = {name: md5((folder / name).read_bytes()) for name in cifar10.CHECKSUMS}
    monkeypatch.setattr(cifar10, "CHECKSUMS", checksums)
    monkeypatch.setattr(cifar10, "_N_BYTES", {name: (folder / name).stat().st_size for name in checksums})


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def pack(data_path: Path, monkeypatch: pytest.MonkeyPatch, url: str = "http://127.0.0.1:9/x") -> Path:
    """Pack the folder into the archive, publish the archive's checksum, and remove the folder."""
    archive_path = data_path / "cifar-10-python.tar.gz"
    with tarfile.open(archive_path, "w:gz") as archive:
        archive.add(data_path / "cifar-10-batches-py", "cifar-10-batches-py")
    shutil.rmtree(data_path / "cifar-10-batches-py")
    data = archive_path.read_bytes()
    monkeypatch.setattr(cifar10, "ARCHIVE", _download.Remote(url, md5(data), len(data)))
    return archive_path


def test_the_arrays_hold_what_the_files_hold(small_files: Path, rows: np.ndarray) -> None:
    dataset = datasets.load("cifar10", data_dir=small_files)
    assert dataset.x_train.shape == (100, 32, 32, 3)
    assert dataset.x_test.shape == (20, 32, 32, 3)
    for row, column in ((0, 0), (5, 31), (31, 7)):
        assert_array_equal(dataset.x_test[3, row, column], rows[5, 3].reshape(3, 32, 32)[:, row, column])
    assert_array_equal(dataset.images[:, 0, 0, 0], rows[:, :, 0].ravel())
    assert_array_equal(dataset.labels, np.arange(120) % 10)
    assert dataset.y_train is not None
    assert dataset.y_train.dtype == np.int64
    assert dataset.y_train.shape == (100, 1)
    assert dataset.class_names == CLASS_NAMES
    assert dataset.checksums == cifar10.CHECKSUMS
    assert str(small_files) in dataset.origin


def test_all_images_lie_in_one_piece(small_files: Path) -> None:
    dataset = datasets.load("cifar10", data_dir=small_files)
    assert np.shares_memory(dataset.images, dataset.x_train)
    assert np.shares_memory(dataset.images, dataset.x_test)


def test_other_sizes_are_resized(small_files: Path) -> None:
    dataset = datasets.load("cifar10", data_dir=small_files, image_size=48)
    plain = datasets.load("cifar10", data_dir=small_files)
    assert_array_equal(dataset.x_test[1], images.resize(plain.x_test[1], 48))


def test_it_is_found_by_variable_by_its_own_folder_and_in_the_cache(
    small_files: Path, cache_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small_files / "cifar-10-batches-py"
    assert datasets.get("cifar10", data_dir=folder) == folder
    monkeypatch.setenv("ZEHN_DATA", os.pathsep.join(["/nowhere", str(small_files)]))
    assert datasets.get("cifar10") == folder
    monkeypatch.delenv("ZEHN_DATA")
    shutil.copytree(folder, cache_path / "data" / folder.name)
    assert datasets.get("cifar10") == cache_path / "data" / folder.name


def test_the_archive_is_verified_and_unpacked_into_the_cache(
    small_files: Path, cache_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_path = pack(small_files, monkeypatch)
    dataset = datasets.load("cifar10", data_dir=small_files)
    assert dataset.n_train == 100
    assert archive_path.is_file()
    assert [path.name for path in small_files.iterdir()] == [archive_path.name]
    unpacked = cache_path / "data" / "cifar-10-batches-py"
    assert {path.name for path in unpacked.iterdir()} == set(cifar10.CHECKSUMS)
    archive_path.unlink()
    assert datasets.get("cifar10", data_dir=small_files) == unpacked


def lose_a_file(folder: Path) -> None:
    (folder / "data_batch_3").unlink()


def cut_a_file(folder: Path) -> None:
    path = folder / "data_batch_3"
    path.write_bytes(path.read_bytes()[:1_000])


DAMAGES = pytest.mark.parametrize("damage", [lose_a_file, cut_a_file])


@DAMAGES
def test_an_incomplete_folder_hides_no_archive(
    small_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    broken = shutil.copytree(small_files / "cifar-10-batches-py", tmp_path / "cifar-10-batches-py")
    damage(broken)
    pack(small_files, monkeypatch)
    broken = broken.rename(small_files / broken.name)
    before = sorted(path.name for path in broken.iterdir())
    assert datasets.load("cifar10", data_dir=small_files).n_train == 100
    assert sorted(path.name for path in broken.iterdir()) == before


@DAMAGES
def test_an_incomplete_folder_hides_no_later_one(
    small_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    damage(shutil.copytree(small_files / "cifar-10-batches-py", tmp_path / "broken" / "cifar-10-batches-py"))
    monkeypatch.setenv("ZEHN_DATA", os.pathsep.join([str(tmp_path / "broken"), str(small_files)]))
    assert datasets.get("cifar10") == small_files / "cifar-10-batches-py"
    assert datasets.load("cifar10", data_dir=tmp_path / "broken").n_train == 100


@DAMAGES
def test_an_incomplete_folder_in_the_cache_is_made_whole_from_an_archive(
    small_files: Path, cache_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    home = cache_path / "data" / "cifar-10-batches-py"
    damage(shutil.copytree(small_files / home.name, home))
    pack(small_files, monkeypatch)
    assert datasets.get("cifar10", data_dir=small_files) == home
    assert datasets.load("cifar10", data_dir=small_files).n_train == 100


def test_a_truncated_archive_hides_no_later_one(
    small_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_path = pack(small_files, monkeypatch)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / archive_path.name).write_bytes(archive_path.read_bytes()[:1_000])
    monkeypatch.setenv("ZEHN_DATA", str(small_files))
    assert datasets.load("cifar10", data_dir=tmp_path / "broken").n_train == 100


def test_of_an_incomplete_folder_and_a_truncated_archive_the_folder_is_told(
    small_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = shutil.copytree(small_files / "cifar-10-batches-py", tmp_path / "cifar-10-batches-py")
    lose_a_file(broken)
    archive_path = pack(small_files, monkeypatch)
    archive_path.write_bytes(archive_path.read_bytes()[:1_000])
    broken.rename(small_files / broken.name)
    with pytest.raises(DataError, match=r"cifar-10-batches-py lacks data_batch_3; delete the folder"):
        datasets.get("cifar10", data_dir=small_files)


@pytest.mark.parametrize("name", ["cifar10", "auto"])
def test_a_truncated_archive_is_told(small_files: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    archive_path = pack(small_files, monkeypatch)
    archive_path.write_bytes(archive_path.read_bytes()[:1_000])
    with pytest.raises(ChecksumError, match=r"python\.tar\.gz is cut short: expected .* bytes, came 1,000; delete it"):
        datasets.load(name, data_dir=small_files)


def test_an_archive_with_another_checksum_is_never_opened(small_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive_path = pack(small_files, monkeypatch)
    archive_path.write_bytes(bytes(archive_path.stat().st_size))
    monkeypatch.setattr(tarfile, "open", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(ChecksumError, match=r"is damaged or is another file: expected MD5 .*, came "):
        datasets.load("cifar10", data_dir=small_files)


def test_a_batch_with_another_checksum_is_never_unpickled(small_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small_files / "cifar-10-batches-py" / "batches.meta"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    monkeypatch.setattr("zehn.datasets._pickle.read_pickle", lambda *_: pytest.fail("it was unpickled"))
    with pytest.raises(ChecksumError, match=r"batches\.meta is damaged or is another file: expected MD5"):
        datasets.load("cifar10", data_dir=small_files)
    assert datasets.verify("cifar10", data_dir=small_files)[0].startswith(f"{path} is damaged")


def test_an_incomplete_folder_is_told(small_files: Path) -> None:
    (small_files / "cifar-10-batches-py" / "data_batch_3").unlink()
    with pytest.raises(DataError, match=r"lacks data_batch_3; delete the folder and fetch CIFAR-10 again, or put"):
        datasets.load("cifar10", data_dir=small_files)


@pytest.mark.parametrize(
    ("n_rows", "n_labels", "reason"), [(19, 20, "cannot reshape"), (20, 19, "could not broadcast")]
)
def test_a_batch_of_another_shape_is_told(
    small_files: Path,
    batch_pickle: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    n_rows: int,
    n_labels: int,
    reason: str,
) -> None:
    folder = small_files / "cifar-10-batches-py"
    (folder / "test_batch").write_bytes(batch_pickle(np.zeros((n_rows, 3072), np.uint8), [0] * n_labels))
    publish(folder, monkeypatch)
    with pytest.raises(DataError, match=f"test_batch is not a batch of CIFAR-10: {reason}"):
        datasets.load("cifar10", data_dir=small_files)


def test_verify_counts(small_files: Path) -> None:
    found = datasets.verify("cifar10", data_dir=small_files)
    assert len(found) == 22
    assert found[:2] == [
        "x_train: expected 50,000 images, came 100",
        "y_train: expected 5,000 images of class 'a', came 10",
    ]
    assert found[-1] == "y_test: expected 1,000 images of class 'j', came 2"


def test_it_is_downloaded_unpacked_and_found_again(
    small_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_server: Callable[[Path], str]
) -> None:
    url = file_server(small_files) + "/cifar-10-python.tar.gz"
    pack(small_files, monkeypatch, url)
    told: list[str] = []
    home = tmp_path / "home"
    folder = datasets.get("cifar10", data_dir=home, progress=lambda what, *_: told.append(what))
    assert folder == home / "cifar-10-batches-py"
    assert {path.name for path in home.iterdir()} == {"cifar-10-batches-py"}
    assert set(told) == {"downloading cifar-10-python.tar.gz"}
    assert datasets.load("auto", data_dir=home).name == "cifar10"


def test_without_it_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"CIFAR-10 is not in .*; put cifar-10-python\.tar\.gz .* with --data-dir"):
        datasets.load("cifar10", data_dir=tmp_path, options={"download": False})


def test_an_unknown_option_is_told() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'download'"):
        datasets.load("cifar10", options={"downlaod": False})


@pytest.mark.cifar10
def test_the_real_files_are_as_published(cifar10_dir: Path) -> None:
    dataset = datasets.load("cifar10", data_dir=cifar10_dir)
    assert datasets.verify("cifar10", dataset=dataset) == []
    assert dataset.class_names[:4] == ("airplane", "automobile", "bird", "cat")
    assert dataset.x_train.shape == (50_000, 32, 32, 3)
    assert dataset.y_test is not None
    assert dataset.y_test.shape == (10_000, 1)
    assert_array_equal(dataset.y_test[:8, 0], [3, 8, 8, 0, 6, 6, 1, 6])
    assert round(float(dataset.x_train.mean() / 255), 4) == 0.4734


@pytest.mark.cifar10
def test_the_real_files_have_the_lengths_noted(cifar10_dir: Path) -> None:
    folder = cifar10_dir / "cifar-10-batches-py"
    assert {name: (folder / name).stat().st_size for name in cifar10.CHECKSUMS} == cifar10._N_BYTES


@pytest.mark.cifar10
def test_a_truncated_real_batch_is_told(cifar10_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for path in (cifar10_dir / "cifar-10-batches-py").iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "data_batch_1").unlink()
    (folder / "data_batch_1").write_bytes((cifar10_dir / folder.name / "data_batch_1").read_bytes()[:1_000_000])
    with pytest.raises(ChecksumError, match="data_batch_1 is damaged or is another file: expected MD5 c99cafc15224"):
        datasets.load("cifar10", data_dir=tmp_path)
