"""Measures of geometry against scipy, scikit-learn, or the definition written as a plain loop."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from zehn import measures
from zehn.errors import InputError


def gaussian(n: int, stds: Any, seed: int = 0) -> Any:
    turned = np.linalg.qr(np.random.default_rng(seed + 1).normal(size=(len(stds), len(stds))))[0]
    return 5 + (np.random.default_rng(seed).normal(size=(n, len(stds))) * stds) @ turned


# effective dimension ------------------------------------------------------------------------------------------------


def test_principal_squares_average_to_the_eigenvalues_of_the_covariance() -> None:
    codes = gaussian(400, [3.0, 1.0, 0.2]).astype(np.float32)
    expected = np.linalg.eigvalsh(np.cov(codes.astype(np.float64).T, bias=True))[::-1]
    np.testing.assert_allclose(measures.principal_squares(codes).mean(axis=0), expected, rtol=1e-9)


def test_effective_dimensions_golden_values() -> None:
    variances = np.array([[1.0, 1, 1, 1], [1, 0, 0, 0], [4, 1, 0, 0], [0, 0, 0, 0]])
    # (4 + 1)² / (16 + 1), and the entropy of spreads 2 and 1
    np.testing.assert_allclose(measures.participation_ratio(variances), [4, 1, 25 / 17, 0])
    expected = np.exp(stats.entropy([2, 1]))
    np.testing.assert_allclose(measures.rank_me(variances), [4, 1, expected, 0])


def test_rank_me_is_that_of_the_singular_values() -> None:
    codes = gaussian(300, [3.0, 1.0, 0.5, 0.1])
    shares = np.linalg.svd(codes - codes.mean(axis=0), compute_uv=False)
    squares = measures.principal_squares(codes)
    found = measures.rank_me(squares.mean(axis=0)[None])[0]
    assert found == pytest.approx(np.exp(stats.entropy(shares / shares.sum())))


@given(npst.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 8)), elements=st.floats(0, 1e3)))
def test_effective_dimensions_lie_between_one_and_all(variances: Any) -> None:
    for found in (measures.participation_ratio(variances), measures.rank_me(variances)):
        is_spread = (variances > 1e-100).any(axis=1)
        assert (found[is_spread] >= 1 - 1e-9).all()
        assert (found <= variances.shape[1] + 1e-9).all()


# alignment and uniformity -------------------------------------------------------------------------------------------


def test_unrelated_images_are_two_apart_whatever_the_code() -> None:
    codes = gaussian(4_000, [5.0, 1.0, 1.0])
    strangers = codes[np.random.default_rng(0).permutation(len(codes))]
    assert measures.alignment(codes, strangers).mean() == pytest.approx(2, rel=0.05)
    assert measures.alignment(codes, codes).max() == 0
    np.testing.assert_allclose(
        measures.alignment(codes * 7 + 3, strangers * 7 + 3), measures.alignment(codes, strangers)
    )


def test_alignment_is_the_papers_on_centred_points_of_the_sphere() -> None:
    half = np.random.default_rng(0).normal(size=(50, 4))
    points = np.concatenate([half, -half]) / np.linalg.norm(np.concatenate([half, half]), axis=1, keepdims=True)
    views = np.roll(points, 1, axis=0)
    # lalign of the paper's appendix: (x - y).norm(p=2, dim=1).pow(2).mean()
    np.testing.assert_allclose(measures.alignment(points, views), np.linalg.norm(points - views, axis=1) ** 2)


def test_uniformity_is_the_papers_on_centred_points_of_the_sphere() -> None:
    half = np.random.default_rng(0).normal(size=(50, 4))
    points = np.concatenate([half, -half]) / np.linalg.norm(np.concatenate([half, half]), axis=1, keepdims=True)
    # lunif of the paper's appendix: torch.pdist(x, p=2).pow(2).mul(-2).exp().mean().log()
    pairs = [np.exp(-2 * np.sum((a - b) ** 2)) for a, b in itertools.combinations(points, 2)]
    mean = measures.affinities(points).mean()
    assert measures.uniformity(np.array([[mean]]), mean)[0] == pytest.approx(np.log(np.mean(pairs)))


@pytest.mark.parametrize(("n_dimensions", "expected"), [(1, -0.5 * np.log(9)), (10, -5 * np.log(1.8))])
def test_uniformity_of_normal_codes_is_known(n_dimensions: int, expected: float) -> None:
    # |u − v|² is 2/d times a χ² of d degrees, whose moment generating function is (1 − 2 t)^(−d/2)
    mean = measures.affinities(gaussian(3_000, np.ones(n_dimensions))).mean()
    assert np.log(mean) == pytest.approx(expected, abs=0.05)


def test_uniformity_is_worst_where_all_codes_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert measures.affinities(np.full((5, 3), 0.1)).tolist() == [1.0] * 5
    codes = gaussian(50, [1.0, 1.0])
    whole = measures.affinities(codes)
    monkeypatch.setattr("zehn.measures.geometry._CHUNK_BYTES", 8 * 50 * 7)
    np.testing.assert_allclose(measures.affinities(codes), whole)


def test_the_interval_of_uniformity_is_as_wide_as_uniformity_varies() -> None:
    found = []
    for seed in range(120):
        affinities = measures.affinities(np.random.default_rng(seed).normal(size=(300, 2)))
        statistic = partial(measures.uniformity, mean=float(affinities.mean()))
        found.append(measures.Resamples(300, 200).interval_of(affinities[:, None], statistic))
    spread = np.std([one.mean for one in found])
    assert np.mean([one.high - one.low for one in found]) == pytest.approx(2 * 1.96 * spread, rel=0.15)
    assert 0.85 <= np.mean([one.low <= -np.log(5) <= one.high for one in found]) <= 0.99


# hubness ------------------------------------------------------------------------------------------------------------


def test_occurrences_and_their_skewness() -> None:
    neighbors = np.array([[1, 2], [2, 0], [1, 3], [2, -1]])
    counts = measures.count_occurrences(neighbors, 5)
    assert counts.tolist() == [1, 2, 3, 1, 0]
    columns = measures.moments(counts)
    assert measures.skewness(columns.mean(axis=0)[None])[0] == pytest.approx(stats.skew(counts))


@given(npst.arrays(np.int64, st.integers(2, 60), elements=st.integers(0, 40)))
def test_skewness_is_scipy_s_or_nothing(values: Any) -> None:
    found = measures.skewness(measures.moments(values).mean(axis=0)[None])[0]
    assert found == pytest.approx(stats.skew(values) if np.ptp(values) else 0.0, abs=1e-9)


def test_hubs_appear_in_many_dimensions_as_radovanovic_found() -> None:
    from sklearn.neighbors import NearestNeighbors

    skews = []
    for n_dimensions in (3, 20, 100):  # figure 1 of the paper: normal data of 3, 20 and 100 dimensions
        points = np.random.default_rng(0).normal(size=(1_500, n_dimensions))
        neighbors = NearestNeighbors(n_neighbors=5).fit(points).kneighbors(return_distance=False)
        columns = measures.moments(measures.count_occurrences(neighbors, len(points)))
        skews.append(float(measures.skewness(columns.mean(axis=0)[None])[0]))
    assert skews[0] < 0.5
    assert 1.5 < skews[1] < skews[2]


# intervals of functions of means ------------------------------------------------------------------------------------


def test_interval_of_a_function_agrees_with_scipy_s_bootstrap() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=600)
    ours = measures.Resamples(600, 4_000, seed=1).interval_of(measures.moments(values), measures.skewness)
    theirs = stats.bootstrap((values,), stats.skew, n_resamples=4_000, method="percentile", rng=2).confidence_interval
    width = theirs.high - theirs.low
    assert ours.mean == pytest.approx(stats.skew(values))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.06 * width)


def test_interval_of_the_effective_dimension_agrees_with_resampling_the_codes() -> None:
    codes, generator = gaussian(500, [2.0, 1.0, 1.0, 0.5]), np.random.default_rng(4)

    def ratio(values: Any) -> float:
        found = np.linalg.eigvalsh(np.cov(values.T, bias=True))
        return float(found.sum() ** 2 / (found**2).sum())

    redrawn = [ratio(codes[generator.integers(0, 500, 500)]) for _ in range(2_000)]
    low, high = np.quantile(redrawn, [0.025, 0.975])
    squares = measures.principal_squares(codes)
    ours = measures.Resamples(500, 2_000).interval_of(squares, measures.participation_ratio)
    assert ours.mean == pytest.approx(ratio(codes))
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.15 * (high - low))


def test_the_interval_of_a_mean_is_the_interval() -> None:
    values, resamples = np.random.default_rng(0).random(80), measures.Resamples(80, 300, seed=2)
    as_function = resamples.interval_of(values[:, None], lambda means: means[:, 0])
    assert as_function.as_dict() == pytest.approx(resamples.interval(values).as_dict())


def test_a_share_of_nothing_has_no_bound_below_zero() -> None:
    values = np.zeros(2_000)
    values[0] = 1.0
    assert measures.interval(values).low == 0.0


def test_resized_resamples_are_of_the_same_seed() -> None:
    resamples = measures.Resamples(50, 100, seed=3)
    values = np.random.default_rng(0).random(20)
    assert resamples.resized(20).interval(values) == measures.interval(values, 100, seed=3)
    assert resamples.resized(50) is resamples


# what is refused ----------------------------------------------------------------------------------------------------


def test_codes_that_have_no_geometry_are_refused() -> None:
    codes = gaussian(10, [1.0, 1.0])
    with pytest.raises(InputError, match="finite numbers"):
        measures.principal_squares(codes * np.nan)
    with pytest.raises(InputError, match="all codes are equal"):
        measures.alignment(np.ones((3, 2)), np.ones((3, 2)))
    with pytest.raises(InputError, match=r"came \(10, 2\) and \(9, 2\)"):
        measures.alignment(codes, codes[1:])
    with pytest.raises(InputError, match="at least two codes, came 1"):
        measures.affinities(codes[:1])
    with pytest.raises(InputError, match="neighbours from 0 to 2, came 3"):
        measures.count_occurrences(np.array([[3]]), 3)
    with pytest.raises(InputError, match="expected 10 finite values"):
        measures.Resamples(10).interval_of(np.zeros((9, 2)), measures.participation_ratio)
