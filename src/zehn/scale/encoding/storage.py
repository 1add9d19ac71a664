"""Files here and elsewhere: paths of this machine are opened as such, URLs through fsspec."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zehn import plugins, store
from zehn.errors import ConfigError, DataError, RunError, UnknownNameError
from zehn.scale.encoding.defaults import EXTRA

_HERE = "file"
_MARK = "://"
_PASSWORD = re.compile(r"://[^/@]*:[^/@]+@")
IN_MEMORY = "memory"
"""The file system of this process alone."""


def is_url(address: str) -> bool:
    """Say whether an address is a URL that fsspec has to open."""
    return _MARK in address


def path_of(address: str) -> str:
    """Return a ``file://`` URL as the path that it is; other addresses stay as they are.

    Raises:
        MissingExtraError: it is a URL, and fsspec is not installed.

    """
    if not is_url(address) or protocol_of(address) not in (_HERE, "local"):
        return address
    return str(_opened(address)[1])


def protocol_of(address: str) -> str:
    """Return what stands before ``://``, of a chain of URLs the first."""
    return address.partition(_MARK)[0].partition("::")[0]


def listed_as(address: str) -> str:
    """Return an address as a listing has it: a protocol may have several names, and ``memory://`` another slash."""
    if not is_url(address):
        return address
    system, place = _opened(address)
    return str(system.unstrip_protocol(place))


def told(error: Exception) -> str:
    """Return what an error of a file system says, or at least what it is."""
    return str(error) or type(error).__name__


def system_of(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and what it calls the place.

    Raises:
        UnknownNameError: fsspec knows no such protocol.
        ConfigError: the package that speaks it is not installed, the URL holds a password, or it cannot be opened.
        MissingExtraError: fsspec is not installed.

    """
    return _opened(url)


def _opened(url: str) -> tuple[Any, str]:
    fsspec = plugins.require("fsspec", EXTRA)
    if _PASSWORD.search(url):
        raise ConfigError(
            f"expected a {protocol_of(url)}:// URL without a password, which would be written beside every code; put "
            "it into the environment or ~/.config/fsspec/"
        )
    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as error:  # fsspec names the package
        raise ConfigError(f"{protocol_of(url)}:// cannot be opened: {error}; pip install it, on every node") from error
    except ValueError as error:
        protocol = protocol_of(url)
        if protocol in fsspec.available_protocols():
            raise ConfigError(f"{url} cannot be opened: {error}; check the address") from error
        raise UnknownNameError("protocol", protocol, fsspec.available_protocols()) from error
    except Exception as error:  # each store has its own, such as for a login that is refused
        raise ConfigError(f"{url} cannot be opened: {told(error)}; check address and credentials") from error


@dataclass(frozen=True)
class Folder:
    """A folder that is written to, here or in an object store."""

    address: str
    """A path or a URL."""

    def path_of(self, name: str) -> str:
        """Return where a file of the folder is."""
        return f"{self.address.rstrip('/')}/{name}" if is_url(self.address) else str(Path(self.address) / name)

    def names(self) -> set[str]:
        """Return the names of the files that are there; none where there is no folder yet."""
        if not is_url(self.address):
            return set(os.listdir(self.address)) if os.path.isdir(self.address) else set()  # noqa: PTH112, PTH208
        system, place = system_of(self.address)
        system.invalidate_cache(place)
        try:
            return {path.rpartition("/")[2] for path in system.ls(place, detail=False)}
        except FileNotFoundError:
            return set()

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all: beside its place and renamed, or, in an object store, put in one piece.

        Raises:
            RunError: the disk is full, or the place cannot be written to.

        """
        if not is_url(self.address):
            store.write_atomically(self.path_of(name), data)
            return
        system, place = system_of(self.path_of(name))
        try:
            system.makedirs(place.rpartition("/")[0], exist_ok=True)
            system.pipe_file(place, data)
        except Exception as error:  # each store has its own
            raise RunError(f"cannot write {self.path_of(name)}: {told(error)}; name another place") from error

    def read(self, name: str) -> bytes | None:
        """Return the bytes of a file, or None where there is none."""
        try:
            with open_file(self.path_of(name)) as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        if not is_url(self.address):
            Path(self.path_of(name)).unlink(missing_ok=True)
            return
        system, place = system_of(self.path_of(name))
        if system.exists(place):
            system.rm_file(place)


def open_file(path: str) -> Any:
    """Open a file by path or URL for reading bytes.

    Raises:
        OSError: it is not there or cannot be read.

    """
    if not is_url(path):
        return Path(path).open("rb")
    system, place = system_of(path)
    try:
        return system.open(place, "rb")
    except OSError:
        raise
    except Exception as error:  # each store has its own
        raise OSError(f"{path} cannot be opened: {told(error)}") from error


def resolved(address: str) -> str:
    """Return where a folder is that is written to: an absolute path, or a URL.

    Raises:
        DataError: an empty address.

    """
    if not address:
        raise DataError("expected a folder for the codes, such as codes/, came an empty name")
    plain = path_of(address)
    # not Path.expanduser, which raises where no user has that name
    return plain if is_url(plain) else os.path.abspath(os.path.expanduser(plain))  # noqa: PTH100, PTH111
