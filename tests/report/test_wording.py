from __future__ import annotations

import pytest

from zehn.report import wording


def test_numbers_keep_their_digits_and_missing_ones_are_dashes() -> None:
    assert wording.decimal(0.28849, 3) == "0.288"
    assert wording.count(1_465_782) == "1,465,782"
    assert wording.percent(0.2884, 1) == "28.8\u00a0%"
    assert wording.signed(-0.123) == "−12\u00a0%"
    assert [wording.with_sign(value, 2) for value in (0.5, -0.25)] == ["+0.50", "−0.25"]
    assert [wording.with_sign(-0.001, 2), wording.decimal(-0.001, 2)] == ["0.00", "0.00"]
    assert [wording.decimal(None), wording.count(None), wording.percent(None), wording.mean(None)] == ["–"] * 4


def test_intervals_show_their_bounds() -> None:
    interval = {"mean": 0.288, "low": 0.2841, "high": 0.2919}
    assert wording.full(interval) == "0.288 (0.284–0.292)"
    assert wording.bounds(None) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "0.5 s"), (59, "59 s"), (90, "1.5 min"), (7200, "2.0 h"), (None, "–")],
)
def test_durations_choose_their_unit(seconds: float | None, text: str) -> None:
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "<\u00a00.001"), (0.00099, "<\u00a00.001"), (0.05, "0.050"), (None, "–")]
)
def test_p_values_are_never_a_bare_zero(value: float | None, text: str) -> None:
    assert wording.p_value(value) == text


def test_lists_read_as_sentences_do() -> None:
    assert wording.listed([]) == "none"
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"], "or") == "a, b or c"
    assert [wording.plural(n, "epoch") for n in (0, 1, 2_000)] == ["0 epochs", "1 epoch", "2,000 epochs"]


def test_long_words_can_break_and_lose_nothing() -> None:
    path = "/home/someone/pictures/" + "a" * 60
    broken = wording.breakable(path)
    assert broken.replace("\u200b", "") == path
    assert max(len(piece) for piece in broken.split("\u200b")) <= 25


@pytest.mark.parametrize(
    ("a", "b", "sign"), [((0.3, 0.4), (0.1, 0.2), 1), ((0.1, 0.2), (0.3, 0.4), -1), ((0.1, 0.3), (0.2, 0.4), 0)]
)
def test_intervals_are_apart_only_where_they_do_not_overlap(
    a: tuple[float, float], b: tuple[float, float], sign: int
) -> None:
    first, second = ({"mean": sum(x) / 2, "low": x[0], "high": x[1]} for x in (a, b))
    assert wording.apart(first, second) == sign
