"""Random numbers of a seed, a stream of their own for each purpose.

One seed decides everything, but numbers drawn for one thing must not come back in another: resamples and sign flips
made of the same numbers would agree more than chance allows. So each purpose draws from
``SeedSequence(seed, spawn_key=(purpose, …))``, which numpy keeps apart from each other and from the plain seed's.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What numbers are drawn for. A purpose keeps its number for ever: it decides what is drawn."""

    RESAMPLES = 0
    """The bootstrap's resamples of the queries."""
    FLIPS = 1
    """The paired test's flips of signs."""
    COMPONENTS = 2
    """The random start from which principal components are found."""
    ORDER = 3
    """The random order that is a baseline; a stream for each query, by its position."""
    CHOICES = 4
    """Which images stand for the others where looking at all of them would take too long."""


def generator(seed: int, purpose: Purpose, *more: int) -> np.random.Generator:
    """Return the generator of a seed's numbers for one purpose, and for one of several alike where ``more`` says which.

    Raises:
        ValueError: a negative seed.

    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(purpose), *more)))
