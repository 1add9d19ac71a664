from __future__ import annotations

from contextlib import closing

import pytest

from zehn import children
from zehn.children import Child

ADDS = "from zehn import children; children.serve(lambda first: lambda message: (print('aside'), first + message)[1])"


def test_it_answers_by_what_it_was_given_first_whatever_it_prints() -> None:
    with closing(Child(ADDS, is_silent=True)) as child:
        child.begin(10)
        assert [child.ask(number) for number in (1, 2)] == [11, 12]


@pytest.mark.parametrize("program", ["raise SystemExit(1)", "print('something else')"])
def test_what_is_no_child_of_ours_is_told_at_once(program: str) -> None:
    with closing(Child(program, is_silent=True)) as child, pytest.raises(children.DYING, match=r".*"):
        child.begin(10)


def test_a_death_over_a_message_is_told_and_closing_twice_is_no_harm() -> None:
    child = Child(ADDS, is_silent=True)
    child.begin(10)
    with pytest.raises(EOFError, match="Ran out of input"):
        child.ask("no number")
    child.close()
    child.close()
