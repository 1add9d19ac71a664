"""Checkpoints of a training (PyTorch's zip of tensors and a pickle), read as data from which it would go on."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from fuzz import codes
from fuzz._folder import placed
from zehn.errors import TrainingError
from zehn.train import checkpoints

TOKENS = (
    b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"archive/data.pkl", b"archive/data/0", b"archive/version",
    b"archive/byteorder", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n", b"cos\nsystem\n",
    b"ccollections\nOrderedDict\n", b"\x80\x02", b"r\xff\xff\xff\x7f", b"Q", b"R", b"b", b"K\x01",
    b"J\xff\xff\xff\x7f", b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", b".constants.pkl",
)  # fmt: skip


def seeds() -> Mapping[str, bytes]:
    """Return a checkpoint as Zehn writes it, and one in PyTorch's older way."""
    state = {"weights": {"a": torch.arange(6.0).reshape(2, 3)}, "epoch": 3, "history": [{"loss": 0.5}], "done": False}
    path = placed("last.ckpt", b"")
    checkpoints.save(path, state)
    new = path.read_bytes()
    torch.save({"format": checkpoints.FORMAT, **state}, path, _use_new_zipfile_serialization=False)
    return {"last.ckpt": new, "old.ckpt": path.read_bytes()}


def check(data: bytes) -> None:
    """Read a checkpoint."""
    path = placed("last.ckpt", data)
    try:
        state = checkpoints.load(path)
    except TrainingError:
        return
    if not isinstance(state, dict):
        raise AssertionError(f"expected a table, came {type(state)}")


mend = codes.mend
