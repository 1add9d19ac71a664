"""The stages that train: the ladder of architectures, and the run's own model."""

from __future__ import annotations

import dataclasses
import json
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from zehn import codes, evaluate, measures, store
from zehn import config as configuration
from zehn.config import ModelConfig, TrainConfig
from zehn.errors import RunError
from zehn.pipeline.followers import begin_together
from zehn.pipeline.workshop import MODEL_PATH, Workshop

INPUTS_PATH = "train/inputs.json"
LAST_PATH = "train/checkpoints/last.ckpt"
_SELECTION = (
    "No label trained, stopped or picked this model, and no test image was learnt from. The presets' architecture, "
    "objectives, optimiser and views were chosen by MSE, P@10 and 20-NN accuracy of held-out training images of "
    "CIFAR-10 in short runs (LOG.md)."
)
TEACHES = "distillation"
_LADDER_OBJECTIVES = {"reconstruction": 1.0}
"""What every rung is trained for, so that architectures alone differ."""


def train_model(workshop: Workshop) -> dict[str, Any]:
    """Train the run's model, from its last checkpoint where there is one, save it, and return its history.

    Raises:
        RunError: ``resume`` asks for a checkpoint that is not there, or would lose one that is.

    """
    network, resume = _network(workshop, workshop.config.model), _prepare(workshop)
    begin_together(workshop)
    history = _train(workshop, network, workshop.run.path / "train", resume=resume)
    model = codes.from_network(network, workshop.x_train, config_toml=configuration.to_toml(workshop.config))
    card = {
        "name": workshop.run.path.name,
        "dataset": workshop.dataset.name,
        "seed": workshop.seed,
        "preset": workshop.config.preset,
        "seconds": history["seconds"],
        "selection": _SELECTION,
    }
    if workshop.starts_from_a_model:
        card["start"] = store.load_model(workshop.config.train.start).fingerprint
    model = dataclasses.replace(model, card=card)
    store.save_model(workshop.run.path / MODEL_PATH, model)
    return history


def join_training(workshop: Workshop) -> None:
    """Take part in the training of a run whose folder the first process writes."""
    _train(workshop, _network(workshop, workshop.config.model), Path(), resume=False)


def _train(workshop: Workshop, network: Any, folder: Path, *, resume: bool) -> dict[str, Any]:
    from zehn.train import train

    history = train(
        network,
        workshop.x_train,
        workshop.x_validation,
        workshop.dataset.x_test,
        with_teacher(workshop.config.train),
        folder,
        seed=workshop.seed,
        resume=resume,
        progress=workshop.advance_epochs("training"),
        **({"ranks": workshop.ranks} if workshop.ranks else {}),
    )
    if history["interrupted"]:
        raise KeyboardInterrupt
    return history


def with_teacher(config: TrainConfig) -> TrainConfig:
    """Let distillation, where no teacher is named, learn from the model that training starts from."""
    given = config.objective_options.get(TEACHES, {})
    if config.start == TrainConfig.start or TEACHES not in config.objectives or given.get("teacher"):
        return config
    options = {**config.objective_options, TEACHES: {**given, "teacher": config.start}}
    return dataclasses.replace(config, objective_options=options)


def climb_ladder(workshop: Workshop) -> dict[str, Any]:
    """Train each architecture of the ladder under the same budget, by reconstruction alone, and score it.

    Returns:
        ``{"budget": {n_train, epochs, n_queries}, "rungs": [{architecture, n_parameters, seconds, images_per_second,
        mse, "P@10", "mAP@1000", …}], "objectives": {"budget", "rungs": [{name, why, kept, n_seeds, mse, …}]}}``, the
        last one as ``benchmarks/ladder.py`` measured it when this version of Zehn was made: what objectives bring shows
        only in longer trainings than a run has time for.

    """
    settings = workshop.config.evolve
    n_train = min(settings.n_train or len(workshop.x_train), len(workshop.x_train))
    n_queries = min(settings.n_queries, workshop.dataset.n_test)
    rungs = [_climb(workshop, name, workshop.x_train[:n_train], n_queries) for name in settings.architectures]
    budget = {"n_train": n_train, "epochs": settings.epochs, "n_queries": n_queries}
    return {"budget": budget, "rungs": rungs, "objectives": _read_ladder()}


def _read_ladder() -> dict[str, Any]:
    text = files("zehn.pipeline").joinpath("ladder.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _climb(
    workshop: Workshop, architecture: str, x_train: UInt8[np.ndarray, "n h w 3"], n_queries: int
) -> dict[str, Any]:
    from zehn import models
    from zehn.train import train

    workshop.say.line(f"evolve: {architecture}")
    own = workshop.config.model
    options = own.options if architecture == own.architecture else {}
    network = _network(workshop, dataclasses.replace(own, architecture=architecture, options=options))
    budget = dataclasses.replace(
        workshop.config.train,
        epochs=workshop.config.evolve.epochs,
        decoder_seen=0,
        start=TrainConfig.start,
        objectives=_LADDER_OBJECTIVES,
        objective_options={},
    )
    folder = workshop.run.path / "evolve" / architecture
    shutil.rmtree(folder, ignore_errors=True)
    history = train(
        network,
        x_train,
        workshop.x_validation,
        None,
        budget,
        folder,
        seed=workshop.seed,
        progress=workshop.advance_epochs(f"training {architecture}"),
    )
    if history["interrupted"]:
        raise KeyboardInterrupt
    scores = _score(workshop, codes.from_network(network, x_train), n_queries)
    shutil.rmtree(folder)
    return {
        "architecture": architecture,
        "n_parameters": models.n_parameters(network),
        "seconds": history["seconds"],
        "images_per_second": history["epochs"][-1]["images_per_second"],
        **scores,
    }


def _score(workshop: Workshop, model: store.Model, n_queries: int) -> dict[str, Any]:
    dataset = workshop.dataset
    values = codes.encode(model, dataset.images, device=workshop.config.train.device)
    decoded = codes.decode(model, values[dataset.n_train : dataset.n_train + n_queries])
    scores = evaluate.score(
        values, dataset.labels, np.arange(n_queries) + dataset.n_train, n_train=dataset.n_train, seed=workshop.seed
    )
    return {"mse": float(np.mean(measures.mse(dataset.x_test[:n_queries], decoded))), **scores}


def _network(workshop: Workshop, settings: ModelConfig) -> Any:
    from zehn import models

    return models.build(
        settings.architecture,
        n_components=settings.n_components,
        image_size=workshop.config.data.image_size,
        options=settings.options,
        seed=workshop.seed,
    )


def _prepare(workshop: Workshop) -> bool:
    """Clear away what was made from other inputs; return whether there is a checkpoint to go on from."""
    run, folder = workshop.run, workshop.run.path / "train"
    fits = run.has(LAST_PATH) and run.has(INPUTS_PATH) and run.read_json(INPUTS_PATH) == workshop.hashes["train"]
    if workshop.resume and not fits:
        raise RunError(f"{folder} holds no checkpoint of these settings to go on from; train without --resume")
    if workshop.resume is False and fits:
        raise RunError(f"{folder} holds an unfinished training; go on with --resume, or name another folder with --out")
    if run.has(LAST_PATH) and not fits:
        raise RunError(
            f"{folder} holds an unfinished training of other settings, another seed or other images; name another "
            f"folder with --out, or delete {folder} if you no longer need it"
        )
    if not fits:
        shutil.rmtree(folder, ignore_errors=True)
        run.write_json(INPUTS_PATH, workshop.hashes["train"])
    return fits
