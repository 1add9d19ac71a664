"""Images as they come, one by one or in batches: what they may be, their types, and the walk through them."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from numbers import Real
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32

from zehn.errors import ConfigError, InputError
from zehn.images import as_float, as_uint8

Strength = float | tuple[float, float]
"""One strength for all images, or the bounds between which each image's own is drawn, all equally likely."""

Floats = Float32[np.ndarray, "n h w 3"]
Parameters = TypeVar("Parameters")
"""What was done to a batch: a dataclass of arrays whose first axis counts images."""

_BYTE = 255


def as_floats(images: Any) -> Any:
    """Return arrays or tensors as float32 in [0, 1]; no copy where they are so."""
    if is_tensor(images):
        return images if images.is_floating_point() else images.float() / _BYTE
    return as_float(images) if images.dtype == np.uint8 else images


def as_came(values: Any, dtype: Any) -> Any:
    """Clip float32 values to [0, 1] and give them the type that the images came in."""
    if is_tensor(values):
        clipped = values.clamp(0, 1)
        return clipped if dtype.is_floating_point else (clipped * _BYTE).round().to(dtype)
    np.clip(values, 0, 1, out=values)
    return as_uint8(values) if dtype == np.uint8 else values


def streams(seed: int, stream: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Return what parameters are drawn from, and what noise is drawn from."""
    parts = (np.random.SeedSequence(seed, spawn_key=(stream, part)) for part in range(2))
    draws, fields = (np.random.default_rng(part) for part in parts)
    return draws, fields


def bounds_of(strength: Any, most: float) -> tuple[float, float]:
    """Return the least and the greatest strength that may be drawn.

    Raises:
        ConfigError: a strength below 0, above ``most``, infinite or no number; bounds that are not two in order.

    """
    bounds = strength if isinstance(strength, tuple) else (strength, strength)
    are_numbers = len(bounds) == 2 and all(isinstance(bound, Real) for bound in bounds)
    if not are_numbers or not 0 <= bounds[0] <= bounds[1] <= most or math.isinf(bounds[1]):
        raise ConfigError(
            f"expected a strength from 0 to {most:g}, or two of them in ascending order, came {strength!r}"
        )
    return float(bounds[0]), float(bounds[1])


def items(images: Any, batch_size: int | None, *, endless: bool) -> Iterable[Any]:
    """Return what is to be walked: batches or single images of a batch, or an iterable as it is.

    Raises:
        ConfigError: a batch size below 1; ``batch_size`` or ``endless`` for what is no batch.
        InputError: no images, or a batch of the wrong shape or type.

    """
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"expected a batch size from 1, came {batch_size}; leave it out for single images")
    if hasattr(images, "ndim"):
        _check_shape(images)
        return _slices(images, batch_size, endless=endless)
    if not isinstance(images, Iterable):
        raise InputError(f"expected a batch of images, or an iterable of them, came {type(images).__name__}")
    if batch_size is not None or endless:
        raise ConfigError(
            "batch_size and endless are for a batch of images; came an iterable, which is taken as it comes: group "
            "or repeat it before, for instance with itertools.cycle"
        )
    return images


def _slices(images: Any, batch_size: int | None, *, endless: bool) -> Iterator[Any]:
    while True:
        for start in range(0, len(images), batch_size or 1):
            yield images[start] if batch_size is None else images[start : start + batch_size]
        if not endless:
            return


def walk(
    items: Iterable[Any], distort: Callable[[Any], tuple[Any, Parameters]]
) -> Iterator[tuple[Any, Any, Parameters]]:
    """Yield (distorted, clean, parameters) for each image and each batch, as they come.

    Raises:
        InputError: images of another shape, type or range, or none.

    """
    for item in items:
        is_single = getattr(item, "ndim", 0) == 3
        batch = item[None] if is_single else item
        check(batch)
        distorted, parameters = distort(batch)
        yield (distorted[0], item, _only(parameters)) if is_single else (distorted, item, parameters)


def _only(parameters: Any) -> Any:
    """Return the parameters of a batch of one without the first axis."""
    values = {field.name: getattr(parameters, field.name)[0, ...] for field in dataclasses.fields(parameters)}
    return type(parameters)(**values)


def is_tensor(images: Any) -> bool:
    """Say whether images are a tensor, without importing PyTorch: whoever has a tensor has imported it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(images, torch.Tensor)


def check(images: Any) -> None:
    """Refuse what is no batch of images.

    Raises:
        InputError: images of another shape, type or range, or none.

    """
    kind = _check_shape(images)
    if kind == "uint8":
        return
    low, high = float(images.min()), float(images.max())
    if math.isnan(low) or math.isnan(high):
        raise InputError("expected float32 pixels in [0, 1], came NaN among them; mend or leave out such images")
    if low < 0 or high > 1:
        raise InputError(f"expected float32 pixels in [0, 1], came {low:g} to {high:g}; divide 0 … 255 by 255")


def _check_shape(images: Any) -> str:
    """Refuse a wrong shape or type without looking at the pixels; return the type's name."""
    from_torch = is_tensor(images)
    expected = "tensors (n, 3, H, W)" if from_torch else "arrays (n, H, W, 3)"
    shape, dtype = tuple(getattr(images, "shape", ())), str(getattr(images, "dtype", type(images).__name__))
    kind = dtype.removeprefix("torch.")
    if len(shape) != 4 or shape[1 if from_torch else 3] != 3 or kind not in ("uint8", "float32"):
        cure = "make a single image a batch with image[None]" if len(shape) == 3 else "convert them first"
        raise InputError(f"expected {expected} of uint8 or float32, came {dtype} {shape}; {cure}")
    if 0 in shape[1:]:
        raise InputError(f"expected images with pixels, came {shape}")
    if shape[0] == 0:
        raise InputError("expected at least one image, came none")
    return kind
