"""What CIFAR-10's files hold is read; whatever asks for more is refused and never run."""

from __future__ import annotations

import codecs
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from zehn.datasets import _pickle
from zehn.errors import DataError

PATH = Path("data_batch_1")


class Asking:
    """Pickles to a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def test_a_batch_is_read(batch_pickle: Callable[..., bytes]) -> None:
    rows = np.arange(12, dtype=np.uint8).reshape(2, 6)
    content = _pickle.read_pickle(batch_pickle(rows, [3, 9]), PATH)
    assert_array_equal(content[b"data"], rows)
    assert content[b"data"].dtype == np.uint8
    assert content[b"labels"] == [3, 9]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("asking", "name"),
    [
        (Asking(os.system, "echo run"), r"(posix|nt)\.system"),
        (Asking(eval, "1/0"), r"(__builtin__|builtins)\.eval"),
        (Asking(getattr, "x", "load"), r"(__builtin__|builtins)\.getattr"),
        (Asking(np.load, "x.npy"), r"numpy.*\.load"),
        (Asking(codecs.encode, "x", "latin1"), r"_codecs\.encode"),
        (Asking(pickle.loads, ""), r"_?pickle\.loads"),
    ],
)
def test_nothing_else_is_admitted(asking: Asking, name: str, protocol: int) -> None:
    with pytest.raises(DataError, match=rf"data_batch_1 is not a file of CIFAR-10: it asks for {name}, which is not"):
        _pickle.read_pickle(pickle.dumps({"data": asking}, protocol), PATH)


def test_a_command_is_not_run(tmp_path: Path) -> None:
    target = tmp_path / "run"
    with pytest.raises(DataError, match="not admitted"):
        _pickle.read_pickle(pickle.dumps(Asking(os.system, f"touch {target}")), PATH)
    assert not target.exists()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "exhausted before seeing STOP"),
        (b"just text", "is not a file of CIFAR-10"),
        (pickle.dumps([1, 2]), "expected a dictionary, came list"),
        (pickle.dumps({})[:-1], "is not a file of CIFAR-10"),
        (b"\x80\x02Pname\n.", "asks for the persistent object 'name'"),
        (b"\x80\x02cnumpy\nndarray\nK\x05\x85R.", "not callable"),
        (b"\x80\x02cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R.", r"expected bytes \(u1\), came the type b'O8'"),
        (b"\x80\x02cnumpy\nload\n.", r"numpy\.load, which is not admitted"),
    ],
)
def test_damage_is_told(data: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        _pickle.read_pickle(data, PATH)


def test_a_batch_cut_short_anywhere_is_told(batch_pickle: Callable[..., bytes]) -> None:
    data = batch_pickle(np.zeros((2, 6), np.uint8), [0, 1])
    for length in range(len(data)):
        with pytest.raises(DataError, match="is not a file of CIFAR-10"):
            _pickle.read_pickle(data[:length], PATH)
