"""The last minutes of a training: the encoder rests, and the decoder learns to read the codes of whole images.

While views are compared, the decoder sees codes of crops and colours that no user will ask about. Its own weights
change no code, so that they can be fitted afterwards, from codes made once, at a small part of the cost of an epoch.
"""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from zehn.config import TrainConfig
from zehn.models import Network
from zehn.train import batches, optimizers
from zehn.train.learner import Images, one_cycle

_DRAWS = 2**30
"""Stands for the epoch in the seeds of what is drawn here."""
_BATCHES_AT_ONCE = 2
"""How many training batches are encoded at a time."""


def fit_decoder(
    network: Network,
    images: Images,
    config: TrainConfig,
    n_epochs: int,
    *,
    device: str,
    precision: str,
    seed: int,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Train the decoder alone, in place, on the codes of the training images as the encoder gives them in use.

    Schedule, AdamW and batches are those of the training; the learning rate starts anew. A decoder that
    reconstructs the validation images worse afterwards stays as it was. The network ends on the processor and in
    evaluation mode.

    Returns:
        ``epochs``, ``train_mse`` (of each epoch), ``validation_mse`` (before and after; None without validation
        images) and ``seconds``.

    """
    began = time.perf_counter()
    network.to(device).eval()
    coarse = precision == "bfloat16"
    with torch.autocast(device, torch.bfloat16, enabled=coarse):
        codes = _encode(network, images.train, config, device)
        before, kept = _measure(network, images.validation, config, device), copy.deepcopy(network.decoder.state_dict())
    errors = _fit(network, images.train, codes, config, n_epochs, seed, coarse=coarse, progress=progress)
    with torch.autocast(device, torch.bfloat16, enabled=coarse):
        after = _measure(network, images.validation, config, device)
    if before is not None and after is not None and after > before:
        network.decoder.load_state_dict(kept)
    network.to("cpu").eval()
    return {
        "epochs": n_epochs,
        "train_mse": errors,
        "validation_mse": None if before is None else [before, after],
        "seconds": time.perf_counter() - began,
    }


def _fit(
    network: Network,
    x_train: UInt8[np.ndarray, "n h w 3"],
    codes: Float[Tensor, "n d"],
    config: TrainConfig,
    n_epochs: int,
    seed: int,
    *,
    coarse: bool,
    progress: Callable[[dict[str, Any]], None] | None,
) -> list[float]:
    decoder, began = network.decoder.train(), time.perf_counter()
    optimizer = optimizers.build(decoder, dataclasses.replace(config, optimizer="adamw"))
    errors = []
    for epoch in range(n_epochs):
        order = batches.shuffled(len(x_train), seed, _DRAWS + epoch)
        stack = batches.Batches(x_train, config.batch_size, order)
        losses = []
        for batch in stack:
            factor = one_cycle((epoch + batch.index / stack.n_batches) / n_epochs, config.warmup_share)
            for group in optimizer.param_groups:
                group["lr"] = factor * group["peak"]
            rows = order[batch.index * stack.size : (batch.index + 1) * stack.size]
            # one context for each step: it remembers the weights that it rounded
            with torch.autocast(codes.device.type, torch.bfloat16, enabled=coarse):
                painted = decoder(codes[torch.from_numpy(rows).to(codes.device)])
            loss = nn.functional.mse_loss(painted, batches.as_input(batch.images.to(codes.device)))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.detach())
        errors.append(torch.stack(losses).mean().item())
        if progress is not None:
            n_seen = (epoch + 1) * stack.n_batches * stack.size
            pace = n_seen / (time.perf_counter() - began)
            told = {"epoch": epoch + 1, "n_epochs": n_epochs, "share": 1.0, "loss": errors[-1]}
            progress({**told, "images_per_second": pace, "part": "decoder"})
    return errors


@torch.no_grad()
def _encode(network: Network, images: np.ndarray, config: TrainConfig, device: str) -> Float[Tensor, "n d"]:
    stack = batches.Batches(images, _BATCHES_AT_ONCE * config.batch_size)
    return torch.cat([network.encoder(batches.as_input(batch.images.to(device))).float() for batch in stack])


@torch.no_grad()
def _measure(network: Network, images: np.ndarray, config: TrainConfig, device: str) -> float | None:
    """Return the mean squared error of images as reconstructed, in the training's precision."""
    if not len(images):
        return None
    total = 0.0
    for batch in batches.Batches(images, _BATCHES_AT_ONCE * config.batch_size):
        clean = batches.as_input(batch.images.to(device))
        total += (network(clean) - clean).square().mean(dim=(1, 2, 3)).sum().item()
    return total / len(images)
