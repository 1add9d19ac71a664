"""A slow copy of a module, which follows it as a moving average."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Momentum(nn.Module):
    """A copy whose weights and running statistics are an exponential moving average of another module's.

    It is kept in checkpoints with the objective that owns it, and takes no gradient. The first update copies: whatever
    weights the training starts from, the copy starts from them too.
    """

    n_updates: Tensor

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.copy = copy.deepcopy(module).requires_grad_(requires_grad=False)
        self.register_buffer("n_updates", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, module: nn.Module, decay: float) -> None:
        """Move the copy towards a module: ``decay`` of the old, the rest of the new; counts are taken over."""
        share = 1 - decay if self.n_updates else 1.0
        for slow, fast in zip(self.copy.state_dict().values(), module.state_dict().values(), strict=True):
            if slow.is_floating_point():
                slow.lerp_(fast.to(slow.dtype), share)
            else:
                slow.copy_(fast)
        self.n_updates += 1

    @torch.no_grad()
    def forward(self, inputs: Tensor) -> Tensor:
        """Return what the copy gives, without gradient."""
        return self.copy(inputs)
