"""Numbers as a reader sees them: rounded, with their interval, with their unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Interval = Mapping[str, float]
"""{"mean", "low", "high"}: a mean over queries or images with its 95 % bootstrap interval."""

MISSING = "–"
"""What stands where a figure was not measured."""

_MINUTE, _HOUR = 60, 3600
_BREAKS = "/\\_-.=:@"
_LONGEST = 24


def decimal(value: float | None, digits: int = 3) -> str:
    """Return a number with so many digits after the point."""
    return MISSING if value is None else f"{_rounded(value, digits):.{digits}f}".replace("-", "−")


def count(value: float | None) -> str:
    """Return a whole number with its thousands set apart."""
    return MISSING if value is None else f"{value:,.0f}"


def percent(share: float | None, digits: int = 0) -> str:
    """Return a share as per cent."""
    return MISSING if share is None else f"{100 * share:.{digits}f}\u00a0%"


def signed(share: float, digits: int = 0) -> str:
    """Return a change as per cent with its sign."""
    return f"{100 * share:+.{digits}f}\u00a0%".replace("-", "−")


def with_sign(value: float, digits: int = 3) -> str:
    """Return a difference with its sign, "+0.041"; one that rounds to 0 has none."""
    rounded = _rounded(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", "−") if rounded else decimal(0.0, digits)


def mean(interval: Interval | None, digits: int = 3) -> str:
    """Return an interval's mean."""
    return MISSING if interval is None else decimal(interval["mean"], digits)


def bounds(interval: Interval | None, digits: int = 3) -> str:
    """Return an interval's bounds, "0.284–0.292"."""
    return "" if interval is None else f"{decimal(interval['low'], digits)}–{decimal(interval['high'], digits)}"


def full(interval: Interval | None, digits: int = 3) -> str:
    """Return an interval's mean with its bounds behind it, "0.288 (0.284–0.292)"."""
    return MISSING if interval is None else f"{mean(interval, digits)} ({bounds(interval, digits)})"


def duration(seconds: float | None) -> str:
    """Return a span of time in the unit that suits it."""
    if seconds is None:
        return MISSING
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.1f} min"
    return f"{seconds / _HOUR:.1f} h"


def p_value(value: float | None) -> str:
    """Return a p-value, never a bare zero."""
    if value is None:
        return MISSING
    return "<\u00a00.001" if value < 0.001 else decimal(value)


def listed(items: Sequence[str], last: str = "and") -> str:
    """Return items as a sentence lists them: "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else "none"


def plural(n: int, noun: str) -> str:
    """Return a count with its noun, "1 epoch", "8 epochs"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def breakable(text: Any) -> str:
    """Return a text into which zero-width spaces let long paths, names and checksums break at the end of a line."""
    pieces = []
    run = 0
    for character in str(text):
        pieces.append(character)
        run = 0 if character.isspace() else run + 1
        if character in _BREAKS or run >= _LONGEST:
            pieces.append("\u200b")
            run = 0
    return "".join(pieces)


def apart(a: Interval, b: Interval) -> int:
    """Return 1 where interval ``a`` lies wholly above ``b``, -1 where wholly below, 0 where they overlap."""
    return int(a["low"] > b["high"]) - int(a["high"] < b["low"])


def _rounded(value: float, digits: int) -> float:
    """Round a number, never to −0."""
    return round(value, digits) + 0.0
