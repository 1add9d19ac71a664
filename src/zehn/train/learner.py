"""One training as pytorch-lightning sees it: batches, steps, optimiser and schedule."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from zehn.config import TrainConfig
from zehn.errors import TrainingError
from zehn.models import Network
from zehn.objectives import Mixture, Step
from zehn.train import batches, distortion, optimizers
from zehn.train.meters import Meter, measure
from zehn.train.ranks import ALONE, Ranks

DISTORTED = "distorted"
"""The name of the validation images as distorted, beside ``validation`` and ``test``."""
_EVALUATION = 2**31
"""Stands for the epoch in the seeds of what is drawn for evaluation, so that every epoch draws the same."""
_EVALUATION_BATCHES = 2
"""How many training batches one evaluation batch holds."""


@dataclass(frozen=True)
class Images:
    """The images of the three splits, uint8 (n, h, w, 3); validation and test may be empty."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def evaluated(self) -> list[str]:
        """Which of validation and test there are."""
        return [name for name in ("validation", "test") if len(getattr(self, name))]


def one_cycle(progress: float, warmup_share: float) -> float:
    """Return the factor on the peak learning rate, 0 to 1: linear up, then half a cosine down to 0.

    The shape is Smith's 1cycle (arXiv 1708.07120) with the cosine descent of SGDR (arXiv 1608.03983).
    """
    if progress < warmup_share:
        return progress / warmup_share
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup_share) / max(1 - warmup_share, 1e-9)))


