"""Plug-ins: a folder of files, each file one plug-in, its stem its name.

Every file in ``datasets/``, ``models/``, ``objectives/`` and ``engines/`` other than ``__init__.py`` and ``_*.py`` is
one plug-in. Its options are a frozen dataclass named ``Options`` in the same file. There is no table to edit.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from importlib.resources import files
from types import ModuleType
from typing import Any, get_type_hints

from zehn.errors import ConfigError, MissingExtraError, UnknownNameError

_SIMPLE = (int, float, str, bool)
_MOST_BITS = 64
"""Of a whole number: TOML in Python knows no bounds."""


def names(kind: str) -> list[str]:
    """Return the names of all plug-ins of a kind ("datasets", "models", "objectives", "engines"), sorted."""
    stems = (entry.name.removesuffix(".py") for entry in files(f"zehn.{kind}").iterdir() if entry.name.endswith(".py"))
    return sorted(stem for stem in stems if not stem.startswith("_"))


def load(kind: str, name: str) -> ModuleType:
    """Import one plug-in.

    Raises:
        UnknownNameError: there is no such plug-in; the message suggests the closest name.
        MissingExtraError: the plug-in needs an optional dependency that is not installed.

    """
    if name not in names(kind):
        raise UnknownNameError(kind.removesuffix("s"), name, names(kind))
    return importlib.import_module(f"zehn.{kind}.{name}")


def options(plugin: ModuleType, given: Mapping[str, Any] | None = None) -> Any:
    """Build a plug-in's frozen ``Options`` from a mapping, every key checked, numbers converted.

    Raises:
        ConfigError: a key that the plug-in does not have, or a value of the wrong type.

    """
    return build(plugin.Options, given or {}, where=f"option of {plugin.__name__.rpartition('.')[2]}")


def build(kind: type[Any], given: Mapping[str, Any], where: str) -> Any:
    """Build a frozen dataclass from a mapping (from TOML or the command line), checking names and types.

    Raises:
        UnknownNameError: a key that the dataclass does not have.
        ConfigError: a value of the wrong type.

    """
    hints = get_type_hints(kind)
    known = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    for key in given:
        if key not in known:
            raise UnknownNameError(where, key, known)
    return kind(**{key: _converted(value, known[key], f"{where} {key!r}") for key, value in given.items()})


def _converted(value: Any, hint: Any, where: str) -> Any:
    if isinstance(value, int) and (n_bits := value.bit_length()) > _MOST_BITS:
        raise ConfigError(f"{where}: expected a number of at most {_MOST_BITS} bits, came one of {n_bits:,}")
    origin = getattr(hint, "__origin__", hint)
    if dataclasses.is_dataclass(hint):
        return build(hint, _expected(value, Mapping, "a table", where), where)  # type: ignore[arg-type]
    if origin is tuple:
        items = _expected(value, (list, tuple), "a list", where)
        return tuple(_converted(item, hint.__args__[0], where) for item in items)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        items = _expected(value, Mapping, "a table", where).items()
        return {key: _converted(item, hint.__args__[1], f"{where} {key!r}") for key, item in items}
    if hint is float and type(value) is int:
        return float(value)
    if hint in _SIMPLE and type(value) is not hint:
        raise ConfigError(f"{where}: expected {hint.__name__}, came {_shown(value)}")
    return value


def _expected(value: Any, kinds: Any, words: str, where: str) -> Any:
    if not isinstance(value, kinds):
        raise ConfigError(f"{where}: expected {words}, came {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits within it, a list of lists without end
        return f"a {type(value).__name__} that is too long to be shown"


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or say which extra brings it.

    Raises:
        MissingExtraError: it is not installed.

    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingExtraError(module, extra) from error
