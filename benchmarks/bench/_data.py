"""What all peers work on, the same for everyone: made once, kept as files under runs/bench/data."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "runs/bench/data"
N_COMPONENTS = 10
MIXTURE = (
    "Codes and queries are drawn from a synthetic mixture of 50 Gaussians in ten dimensions, not encoded from images "
    "(`benchmarks/bench/_data.py`)."
)
"""What every comparison of searches says of its codes."""
_N_GAUSSIANS, _SPREAD = 50, 3.0
_AT_ONCE = 1_000_000
_QUERY_SEED = 2


def codes(n: int) -> np.ndarray:
    """Return codes (n, 10), float32, of the mixture of 50 Gaussians that shared/engines.md was measured on."""
    path = FOLDER / f"codes-{n}.npy"
    if not path.is_file():
        FOLDER.mkdir(parents=True, exist_ok=True)
        parts = [draw(min(_AT_ONCE, n - start), (1, start)) for start in range(0, n, _AT_ONCE)]
        write(path, np.concatenate(parts))
    return np.load(path)


def queries(n: int) -> np.ndarray:
    """Return other codes (n, 10) of the same mixture."""
    return draw(n, (_QUERY_SEED, 0))


def draw(n: int, seed: tuple[int, int]) -> np.ndarray:
    """Return codes of the mixture: unit Gaussians whose centres are spread three times as far."""
    centers = np.random.default_rng(0).normal(0, _SPREAD, (_N_GAUSSIANS, N_COMPONENTS))
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(n, N_COMPONENTS))
    return (centers[generator.integers(0, _N_GAUSSIANS, n)] + noise).astype(np.float32)


@cache
def covariance() -> np.ndarray:
    """Return the covariance (10, 10) of the mixture, as a model file would hold that of its training codes."""
    return np.cov(draw(50_000, (3, 0)).T)


@cache
def whitening() -> np.ndarray:
    """Return W such that the euclidean distance of x @ W is the Mahalanobis distance of x."""
    values, vectors = np.linalg.eigh(covariance())
    return (vectors / np.sqrt(values)).astype(np.float32)


def write(path: Path, array: np.ndarray) -> None:
    """Write an array whole or not at all."""
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("wb") as file:
        np.save(file, array)
    unfinished.rename(path)
