"""Many image files, decoded once into one array on disk: uint8 squares that are mapped into memory, not read into it.

Each folder has one entry, ``ENTRY/KEY/images.npy`` with ``index.json`` beside it. KEY covers every setting and every
file's path, size and time of change, so that no entry is ever stale; one with a new key replaces the old one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Int64, UInt8

from zehn import damage, images
from zehn.datasets import _places
from zehn.datasets._dataset import Skipped
from zehn.errors import DataError, ImageError
from zehn.progress import Progress

_FORMAT = 3
"""Raised whenever what is stored, or how images are decoded, changes."""
_FILES_PER_BATCH = 256
_IMAGES_PER_COPY = 4096
_KEY_DIGITS = 32
_ARRAY_NAME, _INDEX_NAME = "images.npy", "index.json"


@dataclass(frozen=True)
class Files:
    """Which files to read. An entry's key covers the root and the paths, from which the test folders follow."""

    root: Path
    paths: Sequence[str]
    """Relative to the root."""
    test_folders: frozenset[str] = frozenset()
    """Folders right below the root whose images are the test part; without any, the files' content decides."""


@dataclass(frozen=True)
class Settings:
    """What decides on the content of an entry, besides the files."""

    image_size: int
    fit: str
    max_pixels: int
    test_share: float


@dataclass(frozen=True)
class Decoded:
    """The readable images of a folder, the training part first, each part in the order of its files' hashes."""

    images: UInt8[np.ndarray, "n size size 3"]
    n_train: int
    paths: tuple[str, ...]
    """By image, relative to the folder."""
    skipped: tuple[Skipped, ...]
    checksum: str
    """A hash over the settings, the readable files' names and contents, and the names of the others."""


def decode(files: Files, settings: Settings, *, n_threads: int, progress: Progress | None) -> Decoded:
    """Return the images of the files, from the cache or after decoding them into it.

    Raises:
        DataError: none of the files, or only one, is readable, or none of a part that has its own folder; or the cache
            cannot be written.

    """
    home = _places.cache_path() / "folders" / _digest(str(files.root), repr(settings))
    entry = home / _key(files, settings)
    decoded = _read_entry(entry)
    if decoded is None:
        _build_entry(entry, files, settings, n_threads, progress)
        decoded = _read_entry(entry)
    if decoded is None:
        raise DataError(f"the decoded images in {entry} cannot be read back; delete that folder and try again")
    return decoded


def split(
    digests: Sequence[int], test_share: float
) -> tuple[Int64[np.ndarray, " n_train"], Int64[np.ndarray, " n_test"]]:
    """Divide images by the 64-bit hashes of their files' content, as positions of training and of test images.

    An image falls on the same side in whatever company, and so do its copies. Only where a side would stay empty does
    the image with the least (or the greatest) hash go there. Each side is in the order of the hashes, so that the first
    of its images are of any class.
    """
    order = _by_digest(digests)
    n_test = sum(digest < test_share * 2**64 for digest in digests)
    n_test = min(max(n_test, int(test_share > 0)), len(digests) - 1)
    return order[n_test:], order[:n_test]


def split_by_folder(
    paths: Sequence[str], digests: Sequence[int], test_folders: frozenset[str]
) -> tuple[Int64[np.ndarray, " n_train"], Int64[np.ndarray, " n_test"]]:
    """Divide images by the folders they lie in, as positions in the order of the hashes like those of ``split``."""
    order = _by_digest(digests)
    is_test = np.array([path.partition(os.sep)[0] in test_folders for path in paths], np.bool_)[order]
    return order[~is_test], order[is_test]


def _by_digest(digests: Sequence[int]) -> Int64[np.ndarray, " n"]:
    return np.argsort(np.array(digests, np.uint64), kind="stable")


def _key(files: Files, settings: Settings) -> str:
    digest = hashlib.sha256(repr((_FORMAT, settings)).encode())
    for path in files.paths:
        try:
            status = os.stat(f"{files.root}{os.sep}{path}")  # noqa: PTH116 – a million times
            facts = (status.st_size, status.st_mtime_ns)
        except OSError:
            facts = (-1, -1)
        digest.update(os.fsencode(path) + repr(facts).encode() + b"\0")
    return digest.hexdigest()[:_KEY_DIGITS]


def _checksum(settings: Settings, contents: Iterable[tuple[str, int]], skipped: Iterable[Skipped]) -> str:
    """Hash what the images are made from: the same wherever the folder lies and whenever its files were touched."""
    digest = hashlib.sha256(repr((_FORMAT, settings)).encode())
    for path, content in contents:
        digest.update(os.fsencode(path) + f"\0{content}\0".encode())
    for one in skipped:
        digest.update(one.path.encode() + b"\0skipped\0")
    return digest.hexdigest()[:_KEY_DIGITS]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:_KEY_DIGITS]


def _read_entry(entry: Path) -> Decoded | None:
    """Map an entry into memory, copy-on-write; None where there is none or it is damaged."""
    try:
        index = json.loads((entry / _INDEX_NAME).read_text(encoding="ascii"))
        mapped = np.lib.format.open_memmap(entry / _ARRAY_NAME, mode="c")
        if len(mapped) != len(index["paths"]):
            return None
        skipped = tuple(Skipped(**one) for one in index["skipped"])
        return Decoded(mapped, index["n_train"], tuple(index["paths"]), skipped, index["checksum"])
    except damage.OF_ARRAYS:
        return None


