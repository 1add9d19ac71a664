"""Changes to a file that a fuzzer of plain bytes seldom hits on: fields of lengths, parts moved, spliced, cut."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

_NUMBERS = (0, 1, 2, 3, 7, 8, 31, 32, 33, 64, 127, 128, 255, 256, 2**15 - 1, 2**15, 2**16 - 1, 2**16, 2**24, 2**31 - 1)
_LARGE = (2**31, 2**32 - 1, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
_WIDTHS = (1, 2, 4, 8)
_MOST_CHANGES = 6


def changed(data: bytes, others: Sequence[bytes], tokens: Sequence[bytes], rng: Random) -> bytes:
    """Return bytes with up to six changes, some of them taken from other files or from words of the format."""
    content = bytearray(data or b"\0")
    for _ in range(rng.randint(1, _MOST_CHANGES)):
        change = rng.choice(_CHANGES)
        change(content, others, tokens, rng)
        if not content:
            content += b"\0"
    return bytes(content)


def _number(content: bytearray, _others: Sequence[bytes], _tokens: Sequence[bytes], rng: Random) -> None:
    width, order = rng.choice(_WIDTHS), rng.choice(("little", "big"))
    at = rng.randrange(len(content))
    known = int.from_bytes(content[at : at + width], "little" if order == "little" else "big")
    value = rng.choice((rng.choice(_NUMBERS), rng.choice(_LARGE), known + rng.randint(-3, 3), known * 2, len(content)))
    written = (value % 256**width).to_bytes(width, "little" if order == "little" else "big")
    content[at : at + width] = written[: len(content) - at]


def _bit(content: bytearray, _others: Sequence[bytes], _tokens: Sequence[bytes], rng: Random) -> None:
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _byte(content: bytearray, _others: Sequence[bytes], _tokens: Sequence[bytes], rng: Random) -> None:
    content[rng.randrange(len(content))] = rng.randrange(256)


def _cut(content: bytearray, _others: Sequence[bytes], _tokens: Sequence[bytes], rng: Random) -> None:
    start = rng.randrange(len(content))
    end = len(content) if rng.random() < 0.3 else start + rng.randint(1, 16)
    del content[start:end]


def _repeat(content: bytearray, _others: Sequence[bytes], _tokens: Sequence[bytes], rng: Random) -> None:
    start = rng.randrange(len(content))
    part = content[start : start + rng.choice((1, 4, 16, 64, 512))]
    at = rng.randrange(len(content) + 1)
    content[at:at] = part * rng.choice((1, 1, 2, 8))


def _move(content: bytearray, _others: Sequence[bytes], _tokens: Sequence[bytes], rng: Random) -> None:
    start, to, width = rng.randrange(len(content)), rng.randrange(len(content)), rng.choice((4, 8, 32, 128))
    part = content[start : start + width]
    content[to : to + len(part)] = part


def _splice(content: bytearray, others: Sequence[bytes], _tokens: Sequence[bytes], rng: Random) -> None:
    other = rng.choice(others) if others else b"\0"
    start, at = rng.randrange(len(other) or 1), rng.randrange(len(content))
    if rng.random() < 0.5:
        content[at:] = other[start:]
    else:
        part = other[start : start + rng.choice((8, 64, 512))]
        content[at : at + len(part)] = part


def _word(content: bytearray, _others: Sequence[bytes], tokens: Sequence[bytes], rng: Random) -> None:
    word = rng.choice(tokens) if tokens else b"\xff\xff\xff\xff"
    at = rng.randrange(len(content) + 1)
    content[at : at + rng.choice((0, len(word)))] = word


_CHANGES = (_number, _number, _bit, _byte, _cut, _repeat, _move, _splice, _word)
