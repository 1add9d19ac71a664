"""Every distance against scipy; the axioms of metrics; codes that have no direction; singular covariances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.spatial.distance import cdist

from zehn import distances
from zehn.errors import ConfigError, InputError, UnknownNameError

SCIPY: dict[str, Any] = {
    "euclidean": "euclidean",
    "cosine": "cosine",
    "manhattan": "cityblock",
    "chebyshev": "chebyshev",
    "mahalanobis": "mahalanobis",
    "correlation": "correlation",
}
METRICS = ["euclidean", "manhattan", "chebyshev", "mahalanobis"]
GENERATOR = np.random.default_rng(0)
TRAINING = GENERATOR.normal(size=(500, 10)) @ GENERATOR.normal(size=(10, 10)) + 3
MEAN, COVARIANCE = TRAINING.mean(axis=0), np.cov(TRAINING.T)
CODES = npst.arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.just(10)),
    elements=st.floats(-100, 100, width=32, allow_subnormal=False),
)


def by_scipy(name: str, queries: Any, codes: Any) -> Any:
    extra: Any = {"VI": np.linalg.inv(COVARIANCE)} if name == "mahalanobis" else {}
    return cdist(queries.astype(np.float64), codes.astype(np.float64), SCIPY[name], **extra)


def ours(name: str, queries: Any, codes: Any) -> Any:
    return distances.between(name, queries, codes, MEAN, COVARIANCE)


def test_all_distances_of_the_issue_are_there() -> None:
    assert distances.names() == sorted(SCIPY)


@pytest.mark.parametrize("name", distances.names())
def test_values_are_scipy_s(name: str) -> None:
    queries, codes = TRAINING[:20].astype(np.float32), TRAINING.astype(np.float32)
    np.testing.assert_allclose(ours(name, queries, codes), by_scipy(name, queries, codes), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", distances.names())
def test_what_is_said_of_preparing_is_what_it_does(name: str) -> None:
    distance = distances.get(name, MEAN, COVARIANCE)
    assert distance.is_described
    matrix = distance.linear(TRAINING.shape[1])
    mapped = TRAINING if matrix is None else TRAINING @ matrix.T
    if distance.is_directional:
        mapped = mapped / np.linalg.norm(mapped, axis=1, keepdims=True)
    prepared = distance.prepare(TRAINING)
    expected = distances.base_distances(prepared[:20], prepared, distance.metric)
    found = distances.base_distances(mapped[:20], mapped, distance.metric)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", distances.names())
def test_prepared_codes_keep_the_order_and_finish_to_the_values(name: str) -> None:
    distance = distances.get(name, MEAN, COVARIANCE)
    prepared = distance.prepare(TRAINING)
    base = distances.base_distances(prepared[:20], prepared, distance.metric)
    expected = by_scipy(name, TRAINING[:20], TRAINING)
    np.testing.assert_allclose(distance.finish(base), expected, rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(base.argsort(axis=1)[:, 1:100], expected.argsort(axis=1)[:, 1:100])
    assert distance.name == name


@pytest.mark.parametrize("name", distances.names())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_preparing_and_finishing_keep_the_type(name: str, dtype: type) -> None:
    distance = distances.get(name, MEAN, COVARIANCE)
    prepared = distance.prepare(TRAINING.astype(dtype))
    assert prepared.dtype == dtype
    assert distance.finish(prepared[0]).dtype == dtype


@pytest.mark.parametrize("name", distances.names())
@given(CODES, CODES, CODES)
def test_axioms(name: str, a: Any, b: Any, c: Any) -> None:
    ab, ba, aa = ours(name, a, b), ours(name, b, a), ours(name, a, a)
    scale = 1e-3 if name in METRICS else 1e-6
    assert (ab >= 0).all()
    np.testing.assert_allclose(ab, ba.T, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(np.diag(aa), 0, atol=1e-7)
    if name in METRICS:
        detour = ours(name, a, c)[:, :, None] + ours(name, c, b)[None]
        assert (ab[:, None] <= detour * (1 + 1e-6) + scale).all()
    else:
        assert (ab <= 2 + scale).all()


@given(CODES, st.floats(0.125, 8, width=32))
def test_cosine_forgets_length_and_correlation_offset_too(codes: Any, factor: float) -> None:
    base = np.arange(10, dtype=np.float32)[None] ** 2
    np.testing.assert_allclose(ours("cosine", base, codes), ours("cosine", base * factor, codes), atol=1e-6)
    moved = base * factor + np.float32(7)
    np.testing.assert_allclose(ours("correlation", base, codes), ours("correlation", moved, codes), atol=1e-6)


@pytest.mark.parametrize(("name", "blank"), [("cosine", 0.0), ("correlation", 0.0), ("correlation", 2.3)])
def test_a_code_without_direction_is_at_one_from_all_but_its_like(name: str, blank: float) -> None:
    codes = TRAINING[:5].astype(np.float32)
    codes[3:] = blank
    found = ours(name, codes, codes)
    np.testing.assert_allclose(found[3:, :3], 1, rtol=1e-6)
    np.testing.assert_allclose(found[:3, 3:], 1, rtol=1e-6)
    np.testing.assert_array_equal(found[3:, 3:], 0)


@pytest.mark.parametrize("name", distances.names())
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_codes_that_are_no_numbers_are_refused(name: str, bad: float) -> None:
    codes = TRAINING[:3].copy()
    codes[1, 4] = bad
    with pytest.raises(InputError, match=f"{name}: codes hold NaN or infinity"):
        distances.get(name, MEAN, COVARIANCE).prepare(codes)


def test_an_unknown_distance_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'euclidean'"):
        distances.get("euclidian")


def test_mahalanobis_wants_the_model_s_covariance_and_codes_of_its_size() -> None:
    with pytest.raises(ConfigError, match="covariance of the training codes"):
        distances.get("mahalanobis")
    with pytest.raises(InputError, match="codes have 4 dimensions but the model has 10"):
        distances.get("mahalanobis", MEAN, COVARIANCE).prepare(np.zeros((2, 4)))
    with pytest.raises(InputError, match="NaN or infinity"):
        distances.get("mahalanobis", MEAN, np.full((10, 10), np.nan))


@pytest.mark.parametrize("name", distances.names())
def test_codes_of_two_sizes_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="queries have 4 dimensions but codes 10"):
        ours(name, np.zeros((2, 4)), np.zeros((3, 10)))


def test_a_singular_covariance_is_regularised_and_a_sound_one_left_alone() -> None:
    codes = TRAINING.copy()
    codes[:, 3] = 1.0
    codes[:, 5] = codes[:, 6]
    singular = np.cov(codes.T)
    found = distances.between("mahalanobis", codes[:10], codes, codes.mean(axis=0), singular)
    assert np.isfinite(found).all()
    inverse = np.linalg.inv(singular + 1e-6 * np.trace(singular) / 10 * np.eye(10))
    np.testing.assert_allclose(found, cdist(codes[:10], codes, "mahalanobis", VI=inverse), rtol=1e-3, atol=1e-5)
    nothing = distances.between("mahalanobis", np.ones((2, 3)), np.ones((2, 3)), np.ones(3), np.zeros((3, 3)))
    np.testing.assert_array_equal(nothing, 0)


def test_many_queries_go_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ours("correlation", TRAINING[:50], TRAINING)
    monkeypatch.setattr("zehn.distances._CHUNK_BYTES", 8 * 500 * 7)
    np.testing.assert_array_equal(ours("correlation", TRAINING[:50], TRAINING), whole)


@pytest.mark.parametrize("name", distances.names())
@pytest.mark.parametrize("n_threads", [1, 3])
def test_all_codes_are_ranked_as_by_a_stable_sort(name: str, n_threads: int) -> None:
    codes = np.repeat(TRAINING, 3, axis=0)[np.random.default_rng(1).permutation(1_500)].astype(np.float32)
    queries = codes[:20]
    places, found = distances.ranked(name, queries, codes, MEAN, COVARIANCE, n_threads=n_threads)
    apart = ours(name, queries, codes)
    expected = np.argsort(apart, axis=1, kind="stable")
    np.testing.assert_array_equal(places, expected)
    np.testing.assert_array_equal(found, np.take_along_axis(apart, expected, axis=1))
    np.testing.assert_allclose(found, np.sort(by_scipy(name, queries, codes), axis=1), rtol=2e-6, atol=1e-7)
    assert places.dtype == np.int64
    assert found.dtype == np.float32


@pytest.mark.parametrize("name", ["euclidean", "manhattan", "chebyshev"])
@given(st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_ranks_are_those_of_scipy_s_distances_ties_by_place(name: str, n: int, seed: int) -> None:
    # few whole numbers: nearly every distance is tied
    codes = np.random.default_rng(seed).integers(-2, 3, size=(n, 4)).astype(np.float32)
    queries = np.arange(8, dtype=np.float32).reshape(2, 4)
    places, found = distances.ranked(name, queries, codes)
    expected = by_scipy(name, queries, codes)
    np.testing.assert_array_equal(places, np.argsort(expected, axis=1, kind="stable"))
    np.testing.assert_array_equal(found, np.sort(expected, axis=1).astype(np.float32))


def test_ranking_takes_any_size_of_numbers() -> None:
    codes = np.array([[3e38], [0], [1e-45], [1], [-0.0], [1e-30], [65_536], [0.5]], np.float32)
    places, found = distances.ranked("manhattan", np.zeros((1, 1), np.float32), codes)
    assert places.tolist() == [[1, 4, 2, 5, 7, 3, 6, 0]]
    np.testing.assert_array_equal(found[0], codes[places[0], 0])


@pytest.mark.parametrize("n", [1, 2, 3, 16, 499])
def test_a_code_is_at_0_from_itself_however_many_are_prepared_with_it(n: int) -> None:
    distance = distances.get("mahalanobis", MEAN, COVARIANCE)
    np.testing.assert_array_equal(distance.prepare(TRAINING[:n]), distance.prepare(TRAINING)[:n])


def test_ranking_refuses_codes_of_two_sizes() -> None:
    with pytest.raises(InputError, match="queries have 4 dimensions but codes 10"):
        distances.ranked("euclidean", np.zeros((2, 4)), np.zeros((3, 10)))
