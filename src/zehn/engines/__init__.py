"""Engines: what stores a collection's records and codes and answers nearest-neighbour queries. A file is an engine.

An engine's file has ``Options``, the ``SCHEMES`` of the addresses that are its own ("" is a path), and ``create``,
``connect`` and ``exists``. Engines know no distance by name: :mod:`zehn.distances` prepares codes so that one of the
base metrics "l2", "l1" and "linf" keeps its order, and finishes what these return.

:class:`Index` and :class:`Mirror` are no engines: they hold codes in memory, for whoever needs neighbours and no store;
the first codes that were prepared for a distance, the second codes as they are, searched by any distance.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from types import ModuleType
from typing import Any

from zehn import plugins
from zehn.engines._given import check_codes
from zehn.engines._index import Index
from zehn.engines._mirror import Mirror
from zehn.engines._postgres import addresses
from zehn.engines._protocol import N_BATCH, Engine, Neighbors, NewRecord, Record, Reencoding
from zehn.errors import ConfigError, UnknownNameError

__all__ = [
    "N_BATCH",
    "Engine",
    "Index",
    "Mirror",
    "Neighbors",
    "NewRecord",
    "Record",
    "Reencoding",
    "check_codes",
    "connect",
    "create",
    "exists",
    "masked",
    "with_collection",
]


def create(
    address: str | PathLike[str],
    n_components: int,
    facts: Mapping[str, str] | None = None,
    *,
    attachments: Mapping[str, bytes] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Engine:
    """Make an empty store at an address, a path or a URL such as ``postgresql://…``, and open it for writing.

    Facts and attachments are in it from the moment that it is there.

    Raises:
        CollectionError: something is there already, or the place cannot be written to.
        UnknownNameError: no engine has addresses of that kind.
        ConfigError: an option that the engine does not have.
        InputError: less than one dimension.

    """
    plugin = _plugin_of(fspath(address))
    given = plugins.options(plugin, options)
    return plugin.create(fspath(address), n_components, dict(facts or {}), given, attachments=attachments)


def connect(
    address: str | PathLike[str], *, read_only: bool = False, options: Mapping[str, Any] | None = None
) -> Engine:
    """Open the store at an address; where it was made by an older Zehn it is brought up to date.

    Raises:
        CollectionError: nothing is there, or no collection, a damaged one or that of a newer Zehn.
        UnknownNameError: no engine has addresses of that kind.
        ConfigError: an option that the engine does not have.

    """
    plugin = _plugin_of(fspath(address))
    return plugin.connect(fspath(address), plugins.options(plugin, options), read_only=read_only)


def exists(address: str | PathLike[str]) -> bool:
    """Return whether something is at an address.

    Raises:
        UnknownNameError: no engine has addresses of that kind.

    """
    return _plugin_of(fspath(address)).exists(fspath(address))


def masked(address: str | PathLike[str]) -> str:
    """Return an address as it may be shown and logged: without the password that a URL may hold."""
    given = fspath(address)
    return addresses.shown(given) if "://" in given else given


def with_collection(address: str, name: str) -> str:
    """Return the URL of a database with the name of a collection in it, where it has none yet.

    Raises:
        UnknownNameError: no engine has addresses of that kind.
        ConfigError: what is no URL of a database, or a name that it cannot have.

    """
    if _plugin_of(address).SCHEMES == ("",):
        raise ConfigError(f"expected the address of a database such as postgresql://me@host/photos, came {address!r}")
    named = addresses.with_collection(address, name)
    addresses.parse(named)
    return named


def _plugin_of(address: str) -> ModuleType:
    before, separator, _ = address.partition("://")
    scheme = before if separator else ""
    found = {name: plugins.load("engines", name) for name in plugins.names("engines")}
    for plugin in found.values():
        if scheme in plugin.SCHEMES:
            return plugin
    raise UnknownNameError("kind of address", scheme, [name for plugin in found.values() for name in plugin.SCHEMES])
