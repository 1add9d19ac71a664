"""Every measure against a reference library, or against the definition written as a plain loop."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from zehn import measures
from zehn.errors import InputError

RELEVANT = npst.arrays(np.bool_, st.tuples(st.integers(1, 5), st.integers(1, 40)))


def average_precision_by_loop(relevant: Any, depth: int, divisor: int) -> float:
    found, total = 0, 0.0
    for rank, match in enumerate(relevant[:depth], start=1):
        if match:
            found += 1
            total += found / rank
    return total / divisor if divisor else 0.0


@given(RELEVANT, st.integers(1, 50))
def test_precision_and_hit_are_the_definition(relevant: Any, k: int) -> None:
    for row, precision, hit in zip(
        relevant, measures.precision_at(relevant, k), measures.hit_at(relevant, k), strict=True
    ):
        assert precision == pytest.approx(sum(row[:k]) / min(k, len(row)))
        assert hit == float(any(row[:k]))


@given(RELEVANT, st.integers(1, 50))
def test_average_precision_divides_by_what_was_found(relevant: Any, k: int) -> None:
    for row, value in zip(relevant, measures.average_precision_at(relevant, k), strict=True):
        assert value == pytest.approx(average_precision_by_loop(row, k, int(sum(row[:k]))))


@given(RELEVANT, st.data())
def test_map_at_r_stops_at_each_query_s_own_r_and_divides_by_it(relevant: Any, data: st.DataObject) -> None:
    n_relevant = np.array([data.draw(st.integers(0, relevant.shape[1])) for _ in relevant])
    for row, r, value in zip(relevant, n_relevant, measures.map_at_r(relevant, n_relevant), strict=True):
        assert value == pytest.approx(average_precision_by_loop(row, int(r), int(r)))


def test_average_precision_agrees_with_sklearn_where_all_relevant_are_ranked() -> None:
    from sklearn.metrics import average_precision_score

    relevant = np.random.default_rng(0).random((20, 60)) < 0.2
    relevant[:, 3] = True
    scores = np.arange(60, 0, -1)
    expected = [average_precision_score(row, scores) for row in relevant]
    np.testing.assert_allclose(measures.average_precision_at(relevant, 60), expected)


def test_map_at_r_golden_values_from_the_paper() -> None:
    # Musgrave et al., figure 3 and section 3.2: R = 10, one relevant hit first scores 0.1, ten of ten score 1
    one_first = np.array([[True] + [False] * 9])
    two_apart = np.array([[True] + [False] * 8 + [True]])
    ten = np.r_[10]
    assert measures.map_at_r(one_first, ten)[0] == pytest.approx(0.1)
    assert measures.map_at_r(two_apart, ten)[0] == pytest.approx(0.12)
    assert measures.map_at_r(np.ones((1, 10), bool), ten)[0] == 1.0


def test_knn_accuracy_is_sklearn_s() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(300, 3)), generator.integers(0, 6, 300)
    queries, labels = generator.normal(size=(100, 3)), generator.integers(0, 6, 100)
    classifier = KNeighborsClassifier(5).fit(x, y)
    neighbors = y[classifier.kneighbors(queries, return_distance=False)]
    expected = classifier.predict(queries) == labels
    np.testing.assert_array_equal(measures.knn_accuracy(neighbors, labels), expected)


@given(npst.arrays(np.int64, st.tuples(st.just(1), st.integers(1, 20)), elements=st.integers(0, 4)), st.integers(0, 4))
def test_a_tie_of_classes_goes_to_the_lowest(neighbors: Any, label: int) -> None:
    counts = Counter(neighbors[0].tolist())
    winner = min(x for x in counts if counts[x] == max(counts.values()))
    assert measures.knn_accuracy(neighbors, np.array([label]))[0] == (winner == label)


def test_overlap_counts_shared_ids_whatever_their_order() -> None:
    a, b = np.array([[1, 2, 3, 4], [5, 6, 7, 8]]), np.array([[4, 3, 9, 10], [1, 2, 3, 4]])
    assert measures.overlap(a, b).tolist() == [0.5, 0.0]
    assert measures.overlap(a, a[:, ::-1]).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_nothing_ranked_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="at least one query"):
        measures.precision_at(np.zeros(shape, bool), 3)


def test_k_of_zero_is_refused() -> None:
    with pytest.raises(InputError, match="k = 0"):
        measures.hit_at(np.ones((2, 2), bool), 0)


def test_too_few_ranks_for_r_are_refused() -> None:
    with pytest.raises(InputError, match="needs 5 ranks, came 3"):
        measures.map_at_r(np.ones((1, 3), bool), np.array([5]))


# intervals ----------------------------------------------------------------------------------------------------------


def test_interval_agrees_with_scipy_s_bootstrap() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(0).exponential(size=400)
    ours = measures.interval(values, n_resamples=5_000, seed=3)
    theirs = bootstrap((values,), np.mean, n_resamples=5_000, method="percentile", rng=4).confidence_interval
    assert ours.mean == pytest.approx(values.mean())
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.05 * width)


def test_interval_covers_the_truth_about_19_times_in_20() -> None:
    generator = np.random.default_rng(0)
    resamples = measures.Resamples(200, 500)
    intervals = [resamples.interval(generator.normal(1.0, 2.0, 200)) for _ in range(300)]
    assert 0.90 <= np.mean([x.low <= 1.0 <= x.high for x in intervals]) <= 0.99


def test_interval_holds_its_mean_whatever_rounding_does() -> None:
    found = measures.interval(np.full(3, 0.4))  # whose mean comes out as 0.4 + 6e-17
    assert found.low == found.mean == found.high == 0.4


def test_interval_of_one_constant_and_one_value() -> None:
    assert measures.interval(np.full(50, 0.25)) == measures.Interval(0.25, 0.25, 0.25)
    assert measures.interval(np.array([0.5])) == measures.Interval(0.5, 0.5, 0.5)
    assert measures.Interval(0.5, 0.4, 0.6).as_dict() == {"mean": 0.5, "low": 0.4, "high": 0.6}


def test_several_measures_share_the_resamples() -> None:
    values = np.random.default_rng(5).random((3, 100))
    resamples = measures.Resamples(100, 300, seed=1)
    together = resamples.intervals({"a": values[0], "b": values[1], "c": values[2]})
    for name, column in zip("abc", values, strict=True):
        alone = resamples.interval(column)
        assert (together[name].low, together[name].high) == pytest.approx((alone.low, alone.high), abs=1e-7)
    assert together["a"] == measures.Resamples(100, 300, seed=1).intervals({"a": values[0], "b": values[1]})["a"]
    assert measures.interval(values[0], 300, seed=2) != measures.interval(values[0], 300, seed=1)


def test_paired_agrees_with_scipy_s_sign_flip_test() -> None:
    from scipy.stats import permutation_test

    generator = np.random.default_rng(2)
    a = generator.normal(size=60)
    for shift in (0.0, 0.2, 0.35):
        b = a + generator.normal(shift, 1.0, 60)
        ours = measures.paired(a, b)
        theirs = permutation_test(
            (a - b,), np.mean, permutation_type="samples", n_resamples=9_999, rng=generator, vectorized=True
        )
        assert ours["p_value"] == pytest.approx(theirs.pvalue, abs=0.02)
        assert ours["difference"]["mean"] == pytest.approx(np.mean(a - b))


def test_paired_knows_the_exact_p_value_of_few_queries() -> None:
    # 8 of 8 differences positive: 2 of the 256 flips are as extreme
    result = measures.paired(np.full(8, 0.3), np.zeros(8))
    assert result["p_value"] == pytest.approx(2 / 256, abs=0.003)
    assert result["difference"] == {"mean": pytest.approx(0.3), "low": pytest.approx(0.3), "high": pytest.approx(0.3)}


def test_equal_scores_differ_by_nothing() -> None:
    values = np.random.default_rng(0).random(40)
    assert measures.paired(values, values) == {"difference": {"mean": 0.0, "low": 0.0, "high": 0.0}, "p_value": 1.0}


def test_wrong_values_are_refused() -> None:
    with pytest.raises(InputError, match="expected 3 finite values"):
        measures.Resamples(3).interval(np.zeros(4))
    with pytest.raises(InputError, match="no numbers"):
        measures.interval(np.array([0.0, np.nan]))
    with pytest.raises(InputError, match="at least one"):
        measures.interval(np.zeros(0))
    with pytest.raises(InputError, match="expected 4 finite"):
        measures.paired(np.zeros(4), np.zeros(5))


def test_each_purpose_draws_from_a_stream_of_its_own() -> None:
    streams = [np.random.default_rng(3), *(measures.generator(3, purpose) for purpose in measures.Purpose)]
    streams += [measures.generator(3, measures.Purpose.ORDER, row) for row in range(3)]
    drawn = [tuple(stream.integers(0, 2**62, 4)) for stream in [*streams, measures.generator(4, measures.Purpose(0))]]
    assert len(set(drawn)) == len(drawn)
    again = measures.generator(3, measures.Purpose.FLIPS)
    assert tuple(again.integers(0, 2**62, 4)) == drawn[1 + measures.Purpose.FLIPS]


def test_purposes_keep_their_numbers() -> None:
    assert {purpose.name: purpose.value for purpose in measures.Purpose} == {
        "RESAMPLES": 0, "FLIPS": 1, "COMPONENTS": 2, "ORDER": 3, "CHOICES": 4,
    }  # fmt: skip


def test_resamples_and_flips_are_drawn_for_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def watched(*key: int) -> np.random.Generator:
        asked.append(key)
        return measures.generator(*key)  # type: ignore[arg-type]

    monkeypatch.setattr("zehn.measures.intervals.generator", watched)
    measures.paired(np.arange(5.0), np.zeros(5), seed=9)
    assert asked == [(9, measures.Purpose.RESAMPLES), (9, measures.Purpose.FLIPS)]


# reconstruction -----------------------------------------------------------------------------------------------------


def pictures(n: int = 5, size: tuple[int, int] = (32, 32), seed: int = 0) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    images = generator.random((n, *size, 3))
    images[0] = np.linspace(0, 1, size[1])[None, :, None]
    return images, np.clip(images + generator.normal(0, 0.1, images.shape), 0, 1)


@pytest.mark.parametrize("size", [(32, 32), (11, 11), (28, 40)])
def test_image_measures_are_scikit_image_s(size: tuple[int, int]) -> None:
    from skimage import metrics

    images, reconstructions = pictures(size=size)
    ours = measures.score_reconstructions(images, reconstructions)
    for i, (x, y) in enumerate(zip(images, reconstructions, strict=True)):
        expected = metrics.structural_similarity(
            x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1, channel_axis=-1
        )
        assert ours["ssim"][i] == pytest.approx(expected, abs=1e-9)
        assert ours["mse"][i] == pytest.approx(metrics.mean_squared_error(x, y))
        assert ours["psnr"][i] == pytest.approx(metrics.peak_signal_noise_ratio(x, y, data_range=1))


def test_channel_accuracy_is_the_share_of_pixels_with_the_same_largest_channel() -> None:
    images = np.zeros((1, 11, 11, 3), np.float32)
    images[..., 1] = 0.5
    reconstructions = images.copy()
    reconstructions[0, 0, :, 2] = 0.9
    assert measures.channel_accuracy(images, reconstructions)[0] == pytest.approx(1 - 11 / 121)
    grey = np.full((1, 11, 11, 3), 0.5)
    assert measures.channel_accuracy(grey, grey)[0] == 1.0


def test_bytes_and_floats_of_the_same_images_score_the_same() -> None:
    images, reconstructions = pictures()
    as_bytes = np.round(images * 255).astype(np.uint8)
    by_bytes = measures.score_reconstructions(as_bytes, reconstructions)
    by_floats = measures.score_reconstructions(as_bytes / 255.0, reconstructions)
    for name, values in by_bytes.items():
        np.testing.assert_allclose(values, by_floats[name], rtol=1e-12)


def test_many_images_are_scored_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    images, reconstructions = pictures(n=7)
    whole = measures.score_reconstructions(images, reconstructions)
    monkeypatch.setattr("zehn.measures.reconstruction._CHUNK_PIXELS", 2 * images[0].size)
    for name, values in measures.score_reconstructions(images, reconstructions).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-12)


def test_identical_images_get_the_cap() -> None:
    images, _ = pictures()
    scores = measures.score_reconstructions(images, images)
    assert scores["psnr"].tolist() == [measures.PSNR_CAP] * 5
    assert scores["ssim"] == pytest.approx(np.ones(5))
    assert (scores["mse"] == 0).all()


def test_other_shapes_and_tiny_images_are_refused() -> None:
    images, _ = pictures()
    with pytest.raises(InputError, match="as many reconstructions as images"):
        measures.mse(images, images[:3])
    with pytest.raises(InputError, match="at least one"):
        measures.psnr(images[:0], images[:0])
    with pytest.raises(InputError, match="11 × 11"):
        measures.ssim(images[:, :10], images[:, :10])


# codes --------------------------------------------------------------------------------------------------------------


def test_code_statistics_are_scipy_s() -> None:
    from scipy import stats

    codes = np.random.default_rng(0).gamma(2.0, size=(500, 4)).astype(np.float32)
    codes[:, 1] += codes[:, 0]
    summary = measures.summarize_codes(codes)
    for row, column in zip(summary["dimensions"], codes.T.astype(np.float64), strict=True):
        expected = [column.mean(), column.std(), stats.skew(column), stats.kurtosis(column)]
        assert [row[name] for name in ("mean", "std", "skew", "kurtosis")] == pytest.approx(expected)
        assert row["dead"] is False
    np.testing.assert_allclose(summary["correlations"], np.corrcoef(codes.T.astype(np.float64)), atol=1e-9)


def test_dead_dimensions_are_named_and_nothing_is_nan() -> None:
    codes = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    codes[:, 1] = 0.1
    codes[:, 2] *= 0.001
    summary = measures.summarize_codes(codes)
    assert [row["dead"] for row in summary["dimensions"]] == [False, True, True]
    assert summary["dimensions"][1]["std"] == summary["dimensions"][1]["kurtosis"] == 0.0
    assert np.isfinite(summary["correlations"]).all()
    assert summary["correlations"][1] == [0.0, 1.0, 0.0]
    assert all(row["dead"] for row in measures.summarize_codes(np.ones((5, 2)))["dimensions"])


def test_dimensions_that_fell_together_are_dead_though_none_is_narrow_beside_the_others() -> None:
    assert measures.find_dead(np.array([1e-6, 1e-6, 0.9e-6])).tolist() == [True, True, True]
    assert measures.find_dead(np.array([1.0, 0.01, 0.011, 0.0])).tolist() == [False, True, False, True]


def test_codes_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="finite numbers"):
        measures.summarize_codes(np.array([[np.inf, 1.0]]))
    with pytest.raises(InputError, match="at least one code"):
        measures.summarize_codes(np.zeros((0, 10)))


@pytest.mark.parametrize("n_neighbors", [1, 5, 15])
def test_trustworthiness_is_sklearn_s(n_neighbors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.manifold import trustworthiness

    codes = np.random.default_rng(0).normal(size=(200, 10))
    monkeypatch.setattr("zehn.measures.codes._CHUNK_BYTES", 8 * 200 * 33)
    values = []
    for points in (codes[:, :2], codes[:, :2] ** 2, codes[::-1, 5:7].copy()):
        values.append(measures.trustworthiness(codes, points, n_neighbors))
        assert values[-1] == pytest.approx(trustworthiness(codes, points, n_neighbors=n_neighbors), abs=1e-9)
    assert all(better > worse for better, worse in pairwise(values))
    assert measures.trustworthiness(codes, codes, n_neighbors) == 1.0


def test_purity_is_the_share_of_neighbours_of_the_same_class() -> None:
    from sklearn.neighbors import NearestNeighbors

    generator = np.random.default_rng(0)
    points, labels = generator.normal(size=(300, 2)), generator.integers(0, 3, 300)
    neighbors = NearestNeighbors(n_neighbors=10).fit(points).kneighbors(return_distance=False)
    expected = (labels[neighbors] == labels[:, None]).mean(axis=1)
    np.testing.assert_allclose(measures.neighbor_purity(points, labels), expected)


def test_a_map_that_fell_into_one_point_still_has_neighbours() -> None:
    points, labels = np.zeros((40, 2)), np.arange(40) % 2
    purity = measures.neighbor_purity(points, labels, 5)
    assert purity.shape == (40,)
    assert ((purity >= 0) & (purity <= 1)).all()
    assert 0.0 <= measures.trustworthiness(np.random.default_rng(0).normal(size=(40, 3)), points, 5) <= 1.0


def test_maps_of_another_size_are_refused() -> None:
    points = np.random.default_rng(0).normal(size=(10, 2))
    with pytest.raises(InputError, match="half as many neighbours"):
        measures.trustworthiness(points, points[:9], 2)
    with pytest.raises(InputError, match="half as many neighbours"):
        measures.trustworthiness(points, points, 5)
    with pytest.raises(InputError, match="a label per point"):
        measures.neighbor_purity(points, np.zeros(9, int), 2)
    with pytest.raises(InputError, match="fewer neighbours than points"):
        measures.neighbor_purity(points, np.zeros(10, int), 10)
