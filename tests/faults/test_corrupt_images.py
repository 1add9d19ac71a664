"""Many files that are no images among many that are: all good ones are in, all bad ones are listed, memory stays flat.

10,000 among 60,000 with ``python -m tests.faults``; in CI 200 among 1,200.
"""

from __future__ import annotations

import io
import json
import random
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zehn import Collection

from .programs import IS_FULL, done, measured

N_IMAGES, N_BAD = (60_000, 10_000) if IS_FULL else (1_200, 200)
MEGABYTES = 500
"""What adding may take, of which Python with its packages and the model take most."""
SIDE = 16


def good(seed: int) -> bytes:
    patches = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(patches).resize((SIDE, SIDE), Image.Resampling.NEAREST).save(buffer, "PNG" if seed % 2 else "JPEG")
    return buffer.getvalue()


def claiming(side: int) -> bytes:
    """Return a PNG that says it is huge."""
    head = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def bad(number: int) -> bytes:
    """Return one of seven: cut short, empty, text, a header of 50,000 × 50,000 pixels, a PDF, zeros, damaged."""
    whole = good(number)
    return (
        whole[: len(whole) // 2],
        b"",
        b"this is no picture but a note about one\n" * 20,
        claiming(50_000),
        b"%PDF-1.7\n" + bytes(500),
        bytes(1_000),
        whole[:20] + bytes(range(256)) + whole[20:40],
    )[number % 7]


@pytest.fixture
def pile(tmp_path: Path) -> tuple[Path, set[str]]:
    """The folder, and the paths of those that are no images."""
    folder, spoilt = tmp_path / "pile", set()
    chosen = set(random.Random(0).sample(range(N_IMAGES), N_BAD))
    for number in range(N_IMAGES):
        path = folder / f"{number // 1000:03}" / f"{number:06}.{'png' if number % 3 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bad(number) if number in chosen else good(number))
        if number in chosen:
            spoilt.add(str(path))
    return folder, spoilt


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of memory is read from /proc")
def test_bad_files_are_listed_and_the_others_are_in(pile: tuple[Path, set[str]], tmp_path: Path) -> None:
    (folder, spoilt), path = pile, tmp_path / "own.zehn"
    done("index", "create", path)
    made = measured("index", "add", path, folder, "--json")
    changes = json.loads(made.printed)
    assert {one["path"] for one in changes["skipped"]} == spoilt
    assert all(one["reason"] for one in changes["skipped"])
    assert changes["added"] == N_IMAGES - N_BAD
    assert made.megabytes < MEGABYTES
    with Collection.open(path, read_only=True) as collection:
        assert collection.verify() == []
        assert len(collection) == N_IMAGES - N_BAD
    print(f"{N_IMAGES:,} files, {N_BAD:,} of them bad: {made.seconds:.0f} s, {made.megabytes:.0f} MB at most")  # noqa: T201
