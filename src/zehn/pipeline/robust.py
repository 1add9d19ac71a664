"""The stage ``robust``: training goes on with distorted images among the clean ones; then old against new."""

from __future__ import annotations

import dataclasses
import shutil
from typing import Any

import numpy as np
from jaxtyping import UInt8

from zehn import codes, evaluate, store
from zehn import config as configuration
from zehn.config import TrainConfig
from zehn.pipeline.training import TEACHES, with_teacher
from zehn.pipeline.workshop import MODEL_PATH, ROBUST_MODEL_PATH, Workshop

_N_HITS = 10
"""Hits of each model that are drawn beside each other, at most."""
_TRAIN_PATH = "robust/train"
_INPUTS_PATH = f"{_TRAIN_PATH}/inputs.json"
_LAST_PATH = f"{_TRAIN_PATH}/checkpoints/last.ckpt"
_PLACES = ("device", "start", "objective_options")
"""Settings that say where, or which model is the old one; its fingerprint is compared instead."""
_SELECTION = (
    "No label trained, stopped or picked this model, and no test image was learnt from. How strongly images are "
    "distorted and the weights of the objectives were chosen by held-out training images of CIFAR-10 (LOG.md)."
)


def robust(workshop: Workshop) -> None:
    """Retrain the run's model with distorted images, compare both models, and draw the comparison."""
    from zehn.pipeline import drawings

    new = retrain(workshop)
    settings, dataset = workshop.config.robust, workshop.dataset
    asked = evaluate.Questions(
        n_queries=settings.n_queries or dataset.n_test,
        noise=settings.noise,
        perspective=settings.perspective,
        severities=settings.severities,
        n_shown=settings.n_shown,
        n_hits=min(workshop.config.query.n_hits, _N_HITS),
        n_resamples=workshop.config.query.n_resamples,
        seed=workshop.seed,
    )
    comparison = evaluate.compare_robustness(
        workshop.model,
        new,
        dataset,
        asked,
        old_codes=workshop.codes,
        device=workshop.config.train.device,
        progress=workshop.say.advance,
    )
    workshop.run.write_json("robust/robust.json", comparison)
    history = workshop.run.read_json(f"{_TRAIN_PATH}/history.json")
    drawings.draw_robustness(workshop, comparison, history)


def retrain(workshop: Workshop) -> store.Model:
    """Return the run's model after more training, on distorted images among clean ones, as saved in the run.

    It starts from the weights of the run's model, never from scratch; a retraining that was interrupted goes on.
    """
    from zehn.train import train

    run, x_train = workshop.run, _x_train(workshop)
    inputs = store.inputs_hash(workshop.hashes["train"], workshop.model.fingerprint, _settings(workshop))
    if run.has(ROBUST_MODEL_PATH) and run.has(_INPUTS_PATH) and run.read_json(_INPUTS_PATH) == inputs:
        return store.load_model(run.path / ROBUST_MODEL_PATH)
    fits = _prepare(workshop, inputs)
    network = codes.to_network(workshop.model)
    history = train(
        network,
        x_train,
        workshop.x_validation,
        None,
        _train_config(workshop),
        run.path / _TRAIN_PATH,
        seed=workshop.seed,
        resume=fits,
        progress=workshop.advance_epochs("retraining with distorted images"),
    )
    if history["interrupted"]:
        raise KeyboardInterrupt
    return _save(workshop, network, x_train, history)


def _save(
    workshop: Workshop, network: Any, x_train: UInt8[np.ndarray, "n h w 3"], history: dict[str, Any]
) -> store.Model:
    card = {
        "name": f"{workshop.run.path.name}-robust",
        "dataset": workshop.dataset.name,
        "start": workshop.model.fingerprint,
        "seed": workshop.seed,
        "preset": workshop.config.preset,
        "seconds": history["seconds"],
        "selection": _SELECTION,
    }
    model = codes.from_network(network, x_train, config_toml=configuration.to_toml(workshop.config), card=card)
    store.save_model(workshop.run.path / ROBUST_MODEL_PATH, model)
    return model


def _prepare(workshop: Workshop, inputs: str) -> bool:
    """Clear away what was made from other inputs; return whether there is a checkpoint to go on from."""
    run = workshop.run
    fits = run.has(_LAST_PATH) and run.has(_INPUTS_PATH) and run.read_json(_INPUTS_PATH) == inputs
    (run.path / ROBUST_MODEL_PATH).unlink(missing_ok=True)
    if not fits:
        shutil.rmtree(run.path / _TRAIN_PATH, ignore_errors=True)
        run.write_json(_INPUTS_PATH, inputs)
    return fits


def _train_config(workshop: Workshop) -> TrainConfig:
    """Return the run's own way of training, with the objectives, rates and distorted images of the retraining."""
    settings = workshop.config.robust
    start = str((workshop.run.path / MODEL_PATH).absolute())
    retraining = dataclasses.replace(
        workshop.config.train,
        epochs=0,
        n_seen=settings.n_seen,
        learning_rate=settings.learning_rate,
        muon_rate=settings.muon_rate,
        objectives=settings.objectives,
        objective_options={TEACHES: {"mirror": False}} if TEACHES in settings.objectives else {},
        distort=settings.distort,
        start=start,
        decoder_seen=0,
        measure_every=1,
        # without validation images the loss rises with the distortion, and the least distorted epoch would be kept
        keep=TrainConfig.keep if len(workshop.x_validation) else "last",
        patience=0,
    )
    return with_teacher(retraining)


def _settings(workshop: Workshop) -> dict[str, Any]:
    """Return what the retraining depends on, beside the old model."""
    settings = dataclasses.asdict(_train_config(workshop)) | {"n_train": workshop.config.robust.n_train}
    return {name: value for name, value in settings.items() if name not in _PLACES}


def _x_train(workshop: Workshop) -> UInt8[np.ndarray, "n h w 3"]:
    """Return a seeded choice of the training images: those of a folder come class by class."""
    x_train, n_chosen = workshop.x_train, workshop.config.robust.n_train
    if not 0 < n_chosen < len(x_train):
        return x_train
    return x_train[np.sort(np.random.default_rng(workshop.seed).choice(len(x_train), n_chosen, replace=False))]
