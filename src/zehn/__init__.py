"""Zehn: ten numbers for every image, learnt without labels.

>>> import zehn
>>> digits = zehn.load_dataset("digits")
>>> digits.x_train.shape[1:]
(32, 32, 3)

Each public name is loaded when it is first asked for, so that ``import zehn`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zehn.autoencoder import Autoencoder
    from zehn.client import Client
    from zehn.collection import Collection
    from zehn.config import Config
    from zehn.datasets import Dataset
    from zehn.datasets import load as load_dataset
    from zehn.errors import ZehnError
    from zehn.store import Model, Run, load_model

__all__ = [
    "Autoencoder",
    "Client",
    "Collection",
    "Config",
    "Dataset",
    "Model",
    "Run",
    "ZehnError",
    "__version__",
    "load_dataset",
    "load_model",
]

_HOMES = {
    "Autoencoder": ("zehn.autoencoder", "Autoencoder"),
    "Client": ("zehn.client", "Client"),
    "Collection": ("zehn.collection", "Collection"),
    "Config": ("zehn.config", "Config"),
    "Dataset": ("zehn.datasets", "Dataset"),
    "Model": ("zehn.store", "Model"),
    "Run": ("zehn.store", "Run"),
    "ZehnError": ("zehn.errors", "ZehnError"),
    "load_dataset": ("zehn.datasets", "load"),
    "load_model": ("zehn.store", "load_model"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("zehn")
    if name not in _HOMES:
        raise AttributeError(f"module 'zehn' has no attribute {name!r}")
    home, inside = _HOMES[name]
    return getattr(import_module(home), inside)


def __dir__() -> list[str]:
    return sorted(__all__)
