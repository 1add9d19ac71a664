"""What a comparison is: cases, peers, and what a peer makes ready."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

ZEHN, PEERS = "zehn", "peers"
"""The two environments."""

_TOLERANCE = 1e-3
"""A float32 product of lengths that are near each other loses half of its digits."""
_TIED = 0.005
"""Such a share of the hits may be others: where two are equally near up to rounding, either is right."""

Case = Mapping[str, Any]
"""What is worked on: names and values that JSON can hold."""
Answer = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Work:
    """What a peer made ready for a case."""

    turn: Callable[[], Sequence[float]]
    """Does one turn's work and returns the seconds of each piece of it."""
    answer: Callable[[], Answer] | None = None
    """Does the work once, untimed, and returns what came, to be compared with the others'."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else there is to know, such as the seconds that getting ready took."""


@dataclass(frozen=True)
class Peer:
    """One who takes part in a comparison."""

    name: str
    title: str
    environment: str
    ready: Callable[[Case], Work]
    takes: Callable[[Case], bool]
    """Whether it can do a case at all, or in a time that anyone would wait."""
    is_beside: bool
    """Whether it is shown but is none of those whom the goal names."""

    @property
    def is_zehn(self) -> bool:
        """Say whether this is Zehn itself, in one way or another."""
        return self.name.startswith("zehn")


@dataclass(frozen=True)
class Goal:
    """What is asked for: how many times as fast as the best peer (or the one named), or at most so many seconds.

    Who stands beside is never the best.
    """

    ratio: float | None = None
    over: str = ""
    seconds: float | None = None
    of: str = "zehn"
    """Whose figure is meant, where a comparison has several ways of Zehn."""


@dataclass(frozen=True)
class Comparison:
    """One line of work in which Zehn and its peers are compared."""

    name: str
    title: str
    what: str
    """What is timed, in a sentence or two for the page."""
    unit: str
    """What a piece of work is counted in: "query", "image" …"""
    minutes: str
    """How long it takes on two quiet cores with the cases that it has by default."""
    cases: Callable[[Any], list[dict[str, Any]]]
    """From the command's arguments (``sizes``, ``quick``, ``model`` …) to the cases."""
    peers: Sequence[Peer]
    goals: Sequence[Goal] = (Goal(1.0),)
    n_items: Callable[[Case], int] = lambda _: 1
    """How many units a piece of work has."""
    compare: Callable[[Answer, Answer, Case], str] = lambda *_: ""
    """Says what is wrong with a peer's answer beside Zehn's; nothing where both did the same work."""
    grows: str = ""
    """The name of the case's value by which cost grows, for the fitted exponent."""
    growth_only: frozenset[int] = frozenset()
    """Sizes that are there for the exponent; no goal was set for them."""
    needs_images: bool = False
    """Whether its peers read CIFAR-10."""
    n_turns: int = 12
    seconds: float = 20.0
    """Turns end at ``n_turns``, or after so many seconds for all peers together, but not before three."""


def peer(
    title: str, environment: str = PEERS, *, takes: Callable[[Case], bool] = lambda _: True, is_beside: bool = False
) -> Callable[[Callable[[Case], Work]], Peer]:
    """Mark a function that makes a case's work ready as a peer; its name is the function's."""

    def made(ready: Callable[[Case], Work]) -> Peer:
        return Peer(ready.__name__, title, environment, ready, takes, is_beside)

    return made


def names() -> list[str]:
    """Return the names of all comparisons, as they stand in the folder."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def load(name: str) -> Comparison:
    """Return a comparison by its name.

    Raises:
        SystemExit: there is none of that name.

    """
    if name not in names():
        raise SystemExit(f"bench: expected one of {', '.join(names())}, came {name!r}")
    module: ModuleType = import_module(f"{__package__}.{name}")
    return module.COMPARISON


def piecewise(call: Callable[[Any], object], pieces: Iterable[Any]) -> list[float]:
    """Return the seconds of each piece of work, done alone, one after the other."""
    seconds = []
    for piece in pieces:
        began = time.perf_counter()
        call(piece)
        seconds.append(time.perf_counter() - began)
    return seconds


def name_of(case: Case) -> str:
    """Return a case's name, which names its file too."""
    return "-".join(str(value) for value in case.values()) or "all"


def nearest_alike(reference: Answer, answer: Answer, case: Case) -> str:  # noqa: ARG001 - every comparison's signature
    """Say whether distances of nearest neighbours differ; ids may, where distances are equal up to rounding."""
    expected, came = reference["distances"], answer["distances"]
    if expected.shape != came.shape:
        return f"expected distances of shape {expected.shape}, came {came.shape}"
    scale = float(np.abs(expected).max()) or 1.0
    off = float(np.abs(expected - came).max()) / scale
    if off > _TOLERANCE:
        return f"distances differ by up to {off:.2g} of the largest"
    others = (
        1
        - float(np.mean([len(np.intersect1d(*pair)) for pair in zip(reference["ids"], answer["ids"], strict=True)]))
        / (expected.shape[1])
    )
    return "" if others <= _TIED else f"{others:.2%} of the hits are others"
