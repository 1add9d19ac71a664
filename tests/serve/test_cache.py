"""What is kept can be had again, and does not grow without end."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from zehn.serve import cache


def keep(name: str, age: int) -> Path:
    cache.write("maps", name, {"a": np.array([age])})
    path = cache.folder_path() / "maps" / f"{name}.npz"
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return path


def test_what_was_used_longest_ago_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_N_KEPT", 3)
    for name, age in (("old", 3), ("older", 4), ("oldest", 5)):
        keep(name, age)
    used = cache.read("maps", "oldest")
    assert used is not None
    assert used["a"].tolist() == [5]
    cache.write("maps", "new", {"a": np.array([0])})
    assert [cache.read("maps", name) is not None for name in ("new", "old", "older", "oldest")] == [
        True,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("length", [-1, 2**64])
def test_an_array_of_an_impossible_length_is_made_anew(length: int) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (length,)})
    with zipfile.ZipFile(keep("damaged", 0), "w") as file:
        file.writestr("a.npy", header.getvalue())
    assert cache.read("maps", "damaged") is None


def test_other_kinds_and_what_others_keep_there_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_N_KEPT", 1)
    cache.write("versions", "a", {"a": np.zeros(1)})
    foreign = keep("first", 9).with_suffix(".txt")
    foreign.write_text("mine")
    keep("second", 0)
    assert cache.read("maps", "first") is None
    assert cache.read("versions", "a") is not None
    assert foreign.exists()
