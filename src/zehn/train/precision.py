"""Where and in which number format to train: bfloat16 where the hardware has it."""

from __future__ import annotations

from pathlib import Path

import torch

from zehn.codes.passes import DEVICES
from zehn.errors import ConfigError

PRECISIONS = ("auto", "float32", "bfloat16")

_CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""What /proc/cpuinfo calls bfloat16 arithmetic on x86 (first two) and Arm."""
_CPU_INFO = Path("/proc/cpuinfo")


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


def choose_precision(precision: str, device: str) -> str:
    """Return ``float32`` or ``bfloat16``; ``auto`` takes the second where the hardware computes in it.

    Not a stopwatch but the hardware decides, so that the same seed gives the same run on a busy machine too.

    Raises:
        ConfigError: an unknown precision.

    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, came {precision!r}")
    if precision != "auto":
        return precision
    return "bfloat16" if has_bfloat16(device) else "float32"


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
