"""What moves the weights: AdamW, and Muon for the convolutions whose scale does not count.

Muon (Jordan et al., https://kellerjordan.github.io/posts/muon, 2024) replaces a matrix's step by the nearest matrix
with all singular values alike. As in airbench94_muon (KellerJordan/cifar10-airbench) it moves the convolutions that a
normalisation follows, and keeps each at the length √(number of filters). ``torch.optim.Muon`` takes matrices only, and
does not keep lengths.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zehn.config import TrainConfig
from zehn.errors import ConfigError

OPTIMIZERS = ("adamw", "muon")

_BETAS = (0.9, 0.99)
_MOMENTUM = 0.6
"""Of Muon, as in airbench94_muon."""
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration that turns a matrix orthogonal: steep at zero, so that small singular values grow fast."""
_N_ITERATIONS = 3
_TINY = 1e-7


def build(module: nn.Module, config: TrainConfig, precision: str = "float32") -> torch.optim.Optimizer:
    """Build the optimiser of all parameters that train; each group's ``peak`` is its highest learning rate.

    AdamW is that of arXiv 1711.05101; biases, gains and the like do not decay. Muon's iteration computes in the
    precision of the training, as airbench's does: it only has to come near.

    Raises:
        ConfigError: an unknown optimiser.

    """
    if config.optimizer not in OPTIMIZERS:
        raise ConfigError(f"train.optimizer must be one of {', '.join(OPTIMIZERS)}, came {config.optimizer!r}")
    free = _scale_free(module) if config.optimizer == "muon" else []
    taken = {id(parameter) for parameter in free}
    others = [p for p in module.parameters() if p.requires_grad and id(p) not in taken]
    groups = [
        {
            "params": [p for p in others if p.ndim > 1],
            "peak": config.learning_rate,
            "weight_decay": config.weight_decay,
        },
        {"params": [p for p in others if p.ndim <= 1], "peak": config.learning_rate, "weight_decay": 0.0},
        {"params": free, "peak": config.muon_rate, "weight_decay": 0.0, "orthogonal": precision},
    ]
    return MuonAndAdamW([group for group in groups if group["params"]], lr=0.0, betas=_BETAS)


class MuonAndAdamW(torch.optim.AdamW):
    """AdamW, but for groups marked ``orthogonal``, which Muon moves."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group.get("orthogonal"):
                self._move(group)
        super().step()
        return loss

    @torch.no_grad()
    def _move(self, group: dict[str, Any]) -> None:
        """Move a group by Muon, and leave no gradient for AdamW."""
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if not state:
                state |= {"step": torch.zeros(()), "momentum": torch.zeros_like(parameter)}
            state["step"] += 1
            state["momentum"].mul_(_MOMENTUM).add_(parameter.grad)
            ahead = parameter.grad.add(state["momentum"], alpha=_MOMENTUM).flatten(1)
            parameter.mul_(len(parameter) ** 0.5 / parameter.norm().clamp_min(_TINY))
            step = orthogonal(ahead.to(getattr(torch, group["orthogonal"])))
            parameter.add_(step.view_as(parameter), alpha=-group["lr"])
            parameter.grad = None


def orthogonal(matrix: Float[Tensor, "m n"]) -> Float[Tensor, "m n"]:
    """Turn a matrix towards the nearest one whose singular values are all 1, by a Newton–Schulz iteration.

    Three steps bring singular values of 0.05 of the matrix's norm and more to between 0.3 and 1.3; smaller ones stay
    smaller.
    """
    a, b, c = _COEFFICIENTS
    x = matrix / matrix.norm().clamp_min(_TINY)
    is_tall = len(x) > x.shape[1]
    x = x.T if is_tall else x
    for _ in range(_N_ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if is_tall else x


def _scale_free(module: nn.Module) -> list[nn.Parameter]:
    """Return the kernels of convolutions without a bias, which have none because a normalisation follows.

    The first convolution, which sees pixels, is not among them.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    kernels = [layer.get_parameter("weight") for layer in layers[1:] if layer.bias is None]
    return [kernel for kernel in kernels if kernel.requires_grad]
