"""The pickles of CIFAR-10, through the unpickler that admits only what they hold; their checksum is left out."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from fuzz._folder import placed
from zehn.datasets import _checksums, cifar10
from zehn.errors import DataError

TOKENS = (
    b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"cos\nsystem\n",
    b"\x80\x02", b"\x80\x04", b"\x80\x05", b"R", b"b", b"q\x01", b"h\x01", b"U\x02u1", b"(dp0\n", b"}", b"t",
    b"K\x01", b"r\xff\xff\xff\x7f", b"\x8e", b"\x8b", b"\x93", b"\x92", b"\x81", b"P0\n", b"Q", b"p9999999999\n",
    b".",
)  # fmt: skip
_N_PER_BATCH = 2


def seeds() -> Mapping[str, bytes]:
    """Return a batch of two images and the names of the classes, as Python 2 wrote them."""
    values = np.arange(_N_PER_BATCH * 3072, dtype=np.uint32).astype(np.uint8).reshape(_N_PER_BATCH, 3072)
    written = {b"data": _Array(values), b"labels": [6, 9], b"batch_label": b"testing batch", b"filenames": [b"a.png"]}
    names = {b"label_names": [b"airplane", b"automobile"], b"num_vis": 3072}
    return {
        "batch": _like_python_2(written),
        "meta": _like_python_2(names),
        "protocol-0": pickle.dumps({"label_names": ["a"]}, 0),
        "protocol-4": pickle.dumps({b"label_names": [b"a"]}, 4),
        "protocol-5": pickle.dumps({b"data": bytearray(8)}, 5),
    }


def check(data: bytes) -> None:
    """Read a batch, and the names of classes."""
    path = placed("data_batch_1", data)

    def unverified(_path: Path, _md5: str) -> bytes:
        return data

    # what the published checksums stand before is to be reached
    with patch.object(_checksums, "read_verified", unverified), patch.object(cifar10, "_N_PER_BATCH", _N_PER_BATCH):
        for read in (
            lambda: cifar10._read_batches(path.parent),
            lambda: cifar10._class_names(cifar10._checked(path.parent, "batches.meta"), path),
        ):
            try:
                read()
            except DataError:
                continue


class _Array:
    """An array that is pickled by the names that numpy had when CIFAR-10 was made."""

    def __init__(self, values: Any) -> None:
        self.values = values


def _like_python_2(content: Mapping[bytes, Any]) -> bytes:
    """Write protocol 2 by hand: texts as Python 2's, arrays by their three old globals."""
    return b"\x80\x02" + _written(content) + b"."


def _written(value: Any) -> bytes:
    if isinstance(value, bytes):
        return b"U" + bytes([len(value)]) + value
    if isinstance(value, int):
        return b"J" + value.to_bytes(4, "little", signed=True)
    if isinstance(value, list):
        return b"](" + b"".join(map(_written, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(_written(key) + _written(one) for key, one in value.items()) + b"u"
    pixels = value.values.tobytes()
    kind = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"(" + b"".join(map(_written, value.values.shape)) + b"t"
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    return made + b"(K\x01" + shape + kind + b"\x89T" + len(pixels).to_bytes(4, "little") + pixels + b"tb"
