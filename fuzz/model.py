"""Model files (HDF5), as they are read before anything of them is used; their checksum is left out."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import h5py
import numpy as np

from fuzz._folder import placed
from zehn import store
from zehn.autoencoder import Autoencoder
from zehn.errors import ConfigError, InputError, ModelFileError
from zehn.store import model as models

TOKENS = (
    b"zehn model", b"weights", b"statistics", b"graphs", b"options", b"card", b"TREE", b"SNOD", b"HEAP", b"GCOL",
    b"OHDR", b"OCHK", b"FRHP", b"BTHD", b"FADB", b"\xff" * 8, b"\x89HDF\r\n\x1a\n", b'{"a": 1e999}', b"[" * 64,
    b"/etc/passwd",
)  # fmt: skip


_real_digest = models._digest


def seeds() -> Mapping[str, bytes]:
    """Return a model as Zehn writes it, one in half precision, one of a later HDF5, and odd ones."""
    known = _made()
    return {
        "model.h5": known,
        "float16.h5": _made(dtype="float16"),
        "latest.h5": _copied(known, libver="latest"),
        "chunked.h5": _copied(known, only=("options", "weights"), chunks=True, compression="gzip"),
        "linked.h5": _linked(known),
        "empty.h5": _copied(known, only=()),
    }


def check(data: bytes) -> None:
    """Load a model, and what is written in it of how it was trained."""
    path = placed("model.h5", data)
    try:
        # what the checksums stand before is to be reached
        with (
            patch.object(models, "_digest", _digest),
            patch.object(models.Model, "fingerprint", property(_fingerprint)),
        ):
            model = Autoencoder.load(path).model
    except (ModelFileError, ConfigError, InputError):
        return
    n_bytes = sum(value.nbytes for value in model.weights.values())
    if n_bytes > len(data):
        raise AssertionError(f"expected no more weights than the file has bytes, {len(data):,}, came {n_bytes:,}")
    store.to_json(model.card)


class _Matching(str):
    """A checksum that is like any other."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)

    def __ne__(self, other: object) -> bool:
        return not isinstance(other, str)

    __hash__ = str.__hash__


def _digest(content: models.Content) -> str:
    return _Matching(_real_digest(content))


def _fingerprint(model: models.Model) -> str:
    shape = {name: getattr(model, name) for name in ("architecture", "n_components", "image_size", "options")}
    json.dumps(json.loads(store.to_json(shape)), sort_keys=True)
    return _Matching(_real_digest({name: np.asarray(value) for name, value in model.weights.items()}))


def _made(dtype: str | None = None) -> bytes:
    weights: dict[str, Any] = {
        "encoder.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "decoder.bias": np.array(7, np.int64),
    }
    made = models.Model(
        architecture="dense",
        n_components=2,
        image_size=32,
        options={"widths": [8]},
        weights=weights,
        code_mean=np.array([0.0, 1.0]),
        code_covariance=np.eye(2),
        graphs={"encoder": b"graph", "decoder": b"graph"},
        config_toml='preset = "smoke"\nseed = 1\n[train]\nepochs = 1\n',
        card={"name": "tëst"},
        versions={"zehn": "0.1.0"},
        created="2026-01-01T00:00:00+00:00",
    )
    path = placed("made.h5", b"")
    store.save_model(path, made, dtype=dtype)
    return path.read_bytes()


def _copied(data: bytes, *, libver: str | None = None, only: tuple[str, ...] | None = None, **options: Any) -> bytes:
    """Write what a file holds in another way of HDF5's."""
    buffer = io.BytesIO()
    with h5py.File(io.BytesIO(data), "r") as given, h5py.File(buffer, "w", libver=libver) as made:
        made.attrs.update(dict(given.attrs))
        for name in given if only is None else only:
            if isinstance(given[name], h5py.Group):
                for below, entry in given[name].items():
                    made.create_dataset(f"{name}/{below}", data=entry[()], **(options if entry.shape else {}))
            else:
                made[name] = given[name][()]
    return buffer.getvalue()


def _linked(data: bytes) -> bytes:
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        file["weights/soft"] = h5py.SoftLink("/options")
        file["weights/outside"] = h5py.ExternalLink("other.h5", "/x")
        file.create_dataset("weights/raw", (4,), np.uint8, external=[("/etc/passwd", 0, 4)])
        file["weights/any"] = np.array([b"ab", b"c"], dtype=h5py.string_dtype())
        file["weights/reference"] = file["options"].ref
    return buffer.getvalue()
