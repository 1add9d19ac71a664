"""What Zehn keeps and reads again: a run's books and settings, decoded images, the service's cache."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from fuzz._folder import placed
from zehn import store
from zehn.datasets import _decoded
from zehn.errors import RunError
from zehn.report import facts
from zehn.serve import cache

TOKENS = (
    b'"stages"', b'"version"', b'"inputs"', b'"outputs"', b"null", b"[" * 64, b"{}", b"1e999", b"9" * 400,
    b'"\\ud800"', b"NaN", b"[model]\n", b"source = ", b"\x93NUMPY", b"PK\x03\x04", b"'descr': '|u1'",
    b"'shape': (2, 8, 8, 3)",
)  # fmt: skip
_BOOK = {"version": 1, "stages": {"data": {"inputs": "ab", "seconds": 1.5, "finished": "2026-01-01", "outputs": ["x"]}}}
_NAMES = ("stages.json", "data/data.json", "train/history.json", "config.toml", "run.json")


def seeds() -> Mapping[str, bytes]:
    """Return a book of stages, numbers of a stage, settings, an index of decoded images, arrays."""
    index = {"n_train": 1, "paths": ["a.png"], "skipped": [{"path": "b.png", "reason": "x"}], "checksum": "00"}
    arrays, array = io.BytesIO(), io.BytesIO()
    np.savez(arrays, points=np.zeros((2, 2), np.float32))
    np.save(array, np.zeros((1, 8, 8, 3), np.uint8))
    return {
        "stages.json": json.dumps(_BOOK).encode(),
        "history.json": b'{"epochs": [], "interrupted": true}',
        "config.toml": b'preset = "smoke"\n[model]\nsource = "train"\n',
        "index.json": json.dumps(index).encode(),
        "points.npz": arrays.getvalue(),
        "images.npy": array.getvalue(),
    }


def check(data: bytes) -> None:
    """Put bytes in the place of each of those files in turn."""
    home = placed("own", b"").parent
    for name in _NAMES:
        shutil.rmtree(home / "run", ignore_errors=True)
        _written(home / "run", dict.fromkeys(_NAMES[:1], json.dumps(_BOOK).encode()) | {name: data})
        try:
            run = store.Run.open(home / "run")
            run.is_done("data", "ab")
            facts.gather(run)
        except RunError:
            continue
    for entry in ({_decoded._INDEX_NAME: data}, {_decoded._ARRAY_NAME: data}):
        whole = {_decoded._INDEX_NAME: seeds()["index.json"], _decoded._ARRAY_NAME: seeds()["images.npy"]}
        _written(home / "decoded", whole | entry)
        _decoded._read_entry(home / "decoded")
    _written(home / "map", {"key.npz": data})
    with patch.object(cache, "folder_path", _always(home)):
        cache.read("map", "key")


def _written(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _always(value: Any) -> Callable[[], Any]:
    return lambda: value
