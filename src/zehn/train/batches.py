"""Batches without workers: one uint8 array, whole batches gathered from it, every random choice derived from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from zehn.errors import InputError
from zehn.models import N_CHANNELS
from zehn.shares import WHOLE, Share

Stack = UInt8[np.ndarray, "n h w 3"] | UInt8[Tensor, "n h w 3"]
"""Images to gather batches from: an array, or a tensor on the device that they are wanted on."""

_MOST_BYTES_PLACED = 1024**3
"""More images than this stay in the computer's memory, and each batch is sent to the device by itself."""
_ORDER, _DRAWS = 0, 1
"""What a random stream is for: the order of an epoch's images, or what is drawn for one of its batches."""


@dataclass(frozen=True)
class Batch:
    """Images (n, h, w, 3) uint8, the place of the batch in its epoch, and which part of it the images are."""

    images: Tensor
    index: int
    share: Share = WHOLE


class Batches:
    """The batches of one epoch, from the ``start``-th on.

    With ``order`` the images come in that order and the last batch, when it is not full, is left out (unless it is
    the only one); without it they come as they lie, all of them. Of each batch only the rows of ``share`` come, or all
    of it where it cannot be divided evenly.
    """

    def __init__(
        self,
        images: Stack,
        batch_size: int,
        order: Int64[np.ndarray, " n"] | None = None,
        start: int = 0,
        share: Share = WHOLE,
    ) -> None:
        self.order: Int64[np.ndarray, " n"] | Int64[Tensor, " n"] | None
        self.images, self.order, self.start, self.share = images, order, start, share
        if isinstance(images, Tensor) and order is not None:
            self.order = torch.from_numpy(order).to(images.device)
        self.size = min(batch_size, len(images))
        self.n_batches = -(-len(images) // self.size) if order is None else len(images) // self.size

    def __len__(self) -> int:
        return self.n_batches - self.start

    def __iter__(self) -> Iterator[Batch]:
        for index in range(self.start, self.n_batches):
            first = index * self.size
            n_rows = min(self.size, len(self.images) - first)
            share = self.share if self.share.fits(n_rows) else WHOLE
            own = share.rows(n_rows)
            yield Batch(self._gather(slice(first + own.start, first + own.stop)), index, share)

    def _gather(self, rows: slice) -> UInt8[Tensor, "b h w 3"]:
        """Return images of their own memory, wherever they come from."""
        images = self.images[rows if self.order is None else self.order[rows]]
        if isinstance(images, Tensor):
            return images.clone() if self.order is None else images
        return torch.from_numpy(np.array(images) if self.order is None else np.ascontiguousarray(images))


def is_processor(device: torch.device) -> bool:
    """Say whether what lies on a device lies in the computer's own memory."""
    return device.type == "cpu"


def place(images: UInt8[np.ndarray, "n h w 3"], device: torch.device) -> Stack:
    """Put images on a device to gather batches there, unless that is the processor or they take too much room."""
    if is_processor(device) or images.nbytes > _MOST_BYTES_PLACED:
        return images
    return torch.from_numpy(np.array(images)).to(device)


def shuffled(n_images: int, seed: int, epoch: int) -> Int64[np.ndarray, " {n_images}"]:
    """Return the order of the images in one epoch, which depends on seed and epoch only."""
    return np.random.default_rng((seed, epoch, _ORDER)).permutation(n_images)


def generator(seed: int, epoch: int, batch: int) -> torch.Generator:
    """Return the generator (on the processor) for all that is drawn for one batch."""
    state = np.random.SeedSequence((seed, epoch, _DRAWS, batch)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


def flip(images: Tensor, draws: torch.Generator, share: Share = WHOLE) -> Tensor:
    """Mirror a random half of uint8 images (n, h, w, 3), which are a share of a batch, left to right."""
    n_rows = len(images) * share.n
    chosen = torch.rand(n_rows, generator=draws)[share.rows(n_rows)] < 0.5
    return torch.where(chosen.to(images.device)[:, None, None, None], images.flip(2), images)


def as_input(images: Tensor) -> Float[Tensor, "n 3 h w"]:
    """Turn uint8 images (n, h, w, 3) into what a network takes: float32 in [0, 1], NCHW, channels last in memory."""
    return images.permute(0, 3, 1, 2).float().div_(255)


def check(images: np.ndarray, image_size: int, name: str) -> None:
    """Refuse what is no stack of uint8 images of the network's size.

    Raises:
        InputError: another type or shape, or no training images at all.

    """
    expected = (image_size, image_size, N_CHANNELS)
    if images.dtype != np.uint8 or images.ndim != len(expected) + 1 or images.shape[1:] != expected:
        raise InputError(
            f"{name} must be uint8 of shape (n, {image_size}, {image_size}, 3) for this network, came "
            f"{images.dtype} of shape {images.shape}; resize the images or build the network with another image_size"
        )
    if name == "x_train" and not len(images):
        raise InputError("x_train holds no images; at least one is needed to train on")
