"""Pictures of codes: the pairplot and the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Integer
from matplotlib.figure import Figure


def pairplot(
    codes: Float[np.ndarray, "n d"],
    labels: Integer[np.ndarray, " n"] | None = None,
    class_names: Sequence[str] = (),
    *,
    n_dimensions: int = 10,
) -> Figure:
    """Draw seaborn's pairplot of some codes, of their first ``n_dimensions`` where they have more."""
    raise NotImplementedError


def umap_scatter(
    points: Float[np.ndarray, "n 2"],
    labels: Integer[np.ndarray, " n"] | None = None,
    class_names: Sequence[str] = (),
    *,
    trustworthiness: float | None = None,
    purity: float | None = None,
) -> Figure:
    """Draw the UMAP of codes, coloured by class."""
    raise NotImplementedError
