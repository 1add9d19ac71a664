"""What comes from outside cannot act on the terminal."""

from __future__ import annotations

import pytest

from zehn.cli.texts import shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Zürich 10×.jpg", "Zürich 10×.jpg"),
        ("\x1b[2J\r\n", "\\x1b[2J\\r\\n"),
        ("a\udcffb", "a\\xffb"),  # a byte that is no UTF-8
        ("\ud800", "\\ud800"),
        ("\u202egpj.exe", "\\u202egpj.exe"),  # would turn the text round
    ],
)
def test_only_what_can_be_printed_is_printed(text: str, said: str) -> None:
    assert shown(text) == said
