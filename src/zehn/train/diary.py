"""What a training leaves behind: its history, its logs, its checkpoints, and word of how far it is."""

from __future__ import annotations

import dataclasses
import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import UInt8

from zehn import store
from zehn.train import batches, checkpoints, distortion, watch
from zehn.train.boards import Board
from zehn.train.learner import DISTORTED, Learner
from zehn.train.meters import Meter
from zehn.train.ranks import ALONE, Ranks

Progress = Callable[[dict[str, Any]], None]
"""Called a few times a second with ``epoch``, ``n_epochs``, ``share`` (of the epoch's batches, 0 to 1), ``loss`` (mean
of the epoch so far), ``images_per_second`` and ``seconds_left``; at the end, while the decoder is fitted, after each of
its own epochs, with ``part`` "decoder" and no ``seconds_left``."""

_PROGRESS_SECONDS = 0.2
"""Progress is told at most this often."""
_N_PICTURES = 10
"""Images in TensorBoard's picture of reconstructions."""

log = logging.getLogger("zehn")


class StoppedError(Exception):
    """The training was asked to stop and has saved where it is; never leaves :func:`zehn.train.train`."""


class Diary(pl.Callback):
    """Keeps what has to outlive the process, so that it can go on as if it had never been stopped.

    Where several processes train together, each comes to the same decisions, and the first one alone writes.

    Attributes:
        history: what :func:`zehn.train.train` returns, up to now.
        stop_asked: set it, and training saves and stops after the batch at hand.
        on_signal: what SIGTERM is to call while training goes on, if anything.

    """

    def __init__(
        self,
        folder: Path,
        history: dict[str, Any],
        settings: dict[str, Any],
        progress: Progress | None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.folder, self.history, self.settings, self.stop_asked = folder, history, settings, False
        self.on_signal: Callable[[int, Any], None] | None = None
        self._validates = False
        self._ranks, self._board = ranks, Board(folder / "logs") if ranks.is_first else None
        self._tell, self._told = progress, 0.0
        self._began, self._began_at = time.perf_counter(), 0.0

    def save(self, learner: Learner, *, interrupted: bool = True) -> None:
        """Write the checkpoint to resume from, and the history."""
        self.history["interrupted"] = interrupted
        if not self._ranks.is_first:
            return
        optimizer = learner.optimizer.state_dict()
        state = {"optimizer": optimizer, "batch": learner.first_batch, "sums": learner.meter.sums}
        settings = {"settings": self.settings, "history": self.history}
        checkpoints.save(checkpoints.last_path(self.folder), _weights(learner) | state | settings)
        self._write_history()

    def note_lost(self, epoch: int, message: str) -> None:
        """Write down in the history, for the report, that the loss became no number; the checkpoint stays sound."""
        watch.note_lost(self.history, epoch, message)
        self._write_history()

    def note_decoder(self, fitted: dict[str, Any]) -> None:
        """Write down how the decoder was fitted at the end."""
        self.history["decoder"] = fitted
        self.history["seconds"] += fitted["seconds"]
        self._write_history()

    def _write_history(self) -> None:
        if self._ranks.is_first:
            store.write_atomically(self.folder / "history.json", store.to_json(self.history))

    def restore(self, learner: Learner, state: dict[str, Any]) -> None:
        """Put a learner and this diary where a checkpoint left them."""
        learner.network.load_state_dict(state["network"])
        learner.mixture.load_state_dict(state["mixture"])
        learner.optimizer.load_state_dict(state["optimizer"])
        learner.epoch, learner.first_batch, learner.meter = state["epoch"], state["batch"], Meter(state["sums"])
        self.history.update(state["history"])
        self._began_at = learner.progress(learner.first_batch)

    def on_train_start(self, trainer: pl.Trainer, pl_module: Learner) -> None:  # type: ignore[override]  # noqa: ARG002
        """Take back SIGTERM from lightning, whose handler would talk to the other processes in the midst of a step."""
        if self.on_signal is not None:
            signal.signal(signal.SIGTERM, self.on_signal)

    def close(self) -> None:
        """Close the logs."""
        if self._board:
            self._board.close()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,  # noqa: ARG002
        pl_module: Learner,  # type: ignore[override]
        outputs: Any,  # noqa: ARG002
        batch: batches.Batch,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Tell how far it is; when asked to stop, save and stop."""
        n_done = batch.index + 1
        self._report(pl_module, n_done)
        if n_done < pl_module.n_batches and self._ranks.any(self.stop_asked):
            pl_module.settle()
            pl_module.first_batch = n_done
            self.save(pl_module)
            raise StoppedError

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Learner) -> None:  # type: ignore[override]
        """Write down the epoch, look for trouble, save; stop when asked to or when it no longer gets better."""
        pl_module.settle()
        self._validates = "validation" in pl_module.images.evaluated
        row = _row(pl_module)
        self.history["epochs"].append(row)
        self.history["seconds"] += row["seconds"]
        is_best = self._note_best(row, pl_module)
        self._note_trouble(row["epoch"], pl_module)
        if self._board:
            self._board.write(row, _picture(pl_module))
        pl_module.epoch, pl_module.first_batch, pl_module.meter = row["epoch"], 0, Meter()
        is_last = row["epoch"] >= pl_module.config.epochs or self._is_patience_over(pl_module.config.patience)
        if is_best and self._ranks.is_first:
            checkpoints.save(checkpoints.best_path(self.folder), _weights(pl_module))
        self.save(pl_module, interrupted=not is_last)
        trainer.should_stop = is_last
        if not is_last and self._ranks.any(self.stop_asked):
            raise StoppedError

    def _report(self, learner: Learner, n_done: int) -> None:
        is_due = time.perf_counter() - self._told >= _PROGRESS_SECONDS or n_done == learner.n_batches
        if self._tell is None or not is_due:
            return
        learner.settle()
        means = learner.meter.means() or {}
        self._told = now = time.perf_counter()
        done = learner.progress(n_done)
        try:
            self._tell(
                {
                    "epoch": learner.epoch + 1,
                    "n_epochs": learner.config.epochs,
                    "share": n_done / learner.n_batches,
                    "loss": means.get("loss"),
                    "images_per_second": learner.n_seen / max(now - learner.epoch_began, 1e-9),
                    "seconds_left": (now - self._began) * (1 - done) / max(done - self._began_at, 1e-9),
                }
            )
        except KeyboardInterrupt:
            self.stop_asked = True

    def _note_best(self, row: dict[str, Any], learner: Learner) -> bool:
        if learner.images.evaluated and not learner.measures:
            return False
        best = self.history["best_epoch"]
        is_last = learner.config.keep == "last"
        is_best = best is None or is_last or _judged(row) < _judged(self.history["epochs"][best - 1])
        if is_best:
            self.history["best_epoch"] = row["epoch"]
        return is_best

    def _note_trouble(self, epoch: int, learner: Learner) -> None:
        dead = watch.note_dead(self.history, epoch, torch.cat(learner.codes).cpu()) if learner.codes else None
        for message in (dead, watch.note_overfitting(self.history, epoch)):
            if message and self._ranks.is_first:
                log.warning("epoch %d: %s", epoch, message)

    def _is_patience_over(self, patience: int) -> bool:
        best = self.history["best_epoch"]
        if not patience or best is None:
            return False
        since = self.history["epochs"][best:]
        n_measured = sum(row["validation"] is not None for row in since) if self._validates else len(since)
        return n_measured >= patience


def new_history() -> dict[str, Any]:
    """Return the history of a training that has not begun."""
    return {"epochs": [], "best_epoch": None, "warnings": [], "seconds": 0.0, "interrupted": True}


def _judged(row: dict[str, Any]) -> float:
    """Return the loss that tells epochs apart; where training distorts, that of clean and of distorted images count."""
    losses = [row[split]["loss"] for split in ("validation", DISTORTED) if row.get(split)]
    return sum(losses) / len(losses) if losses else float(row["train"]["loss"])


def _weights(learner: Learner) -> dict[str, Any]:
    return {
        "network": learner.network.state_dict(),
        "mixture": learner.mixture.state_dict(),
        "epoch": learner.epoch,
    }


def _row(learner: Learner) -> dict[str, Any]:
    evaluated = {name: meter.means() for name, meter in learner.evaluated.items()}
    return {
        "epoch": learner.epoch + 1,
        "train": learner.meter.means(),
        "validation": evaluated.get("validation"),
        "test": evaluated.get("test"),
        **_distortion(learner, evaluated),
        "learning_rate": learner.optimizer.param_groups[0]["lr"],
        "images_per_second": learner.n_seen / learner.train_seconds,
        "seconds": time.perf_counter() - learner.epoch_began,
    }


def _distortion(learner: Learner, evaluated: dict[str, Any]) -> dict[str, Any]:
    """Return what a row says of a training on distorted images; nothing of any other."""
    if not distortion.is_on(learner.config.distort):
        return {}
    reached = dataclasses.asdict(learner.level(learner.n_batches))
    return {DISTORTED: evaluated.get(DISTORTED), "distortion": reached}


@torch.no_grad()
def _picture(learner: Learner) -> UInt8[np.ndarray, "h w 3"]:
    """Paint some images of the test set (or of what there is), and their reconstructions below them."""
    shown = (*learner.images.evaluated, "train")
    images = getattr(learner.images, "test" if "test" in shown else shown[0])[:_N_PICTURES]
    learner.network.eval()
    device = next(learner.network.parameters()).device
    painted = learner.network(batches.as_input(torch.from_numpy(np.array(images)).to(device)))
    learner.network.train()
    again = painted.mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return np.concatenate([np.concatenate(list(row), axis=1) for row in (np.asarray(images), again)], axis=0)