class Learner(pl.LightningModule):
    """Trains a network by a mixture of objectives, whatever either of them is.

    Attributes:
        epoch: how many epochs are finished.
        rows: of the history, of the epochs that are finished: the diary's own.
        first_batch: how many batches of the epoch that begins are done already (after an interruption).
        meter: sums over the training batches of this epoch.
        evaluated: sums over validation and test of this epoch.
        codes: codes of the validation images, (n, d), of this epoch, batch by batch, on the device.
        train_seconds: wall time of this epoch's training batches.
        ranks: the processes that train together.

    """

    def __init__(
        self,
        network: Network,
        mixture: Mixture,
        images: Images,
        config: TrainConfig,
        seed: int,
        precision: str = "float32",
        ranks: Ranks = ALONE,
    ) -> None:
        super().__init__()
        self.network, self.mixture, self.ranks = network, mixture, ranks
        self.images, self.config, self.seed = images, config, seed
        self._placed: dict[str, batches.Stack] = {}
        self.optimizer = optimizers.build(self, config, precision)
        self.epoch, self.first_batch, self.meter = 0, 0, Meter()
        self.rows: list[dict[str, Any]] = []
        self.n_batches = len(batches.Batches(images.train, config.batch_size, np.arange(len(images.train))))
        self.evaluated: dict[str, Meter] = {}
        self.codes: list[Tensor] = []
        self.epoch_began, self.train_seconds, self.n_seen = time.perf_counter(), 0.0, 0

    def progress(self, batch: int) -> float:
        """Return how much of the whole training is done, 0 to 1, before a batch of this epoch."""
        return (self.epoch + batch / self.n_batches) / self.config.epochs

    @property
    def evaluations(self) -> list[str]:
        """What is measured: validation, test, and the validation images distorted where training distorts."""
        names = self.images.evaluated
        return [*names, DISTORTED] if distortion.is_on(self.config.distort) and "validation" in names else names

    def level(self, batch: int) -> distortion.Level:
        """Return how much is distorted in training before a batch of this epoch."""
        config = self.config.distort
        return distortion.level(config, distortion.reach(config, self.rows, self.progress(batch), self.progress(0)))

    @property
    def measures(self) -> bool:
        """Say whether the epoch at hand ends with a look at validation and test images."""
        n_done = self.epoch + 1
        return n_done % self.config.measure_every == 0 or n_done >= self.config.epochs

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser."""
        return self.optimizer

    def train_dataloader(self) -> batches.Batches:
        """Return the batches of the epoch that begins, from where it was interrupted if it was."""
        order = batches.shuffled(len(self.images.train), self.seed, self.epoch)
        return batches.Batches(self._stack("train"), self.config.batch_size, order, self.first_batch, self.ranks.share)

    def val_dataloader(self) -> list[batches.Batches]:
        """Return the batches of validation and test, whichever there are, in an epoch that measures them."""
        if not self.measures:
            return []
        size = _EVALUATION_BATCHES * self.config.batch_size
        return [batches.Batches(self._stack(name), size, share=self.ranks.share) for name in self.evaluations]

    def _stack(self, split: str) -> batches.Stack:
        split = "validation" if split == DISTORTED else split
        if split not in self._placed:
            self._placed[split] = batches.place(getattr(self.images, split), self.device)
        return self._placed[split]

    def transfer_batch_to_device(
        self,
        batch: batches.Batch,
        device: torch.device,
        dataloader_idx: int,  # noqa: ARG002 - lightning's signature
    ) -> batches.Batch:
        """Move a batch, still uint8, to where the network is."""
        return batches.Batch(batch.images.to(device), batch.index, batch.share)

    def on_train_epoch_start(self) -> None:
        """Seed what draws from torch's own state, such as dropout, and begin this epoch's sums."""
        torch.manual_seed(batches.generator(self.seed, self.epoch, self.first_batch).initial_seed())
        self.epoch_began, self.n_seen = time.perf_counter(), 0
        self.evaluated, self.codes = {name: Meter() for name in self.evaluations}, []

    def on_train_batch_start(self, batch: batches.Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Set the learning rates of this step."""
        factor = one_cycle(self.progress(batch.index), self.config.warmup_share)
        for group in self.optimizer.param_groups:
            group["lr"] = factor * group["peak"]

    def training_step(self, batch: batches.Batch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the loss of one batch."""
        draws = batches.generator(self.seed, self.epoch, batch.index)
        images = batches.flip(batch.images, draws, batch.share) if self.config.flip else batch.images
        step = self._step(replace(batch, images=images), draws, batch.index, distorts=True)
        return self._measured(step, self.meter, f"step {batch.index + 1}")

    def configure_gradient_clipping(self, *_: Any, **__: Any) -> None:
        """Keep one odd batch from throwing the weights far away."""
        if self.config.gradient_clip:
            nn.utils.clip_grad_norm_(self.parameters(), self.config.gradient_clip)

    def on_train_batch_end(self, outputs: Any, batch: batches.Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Take the time; the epoch's last batch is waited for."""
        self.n_seen += len(batch.images) * batch.share.n
        if batch.index + 1 == self.n_batches:
            self.settle()
        self.train_seconds = time.perf_counter() - self.epoch_began

    def validation_step(self, batch: batches.Batch, batch_idx: int, dataloader_idx: int = 0) -> None:  # noqa: ARG002
        """Measure one batch of validation or test."""
        name = self.evaluations[dataloader_idx]
        draws = batches.generator(self.seed, _EVALUATION, batch.index)
        step = self._step(batch, draws, self.n_batches, distorts=name == DISTORTED)
        self._measured(step, self.evaluated[name], f"{name} batch {batch.index + 1}")
        if name == "validation":
            self.codes.append(step.codes.float())

    def _step(self, batch: batches.Batch, draws: torch.Generator, n_done: int, *, distorts: bool) -> Step:
        """Return one batch on its way, some of its images distorted for training, all of them for validation."""
        config, inputs, images = self.config.distort, None, batches.as_input(batch.images)
        if distorts and distortion.is_on(config):
            how_much = self.level(n_done) if self.network.training else distortion.greatest(config)
            inputs = distortion.distorted(images, config, how_much, draws, batch.share)
        return Step(self.network, images, draws, self.progress(n_done), inputs, batch.share)

    def settle(self) -> None:
        """Read what was measured up to here, be it still on the device.

        Raises:
            TrainingError: the loss is no number any more.

        """
        for meter in (self.meter, *self.evaluated.values()):
            meter.read()
            self._check(meter)

    def _measured(self, step: Step, meter: Meter, where: str) -> Tensor:
        terms = self.mixture.terms(step)
        loss = self.mixture.total(terms)
        meter.add(self.ranks.mean(measure(step, loss, terms)), len(step.images) * step.share.n, where)
        self._check(meter)
        return loss

    def _check(self, meter: Meter) -> None:
        if meter.lost is not None:
            where, loss = meter.lost
            raise TrainingError(
                f"the loss became {loss} in epoch {self.epoch + 1}, {where}; lower train.learning_rate "
                f"(it is {self.config.learning_rate:g}) or set train.precision to float32; resuming goes on from the "
                "last epoch that was sound"
            )
