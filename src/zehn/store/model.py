"""The model file: one HDF5 file, readable with h5py alone, checked by a checksum, with nothing in it that is code.

Layout of format 1, all numbers little-endian, all text UTF-8::

    attributes          format, format_version, checksum, fingerprint, created, architecture, n_components, image_size
    /weights/NAME       one data set per tensor of the network, by its layer's name, float32 or float16
    /statistics/…       code_mean (d,), code_covariance (d, d): of the codes of the training images
    /graphs/…           encoder, decoder: ONNX graphs whose tensors are those of /weights, as bytes
    /options, /card, /versions      JSON text
    /configuration      the configuration that trained the model, TOML text
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from zehn import damage
from zehn.errors import InputError, ModelFileError, UnknownNameError
from zehn.store.files import to_json, write_atomically
from zehn.store.hdf5 import Hdf5Reader, open_hdf5

FORMAT = "zehn model"
FORMAT_VERSION = 1
SUFFIX = ".h5"
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_TEXTS = ("options", "card", "versions", "configuration")
_DAMAGED = (*damage.OF_ARRAYS, IndexError, ArithmeticError)

Content = dict[str, NDArray[Any] | str]
"""What a model file holds, flat: an attribute is named ``@name``, a data set by its path."""


@dataclass(frozen=True, eq=False)
class Model:
    """What a model file holds, as plain data; it encodes nothing: take :meth:`zehn.Autoencoder.load` for that."""

    architecture: str
    n_components: int
    image_size: int
    """Side of the square images that the model sees, in pixels."""
    options: Mapping[str, Any]
    """The architecture's options, resolved."""
    weights: Mapping[str, NDArray[Any]] = field(repr=False)
    """Every tensor of the network by its layer's name, such as ``encoder.stem.weight``."""
    code_mean: Float64[np.ndarray, " d"] = field(repr=False)
    """Mean of the training images' codes."""
    code_covariance: Float64[np.ndarray, "d d"] = field(repr=False)
    """Covariance of the training images' codes (divided by n − 1)."""
    graphs: Mapping[str, bytes] = field(repr=False)
    """ONNX graphs of ``encoder`` and ``decoder``; their tensors are those of ``weights``."""
    config_toml: str = field(default="", repr=False)
    card: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What one should know of the model: name, data set, seed, seconds, figures."""
    versions: Mapping[str, str] = field(default_factory=dict, repr=False)
    created: str = ""
    """When it was made, ISO 8601."""

    @cached_property
    def fingerprint(self) -> str:
        """``zehn-`` and 16 hex digits of the SHA-256 over what decides the codes: architecture, options, weights."""
        shape = {name: getattr(self, name) for name in ("architecture", "n_components", "image_size", "options")}
        content: Content = {name: np.asarray(value) for name, value in self.weights.items()}
        content["@shape"] = json.dumps(json.loads(to_json(shape)), sort_keys=True)
        return f"zehn-{_digest(content)[:16]}"


def save_model(path: str | Path, model: Model, *, dtype: str | None = None) -> Model:
    """Write a model file, whole or not at all, and return the model as it was stored.

    ``dtype="float16"`` stores the weights in half the space; the fingerprint is then that of the rounded weights.

    Raises:
        InputError: the weights cannot be stored as ``dtype``.
        RunError: the disk is full, or the place cannot be written to.

    """
    stored = with_dtype(model, dtype) if dtype else model
    content = _to_content(stored)
    content["@checksum"] = _digest(content)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, value in content.items():
            if name.startswith("@"):
                file.attrs[name[1:]] = value
            else:
                file[name] = value
    write_atomically(path, buffer.getvalue())
    return stored


def load_model(name_or_path: str | Path) -> Model:
    """Read what a model file holds; to encode with a model, take :meth:`zehn.Autoencoder.load` instead.

    The file, or a shipped model by its name (``"cifar10"``), is checked to be whole.

    Raises:
        UnknownNameError: a bare name that no shipped model has.
        ModelFileError: no such file, or one that is cut short, tampered with, foreign or of a newer version.

    """
    path = find_model(name_or_path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"cannot read the model file {path}: {error.strerror}; make it readable, or name another"
        ) from error
    if not data.startswith(_SIGNATURE):
        what = "is no HDF5 file" if data else "is empty"
        raise ModelFileError(f"{path} {what}, so no Zehn model; name a file that Zehn saved, such as train/model.h5")
    try:
        with open_hdf5(data) as reader:
            _check_format(reader, path)
            content: Content = {f"@{name}": value for name, value in reader.attributes().items()}
            content |= reader.datasets()
        expected = content.pop("@checksum", None)
        model = _from_content(content) if expected == _digest(content) else None
    except _DAMAGED as error:
        raise ModelFileError(
            f"{path} is cut short or damaged ({error}); copy it again from where it came, or train the model again"
        ) from error
    if model is None or model.fingerprint != str(content.get("@fingerprint")):
        raise ModelFileError(
            f"{path} was changed after Zehn saved it: its checksum does not match its content; "
            "copy it again from where it came, or train the model again"
        )
    return model


def find_model(name_or_path: str | Path) -> Path:
    """Return the path of a model file, given as a path or as the name of a shipped model.

    Raises:
        UnknownNameError: a bare name that no shipped model has.
        ModelFileError: a path where no file is.

    """
    path = Path(os.path.expanduser(name_or_path))  # noqa: PTH111 – Path.expanduser raises where no user has that name
    if path.is_file():
        return path
    if str(name_or_path) in shipped_names():
        return Path(str(files("zehn") / "weights" / f"{name_or_path}{SUFFIX}"))
    if path.is_dir():
        inside = next((f"; did you mean {found}?" for found in sorted(path.glob(f"**/*{SUFFIX}"))), "")
        raise ModelFileError(f"expected a model file, came the folder {path}{inside}")
    if path.name != str(name_or_path) or path.suffix:
        shipped_too = f", or a shipped model: {', '.join(shipped_names())}" if shipped_names() else ""
        raise ModelFileError(f"there is no model file {path}; name one that Zehn saved{shipped_too}")
    raise UnknownNameError("model", path.name, shipped_names())


def shipped_names() -> list[str]:
    """Return the names of the models that ship with Zehn, sorted."""
    folder = files("zehn") / "weights"
    names = (entry.name for entry in folder.iterdir()) if folder.is_dir() else iter(())
    return sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))


def with_dtype(model: Model, dtype: str) -> Model:
    """Return the model with its floating-point weights rounded to ``dtype`` (``"float32"`` or ``"float16"``).

    Raises:
        InputError: another type, or a weight too large for it.

    """
    if dtype not in ("float32", "float16"):
        raise InputError(f"weights are stored as float32 or float16, came {dtype!r}")
    return replace(model, weights={name: _cast(name, value, dtype) for name, value in model.weights.items()})


def _cast(name: str, weights: NDArray[Any], dtype: str) -> NDArray[Any]:
    if weights.dtype.kind != "f":
        return weights
    if np.abs(weights).max(initial=0) > np.finfo(dtype).max:
        raise InputError(f"the weights {name} reach {np.abs(weights).max():g}, too large for {dtype}; use float32")
    return weights.astype(dtype)


def _to_content(model: Model) -> Content:
    content: Content = {
        "@format": FORMAT,
        "@format_version": np.asarray(FORMAT_VERSION, np.int64),
        "@fingerprint": model.fingerprint,
        "@created": model.created,
        "@architecture": model.architecture,
        "@n_components": np.asarray(model.n_components, np.int64),
        "@image_size": np.asarray(model.image_size, np.int64),
        "options": to_json(model.options),
        "card": to_json(model.card),
        "versions": to_json(model.versions),
        "configuration": model.config_toml,
        "statistics/code_mean": model.code_mean,
        "statistics/code_covariance": model.code_covariance,
    }
    content |= {f"weights/{name}": _little_endian(value) for name, value in model.weights.items()}
    return content | {f"graphs/{half}": np.frombuffer(graph, np.uint8) for half, graph in model.graphs.items()}


def _from_content(content: Content) -> Model:
    texts = {name: str(content[name]) for name in _TEXTS}
    return Model(
        architecture=str(content["@architecture"]),
        n_components=int(content["@n_components"]),
        image_size=int(content["@image_size"]),
        options=json.loads(texts["options"]),
        weights=_below(content, "weights/"),
        code_mean=np.asarray(content["statistics/code_mean"], np.float64),
        code_covariance=np.asarray(content["statistics/code_covariance"], np.float64),
        graphs={half: graph.tobytes() for half, graph in _below(content, "graphs/").items()},
        config_toml=texts["configuration"],
        card=json.loads(texts["card"]),
        versions=json.loads(texts["versions"]),
        created=str(content["@created"]),
    )


def _below(content: Content, folder: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(folder): np.asarray(value) for name, value in content.items() if name.startswith(folder)}


def _check_format(reader: Hdf5Reader, path: Path) -> None:
    if reader.attribute("format") != FORMAT:
        raise ModelFileError(
            f"{path} is an HDF5 file but no Zehn model; name a file that Zehn saved, such as train/model.h5"
        )
    version = int(np.asarray(reader.attribute("format_version")))
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has model format {version}, and this Zehn reads up to {FORMAT_VERSION}; upgrade Zehn to read it"
        )


def _little_endian(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(values.dtype.newbyteorder("<"), copy=False)


def _digest(content: Content) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(content.items()):
        numbers = np.frombuffer(value.encode(), np.uint8) if isinstance(value, str) else _little_endian(value)
        kind = "text" if isinstance(value, str) else numbers.dtype.str
        digest.update(f"{name}\0{kind}{numbers.shape}\0".encode())
        digest.update(numbers.tobytes())
    return digest.hexdigest()
