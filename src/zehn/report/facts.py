"""What a run folder holds, read once: the only place where the report touches it.

A stage's files count only while the stage stands in the run's book: others are left from before, of another model.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from zehn.errors import RunError
from zehn.store import Run

_KINDS = (".pdf", ".svg", ".png")
"""Kinds of pictures, the best first."""
_REPORT, _TRAIN = "report", "train"
_WANTED, _FOLDER = "cifar10", "folder"


@dataclass(frozen=True)
class Facts:
    """Everything that the report says comes from here. A stage that is not in the run's book is None."""

    run: Run
    identity: Mapping[str, Any]
    """``run.json``."""
    config_toml: str
    config: Mapping[str, Any]
    data: Mapping[str, Any] | None
    evolve: Mapping[str, Any] | None
    history: Mapping[str, Any] | None
    """Of the training that is done, or, where :attr:`unfinished`, as far as it came."""
    layers: Sequence[Mapping[str, Any]] | None
    check: Mapping[str, Any] | None
    query: Mapping[str, Any] | None
    robust: Mapping[str, Any] | None
    """How the model retrained with distorted images compares with the one before."""
    retraining: Mapping[str, Any] | None
    """The history of that training; None where none was needed."""
    stages: Mapping[str, Mapping[str, Any]]
    """The stages that were finished, but for the report itself, which is under way."""

    @property
    def name(self) -> str:
        """Name of the run folder."""
        return self.run.path.resolve().name

    @property
    def unfinished(self) -> bool:
        """Say whether the training was begun and not finished; its history is then what there is of it."""
        return self.history is not None and _TRAIN not in self.stages

    @property
    def seed(self) -> int:
        """Seed of everything random in the run."""
        return int(self.identity.get("seed", 0))

    @property
    def evaluation(self) -> Mapping[str, Any] | None:
        """The model's scores by both protocols, and the baselines'."""
        return (self.query or {}).get("evaluation")

    @property
    def dataset(self) -> str:
        """Name of the data set, as it is called among people."""
        kind, _, path = self._dataset.partition(":")
        if kind == _FOLDER:
            asked = path or str(self.config.get("data", {}).get("name", "")).partition(":")[2]
            return Path(asked).name or kind
        return _PROPER_NAMES.get(kind, kind)

    @property
    def images(self) -> str:
        """The images in a phrase, "images of CIFAR-10"."""
        is_folder = self._dataset.partition(":")[0] == _FOLDER
        return f"images of the folder {self.dataset}" if is_folder else f"images of {self.dataset}"

    @property
    def _dataset(self) -> str:
        return str((self.data or {}).get("name") or self.identity.get("dataset") or "unknown data")

    @property
    def n_scored(self) -> int | None:
        """How many queries scored each distance."""
        n_test = (self.evaluation or {}).get("dataset", {}).get("n_test")
        asked = self.config.get("query", {}).get("n_scored")
        return min(asked or n_test, n_test) if n_test else None

    @property
    def class_names(self) -> Sequence[str]:
        """Names of the classes; none where the images have no labels."""
        return tuple((self.data or {}).get("class_names", ()))

    @property
    def stands_in(self) -> bool:
        """Say whether another data set stands in for CIFAR-10, which was not to be had.

        The settings name the data set that was taken. What stands in comes with a note of why; one that was asked for
        has none.
        """
        data = self.data or {}
        return bool(data.get("notes")) and data.get("name") not in (_WANTED, _FOLDER)

    @property
    def n_components(self) -> int | None:
        """Length of a code."""
        if self.layers:
            return int([layer for layer in self.layers if layer["half"] == "encoder"][-1]["shape"][0])
        return self.config.get("model", {}).get("n_components")

    @property
    def architecture(self) -> str:
        """Name of the architecture."""
        known = (self.evaluation or {}).get("model", {}).get("architecture")
        return str(known or self.config.get("model", {}).get("architecture", "unknown"))

    @property
    def source(self) -> str | None:
        """The model that was taken instead of training one, or None where the run trained its own."""
        source = self.config.get("model", {}).get("source", "train")
        return None if source == "train" else str(source)

    @property
    def started(self) -> datetime:
        """When the run was begun; the report's own date, so that the same run gives the same file."""
        try:
            moment = datetime.fromisoformat(str(self.identity.get("started")))
        except ValueError:
            moment = datetime.fromtimestamp(0, UTC)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Names of the stages that the run has not done; it is whole without ``robust``, which makes a second model."""
        parts = {"data": self.data, "evolve": self.evolve, "check": self.check, "query": self.query}
        absent = [name for name, part in parts.items() if part is None]
        trained = _TRAIN in self.stages and (self.history is not None or (self.source is not None and self.layers))
        return tuple(absent if trained else [*absent, _TRAIN])

    def picture(self, stem: str) -> Path | None:
        """Return the best file of a picture, "check/umap" say, or None where its stage made none."""
        if stem.partition("/")[0] not in self.stages:
            return None
        paths = (self.run.path / f"{stem}{kind}" for kind in _KINDS)
        return next((path for path in paths if path.is_file()), None)


_FILES = {
    "data": "data/data.json",
    "evolve": "evolve/evolve.json",
    "history": "train/history.json",
    "layers": "train/architecture.json",
    "check": "check/check.json",
    "query": "query/query.json",
    "robust": "robust/robust.json",
    "retraining": "robust/train/history.json",
}
"""What a stage's folder holds of it in numbers."""
_PROPER_NAMES = {"cifar10": "CIFAR-10", "digits": "Digits", "fashion_mnist": "Fashion-MNIST"}


def gather(run: Run) -> Facts:
    """Read a run folder.

    Raises:
        RunError: a file in it is damaged.

    """
    config_toml = _read_text(run, "config.toml")
    try:
        config = tomllib.loads(config_toml)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{run.path / 'config.toml'} is damaged: {error}; give the run's command again") from error
    done = {name: entry for name, entry in run.stages().items() if name != _REPORT}
    files = {name: _read(run, path) if path.partition("/")[0] in done else None for name, path in _FILES.items()}
    model = config.get("model", {})
    source = model.get("source", _TRAIN) if isinstance(model, dict) else _TRAIN
    if _TRAIN not in done and source == _TRAIN:
        files["history"] = _interrupted(_read(run, _FILES["history"]))
    return Facts(
        run, identity=_read(run, "run.json") or {}, config_toml=config_toml, config=config, stages=done, **files
    )


def _interrupted(history: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the history of a training that is half-way; one that came to its end is of a model since struck off."""
    return history if history and history.get("interrupted") else None


def _read(run: Run, name: str) -> Any:
    if not run.has(name):
        return None
    value, kind = run.read_json(name), list if name == _FILES["layers"] else dict
    if not isinstance(value, kind):
        raise RunError(f"{run.path / name} is damaged: it holds no {kind.__name__}; delete it and run its stage again")
    return value


def _read_text(run: Run, name: str) -> str:
    try:
        return (run.path / name).read_text(encoding="utf-8") if run.has(name) else ""
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"cannot read {run.path / name}: {error}; give the run's command again") from error
