"""What a run folder holds, read once: the only place where the report touches it."""

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
_FALLBACK = "auto"
_REPORT = "report"
_WANTED, _FOLDER = "cifar10", "folder"


@dataclass(frozen=True)
class Facts:
    """Everything that the report says comes from here. A stage that is missing is None."""

    run: Run
    identity: Mapping[str, Any]
    """``run.json``."""
    config_toml: str
    config: Mapping[str, Any]
    data: Mapping[str, Any] | None
    evolve: Mapping[str, Any] | None
    history: Mapping[str, Any] | None
    layers: Sequence[Mapping[str, Any]] | None
    check: Mapping[str, Any] | None
    query: Mapping[str, Any] | None

    @property
    def name(self) -> str:
        """Name of the run folder."""
        return self.run.path.resolve().name

    @cached_property
    def stages(self) -> Mapping[str, Mapping[str, Any]]:
        """The stages that were finished, but for the report itself, which is under way."""
        return {name: entry for name, entry in self.run.stages().items() if name != _REPORT}

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
        name = str((self.data or {}).get("name") or self.identity.get("dataset") or "unknown data")
        asked = str(self.config.get("data", {}).get("name", ""))
        if name == _FOLDER and asked.startswith(f"{_FOLDER}:"):
            return Path(asked.removeprefix(f"{_FOLDER}:")).name or name
        return _PROPER_NAMES.get(name, name)

    @property
    def images(self) -> str:
        """The images in a phrase, "images of CIFAR-10"."""
        is_folder = (self.data or {}).get("name", self.identity.get("dataset")) == _FOLDER
        return f"images of the folder {self.dataset}" if is_folder else f"images of {self.dataset}"

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
        """Say whether another data set stands in for CIFAR-10, which was not to be had."""
        asked = self.config.get("data", {}).get("name")
        return self.data is not None and asked == _FALLBACK and self.data.get("name") != _WANTED

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
        """Names of the stages that the run has not done."""
        parts = {"data": self.data, "evolve": self.evolve, "check": self.check, "query": self.query}
        absent = [name for name, part in parts.items() if part is None]
        trained = self.history is not None or (self.source is not None and self.layers is not None)
        return tuple(absent if trained else [*absent, "train"])

    def picture(self, stem: str) -> Path | None:
        """Return the best file of a picture, "check/umap" say, or None where there is none."""
        paths = (self.run.path / f"{stem}{kind}" for kind in _KINDS)
        return next((path for path in paths if path.is_file()), None)


_PROPER_NAMES = {"cifar10": "CIFAR-10", "digits": "Digits", "fashion_mnist": "Fashion-MNIST"}


def gather(run: Run) -> Facts:
    """Read a run folder.

    Raises:
        RunError: a file in it is damaged.

    """
    config_toml = _read_text(run, "config.toml")
    try:
        config = tomllib.loads(config_toml)
    except tomllib.TOMLDecodeError as error:
        raise RunError(f"{run.path / 'config.toml'} is damaged: {error}; give the run's command again") from error
    return Facts(
        run,
        identity=_read(run, "run.json") or {},
        config_toml=config_toml,
        config=config,
        data=_read(run, "data/data.json"),
        evolve=_read(run, "evolve/evolve.json"),
        history=_read(run, "train/history.json"),
        layers=_read(run, "train/architecture.json"),
        check=_read(run, "check/check.json"),
        query=_read(run, "query/query.json"),
    )


def _read(run: Run, name: str) -> Any:
    return run.read_json(name) if run.has(name) else None


def _read_text(run: Run, name: str) -> str:
    try:
        return (run.path / name).read_text(encoding="utf-8") if run.has(name) else ""
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"cannot read {run.path / name}: {error}; give the run's command again") from error
