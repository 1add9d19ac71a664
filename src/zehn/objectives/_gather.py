"""Bringing together what several processes have computed for their shares of one batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zehn.shares import Share


def gathered(rows: Tensor, share: Share, dim: int = 0) -> Tensor:
    """Return the rows of all shares, in order, with gradients; a collective call unless the share is all there is."""
    if share.n == 1:
        return rows
    return _Gather.apply(rows.movedim(dim, 0), share).movedim(0, dim)  # type: ignore[no-untyped-call]


class _Gather(torch.autograd.Function):
    """All rows for every process; backwards, each process takes the gradient of its own rows.

    Whatever is computed from the gathered rows is computed alike by every process, so that each has the whole gradient
    already and none has to be sent. It counts ``n`` times because gradients of weights are averaged over the processes
    afterwards, whereas each process sees but a part of the way from the weights to the rows.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, share: Share) -> Tensor:
        ctx.share = share
        own = rows.contiguous()
        parts = [torch.empty_like(own) for _ in range(share.n)]
        torch.distributed.all_gather(parts, own)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return gradient[ctx.share.rows(len(gradient))] * ctx.share.n, None
