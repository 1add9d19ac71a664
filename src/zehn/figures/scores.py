"""Pictures of measured figures: precision bars, the overlap of top tens, the evolution of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure


def precision(
    scores: Mapping[str, Mapping[str, Any]], baselines: Mapping[str, Mapping[str, Any]] | None = None
) -> Figure:
    """Draw P@k with 95 % intervals for distances and baselines.

    ``scores`` is ``query.json``'s "scores", ``baselines`` its "evaluation" → "baselines".
    """
    raise NotImplementedError


def overlap(overlaps: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw the share of hits that each two distances have in common in their top tens, as a heat map."""
    raise NotImplementedError


def evolution(rungs: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw how the model evolved: MSE, P@10, parameters and seconds of every rung of ``evolve.json``."""
    raise NotImplementedError
