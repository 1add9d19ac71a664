"""Codes in memory: columns that few codes need are kept once one does, and copies of a code are tied."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zehn import distances
from zehn.engines import Mirror
from zehn.engines._index import Options

GENERATOR = np.random.default_rng(0)
MIXING = GENERATOR.normal(size=(4, 4))
by_tree_or_scan = pytest.mark.parametrize("n_scanned", [0, 10_000])


def check(mirror: Mirror, queries: Any, name: str, k: int = 9) -> None:
    """The answer is that of sorting all distances, ties by id."""
    distance = distances.get(name, np.ones(4), MIXING @ MIXING.T)
    apart = distances.between(name, queries, mirror.codes, np.ones(4), MIXING @ MIXING.T)
    order = np.argsort(apart, axis=1, kind="stable")[:, :k]
    ids, found, recall = mirror.search(queries, k, distance)
    np.testing.assert_array_equal(ids, mirror.ids[order])
    np.testing.assert_allclose(found, np.take_along_axis(apart, order, axis=1), rtol=1e-6, atol=1e-12)
    assert recall == 1.0


@by_tree_or_scan
@pytest.mark.parametrize("name", ["cosine", "correlation"])
@pytest.mark.parametrize("by", ["query", "stored", "added"])
def test_a_code_without_direction_comes_early_or_late(name: str, by: str, n_scanned: int) -> None:
    codes = GENERATOR.normal(size=(600, 4)).astype(np.float32)
    blank = np.zeros((1, 4), np.float32)
    if by == "stored":
        codes[17] = 0
    mirror = Mirror(np.arange(600), codes, Options(n_scanned=n_scanned))
    check(mirror, codes[:30:2], name)
    if by == "added":
        mirror.update(np.array([5, 700]), np.array([700]), blank)
        assert len(mirror.ids) == 600
    for queries in (codes[:10], blank, np.concatenate([codes[:10], blank]), codes[:10]):
        check(mirror, queries, name)


@by_tree_or_scan
@pytest.mark.parametrize("name", distances.names())
def test_copies_of_a_code_are_tied_in_the_tree_and_beside_it(name: str, n_scanned: int) -> None:
    codes = np.repeat(1_000 + GENERATOR.normal(size=(40, 4)), 20, axis=0).astype(np.float32)
    mirror = Mirror(np.arange(800), codes, Options(n_scanned=n_scanned))
    distance = distances.get(name, np.ones(4), MIXING @ MIXING.T)
    mirror.search(codes[:1], 1, distance)
    mirror.update(np.arange(800, 840), np.arange(800, 840), codes[::20])
    ids, _, _ = mirror.search(codes[::20], 21, distance)
    assert ids.tolist() == [[*range(20 * i, 20 * i + 20), 800 + i] for i in range(40)]


@by_tree_or_scan
@pytest.mark.parametrize("d", [4, 20])
@pytest.mark.parametrize("name", [name for name in distances.names() if name != "mahalanobis"])
def test_nothing_is_found_where_the_only_code_is_left_out(name: str, d: int, n_scanned: int) -> None:
    codes = GENERATOR.normal(size=(1, d)).astype(np.float32)
    mirror = Mirror(np.array([7]), codes, Options(n_scanned=n_scanned))
    ids, found, _ = mirror.search(codes, 1, distances.get(name), exclude=np.array([7]))
    assert (ids.tolist(), found.tolist()) == ([[-1]], [[np.inf]])
