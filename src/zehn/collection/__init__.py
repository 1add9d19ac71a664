"""Collections: a user's own images, their codes and what is known of them, in one durable file, searched by image.

>>> from zehn import Collection, load_dataset
>>> digits = load_dataset("digits")
>>> with Collection.create("./digits.zehn", "cifar10") as collection:
...     len(collection)
0

Each name is loaded when it is first asked for: the command line's help wants the defaults and nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zehn.collection.collection import Collection
    from zehn.collection.copying import Copied, copy
    from zehn.collection.duplicates import Duplicate, groups
    from zehn.collection.hits import Explanation, Hit
    from zehn.collection.ingest import Changes
    from zehn.collection.places import collections, exists

__all__ = [
    "Changes", "Collection", "Copied", "Duplicate", "Explanation", "Hit", "collections", "copy", "exists", "groups",
]  # fmt: skip

_HOMES = {
    "Changes": "ingest",
    "Collection": "collection",
    "Copied": "copying",
    "Duplicate": "duplicates",
    "Explanation": "hits",
    "Hit": "hits",
    "collections": "places",
    "copy": "copying",
    "exists": "places",
    "groups": "duplicates",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
