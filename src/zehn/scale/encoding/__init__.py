"""Bulk encoding: images in folders, tar shards, Parquet files and object stores to a folder of part files with codes.

The source is divided into units of work, each named by a hash of what it holds. Whoever encodes a unit, a process of
this machine or an actor on a Ray cluster, runs the same :class:`~zehn.scale.encoding.worker.Worker` and writes one part
file, beside its place and then renamed. A part that is there is done: a run that was killed goes on, and a second run
does nothing.

>>> from zehn import scale  # doctest: +SKIP
>>> encoded = scale.encoding.encode("photos/", "codes/")  # doctest: +SKIP

Each name is loaded when it is first asked for: the command line's help wants the defaults and nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zehn.scale.encoding.job import Encoded, encode
    from zehn.scale.encoding.loading import load
    from zehn.scale.encoding.options import Options

__all__ = ["Encoded", "Options", "encode", "load"]

_HOMES = {"Encoded": "job", "Options": "options", "encode": "job", "load": "loading"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
