"""Performing the stages of a run that are not done yet, and losing nothing on the way."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zehn import config as configuration
from zehn import datasets, store
from zehn.config import Config
from zehn.errors import RunError
from zehn.pipeline import plan
from zehn.pipeline.followers import dismiss
from zehn.pipeline.machine import describe_machine
from zehn.pipeline.preflight import check_settings
from zehn.pipeline.tensorboard import open_tensorboard
from zehn.pipeline.workshop import LOGS_PATH, MODEL_PATH, SILENT, Say, Workshop

if TYPE_CHECKING:
    from zehn.train.ranks import Ranks

_FOLDER = "folder:"


def run(  # noqa: PLR0913 - what is run, how far, where, and with whom
    config: Config,
    out: Path | None = None,
    *,
    until: Sequence[str] = plan.STAGE_NAMES,
    data_dir: Path | None = None,
    resume: bool | None = None,
    tensorboard: bool = False,
    command: str = "",
    say: Say = SILENT,
    ranks: Ranks | None = None,
) -> store.Run:
    """Perform the stages of a run that are not done yet, in order, and return the run.

    A stage is skipped when it was finished with the same inputs: the settings that it depends on, the seed, the data
    set and the stages before it. A stage that was killed half-way is done again; training goes on from its last
    checkpoint. A model that was trained from other inputs is never overwritten.

    Args:
        config: The settings, as :func:`zehn.config.resolve` makes them.
        out: The run folder; :func:`default_out` without it.
        until: Names of the stages wanted; those that they need are performed too.
        data_dir: Where to look for data sets first.
        resume: Whether an unfinished training goes on from its last checkpoint; None does so if there is one, True
            insists on one, False refuses to go on where one would be lost.
        tensorboard: Open TensorBoard on the training curves first.
        command: The command line that makes the run, kept for the report.
        say: Where progress goes.
        ranks: The processes that train the run's model together, from :func:`zehn.train.ranks.joined`, this being the
            first; each other one calls :func:`zehn.pipeline.follow`.

    Raises:
        UnknownNameError: a stage, data set, architecture, objective, distance or model that does not exist.
        ConfigError: settings that do not go together.
        DataError: the data set cannot be had.
        RunError: the folder cannot be written to, is in use, is no run, holds a run of other inputs, or ``resume`` does
            not fit what is in it.

    """
    wanted = plan.choose(until)
    workshop = _fit_out(Workshop(config, data_dir, say, resume=resume, ranks=ranks))
    with store.Run.create(out or default_out(workshop.config)) as opened:
        workshop.run = opened
        _begin(workshop, wanted, command)
        if tensorboard:
            workshop.say.line(f"TensorBoard: {open_tensorboard(opened.path / LOGS_PATH)}")
        _perform(workshop, wanted)
        dismiss(workshop)
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
        RunError: the folder is no run, or its data set is no longer what it was.
        ConfigError: a change that names no setting or gives it a wrong value.

    """
    opened = store.Run.open(folder)
    identity = opened.read_json("run.json")
    config = configuration.changed(configuration.read(opened.path / "config.toml"), changes)
    data_dir = Path(identity["data_dir"]) if identity.get("data_dir") else None
    return run(config, folder, until=until, data_dir=data_dir, command=str(identity.get("command", "")), say=say)


def default_out(config: Config) -> Path:
    """Name a run folder after its data set, preset and seed: ``runs/cifar10-quick``, ``runs/photos-smoke-seed3``."""
    name = Path(config.data.name.removeprefix(_FOLDER)).name
    plain = "".join(letter if letter.isalnum() else "-" for letter in name)
    seed = f"-seed{config.seed}" if config.seed else ""
    return Path("runs") / f"{plain}-{config.preset}{seed}"


def headline(run: store.Run) -> list[tuple[str, str]]:
    """Return the rows of a run's headline table, as the end of ``zehn run`` prints it; missing figures are left out."""
    report = run.read_json("report.json") if run.has("report.json") else {}
    return [(str(row["name"]), str(row["value"])) for row in report.get("headline", ())]


