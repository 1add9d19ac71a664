"""The only training loop: images in, a trained network and its history out.

The images stay one uint8 array, on the device where they fit; each batch is gathered from it whole. The order of the
images and everything that is drawn at random follow from (seed, epoch, batch), so that a training that was killed and
resumed from its last checkpoint, or interrupted in mid-epoch, ends as one that was never stopped, within what the
device's kernels allow.

The training figures of an epoch are means over its batches while the weights change, on images as trained on;
validation and test figures are taken at its end, in the training's precision. Test images are measured and shown, no
more. Without validation images the training loss picks the best epoch. With ``keep = "last"`` the last epoch that was
measured counts as the best: for objectives whose loss is no yardstick, since what they aim at moves.

A history holds ``n_epochs`` (how many were planned), ``epochs`` (each ``epoch``, ``train``/``validation``/``test`` with
``loss``, ``mse``, ``psnr``, ``channel_accuracy``, or None where not measured; ``learning_rate``, ``images_per_second``,
``seconds``; where training distorts also ``distorted``, of the validation images distorted as strongly as training ever
does, and ``distortion``: ``reached``, ``share`` and ``strength`` at the epoch's end), ``best_epoch``, ``warnings``
(``kind``, ``epoch``, ``message``), ``precision``, ``device``, ``seconds``, ``start``, ``interrupted`` and, where the
decoder was fitted at the end, ``decoder`` (see :func:`zehn.train.finish.fit_decoder`).
"""

from __future__ import annotations

import dataclasses
import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import UInt8

from zehn import codes, objectives, store
from zehn.config import TrainConfig
from zehn.errors import ConfigError, InputError, TrainingError
from zehn.models import Network
from zehn.objectives import Mixture
from zehn.train import batches, checkpoints, finish
from zehn.train.boards import read_scalars
from zehn.train.diary import Diary, Progress, StoppedError, new_history
from zehn.train.learner import Images, Learner
from zehn.train.precision import choose_device, choose_precision
from zehn.train.ranks import ALONE, Ranks
from zehn.train.statistics import across_processes, normalises_batches

__all__ = ["choose_device", "count_epochs", "read_scalars", "train"]

KEPT = ("best", "last")

_LIGHTNING_PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}
_MAY_DIFFER = ("device", "precision")
"""Settings that a resumed training may have otherwise than it began; the precision chosen then is kept."""

_LEAST_NORMALISED = 2
"""Images that a batch must hold for their variance to mean anything."""
_MOST_EPOCHS = 200
"""However few the images are, unless more epochs are asked for: what can be learnt from them has been by then."""

log = logging.getLogger("zehn")


