"""Text from outside, such as paths and labels, made fit for a terminal."""

from __future__ import annotations

_FIRST_BYTE, _LAST_BYTE = "\udc80", "\udcff"
_OFFSET = 0xDC00
"""Python's paths hold bytes that are no UTF-8 as surrogates: the byte plus this (PEP 383)."""


def shown(text: str) -> str:
    """Return text for people to read: no control characters, and bytes that are no UTF-8 as such."""
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    if _FIRST_BYTE <= character <= _LAST_BYTE:
        return f"\\x{ord(character) - _OFFSET:02x}"
    return character.encode("unicode_escape").decode()
