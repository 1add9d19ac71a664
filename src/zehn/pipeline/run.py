"""Which stages a run has, which of them still have to be done, and doing them in order."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zehn import config as configuration
from zehn import store
from zehn.config import Config
from zehn.errors import RunError, UnknownNameError
from zehn.pipeline import stages
from zehn.pipeline.machine import describe_machine, package_versions
from zehn.pipeline.tensorboard import open_tensorboard
from zehn.pipeline.workshop import LOGS_PATH, SILENT, Say, Workshop


@dataclass(frozen=True)
class Stage:
    """One step of a run: what it does, which settings it depends on, which stages have to be done before it."""

    name: str
    perform: Callable[[Workshop], None]
    sections: tuple[str, ...]
    """Sections of the configuration that it depends on."""
    needs: tuple[str, ...]


STAGES: tuple[Stage, ...] = (
    Stage("data", stages.data, ("data",), ()),
    Stage("evolve", stages.evolve, ("data", "model", "train", "evolve"), ("data",)),
    Stage("train", stages.train, ("data", "model", "train"), ("data",)),
    Stage("check", stages.check, ("check",), ("train",)),
    Stage("query", stages.query, ("query",), ("train", "check")),
    Stage("report", stages.report, (), ()),
)
STAGE_NAMES: tuple[str, ...] = tuple(stage.name for stage in STAGES)
_NO_RESULT_DEPENDS_ON_IT = ("device",)


def run(
    config: Config,
    out: Path | None = None,
    *,
    until: Sequence[str] = STAGE_NAMES,
    data_dir: Path | None = None,
    resume: bool | None = None,
    tensorboard: bool = False,
    command: str = "",
    say: Say = SILENT,
) -> store.Run:
    """Perform the stages of a run that are not done yet, in order, and return the run.

    A stage is skipped when it was finished with the same inputs: the settings that it depends on, the seed, and the
    stages before it. A stage that was killed half-way is done again; training goes on from its last checkpoint.

    Args:
        config: The settings, as :func:`zehn.config.resolve` makes them.
        out: The run folder; :func:`default_out` without it.
        until: Names of the stages wanted; those that they need are performed too.
        data_dir: Where to look for data sets first.
        resume: Whether an unfinished training goes on from its last checkpoint; None does so if there is one, True
            insists on one, False refuses to go on where one would be lost.
        tensorboard: Open TensorBoard on the training curves first.
        command: The command line that reproduces the run, kept for the report.
        say: Where progress goes.

    Raises:
        UnknownNameError: a stage that does not exist.
        DataError: the data set cannot be had.
        RunError: the folder cannot be written to, is in use, is no run, or ``resume`` does not fit what is in it.

    """
    for name in until:
        if name not in STAGE_NAMES:
            raise UnknownNameError("stage", name, STAGE_NAMES)
    workshop = Workshop(config, data_dir, say, resume=resume)
    folder = out or default_out(config, _dataset_name(workshop))
    with store.Run.create(folder) as opened:
        workshop.run = opened
        _refuse_another_dataset(workshop)
        _write_identity(workshop, command)
        if tensorboard:
            workshop.say.line(f"TensorBoard: {open_tensorboard(opened.path / LOGS_PATH)}")
        _perform(workshop, _with_needs(until))
    return opened


def run_again(
    folder: Path,
    until: Sequence[str],
    *,
    changes: Sequence[str] = (),
    say: Say = SILENT,
) -> store.Run:
    """Perform stages of a run that exists, with its own settings and any ``name=value`` changes to them.

    Raises:
        RunError: the folder is no run.
        ConfigError: a change that names no setting or gives it a wrong value.

    """
    opened = store.Run.open(folder)
    identity = opened.read_json("run.json")
    config = configuration.read(opened.path / "config.toml")
    if changes:
        config = configuration.changed(config, changes)
    data_dir = Path(identity["data_dir"]) if identity.get("data_dir") else None
    return run(config, folder, until=until, data_dir=data_dir, command=str(identity.get("command", "")), say=say)


def default_out(config: Config, dataset: str) -> Path:
    """Name a run folder after its data set, preset and seed: ``runs/cifar10-quick``, ``runs/digits-smoke-seed3``."""
    plain = "".join(letter if letter.isalnum() else "-" for letter in Path(dataset.removeprefix("folder:")).name)
    seed = f"-seed{config.seed}" if config.seed else ""
    return Path("runs") / f"{plain}-{config.preset}{seed}"


def headline(run: store.Run) -> list[tuple[str, str]]:
    """Return the rows of a run's headline table, as the end of ``zehn run`` prints it; missing figures are left out."""
    report = run.read_json("report.json") if run.has("report.json") else {}
    return [(str(row["name"]), str(row["value"])) for row in report.get("headline", ())]


