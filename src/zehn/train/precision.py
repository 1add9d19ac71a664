"""Where and in which number format to train: bfloat16 where the hardware has it and it measures faster."""

from __future__ import annotations

import copy
import time
from pathlib import Path

import torch

from zehn.codes.passes import DEVICES
from zehn.errors import ConfigError
from zehn.models import N_CHANNELS, Network
from zehn.objectives import Mixture, Step

PRECISIONS = ("auto", "float32", "bfloat16")

_CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""What /proc/cpuinfo calls bfloat16 arithmetic on x86 (first two) and Arm."""
_CPU_INFO = Path("/proc/cpuinfo")
_PROBE_PIXELS = 64 * 32 * 32
"""Pixels per probed batch: 64 images of 32 × 32."""
_PROBE_REPEATS = 3
_LEAST_GAIN = 1.05
"""How much faster bfloat16 must measure to be worth its coarser numbers."""


def choose_device(device: str) -> str:
    """Return ``cpu``, ``cuda`` or ``mps``; ``auto`` takes the fastest there is.

    Raises:
        ConfigError: an unknown device, or one that this machine does not have.

    """
    if device not in DEVICES:
        raise ConfigError(f"device must be one of {', '.join(DEVICES)}, came {device!r}")
    there = [name for name, found in _found().items() if found]
    if device == "auto":
        return there[0]
    if device not in there:
        raise ConfigError(
            f"device {device!r} is not there: torch {torch.__version__} finds {', '.join(there)}; use auto"
        )
    return device


def choose_precision(precision: str, device: str, network: Network, mixture: Mixture) -> str:
    """Return ``float32`` or ``bfloat16``; ``auto`` times both on copies of the real network if the hardware has both.

    Raises:
        ConfigError: an unknown precision.

    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, came {precision!r}")
    if precision != "auto":
        return precision
    if not has_bfloat16(device):
        return "float32"
    faster = _seconds(network, mixture, device, bfloat16=True) * _LEAST_GAIN < _seconds(
        network, mixture, device, bfloat16=False
    )
    return "bfloat16" if faster else "float32"


def has_bfloat16(device: str) -> bool:
    """Say whether a device computes in bfloat16 in hardware, not emulated."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device != "cpu":
        return False
    try:
        return not _CPU_FLAGS.isdisjoint(_CPU_INFO.read_text(encoding="utf-8").split())
    except OSError:
        return False


def _found() -> dict[str, bool]:
    return {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}


def _seconds(network: Network, mixture: Mixture, device: str, *, bfloat16: bool) -> float:
    network, mixture = copy.deepcopy((network, mixture))
    network.to(device).train()
    mixture.to(device).train()
    n_images = max(2, _PROBE_PIXELS // network.image_size**2)
    images = torch.rand(n_images, N_CHANNELS, network.image_size, network.image_size, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    times = []
    for _ in range(1 + _PROBE_REPEATS):
        began = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            loss = mixture(Step(network, images, torch.Generator().manual_seed(0)))
        loss.backward()
        loss.item()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return min(times[1:])
