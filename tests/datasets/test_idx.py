"""IDX files are read back exactly; foreign and damaged ones are told."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from zehn.datasets import _idx
from zehn.errors import DataError

PATH = Path("some-idx3-ubyte")


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@given(hnp.arrays(np.uint8, hnp.array_shapes(max_dims=4)))
def test_round_trip(array: np.ndarray) -> None:
    assert_array_equal(_idx.parse(idx(array), PATH), array)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "expected an IDX file, came one that begins with b''"),
        (b"\x89PNG\r\n\x1a\n", "expected an IDX file"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x00", "expected unsigned bytes .*, came type 0x0d"),
        (b"\x00\x00\x08\x03\x00\x00\x00\x02", "is cut short: its header needs 16 bytes, there are 8"),
        (idx(np.zeros((2, 3, 3), np.uint8))[:-1], r"expected 18 values for the shape \(2, 3, 3\), came 17"),
        (idx(np.zeros((2, 3, 3), np.uint8)) + b"x", "expected 18 values .*, came 19"),
        (struct.pack(">BBBB2I", 0, 0, 8, 2, 2**32 - 1, 2**32 - 1), "expected 18,446,744,065,119,617,025 values"),
    ],
)
def test_what_is_none_is_told(data: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        _idx.parse(data, PATH)


def test_content_is_decompressed_where_it_is_compressed(tmp_path: Path) -> None:
    for name, data in (("plain", b"content"), ("packed", gzip.compress(b"content"))):
        (tmp_path / name).write_bytes(data)
        assert _idx.read_content(tmp_path / name, 7) == b"content"


def test_damaged_and_swollen_content_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(np.random.default_rng(0).bytes(5_000))[:-100])
    with pytest.raises(DataError, match="is damaged or cut short"):
        _idx.read_content(path, 5_000)
    path.write_bytes(gzip.compress(bytes(10_000_000)))
    with pytest.raises(DataError, match="holds more than the expected 5,000 bytes"):
        _idx.read_content(path, 5_000)
    with pytest.raises(DataError, match=r"cannot read .*No such file"):
        _idx.read_content(tmp_path / "nowhere", 5_000)
