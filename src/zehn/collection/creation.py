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
    engine: str | None,
) -> tuple[Engine, str]:
    """Make an empty store with its model in it, or with the news that one is to be trained, and return its address too.

    Where an engine is given, the name is written down as that of the collection there.

    Raises:
        CollectionError: there is one already, or the place cannot be written to.
        UnknownNameError: an unknown model, fit or preset.
        ModelFileError: the model file cannot be read.
        ConfigError: a name that is none, or a setting out of its range.

    """
    address = _place_of(name_or_path, engine)
    facts = {"fit": known("fit", fit, images.FITS), "thumbnail_size": str(_check_size(thumbnail_size))}
    facts |= {"created": datetime.now(UTC).isoformat(timespec="seconds"), "sources": "[]"}
    if engines.exists(address):
        where = engines.masked(address)
        raise CollectionError(f"there is a collection at {where} already; open it, or choose another name")
    opened = _created(address, model, facts, n_components, preset)
    if engine is not None:
        try:
            places.point(str(name_or_path), address)
        except BaseException:
            opened.close()
            raise
    return opened, address


def _place_of(name_or_path: str | Path, engine: str | None) -> str:
    if engine is None:
        return places.address_of(name_or_path)
    places.check_free(str(name_or_path))
    return engines.with_collection(engine, str(name_or_path))


def _created(
    address: str, model: str | Path, facts: dict[str, str], n_components: int | None, preset: str | None
) -> Engine:
    if str(model) == keeping.TRAIN:
        from zehn import config

        preset = known("preset", preset or config.DEFAULT_PRESET, config.PRESETS)
        facts |= {"model": keeping.TRAIN, "fingerprint": "", "preset": preset}
        wanted = config.ModelConfig().n_components if n_components is None else n_components
        return made(address, wanted, facts, {})
    loaded, data, called = keeping.load(model)
    facts |= keeping.facts_of(loaded, called)
    return made(address, loaded.n_components, facts, {keeping.ATTACHMENT: data})


def connect(name_or_path: str | Path, *, read_only: bool, allow_partial: bool = False) -> tuple[Engine, str]:
    """Open a store, and return it with its address; a part of it only matters where it lies on several servers.

    Raises:
        CollectionError: there is none, or it is damaged or of a newer Zehn.
        ConfigError: a name that is none.

    """
    address = places.address_of(name_or_path)
    if not engines.exists(address):
        there, called = places.collections(), engines.masked(str(name_or_path))
        said = f"there are: {', '.join(there)}" if there else "there is none yet"
        raise CollectionError(f"there is no collection {called}; {said}; make it with zehn index create {called}")
    options = {"allow_partial": True} if allow_partial and "://" in address else None
    return engines.connect(address, read_only=read_only, options=options), address


def made(address: str, n_components: int, facts: dict[str, str], attachments: dict[str, bytes]) -> Engine:
    """Make an empty store at an address, and the folder that it lies in.

    Raises:
        CollectionError: there is one already, or the place cannot be written to.

    """
    if "://" not in address:
        with store.writing(address):
            Path(address).parent.mkdir(parents=True, exist_ok=True)
    return engines.create(address, n_components, facts, attachments=attachments)


def known(kind: str, name: str, names: Iterable[str]) -> str:
    """Return a name that is one of those.

    Raises:
        UnknownNameError: it is none of them.

    """
    if name not in names:
        raise UnknownNameError(kind, name, names)
    return name


def _check_size(size: int) -> int:
    if not 0 <= size <= _MOST:
        raise ConfigError(f"thumbnail_size must lie between 0 (none) and {_MOST} pixels, came {size}")
    return size
