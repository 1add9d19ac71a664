"""A memory of what the last batches gave."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Queue(nn.Module):
    """First in, first out: rows of several tensors of the same images, kept in checkpoints.

    Attributes:
        n_filled: how many of its places hold something.

    """

    place: Tensor
    n_filled: Tensor

    def __init__(self, size: int, widths: Mapping[str, int]) -> None:
        super().__init__()
        self.size = size
        for name, width in widths.items():
            self.register_buffer(name, torch.zeros(size, width))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))
        self.register_buffer("n_filled", torch.zeros((), dtype=torch.int64))

    def rows(self, name: str) -> Tensor:
        """Return what is remembered under a name, in no particular order."""
        return self.get_buffer(name)[: int(self.n_filled)]

    @torch.no_grad()
    def push(self, **batch: Tensor) -> None:
        """Remember a batch, in place of the oldest rows when there is no room left."""
        n_images = min(self.size, len(next(iter(batch.values()))))
        places = (self.place + torch.arange(n_images, device=self.place.device)) % self.size
        for name, rows in batch.items():
            self.get_buffer(name)[places] = rows[:n_images].detach().float()
        self.place.copy_((self.place + n_images) % self.size)
        self.n_filled.copy_((self.n_filled + n_images).clamp_max(self.size))
