"""Training curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure


def training_curves(scalars: Mapping[str, tuple[np.ndarray, np.ndarray]], *, best_epoch: int | None = None) -> Figure:
    """Draw loss, channel accuracy and PSNR of train, validation and test, and the learning rate, by epoch.

    ``scalars`` is what ``train.read_scalars`` returns: {tag: (steps, values)}.
    """
    raise NotImplementedError


def scalars_of(history: Mapping[str, Any]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the scalars of ``history.json`` in the form that :func:`training_curves` takes."""
    raise NotImplementedError
