"""Bytes as text that PostgreSQL can keep: it takes neither zero bytes nor what is no UTF-8.

Text stays as it is, so that it can be read and searched there. A byte that belongs to no character, and the zero byte,
become the character U+10FF00 + byte; characters that are among these themselves are taken for single bytes. So every
sequence of bytes has its own text.
"""

from __future__ import annotations

_FIRST = 0x10FF00
_ESCAPED = chr(_FIRST)
_SURROGATES = 0xDC00


def written(data: bytes) -> str:
    """Return bytes as text for PostgreSQL."""
    text = data.decode("utf-8", "surrogateescape")
    if "\0" not in text and text.isprintable():  # no such character is printable
        return text
    return "".join(_written(character) for character in text)


def read(text: str) -> bytes:
    """Return the bytes that a text of PostgreSQL stands for."""
    if max(text, default="") < _ESCAPED:
        return text.encode()
    return b"".join(
        bytes([ord(character) - _FIRST]) if character >= _ESCAPED else character.encode() for character in text
    )


def written_text(text: str) -> str:
    """Return text as PostgreSQL keeps it; surrogates stand for bytes that are no UTF-8."""
    return written(text.encode("utf-8", "surrogateescape"))


def read_text(text: str) -> str:
    """Return the text that was given to :func:`written_text`."""
    return read(text).decode("utf-8", "surrogateescape")


def _written(character: str) -> str:
    number = ord(character)
    if number == 0:
        return _ESCAPED
    if 0 <= number - _SURROGATES < 256:
        return chr(_FIRST + number - _SURROGATES)
    if number >= _FIRST:
        return "".join(chr(_FIRST + byte) for byte in character.encode())
    return character
