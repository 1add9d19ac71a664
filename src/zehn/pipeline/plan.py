"""Which stages a run has, what each depends on, and whether it still has to be done."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zehn import store
from zehn.errors import UnknownNameError
from zehn.pipeline import stages
from zehn.pipeline.workshop import CODES_PATH, MODEL_PATH, ROBUST_MODEL_PATH, Workshop

_NO_RESULT_DEPENDS_ON_IT = ("device",)
_REPORT = "report"


@dataclass(frozen=True)
class Stage:
    """One step of a run."""

    name: str
    perform: Callable[[Workshop], None]
    sections: tuple[str, ...]
    """Sections of the configuration that it depends on."""
    needs: tuple[str, ...]
    """Stages that have to be done before it."""
    outputs: tuple[str, ...]
    """Files without which it does not count as done."""


STAGES: tuple[Stage, ...] = (
    Stage("data", stages.data, ("data",), (), ("data/data.json",)),
    Stage("evolve", stages.evolve, ("data", "model", "train", "evolve"), ("data",), ("evolve/evolve.json",)),
    Stage("train", stages.train, ("data", "model", "train"), ("data",), (MODEL_PATH, "train/architecture.json")),
    Stage("check", stages.check, ("check",), ("train",), ("check/check.json", CODES_PATH)),
    Stage("query", stages.query, ("query",), ("train", "check"), ("query/query.json",)),
    Stage("robust", stages.robust, ("robust",), ("train", "check"), ("robust/robust.json", ROBUST_MODEL_PATH)),
    Stage(_REPORT, stages.report, (), (), ("report.pdf", "report.json")),
)
STAGE_NAMES: tuple[str, ...] = tuple(stage.name for stage in STAGES)


def choose(names: Sequence[str]) -> list[Stage]:
    """Return the stages of these names and all that they need, in the order in which they are performed.

    Raises:
        UnknownNameError: a stage that does not exist.

    """
    for name in names:
        if name not in STAGE_NAMES:
            raise UnknownNameError("stage", name, STAGE_NAMES)
    wanted = set(names)
    for stage in reversed(STAGES):
        if stage.name in wanted:
            wanted.update(stage.needs)
    return [stage for stage in STAGES if stage.name in wanted]


def hash_inputs(workshop: Workshop) -> dict[str, str]:
    """Return, for every stage but the report, a hash of all that its result depends on."""
    hashes: dict[str, str] = {}
    dataset = store.inputs_hash(workshop.config.data.name, workshop.dataset.checksums)
    for stage in STAGES[:-1]:
        hashes[stage.name] = store.inputs_hash(
            stage.name,
            workshop.seed,
            {name: _settings(workshop, name) for name in stage.sections},
            [dataset, *(hashes[name] for name in stage.needs)],
        )
    return hashes


def hash_report(run: store.Run) -> str:
    """Return a hash of what the report is drawn from: the stages that are done, from which inputs, and when."""
    return store.inputs_hash({name: entry for name, entry in run.stages().items() if name != _REPORT})


def forget(run: store.Run, stage: Stage) -> None:
    """Strike a stage, and every stage that is made from its result, off the run's book."""
    struck = {stage.name}
    for later in STAGES:
        if later.name == stage.name or struck.intersection(later.needs):
            struck.add(later.name)
            run.begin(later.name)


def _settings(workshop: Workshop, section: str) -> Mapping[str, Any]:
    values: dict[str, Any] = dataclasses.asdict(getattr(workshop.config, section))
    if section == "model" and workshop.given_model is not None:
        values = {"source": workshop.given_model.fingerprint}
    if section == "train" and workshop.starts_from_a_model:
        values["start"] = store.load_model(values["start"]).fingerprint
    return {name: value for name, value in values.items() if name not in _NO_RESULT_DEPENDS_ON_IT}