def train(  # noqa: PLR0913 - each one is what a training is made from
    network: Network,
    x_train: UInt8[np.ndarray, "n h w 3"],
    x_validation: UInt8[np.ndarray, "m h w 3"],
    x_test: UInt8[np.ndarray, "k h w 3"] | None,
    config: TrainConfig,
    folder: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> dict[str, Any]:
    """Train a network in place; afterwards it holds the weights of the best epoch, by validation loss, or the last.

    Writes ``checkpoints/best.ckpt``, ``checkpoints/last.ckpt``, ``logs/`` (TensorBoard) and ``history.json`` into
    ``folder`` at each epoch's end. Ctrl-C (or SIGTERM) saves after the batch at hand and returns. What is
    returned is the history; its schema is in :mod:`zehn.train`.

    Args:
        network: as :func:`zehn.models.build` returns it, for images of this size.
        x_train: images to learn from, at least one; fewer than a batch are one batch.
        x_validation: images held out of the training images; may be empty.
        x_test: images to measure each epoch by, or None.
        config: how to train.
        folder: where everything is written; what an earlier training left there is removed unless ``resume``.
        seed: at least 0.
        resume: go on from the ``last.ckpt`` that ``folder`` holds, if any.
        progress: told how far it is, see :data:`zehn.train.diary.Progress`.
        ranks: the processes that train together (:func:`zehn.train.ranks.joined`), each given the same and seeing its
            share of every batch; the first one alone writes, fits the decoder and has the weights that are kept.

    Raises:
        InputError: images of another type or size than the network takes, or none to train on.
        ConfigError: an unknown device, precision, optimiser, objective, start or choice of weights to keep, or a
            negative seed; batches that cannot be divided evenly among the processes.
        TrainingError: the loss is no number any more; a checkpoint to resume from is broken or of other settings;
            processes that were given different things.
        RunError: the folder cannot be written to, or the disk is full.

    """
    images = Images(x_train, x_validation, x_train[:0] if x_test is None else x_test)
    _check(network, images, config, seed, ranks)
    config = dataclasses.replace(config, epochs=count_epochs(config, len(x_train)))
    settings = _settings(network, images, config, seed)
    ranks.check_alike(settings, {split.name: getattr(images, split.name) for split in dataclasses.fields(images)})
    state = _find_state(folder, settings, ranks, resume=resume)
    devices = range(torch.cuda.device_count()) if ranks.n == 1 else [ranks.local_index] * torch.cuda.is_available()
    with torch.random.fork_rng(devices=devices), _quiet():
        return _train(network, images, config, folder, settings, state, progress, ranks)


def _check(network: Network, images: Images, config: TrainConfig, seed: int, ranks: Ranks) -> None:
    for split in dataclasses.fields(images):
        batches.check(getattr(images, split.name), network.image_size, f"x_{split.name}")
    if config.keep not in KEPT:
        raise ConfigError(f"train.keep must be one of {', '.join(KEPT)}, came {config.keep!r}")
    if seed < 0:
        raise ConfigError(f"seed must be at least 0, came {seed}")
    n_images = len(images.train)
    ranks.check_batch(min(config.batch_size, n_images))
    if min(config.batch_size, n_images) < _LEAST_NORMALISED and normalises_batches(network):
        raise InputError(
            f"batch normalisation, which {network.architecture!r} has, needs at least {_LEAST_NORMALISED} images a "
            f"batch, came {n_images} images in batches of {config.batch_size}; give more, or take another "
            "architecture"
        )


def count_epochs(config: TrainConfig, n_images: int) -> int:
    """Return how many epochs a training on so many images has: as many as are asked for, or come nearest to it."""
    return config.epochs or _count(config.n_seen, n_images)


def _count(n_seen: int, n_images: int) -> int:
    return min(_MOST_EPOCHS, max(1, round(n_seen / n_images)))


def _train(
    network: Network,
    images: Images,
    config: TrainConfig,
    folder: Path,
    settings: dict[str, Any],
    state: dict[str, Any] | None,
    progress: Progress | None,
    ranks: Ranks,
) -> dict[str, Any]:
    mixture = _mixture(network, config, settings["seed"])
    if state is None:
        _start_from(network, config.start)
    device = choose_device(config.device)
    history = new_history() if state is None else state["history"]
    precision = history.get("precision") or ranks.agree(lambda: choose_precision(config.precision, device))
    history |= {"precision": precision, "device": device, "start": config.start, "n_epochs": config.epochs}
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trained = across_processes(network, device) if ranks.n > 1 else network
    if trained is not network:  # objectives that keep a copy of the network are to have it from this one
        mixture = _mixture(trained, config, settings["seed"])
    learner = Learner(trained, mixture, images, config, settings["seed"], precision, ranks).train()
    diary = Diary(folder, history, settings, progress, ranks)
    try:
        _begin(diary, learner, state)
        learner.rows = history["epochs"]
        if history["interrupted"]:
            _fit(learner, diary, device, precision)
    finally:
        diary.close()
        trained.to("cpu").eval()
        network.eval()  # where it is not the one that was trained
    if not ranks.is_first:
        return history
    network.load_state_dict(_best_weights(folder, trained))
    if not history["interrupted"]:
        _finish(diary, network, images, config, progress)
    return history


def _mixture(network: Network, config: TrainConfig, seed: int) -> Mixture:
    return objectives.build(
        config.objectives,
        config.objective_options,
        network,
        seed,
        augmentation=config.augment,
        load_network=_load_network,
    )


def _finish(diary: Diary, network: Network, images: Images, config: TrainConfig, progress: Progress | None) -> None:
    """Fit the decoder to the weights that are kept, or take it as it was fitted by the training that is resumed."""
    path, history = checkpoints.final_path(diary.folder), diary.history
    if path.is_file():
        kept = checkpoints.load(path)
        network.load_state_dict(kept["network"])
        diary.note_decoder(kept["decoder"])
    elif config.decoder_seen:
        n_epochs = _count(config.decoder_seen, len(images.train))
        ways = {"device": history["device"], "precision": history["precision"], "seed": diary.settings["seed"]}
        fitted = finish.fit_decoder(network, images, config, n_epochs, **ways, progress=progress)
        checkpoints.save(path, {"network": network.state_dict(), "decoder": fitted})
        diary.note_decoder(fitted)


def _load_network(path_or_name: str) -> Network:
    return codes.to_network(store.load_model(path_or_name))


def _begin(diary: Diary, learner: Learner, state: dict[str, Any] | None) -> None:
    if state is None:
        diary.save(learner)
    else:
        diary.restore(learner, state)


def _fit(learner: Learner, diary: Diary, device: str, precision: str) -> None:
    trainer = pl.Trainer(
        accelerator=device,
        **learner.ranks.trainer_options(),
        precision=_LIGHTNING_PRECISIONS[precision],  # type: ignore[arg-type]
        max_epochs=learner.config.epochs - learner.epoch,
        callbacks=[diary],
        default_root_dir=diary.folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
    )
    # the diary asks all processes after each batch whether to stop; lightning would ask them once more, and wait
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
    with _catching_interrupts(diary):
        try:
            trainer.fit(learner)
        except StoppedError:
            if learner.ranks.is_first:
                log.warning("interrupted in epoch %d; everything up to here is saved", learner.epoch + 1)
        except TrainingError as error:
            diary.note_lost(learner.epoch + 1, str(error))
            raise
        except SystemExit as leaving:  # how lightning reports a second Ctrl-C
            raise KeyboardInterrupt from leaving


def _find_state(folder: Path, settings: dict[str, Any], ranks: Ranks, *, resume: bool) -> dict[str, Any] | None:
    """Return the checkpoint that the first process finds; only its machine need have the folder."""
    path = checkpoints.last_path(folder)
    if ranks.agree(lambda: "there" if resume and path.is_file() else ""):
        content = ranks.tell(checkpoints.read(path) if ranks.is_first else b"")
        state = checkpoints.parse(content, path)
        checkpoints.check_settings(state["settings"], settings, path)
        return state
    if ranks.is_first:
        checkpoints.clear(folder)
    return None


def _settings(network: Network, images: Images, config: TrainConfig, seed: int) -> dict[str, Any]:
    fields = {name: value for name, value in dataclasses.asdict(config).items() if name not in _MAY_DIFFER}
    shape = {name: getattr(network, name) for name in ("architecture", "n_components", "image_size", "options")}
    return fields | shape | {"n_train": len(images.train), "seed": seed}


def _start_from(network: Network, start: str) -> None:
    """Give a network the weights of a trained model, of the same shape or not at all."""
    if start == TrainConfig.start:
        return
    model = store.load_model(start)
    try:
        network.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in model.weights.items()})
    except RuntimeError as error:
        raise ConfigError(
            f"the weights of {start} ({model.architecture}, {model.n_components} components, {model.image_size} "
            f"pixels) do not fit this network ({network.architecture}, {network.n_components} components, "
            f"{network.image_size} pixels); start from scratch or give both the same shape"
        ) from error


def _best_weights(folder: Path, network: Network) -> dict[str, Any]:
    path = checkpoints.best_path(folder)
    return checkpoints.load(path)["network"] if path.is_file() else network.state_dict()


@contextmanager
def _catching_interrupts(diary: Diary) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM ask for a stop after the batch at hand, and the second one stop at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(_signal: int, _frame: Any) -> None:
        if diary.stop_asked:
            raise KeyboardInterrupt
        diary.stop_asked = True

    diary.on_signal = ask
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep lightning's advertisements, its advice on data loaders, and what torch has to say of it, to itself."""
    talkers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning.pytorch")]
    levels = [talker.level for talker in talkers]
    for talker in talkers:
        talker.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning.*", category=UserWarning)
            warnings.filterwarnings("ignore", message=".*(LeafSpec|broadcast_buffers).*", category=FutureWarning)
            warnings.filterwarnings("ignore", message="Grad strides do not match", category=UserWarning)
            yield
    finally:
        for talker, level in zip(talkers, levels, strict=True):
            talker.setLevel(level)
