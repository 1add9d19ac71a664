"""What options of objectives have in common to be checked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zehn.errors import ConfigError

SOURCES = ("features", "codes")
"""What of the encoder an objective can act on: what its body gives, or the codes."""


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value that is none of the choices.

    Raises:
        ConfigError: it is none of them.

    """
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, came {value!r}")


def check_least(options: Any, **bounds: float) -> None:
    """Refuse options below their bounds.

    Raises:
        ConfigError: one is.

    """
    for name, least in bounds.items():
        value = getattr(options, name)
        if not value >= least:
            raise ConfigError(f"{name} must be at least {least:g}, came {value!r}")


def check_above(options: Any, **bounds: float) -> None:
    """Refuse options that are not above their bounds.

    Raises:
        ConfigError: one is not.

    """
    for name, bound in bounds.items():
        value = getattr(options, name)
        if not value > bound:
            raise ConfigError(f"{name} must be above {bound:g}, came {value!r}")


def check_share(options: Any, *names: str) -> None:
    """Refuse options that are no share of something.

    Raises:
        ConfigError: one is below 0 or above 1.

    """
    for name in names:
        value = getattr(options, name)
        if not 0 <= value <= 1:
            raise ConfigError(f"{name} must be from 0 to 1, came {value!r}")
