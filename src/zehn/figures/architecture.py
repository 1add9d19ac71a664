"""The picture of an autoencoder: both halves, shape and parameter count at each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure


def architecture(layers: Sequence[Mapping[str, Any]], *, title: str = "") -> Figure:
    """Draw an autoencoder from ``models.describe``'s layers (dicts: half, name, kind, shape, n_parameters)."""
    raise NotImplementedError
