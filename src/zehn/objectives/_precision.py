"""Losses are computed in float32, whatever the precision of the network."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def in_float32(compute: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """Make a function that takes a tensor first run outside of mixed precision, on tensors turned to float32."""

    @functools.wraps(compute)
    def wrapped(*given: _Given.args, **settings: _Given.kwargs) -> _Result:
        exact = [item.float() if isinstance(item, Tensor) and item.is_floating_point() else item for item in given]
        device = next(item.device.type for item in given if isinstance(item, Tensor))
        with torch.autocast(device, enabled=False):
            return compute(*exact, **settings)  # type: ignore[arg-type]

    return wrapped