def _fit_out(workshop: Workshop) -> Workshop:
    """Check the settings, and name the data set so that it is found again."""
    config = workshop.config
    workshop.given_model = check_settings(config)
    workshop.config = dataclasses.replace(config, data=dataclasses.replace(config.data, name=_dataset_name(workshop)))
    return workshop


def _begin(workshop: Workshop, wanted: Sequence[plan.Stage], command: str) -> None:
    workshop.hashes = plan.hash_inputs(workshop)
    _refuse_to_overwrite(workshop, wanted)
    _refuse_unknown_queries(workshop)
    _write_identity(workshop, command)
    _tell_of_data(workshop)


def _dataset_name(workshop: Workshop) -> str:
    """Return the data set by the name that finds it again: what ``auto`` came to, a folder's absolute path."""
    named = workshop.config.data.name
    if named.startswith(_FOLDER):
        return f"{_FOLDER}{Path(named.removeprefix(_FOLDER)).absolute()}"
    return workshop.dataset.name


def _refuse_to_overwrite(workshop: Workshop, wanted: Sequence[plan.Stage]) -> None:
    """Stop before a trained model would be lost by a slip of the folder's name, the data set or a setting."""
    run, named = workshop.run, workshop.config.data.name
    kept = run.read_json("run.json").get("dataset", named) if run.has("run.json") else named
    if kept != named:
        raise RunError(f"{run.path} holds a run of {kept}, and this one is of {named}; name another folder with --out")
    train = next((stage for stage in wanted if stage.name == "train"), None)
    book = run.stages()
    if train is None or "train" not in book or not run.has(MODEL_PATH):
        return
    if book["train"]["inputs"] != workshop.hashes["train"]:
        raise RunError(
            f"{run.path} holds a model that was trained from other settings, another seed or other images; name "
            f"another folder with --out, or delete {run.path / 'train'} if you no longer need it"
        )


def _refuse_unknown_queries(workshop: Workshop) -> None:
    n_test = workshop.dataset.n_test
    beyond = [position for position in workshop.config.query.query_ids if not 0 <= position < n_test]
    if beyond:
        raise RunError(f"query_ids are positions among {n_test} test images, from 0, came {beyond[0]}; name others")


def _write_identity(workshop: Workshop, command: str) -> None:
    run, config = workshop.run, workshop.config
    kept: dict[str, Any] = run.read_json("run.json") if run.has("run.json") else {}
    store.write_atomically(run.path / "config.toml", configuration.to_toml(config))
    run.write_json(
        "run.json",
        {
            "version": store.package_versions(("zehn",))["zehn"],
            "command": command or kept.get("command") or f"zehn run --config {run.path / 'config.toml'}",
            "seed": config.seed,
            "preset": config.preset,
            "dataset": config.data.name,
            "data_dir": str(workshop.data_dir.absolute()) if workshop.data_dir else None,
            "started": kept.get("started") or datetime.now(UTC).isoformat("T", "seconds"),
            "machine": describe_machine(),
            "versions": store.package_versions(),
            "note": " ".join(workshop.dataset.notes),
        },
    )


def _tell_of_data(workshop: Workshop) -> None:
    dataset: datasets.Dataset = workshop.dataset
    for note in dataset.notes:
        workshop.say.line(f"note: {note}")
    if dataset.skipped:
        workshop.say.line(
            f"note: {len(dataset.skipped)} files could not be read and are skipped, such as "
            f"{dataset.skipped[0].path} ({dataset.skipped[0].reason}); data/data.json lists them all"
        )


def _perform(workshop: Workshop, wanted: Sequence[plan.Stage]) -> None:
    for stage in wanted:
        inputs = workshop.hashes.get(stage.name) or plan.hash_report(workshop.run)
        if workshop.run.is_done(stage.name, inputs):
            workshop.say.line(f"{stage.name}: nothing has changed since it was done")
            continue
        workshop.say.line(f"{stage.name}: begun")
        began = time.perf_counter()
        plan.forget(workshop.run, stage)
        stage.perform(workshop)
        seconds = time.perf_counter() - began
        workshop.run.mark_done(stage.name, inputs, seconds, stage.outputs)
        workshop.say.line(f"{stage.name}: done in {seconds:.0f} s")
