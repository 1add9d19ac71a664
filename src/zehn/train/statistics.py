"""Batch normalisation over the whole batch where several processes share it.

PyTorch's ``SyncBatchNorm`` needs a GPU; on the processor the same is computed here, by the formulas of batch
normalisation (Ioffe and Szegedy, arXiv 1502.03167, section 3) over shares of equal size.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from zehn.models import Network


def normalises_batches(network: nn.Module) -> bool:
    """Say whether a network computes statistics of batches."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())


def across_processes(network: Network, device: str) -> Network:
    """Return a copy of a network whose batch statistics, in training, are those of all processes' shares together.

    Its weights have the names that they had. A network without batch statistics comes back as it is.
    """
    if not normalises_batches(network):
        return network
    network = copy.deepcopy(network)
    if device == "cuda":
        converted: Network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    return _converted(network)


def _converted(module: Any) -> Any:
    for name, child in module.named_children():
        setattr(module, name, _shared(child) if isinstance(child, _BatchNorm) else _converted(child))
    return module


def _shared(given: _BatchNorm) -> SharedBatchNorm:
    kept = given.affine, given.track_running_stats
    norm = SharedBatchNorm(given.num_features, given.eps, given.momentum, *kept)
    norm.load_state_dict(given.state_dict())
    return norm.train(given.training)


class SharedBatchNorm(_BatchNorm):
    """Batch normalisation whose mean and variance are those of equal shares in all processes."""

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        """Take any number of dimensions."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Return the same shape, normalised channel by channel."""
        if not self.training:
            return super().forward(input)
        normalised, mean, variance = _Normalise.apply(input, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            share = self.momentum if self.momentum is not None else 1 / int(self.num_batches_tracked)
            n_values = input.numel() // input.shape[1] * distributed.get_world_size()
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * (n_values / max(n_values - 1, 1)), share)
        return normalised


class _Normalise(torch.autograd.Function):
    """The layer and its derivative; each pass brings two numbers per channel together."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        variance, mean = torch.var_mean(values.float(), _all_but_channels(values), correction=0)
        means, variances = _everyones(torch.stack([mean, variance])).unbind(1)
        mean = means.mean(dim=0)
        variance = (variances + (means - mean).square()).mean(dim=0)
        ctx.save_for_backward(values, weight, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        normalised = nn.functional.batch_norm(values, mean, variance, weight, bias, eps=eps)
        return normalised, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        values, weight, mean, variance = ctx.saved_tensors
        gradient, dims = gradients[0].float(), _all_but_channels(values)
        scale = (variance + ctx.eps).rsqrt()
        normal = (values.float() - _channels(mean, values)) * _channels(scale, values)
        sums = torch.stack([gradient.sum(dims), (gradient * normal).sum(dims)])
        means = _everyones(sums).mean(dim=0) / (values.numel() // values.shape[1])
        inner = gradient - _channels(means[0], values) - normal * _channels(means[1], values)
        inner = inner * _channels(scale if weight is None else scale * weight, values)
        return inner.to(values.dtype), None if weight is None else sums[1], None if weight is None else sums[0], None


def _everyones(own: Float[Tensor, "2 c"]) -> Float[Tensor, "p 2 c"]:
    parts = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, own.contiguous())
    return torch.stack(parts)


def _all_but_channels(values: Tensor) -> list[int]:
    return [dim for dim in range(values.ndim) if dim != 1]


def _channels(numbers: Float[Tensor, " c"], values: Tensor) -> Tensor:
    return numbers.view(1, -1, *[1] * (values.ndim - 2))
