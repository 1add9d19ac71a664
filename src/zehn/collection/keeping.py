"""The model that a collection is encoded with: kept inside the collection, so that it moves between machines as one.

That holds for models that ship too. A later Zehn may ship another ``cifar10``, and codes of two models must never meet.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from zehn import store
from zehn.engines import Engine
from zehn.errors import CollectionError, ConfigError, ModelFileError, ZehnError

ATTACHMENT = "model.h5"
TRAIN = "train"
"""The name of the model that is yet to be trained, on the first images that are added."""


def facts_of(model: store.Model, name: str) -> dict[str, str]:
    """Return what a collection says of its model."""
    return {"model": name, "fingerprint": model.fingerprint}


def file_of(model: store.Model) -> bytes:
    """Return a model as the bytes of its file."""
    with tempfile.TemporaryDirectory(prefix="zehn-") as folder:
        path = Path(folder) / ATTACHMENT
        store.save_model(path, model)
        return path.read_bytes()


def load(name_or_path: str | Path) -> tuple[store.Model, bytes, str]:
    """Return a model, the bytes of its file, and what to call it.

    Raises:
        UnknownNameError: a bare name that no shipped model has.
        ModelFileError: no such file, or one that is cut short, tampered with, foreign or of a newer version.

    """
    path = store.find_model(name_or_path)
    name = str(name_or_path) if str(name_or_path) in store.shipped_names() else path.name
    return store.load_model(path), path.read_bytes(), name


def read(engine: Engine, name: str) -> store.Model:
    """Return the model of a collection.

    Raises:
        ConfigError: it is yet to be trained.
        CollectionError: the model is not there, damaged, or not the one that made the codes.

    """
    facts = engine.facts()
    if facts.get("model") == TRAIN:
        raise ConfigError(
            f"the model of {name} is yet to be trained: add images first, with zehn index add {name} FOLDER"
        )
    data = engine.attachment(ATTACHMENT)
    if data is None:
        raise CollectionError(f"{name} holds no model, so no image can be encoded for it; restore it from a backup")
    try:
        model = parse(data)
    except ModelFileError as error:
        raise CollectionError(
            f"the model in {name} is damaged ({error}); restore it from a backup, or give it another with "
            f"zehn index reencode {name} --model cifar10"
        ) from error
    check_match(facts, model, engine.n_components, name)
    return model


def check_match(facts: Mapping[str, str], model: store.Model, n_components: int, name: str) -> None:
    """Refuse a model that did not make a collection's codes.

    Raises:
        CollectionError: it is another model.

    """
    if model.fingerprint != facts.get("fingerprint") or model.n_components != n_components:
        raise CollectionError(
            f"{name} holds {n_components}-dimensional codes of model {facts.get('fingerprint')}, came model "
            f"{model.fingerprint} with {model.n_components}; use the model that made them, or encode all images anew "
            f"with zehn index reencode {name} --model cifar10"
        )


def problems(engine: Engine, name: str) -> list[str]:
    """Return what is wrong with a collection's model."""
    if engine.facts().get("model") == TRAIN and len(engine) == 0:
        return []
    try:
        read(engine, name)
    except ZehnError as error:
        return [str(error)]
    return []


def parse(data: bytes) -> store.Model:
    """Return the model whose file has these bytes.

    Raises:
        ModelFileError: they are cut short, tampered with, foreign or of a newer version.

    """
    with tempfile.TemporaryDirectory(prefix="zehn-") as folder:
        path = Path(folder) / ATTACHMENT
        path.write_bytes(data)
        return store.load_model(path)