def _with_needs(names: Sequence[str]) -> list[Stage]:
    wanted = set(names)
    for stage in reversed(STAGES):
        if stage.name in wanted:
            wanted.update(stage.needs)
    return [stage for stage in STAGES if stage.name in wanted]


def _perform(workshop: Workshop, wanted: Sequence[Stage]) -> None:
    hashes: dict[str, str] = {"dataset": store.inputs_hash(workshop.dataset.name, workshop.dataset.checksums)}
    for stage in wanted:
        hashes[stage.name] = _inputs_hash(stage, workshop, hashes)
        if workshop.run.is_done(stage.name, hashes[stage.name]):
            workshop.say.line(f"{stage.name}: nothing has changed since it was done")
            continue
        workshop.say.line(f"{stage.name}: begun")
        began = time.perf_counter()
        workshop.inputs_hash = hashes[stage.name]
        workshop.run.begin(stage.name)
        stage.perform(workshop)
        seconds = time.perf_counter() - began
        workshop.run.mark_done(stage.name, hashes[stage.name], seconds)
        workshop.say.line(f"{stage.name}: done in {seconds:.0f} s")


def _inputs_hash(stage: Stage, workshop: Workshop, hashes: Mapping[str, str]) -> str:
    needed = stage.needs or ("dataset",)
    material: dict[str, Any] = {
        "stage": stage.name,
        "seed": workshop.config.seed,
        "settings": {name: _settings(workshop.config, name) for name in stage.sections},
        "needs": {name: hashes[name] for name in needed},
        "version": package_versions(("zehn",)),
    }
    if stage.name == "report":
        material["stages"] = workshop.run.stages()
    return store.inputs_hash(material)


def _settings(config: Config, section: str) -> dict[str, Any]:
    values = dataclasses.asdict(getattr(config, section))
    return {name: value for name, value in values.items() if name not in _NO_RESULT_DEPENDS_ON_IT}


def _refuse_another_dataset(workshop: Workshop) -> None:
    """A run of one data set is not overwritten by a run of another: that would lose a trained model by a slip."""
    run, named = workshop.run, _dataset_name(workshop)
    kept = run.read_json("run.json").get("dataset", named) if run.has("run.json") else named
    if kept != named:
        raise RunError(f"{run.path} holds a run of {kept}, and this one is of {named}; name another folder with --out")


def _dataset_name(workshop: Workshop) -> str:
    named = workshop.config.data.name
    return named if named.startswith("folder:") else workshop.dataset.name


def _write_identity(workshop: Workshop, command: str) -> None:
    run, config = workshop.run, workshop.config
    started = (
        run.read_json("run.json")["started"] if run.has("run.json") else datetime.now(UTC).isoformat("T", "seconds")
    )
    store.write_atomically(run.path / "config.toml", configuration.to_toml(config))
    run.write_json(
        "run.json",
        {
            "version": package_versions(("zehn",))["zehn"],
            "command": command or " ".join(sys.argv),
            "seed": config.seed,
            "preset": config.preset,
            "dataset": _dataset_name(workshop),
            "data_dir": str(workshop.data_dir) if workshop.data_dir else None,
            "started": started,
            "machine": describe_machine(),
            "versions": package_versions(),
            "note": " ".join(workshop.dataset.notes),
        },
    )
