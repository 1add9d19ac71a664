"""Where the report's figures come from: the run folder, or, where only the numbers are there, the drawing board."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zehn import figures
from zehn.report.document import Note, Picture, Text
from zehn.report.facts import Facts


@dataclass(frozen=True)
class Gallery:
    """The figures of a run; those that have to be drawn are drawn into ``folder``."""

    facts: Facts
    folder: Path

    def hang(
        self, label: str, stem: str, caption: Text, alt: str, *, width: float = 1.0, turned: bool = False
    ) -> Picture | Note:
        """Return a picture of the run ("check/umap" say), or a note that it is missing."""
        path = self.find(stem)
        if path is None:
            return Note([f"The run folder holds no picture {stem}."], tone="missing")
        return Picture(label, path, caption, alt, width, turned)

    def find(self, stem: str) -> Path | None:
        """Return the file of a picture, drawn now if it is line art whose numbers are there."""
        path = self.facts.picture(stem)
        draw = _DRAWN.get(stem)
        if path is not None or draw is None:
            return path
        figure = draw(self.facts)
        if figure is None:
            return None
        return figures.save(figure, self.folder / stem.replace("/", "-"))[0]


def _architecture(facts: Facts) -> Any:
    return figures.architecture(facts.layers) if facts.layers else None


def _curves(facts: Facts) -> Any:
    history = facts.history
    if not history or not history["epochs"]:
        return None
    return figures.training_curves(figures.scalars_of(history), best_epoch=history.get("best_epoch"))


def _evolution(facts: Facts) -> Any:
    return figures.evolution(facts.evolve["rungs"]) if facts.evolve and facts.evolve.get("rungs") else None


def _precision(facts: Facts) -> Any:
    if not facts.query:
        return None
    return figures.precision(facts.query["scores"], (facts.evaluation or {}).get("baselines"))


def _overlap(facts: Facts) -> Any:
    return figures.overlap(facts.query["overlap"]) if facts.query and facts.query.get("overlap") else None


def _robust_curves(facts: Facts) -> Any:
    return figures.robustness_curves(facts.robust) if facts.robust else None


def _corruptions(facts: Facts) -> Any:
    return figures.corruption_bars(facts.robust) if facts.robust else None


def _retraining(facts: Facts) -> Any:
    history = facts.retraining
    if not history or not history["epochs"]:
        return None
    return figures.robust_training(history, best_epoch=history.get("best_epoch"))


_DRAWN: Mapping[str, Callable[[Facts], Any]] = {
    "train/architecture": _architecture,
    "train/curves": _curves,
    "evolve/evolution": _evolution,
    "query/precision": _precision,
    "query/overlap": _overlap,
    "robust/curves": _robust_curves,
    "robust/corruptions": _corruptions,
    "robust/training": _retraining,
}
