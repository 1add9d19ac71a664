"""What is measured without labels, against plain loops, and the verdicts on codes that are known to be good or bad."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from zehn import codes as coding
from zehn import datasets, distances, distort, models, store
from zehn.evaluate import geometry, label_free
from zehn.evaluate.verdict import judge
from zehn.measures import Resamples

N_TRAIN, N_TEST = 200, 60


@pytest.fixture(scope="module")
def digits() -> datasets.Dataset:
    return datasets.subset(datasets.load("digits"), N_TRAIN, N_TEST, seed=0)


@pytest.fixture(scope="module")
def model(digits: datasets.Dataset) -> store.Model:
    return coding.from_network(models.build("dense", n_components=6, seed=1), digits.x_train)


def check(model: store.Model, digits: datasets.Dataset, name: str = "euclidean", **options: Any) -> dict[str, Any]:
    codes = coding.encode(model, digits.images)
    measured = distances.get(name, model.code_mean, model.code_covariance)
    resamples = Resamples(digits.n_test, 50, 4)
    return label_free.check_label_free(model, digits, codes, measured, resamples, **options)


def look(model: store.Model, digits: datasets.Dataset) -> dict[str, str]:
    codes = coding.encode(model, digits.x_test)
    described = geometry.describe_geometry(codes, distances.get("euclidean"), Resamples(len(codes), 50, 4))
    json.dumps(described, allow_nan=False)
    return judge(described, check(model, digits))


def with_last_layer(model: store.Model, scales: Any, offset: float = 0.0) -> store.Model:
    """The model with each dimension of its codes scaled."""
    weights = dict(model.weights)
    last = [name for name in weights if name.startswith("encoder.") and len(weights[name]) == model.n_components]
    assert len(last) == 2
    for name in last:
        shape = (-1,) + (1,) * (weights[name].ndim - 1)
        weights[name] = (weights[name] * np.reshape(scales, shape)).astype(np.float32)
        weights[name] = weights[name] + np.float32(offset if weights[name].ndim == 1 else 0)
    return dataclasses.replace(model, weights=weights)


# the label-free check -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["euclidean", "cosine", "chebyshev", "mahalanobis"])
def test_recall_is_that_of_sorting_all_distances(name: str, model: store.Model, digits: datasets.Dataset) -> None:
    found, codes = check(model, digits, name), coding.encode(model, digits.images)
    assert (found["n_queries"], found["n_database"]) == (N_TEST, N_TRAIN + N_TEST)
    assert list(found["distortions"]) == ["none", *label_free.DISTORTIONS]
    for row, (how, strength) in label_free.DISTORTIONS.items():
        distorted, _, _ = next(how(digits.x_test, strength, seed=4, batch_size=N_TEST))
        views = coding.encode(model, distorted)
        apart = distances.between(name, views, codes, model.code_mean, model.code_covariance)
        expected = (apart.argmin(axis=1) == np.arange(N_TRAIN, N_TRAIN + N_TEST)).mean()
        assert found["distortions"][row]["recall@1"]["mean"] == pytest.approx(expected, abs=1e-9)
        own = codes[N_TRAIN:].astype(np.float64)
        scale = np.square(own - own.mean(axis=0)).sum(axis=1).mean()
        expected = (np.square(own - views).sum(axis=1) / scale).mean()
        assert found["distortions"][row]["alignment"]["mean"] == pytest.approx(expected, rel=1e-5)
    assert found["distortions"]["none"]["recall@1"]["mean"] == 1


def test_the_standard_distortions_are_protocol_mds() -> None:
    written = {
        "noise 0.04": (distort.gaussian_noise, 0.04),
        "noise 0.10": (distort.gaussian_noise, 0.10),
        "perspective 0.2": (distort.projective, 0.2),
        "perspective 0.5": (distort.projective, 0.5),
    }
    assert written == label_free.DISTORTIONS


def test_many_or_large_images_are_checked_in_part(
    model: store.Model, digits: datasets.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert label_free.count_checked(np.zeros((9_000, 32, 32, 3), np.uint8)) == 1_000
    assert label_free.count_checked(np.zeros((5, 32, 32, 3), np.uint8)) == 5
    assert label_free.count_checked(np.zeros((300, 256, 256, 3), np.uint8)) == 256
    told: list[Any] = []
    monkeypatch.setattr(label_free, "N_CHECKED", 20)
    found = check(model, digits, progress=lambda *state: told.append(state))
    assert found["n_queries"] == 20
    assert told[-1] == ("checking without labels", 80, 80)
    assert check(model, digits) == found


# geometry -----------------------------------------------------------------------------------------------------------


def test_geometry_is_the_definitions() -> None:
    codes = (np.random.default_rng(0).normal(size=(300, 4)) * [3, 1, 1, 0]).astype(np.float32)
    found = geometry.describe_geometry(codes, distances.get("manhattan"), Resamples(300, 100))
    assert (found["n_codes"], found["n_components"], found["dead"]) == (300, 4, [3])
    variances = codes.astype(np.float64).var(axis=0)
    eigenvalues = np.linalg.eigvalsh(np.cov(codes.T.astype(np.float64), bias=True))
    assert found["participation_ratio"]["mean"] == pytest.approx(variances.sum() ** 2 / (eigenvalues**2).sum())
    apart = cdist(codes, codes, "cityblock")
    np.fill_diagonal(apart, np.inf)
    counts = np.bincount(np.argsort(apart, axis=1, kind="stable")[:, :10].ravel(), minlength=300)
    hubness = found["hubness"]
    assert (hubness["n_images"], hubness["k"], hubness["largest"]) == (300, 10, counts.max())
    assert hubness["skewness"]["mean"] == pytest.approx(stats.skew(counts), abs=1e-6)
    assert hubness["orphans"]["mean"] == pytest.approx((counts == 0).mean())
    for figure in (found["participation_ratio"], found["rankme"], found["uniformity"], hubness["skewness"]):
        assert figure["low"] < figure["mean"] < figure["high"]


@pytest.mark.parametrize("n_codes", [1, 2, 10])
def test_few_codes_have_no_hubs(n_codes: int) -> None:
    codes = np.random.default_rng(0).normal(size=(n_codes, 3)).astype(np.float32)
    found = geometry.describe_geometry(codes, distances.get("euclidean"), Resamples(n_codes, 20))
    json.dumps(found, allow_nan=False)
    assert found["hubness"] is None
    assert (found["uniformity"] is None) is (n_codes == 1)


def test_many_images_are_looked_at_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.random.default_rng(0).normal(size=(90, 3)).astype(np.float32)
    monkeypatch.setattr(geometry, "N_COUNTED", 40)
    found = geometry.describe_geometry(codes, distances.get("euclidean"), Resamples(90, 20))
    assert found["hubness"]["n_images"] == 40


def test_a_choice_is_seeded_and_smaller_ones_are_part_of_larger_ones() -> None:
    small, large = geometry.choose(100, 10, 5), geometry.choose(100, 50, 5)
    assert set(small) < set(large)
    assert (np.diff(large) > 0).all()
    assert set(geometry.choose(100, 10, 6)) != set(small)
    assert geometry.choose(3, 10, 5).tolist() == [0, 1, 2]


# verdicts -----------------------------------------------------------------------------------------------------------


def test_an_untrained_encoder_is_fine(model: store.Model, digits: datasets.Dataset) -> None:
    found = look(model, digits)
    assert found["verdict"] == "fine"
    assert "(noise 0.04)" in found["explanation"]
    assert "(perspective 0.5)" in found["explanation"]


def test_a_code_that_is_one_point_is_collapsed(model: store.Model, digits: datasets.Dataset) -> None:
    found = look(with_last_layer(model, np.zeros(6)), digits)
    assert found["verdict"] == "collapsed"
    assert "Every test image has the same code" in found["explanation"]


def test_a_code_that_is_one_point_but_for_rounding_is_collapsed(model: store.Model, digits: datasets.Dataset) -> None:
    found = look(with_last_layer(model, np.full(6, 1e-5), offset=100.0), digits)
    assert found["verdict"] == "collapsed"


def test_a_dead_dimension_is_named(model: store.Model, digits: datasets.Dataset) -> None:
    found = look(with_last_layer(model, np.array([1, 1, 0, 1, 1, 1])), digits)
    assert found["verdict"] == "dead dimensions"
    assert "1 of 6 dimensions" in found["explanation"]


def test_a_code_on_a_line_is_narrow(model: store.Model, digits: datasets.Dataset) -> None:
    found = look(with_last_layer(model, np.array([20, 1, 1, 1, 1, 1])), digits)
    assert found["verdict"] == "narrow"
    assert "dimensions of 6 possible ones" in found["explanation"]


def made_up(own: float = 1.0, recall: float = 0.5, alignment: float = 0.1, n_codes: int = 500) -> tuple[Any, Any]:
    interval = {"low": recall, "mean": recall, "high": recall}
    rows = {name: {"recall@1": interval, "alignment": {"mean": alignment}} for name in ("noise 0.04", "noise 0.10")}
    described = {"n_codes": n_codes, "n_components": 10, "dead": [], "participation_ratio": {"mean": 6.0}}
    undistorted = {"recall@1": {"mean": own}, "alignment": {"mean": 0.0}}
    return described, {"n_queries": 500, "n_database": 1_000, "distortions": {"none": undistorted, **rows}}


@pytest.mark.parametrize(
    ("figures", "verdict", "words"),
    [
        ({}, "fine", "No dimension is dead"),
        ({"own": 0.05}, "collapsed", "Only 5.0 % of the test images are the first hit of their own code"),
        ({"alignment": 1.1}, "collapsed", "under noise 0.04 it moves by 1.10"),
        ({"recall": 0.003}, "collapsed", "no more often than chance"),
        ({"recall": 0.004}, "fine", "0.4 % (noise 0.04)"),
        ({"n_codes": 19}, "too few images", "give at least 20"),
    ],
)
def test_thresholds_are_as_documented(figures: dict[str, float], verdict: str, words: str) -> None:
    found = judge(*made_up(**figures))  # type: ignore[arg-type]
    assert found["verdict"] == verdict
    assert words in found["explanation"]
