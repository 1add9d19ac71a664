"""The same convolutional autoencoder, trained: images a second once it runs."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench import _autoencoders, _images
from benchmarks.bench._neighbours import n_threads
from benchmarks.bench._protocol import PEERS, ZEHN, Answer, Case, Comparison, Goal, Work, peer

SIZES = [640, 1_280, 2_560, 5_120]


@peer("Zehn", ZEHN)
def zehn(case: Case) -> Work:
    """``zehn.train.train`` for one epoch, with the precision that it chose for this machine beforehand."""
    import torch

    from zehn import config, models
    from zehn.train import train

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    torch.set_num_threads(n_threads())
    images = _images.cifar10(case["n"])

    def fit(precision: str, x: np.ndarray) -> dict[str, Any]:
        settings = config.resolve(
            assignments=[
                "train.epochs=1", "train.objectives={reconstruction = 1.0}", "train.optimizer=adamw",
                "train.learning_rate=1e-3", "train.decoder_seen=0", f"train.precision={precision}",
            ]
        ).train  # fmt: skip
        network = models.build("residual")
        with tempfile.TemporaryDirectory() as folder:
            return train(network, x, x[:0], None, settings, Path(folder))

    precision = fit("auto", images[: 2 * _autoencoders.BATCH])["precision"]

    def turn() -> list[float]:
        began = time.perf_counter()
        fit(precision, images)
        return [time.perf_counter() - began]

    n_weights = models.n_parameters(models.build("residual"))
    return Work(turn, lambda: {"n_weights": np.array(n_weights)}, {"precision": precision})


@peer("Keras 3 on TensorFlow", PEERS)
def keras(case: Case) -> Work:
    """``fit``, batches of 256, float32."""
    _limit_tensorflow()
    model, _ = _autoencoders.by_keras()
    images = _images.cifar10(case["n"]).astype(np.float32) / 255
    model.fit(images[:512], images[:512], batch_size=_autoencoders.BATCH, epochs=1, verbose=0)

    def turn() -> list[float]:
        began = time.perf_counter()
        model.fit(images, images, batch_size=_autoencoders.BATCH, epochs=1, verbose=0)
        return [time.perf_counter() - began]

    return Work(turn, lambda: {"n_weights": np.array(model.count_params())})


@peer("plain PyTorch", ZEHN)
def torch_plain(case: Case) -> Work:
    """A DataLoader, Adam, float32, as a tutorial has it."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    torch.set_num_threads(n_threads())
    parts = _autoencoders.by_torch()
    network = torch.nn.Sequential(*parts)
    optimizer = torch.optim.Adam(network.parameters(), _autoencoders.LEARNING_RATE)
    images = torch.from_numpy(_images.cifar10(case["n"])).permute(0, 3, 1, 2).float() / 255
    loader = DataLoader(TensorDataset(images.contiguous()), _autoencoders.BATCH, shuffle=True)

    def epoch(loader: Any) -> None:
        network.train()
        for (batch,) in loader:
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(network(batch), batch).backward()
            optimizer.step()

    epoch(DataLoader(TensorDataset(images[:512]), _autoencoders.BATCH))

    def turn() -> list[float]:
        began = time.perf_counter()
        epoch(loader)
        return [time.perf_counter() - began]

    n_weights = sum(one.numel() for one in network.parameters())
    return Work(turn, lambda: {"n_weights": np.array(n_weights)})


def _limit_tensorflow() -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(n_threads())
    tf.config.threading.set_inter_op_parallelism_threads(n_threads())


def _compare(reference: Answer, answer: Answer, case: Case) -> str:  # noqa: ARG001
    expected, came = int(reference["n_weights"]), int(answer["n_weights"])
    return "" if expected == came else f"expected a network of {expected} weights, came {came}"


COMPARISON = Comparison(
    name="training",
    title="Training the same autoencoder",
    what="One epoch over so many CIFAR-10 images, residual and strided, batches of 256, mean squared error; the first "
    "batches (tracing, choosing a precision) came before, and the clock runs around the whole call, checkpoints and "
    "history of Zehn's included. The networks have the same layers and number of weights. Zehn trains in the precision "
    "that it chose for this machine, named beside it, with AdamW; the others in float32 with Adam, as a tutorial has "
    "it.",
    unit="image",
    needs_images=True,
    minutes="5",
    cases=lambda given: [{"n": n} for n in given.sizes or SIZES],
    peers=[zehn, keras, torch_plain],
    goals=(Goal(3.0, over="keras"), Goal(2.0, over="torch_plain")),
    n_items=lambda case: case["n"],
    compare=_compare,
    grows="n",
    growth_only=frozenset(SIZES[:-1]),
    n_turns=5,
    seconds=60,
)
