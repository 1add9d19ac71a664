"""Collections made and opened: the file is there with its model and its settings, or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from zehn import engines, images, store
from zehn.collection import keeping, places
from zehn.engines import Engine
from zehn.errors import CollectionError, ConfigError, UnknownNameError

_MOST = 1024
"""Pixels that a thumbnail's longest side may have."""


def create(
    name_or_path: str | Path,
    model: str | Path,
    *,
    fit: str,
    thumbnail_size: int,
    n_components: int | None,
    preset: str | None,
) -> tuple[Engine, str]:
    """Make an empty store with its model in it, or with the news that one is to be trained, and return its address too.

    Raises:
        CollectionError: there is one already, or the place cannot be written to.
        UnknownNameError: an unknown model, fit or preset.
        ModelFileError: the model file cannot be read.
        ConfigError: a name that is none, or a setting out of its range.

    """
    address = places.address_of(name_or_path)
    facts = {"fit": known("fit", fit, images.FITS), "thumbnail_size": str(_check_size(thumbnail_size))}
    facts |= {"created": datetime.now(UTC).isoformat(timespec="seconds"), "sources": "[]"}
    if engines.exists(address):
        raise CollectionError(f"there is a collection at {address} already; open it, or choose another name")
    if str(model) == keeping.TRAIN:
        from zehn import config

        preset = known("preset", preset or config.DEFAULT_PRESET, config.PRESETS)
        facts |= {"model": keeping.TRAIN, "fingerprint": "", "preset": preset}
        wanted = config.ModelConfig().n_components if n_components is None else n_components
        return _made(address, wanted, facts, {}), address
    loaded, data, called = keeping.load(model)
    facts |= keeping.facts_of(loaded, called)
    return _made(address, loaded.n_components, facts, {keeping.ATTACHMENT: data}), address


def connect(name_or_path: str | Path, *, read_only: bool) -> tuple[Engine, str]:
    """Open a store, and return it with its address.

    Raises:
        CollectionError: there is none, or it is damaged or of a newer Zehn.
        ConfigError: a name that is none.

    """
    address = places.address_of(name_or_path)
    if not engines.exists(address):
        there = places.collections()
        said = f"there are: {', '.join(there)}" if there else "there is none yet"
        raise CollectionError(
            f"there is no collection {name_or_path}; {said}; make it with zehn index create {name_or_path}"
        )
    return engines.connect(address, read_only=read_only), address


def known(kind: str, name: str, names: Iterable[str]) -> str:
    """Return a name that is one of those.

    Raises:
        UnknownNameError: it is none of them.

    """
    if name not in names:
        raise UnknownNameError(kind, name, names)
    return name


def _made(address: str, n_components: int, facts: dict[str, str], attachments: dict[str, bytes]) -> Engine:
    if "://" not in address:
        with store.writing(address):
            Path(address).parent.mkdir(parents=True, exist_ok=True)
    return engines.create(address, n_components, facts, attachments=attachments)


def _check_size(size: int) -> int:
    if not 0 <= size <= _MOST:
        raise ConfigError(f"thumbnail_size must lie between 0 (none) and {_MOST} pixels, came {size}")
    return size