def _build_entry(entry: Path, files: Files, settings: Settings, n_threads: int, progress: Progress | None) -> None:
    try:
        with _places.staging(entry.parent) as staging_path:
            _check_room(entry.parent, len(files.paths), settings.image_size)
            _fill(staging_path, files, settings, n_threads, progress)
            _put_in_place(staging_path, entry)
    except OSError as error:
        raise _cache_error(entry.parent, error.strerror or str(error)) from error


def _fill(staging_path: Path, files: Files, settings: Settings, n_threads: int, progress: Progress | None) -> None:
    raw_path = staging_path / "images.raw"
    readable: list[str] = []
    digests: list[int] = []
    skipped: list[Skipped] = []
    with raw_path.open("wb") as raw_file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of slightly broken files; what is unreadable is an error
        for path, outcome in _outcomes(files, settings, n_threads, progress):
            if isinstance(outcome, str):
                skipped.append(Skipped(os.fsencode(path).decode("utf-8", "replace"), outcome))
                continue
            digest, image = outcome
            raw_file.write(image.tobytes())
            readable.append(path)
            digests.append(digest)
    _check_enough(files.root, len(readable), skipped)
    train, test = _divide(files, readable, digests, settings)
    order = np.concatenate([train, test])
    with (staging_path / _ARRAY_NAME).open("wb") as file:
        _write_sorted(file, raw_path, order, settings.image_size)
    raw_path.unlink()
    index = {
        "n_train": len(train),
        "paths": [readable[i] for i in order],
        "skipped": [asdict(one) for one in skipped],
        "checksum": _checksum(settings, zip(readable, digests, strict=True), skipped),
    }
    (staging_path / _INDEX_NAME).write_text(json.dumps(index), encoding="ascii")


def _divide(
    files: Files, readable: Sequence[str], digests: Sequence[int], settings: Settings
) -> tuple[Int64[np.ndarray, " n_train"], Int64[np.ndarray, " n_test"]]:
    if not files.test_folders:
        return split(digests, settings.test_share)
    train, test = split_by_folder(readable, digests, files.test_folders)
    if not (len(train) and len(test)):
        names = ", ".join(f"{name}{os.sep}" for name in sorted(files.test_folders))
        raise DataError(
            f"expected readable images both inside and outside of {names} in {files.root}, the folder of test images, "
            f"came {len(test):,} inside and {len(train):,} outside; add images or rename the folder"
        )
    return train, test


def _outcomes(
    files: Files, settings: Settings, n_threads: int, progress: Progress | None
) -> Iterator[tuple[str, tuple[int, UInt8[np.ndarray, "size size 3"]] | str]]:
    """Yield each path with its content's hash and its image, or with the reason why there is none, in order."""
    from PIL import Image

    Image.init()  # the list of formats must not be filled by several threads at once
    with ThreadPoolExecutor(n_threads) as pool:
        for start in range(0, len(files.paths), _FILES_PER_BATCH):
            batch = files.paths[start : start + _FILES_PER_BATCH]
            yield from zip(batch, pool.map(lambda path: _decode_one(files.root / path, settings), batch), strict=True)
            if progress:
                done = start + len(batch)
                progress("reading images", done, len(files.paths))


def _decode_one(path: Path, settings: Settings) -> tuple[int, UInt8[np.ndarray, "size size 3"]] | str:
    try:
        data = images.read_bytes(path)
        image = images.read_square(data, settings.image_size, settings.fit, max_pixels=settings.max_pixels)
    except ImageError as error:
        return str(error)
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big"), image


def _write_sorted(file: BinaryIO, raw_path: Path, order: Int64[np.ndarray, " n"], size: int) -> None:
    """Write the array by plain writes: on a full disk they fail, where a mapped file would kill the process."""
    shape = (len(order), size, size, 3)
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    raw = np.memmap(raw_path, np.uint8, mode="r", shape=shape)
    starts = range(0, len(order), _IMAGES_PER_COPY)
    file.writelines(raw[order[start : start + _IMAGES_PER_COPY]].tobytes() for start in starts)


def _put_in_place(staging_path: Path, entry: Path) -> None:
    """Let the new entry take the place of all others of this folder."""
    for old_path in entry.parent.iterdir():
        if old_path != staging_path and not old_path.name.startswith("."):
            shutil.rmtree(old_path, ignore_errors=True)
    staging_path.replace(entry)


def _check_room(home: Path, n_images: int, size: int) -> None:
    n_needed, n_free = 2 * n_images * size * size * 3, shutil.disk_usage(home).free
    if n_needed > n_free:
        raise _cache_error(
            home, f"decoding takes up to {n_needed / 1e6:,.0f} MB there, {n_free / 1e6:,.0f} MB are free"
        )


def _cache_error(home: Path, reason: str) -> DataError:
    return DataError(
        f"cannot keep the decoded images in {home}: {reason}; free some space there, or name another folder with "
        f"${_places.CACHE_VARIABLE}"
    )


def _check_enough(root: Path, n_readable: int, skipped: Sequence[Skipped]) -> None:
    if n_readable >= 2:
        return
    first = f"; {skipped[0].path}: {skipped[0].reason}" if skipped else ""
    raise DataError(
        f"expected at least two readable images in {root}, came {n_readable} "
        f"({len(skipped):,} cannot be read{first}); add images"
    )
