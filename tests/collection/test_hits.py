"""The shares of the dimensions add up to the distance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from zehn import distances
from zehn.collection import hits

GENERATOR = np.random.default_rng(0)
MIXING = GENERATOR.normal(size=(10, 10))
COVARIANCE = MIXING @ MIXING.T + np.eye(10)
QUERY = GENERATOR.normal(size=10).astype(np.float32)
CODES = GENERATOR.normal(size=(5, 10)).astype(np.float32)


@pytest.mark.parametrize("name", distances.names())
def test_shares_add_up_to_one(name: str) -> None:
    distance = distances.get(name, np.zeros(10), COVARIANCE)
    shares = hits.contributions(distance, QUERY, CODES)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    if name != "mahalanobis":
        assert (shares >= 0).all()
    assert (hits.contributions(distance, QUERY, QUERY[None]) == 0).all()


def test_shares_are_those_of_the_definition() -> None:
    differences = CODES.astype(float) - QUERY.astype(float)
    squares = np.square(differences)
    np.testing.assert_allclose(
        hits.contributions(distances.get("euclidean"), QUERY, CODES), squares / squares.sum(axis=1, keepdims=True)
    )
    inverse = np.linalg.inv(COVARIANCE)
    expected = differences * (differences @ inverse)
    squared = np.square(cdist(CODES, QUERY[None], "mahalanobis", VI=inverse))
    found = hits.contributions(distances.get("mahalanobis", np.ones(10), COVARIANCE), QUERY, CODES)
    np.testing.assert_allclose(found, expected / squared, rtol=1e-5, atol=1e-7)
