"""Rankings against sorting everything, scores by protocol on real digits and CIFAR-10, and what the figures say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.spatial.distance import cdist

from zehn import codes as coding
from zehn import datasets, distances, evaluate, measures, models, store
from zehn.errors import ConfigError, InputError, UnknownNameError
from zehn.evaluate import baselines, ranking
from zehn.evaluate.components import Components
from zehn.measures import names

BOTH = ("main", "literature")


def mixture(n: int, n_classes: int = 5, seed: int = 0, spread: float = 2.0) -> tuple[Any, Any]:
    """Codes of classes of unequal sizes that overlap."""
    generator = np.random.default_rng(seed)
    labels = np.minimum(generator.integers(0, n_classes, n), generator.integers(0, n_classes, n))
    codes = generator.normal(size=(n_classes, 10))[labels] + spread * generator.normal(size=(n, 10))
    return codes.astype(np.float32), labels


def by_sorting(codes: Any, labels: Any, trial: ranking.Trial, name: Any, protocol: str) -> dict[str, Any]:
    """Protocol.md as written, query by query, with scipy's distances in float64."""
    n_searched = trial.n_database[protocol]
    database = trial.database_ids[:n_searched]
    training = trial.database_ids[: trial.n_database["literature"]]
    all_distances = cdist(codes.astype(np.float64), codes.astype(np.float64), name)
    values: dict[str, list[float]] = {measure: [] for measure in names.MEASURES}
    for query in trial.query_ids:

        def order(ids: Any, query: Any = query) -> Any:
            others = ids[ids != query]
            return others[np.argsort(all_distances[query][others], kind="stable")]

        relevant = labels[order(database)] == labels[query]
        for k in (1, 5, 10, 50, 100):
            values[f"P@{k}"].append(relevant[:k].mean())
        values["hit@10"].append(float(relevant[:10].any()))
        for measure, depth, divisor in (
            ("mAP@1000", 1_000, relevant[:1_000].sum()),
            ("MAP@R", relevant.sum(), relevant.sum()),
        ):
            ranks = np.flatnonzero(relevant[:depth]) + 1
            values[measure].append(sum((i + 1) / r for i, r in enumerate(ranks)) / max(divisor, 1))
        voters = np.bincount(labels[order(training)][:20], minlength=1)
        values["20-NN accuracy"].append(float(voters.argmax() == labels[query]))
    return {measure: np.array(column) for measure, column in values.items()}


# ranking ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", BOTH)
@pytest.mark.parametrize(("name", "scipy_name"), [("euclidean", "euclidean"), ("manhattan", "cityblock")])
def test_every_measure_is_what_sorting_all_distances_gives(protocol: str, name: str, scipy_name: str) -> None:
    codes, labels = mixture(4_000)
    trial = ranking.Trial(labels, np.arange(3_000, 3_080), np.arange(4_000), 3_000, BOTH)
    ranked = ranking.rank(trial, ranking.CodeSource(codes, distances.get(name)))
    expected = by_sorting(codes, labels, trial, scipy_name, protocol)
    assert list(ranked.values[protocol]) == list(names.MEASURES)
    for measure, values in ranked.values[protocol].items():
        np.testing.assert_allclose(values, expected[measure], atol=1e-12, err_msg=measure)


@pytest.mark.parametrize("n_train", [0, 1, 2, 30, 60])
def test_small_collections_and_queries_from_anywhere(n_train: int) -> None:
    codes, labels = mixture(60, n_classes=4)
    trial = ranking.Trial(labels, np.array([1, 59, 20, 0, 31]), np.r_[0:25, 30:60], n_train, BOTH)
    ranked = ranking.rank(trial, ranking.CodeSource(codes, distances.get("euclidean")))
    for protocol in BOTH if n_train > 1 else ("main",):
        expected = by_sorting(codes, labels, trial, "euclidean", protocol)
        for measure, values in ranked.values[protocol].items():
            np.testing.assert_allclose(values, expected[measure], atol=1e-12, err_msg=measure)
    if n_train < 2:
        assert ranked.values["literature"] == {}
        assert "20-NN accuracy" not in ranked.values["main"]


def test_a_class_of_one_image_scores_nothing() -> None:
    codes, labels = mixture(300)
    labels[299] = 77
    trial = ranking.Trial(labels, np.array([298, 299]), np.arange(300), 290)
    values = ranking.rank(trial, ranking.CodeSource(codes, distances.get("cosine"))).values["main"]
    assert trial.n_relevant("main")[1] == 0
    assert {name: column[1] for name, column in values.items()} == dict.fromkeys(names.MEASURES, 0.0)


@given(
    npst.arrays(np.float64, st.integers(2, 400), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0, 1e300])),
    st.data(),
)
def test_nearest_is_a_stable_sort(row: Any, data: st.DataObject) -> None:
    own = data.draw(st.integers(-1, len(row) - 1))
    n_first = data.draw(st.integers(1, len(row) - (own >= 0)))
    others = np.delete(np.arange(len(row)), own) if own >= 0 else np.arange(len(row))
    expected = others[np.argsort(row[others], kind="stable")]
    found = ranking.nearest(row.copy(), n_first, own)
    assert len(found) >= n_first
    np.testing.assert_array_equal(found, expected[: len(found)])


def test_nearest_corrects_a_sample_that_misleads() -> None:
    # all small distances where the sample looks: the guessed threshold lets far too few through
    row = np.full(8_000, 5.0)
    row[::8] = np.linspace(0, 1, 1_000)
    assert ranking._guess_threshold(row, 500) < 5
    found = ranking.nearest(row.copy(), 1_001)
    np.testing.assert_array_equal(found[:1_000], np.arange(0, 8_000, 8))
    assert found[1_000] == 1


def test_progress_ends_where_it_should() -> None:
    codes, labels = mixture(200)
    told: list[Any] = []
    trial = ranking.Trial(labels, np.arange(100, 200), np.arange(200), 100)
    ranking.rank(trial, ranking.CodeSource(codes, distances.get("euclidean")), lambda *state: told.append(state))
    assert told[-1] == ("ranking", 100, 100)
    assert told == sorted(told)


def test_a_failure_in_a_thread_comes_out() -> None:
    class Broken:
        def blocks(self, _: ranking.Trial) -> Iterator[tuple[range, Any]]:
            def fail(_: int) -> Any:
                raise InputError(f"from {threading.current_thread().name}")

            yield range(2), fail

    trial = ranking.Trial(None, np.arange(2), np.arange(9), 5)
    with pytest.raises(InputError, match="from ThreadPool"):
        ranking.rank(trial, Broken())


@pytest.mark.parametrize(
    ("query_ids", "database_ids", "message"),
    [
        ([], [0, 1], "at least one query"),
        ([0], [1], "two images to search"),
        ([0], [2, 1], "ascending order"),
        ([0], [1, 1, 2], "each once"),
        ([0], [0, 60], "database ids are to be within 0 and 59"),
        ([-1], [0, 1], "query ids are to be within 0 and 59"),
    ],
)
def test_wrong_trials_are_refused(query_ids: list[int], database_ids: list[int], message: str) -> None:
    codes, labels = mixture(60)
    with pytest.raises(InputError, match=message):
        evaluate.score(codes, labels, np.array(query_ids, int), np.array(database_ids), n_train=30)


# scores and hits ----------------------------------------------------------------------------------------------------


def test_scores_are_means_with_their_intervals() -> None:
    codes, labels = mixture(800)
    scores = evaluate.score(codes, labels, np.arange(600, 800), n_train=600, n_resamples=200, seed=1)
    trial = ranking.Trial(labels, np.arange(600, 800), np.arange(800), 600)
    for measure, values in by_sorting(codes, labels, trial, "euclidean", "main").items():
        assert scores[measure] == pytest.approx(measures.interval(values, 200, seed=1).as_dict(), abs=1e-6)
    assert list(scores) == [*evaluate.MEASURES, "ms_per_query"]
    assert scores["ms_per_query"] > 0


def test_without_labels_there_is_nothing_but_the_time() -> None:
    codes, _ = mixture(100)
    scores = evaluate.score(codes, None, np.arange(80, 100), n_train=80)
    assert scores.pop("ms_per_query") > 0
    assert scores == dict.fromkeys(evaluate.MEASURES)


@pytest.mark.parametrize("name", distances.names())
def test_hits_are_the_nearest_others_with_scipy_s_distances(name: str) -> None:
    codes, labels = mixture(500)
    model = tiny_model(codes)
    queries = np.array([3, 499])
    found = evaluate.hits(codes, labels, queries, distance=name, n_hits=7, model=model)
    everything = distances.between(name, codes[queries], codes, model.code_mean, model.code_covariance)
    for query, row, hits in zip(queries, everything, found, strict=True):
        row[query] = np.inf
        order = np.argsort(row, kind="stable")[:7]
        assert [hit["id"] for hit in hits] == order.tolist()
        assert [hit["rank"] for hit in hits] == [*range(1, 8)]
        assert [hit["distance"] for hit in hits] == pytest.approx(row[order].tolist(), rel=1e-5)
        assert [hit["label"] for hit in hits] == labels[order].tolist()
        assert [hit["match"] for hit in hits] == (labels[order] == labels[query]).tolist()
    json.dumps(found, allow_nan=False)


def test_hits_without_labels_in_a_small_database() -> None:
    codes, _ = mixture(60)
    found = evaluate.hits(codes, None, np.array([5]), np.array([1, 5, 9]), n_hits=10)
    assert sorted(hit["id"] for hit in found[0]) == [1, 9]
    assert {(hit["label"], hit["match"]) for hit in found[0]} == {(None, None)}


def tiny_model(codes: Any, **fields: Any) -> store.Model:
    return store.Model(
        architecture="dense",
        n_components=codes.shape[1],
        image_size=32,
        options={},
        weights={},
        code_mean=codes.mean(axis=0).astype(np.float64),
        code_covariance=np.cov(codes.astype(np.float64), rowvar=False),
        graphs={},
        **fields,
    )


# comparison ---------------------------------------------------------------------------------------------------------


def compare(n: int = 1_500, labelled: bool = True, **settings: Any) -> dict[str, Any]:
    codes, labels = mixture(n)
    codes[:, 0] *= 30  # a dimension that drowns the others: mahalanobis is in its element
    n_train = n - 300
    return evaluate.compare_distances(
        codes,
        labels if labelled else None,
        np.arange(n_train, n),
        np.arange(n),
        n_train=n_train,
        model=tiny_model(codes),
        n_resamples=200,
        **settings,
    )


def test_comparison_of_six_distances() -> None:
    told: list[Any] = []
    comparison = compare(progress=lambda *state: told.append(state))
    names = ["euclidean", "cosine", "manhattan", "chebyshev", "mahalanobis", "correlation"]
    assert list(comparison["scores"]) == names
    assert [state for state in told if state[1] == state[2]] == [
        (f"ranking by {name} distance", 300, 300) for name in names
    ]
    assert len(comparison["paired"]) == 15 * 3
    for pair in comparison["paired"]:
        a, b = (comparison["scores"][pair[side]][pair["measure"]]["mean"] for side in "ab")
        assert pair["difference"]["mean"] == pytest.approx(a - b, abs=1e-9)
        assert 0 < pair["p_value"] <= 1
    for a in names:
        assert comparison["overlap"][a][a] == 1.0
        for b in names:
            assert comparison["overlap"][a][b] == pytest.approx(comparison["overlap"][b][a])
    assert comparison["recommendation"].startswith("Use mahalanobis")
    json.dumps(comparison, allow_nan=False)


def test_overlap_is_that_of_the_hits() -> None:
    codes, labels = mixture(400)
    queries = np.arange(350, 400)
    comparison = evaluate.compare_distances(
        codes, labels, queries, n_train=350, names=("euclidean", "chebyshev"), n_resamples=10
    )
    found = [
        [{hit["id"] for hit in hits} for hits in evaluate.hits(codes, labels, queries, distance=name)]
        for name in ("euclidean", "chebyshev")
    ]
    share = np.mean([len(a & b) / 10 for a, b in zip(*found, strict=True)])
    assert comparison["overlap"]["euclidean"]["chebyshev"] == pytest.approx(share)


def test_comparison_without_labels() -> None:
    comparison = compare(400, labelled=False, names=("euclidean", "cosine", "chebyshev"))
    assert comparison["paired"] == []
    assert all(scores["P@10"] is None for scores in comparison["scores"].values())
    assert "Without labels no distance can be called better" in comparison["recommendation"]


def two_models(n: int = 1_200) -> tuple[Any, Any, Any]:
    """The codes of a better and a worse model of the same images, and the images' classes."""
    better, labels = mixture(n)
    noise = np.random.default_rng(1).normal(size=(n, 6)).astype(np.float32)
    return better, better[:, :6] + 3 * noise, labels


def test_two_models_are_compared_on_the_same_queries() -> None:
    better, worse, labels = two_models()
    queries = np.arange(1_000, 1_200)
    told: list[Any] = []
    compared = evaluate.compare_codes(
        worse, better, labels, queries, n_train=1_000, n_resamples=200, progress=lambda *state: told.append(state)
    )
    trial = ranking.Trial(labels, queries, np.arange(1_200), 1_000)
    one, two = (by_sorting(codes, labels, trial, "euclidean", "main") for codes in (worse, better))
    assert [pair["measure"] for pair in compared["paired"]] == ["P@10", "mAP@1000", "MAP@R"]
    for pair in compared["paired"]:
        difference = (two[pair["measure"]] - one[pair["measure"]]).mean()
        assert pair["difference"]["mean"] == pytest.approx(difference, abs=1e-9)
        assert 0 < pair["difference"]["low"] < difference < pair["difference"]["high"]
        assert pair["p_value"] < 0.01
    found = [[{hit["id"] for hit in hits} for hits in evaluate.hits(c, labels, queries)] for c in (worse, better)]
    share = np.mean([len(a & b) / 10 for a, b in zip(*found, strict=True)])
    assert compared["overlap"] == pytest.approx(share)
    assert 0 < share < 1
    assert told[-1] == ("ranking by the second model's codes", 200, 200)
    json.dumps(compared, allow_nan=False)


def test_a_model_does_not_differ_from_itself_and_nothing_is_paired_without_labels() -> None:
    codes, _, labels = two_models(300)
    itself = evaluate.compare_codes(codes, codes, labels, np.arange(250, 300), n_train=250, n_resamples=20)
    assert [pair["p_value"] for pair in itself["paired"]] == [1.0, 1.0, 1.0]
    assert itself["overlap"] == 1.0
    unlabelled = evaluate.compare_codes(codes, codes, None, np.arange(250, 300), n_train=250)
    assert unlabelled == {"paired": [], "overlap": 1.0}
    with pytest.raises(InputError, match="the same images, came 300 and 299 codes"):
        evaluate.compare_codes(codes, codes[1:], labels, np.arange(250, 300), n_train=250)


def test_wrong_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'cosine'"):
        compare(400, names=("cosin",))
    with pytest.raises(ConfigError, match="at least one distance"):
        compare(400, names=())
    codes, labels = mixture(60)
    with pytest.raises(ConfigError, match="covariance"):
        evaluate.compare_distances(codes, labels, np.arange(5), n_train=50, names=("mahalanobis",))


def made_up(precisions: dict[str, float], p_value: float, times: dict[str, float] | None = None) -> dict[str, Any]:
    interval = {"low": 0.0, "high": 1.0}
    return {
        "scores": {
            name: {
                "P@10": {"mean": value, **interval},
                "mAP@1000": {"mean": value, **interval},
                "ms_per_query": (times or {}).get(name, 1.0),
            }
            for name, value in precisions.items()
        },
        "paired": [
            {"a": a, "b": b, "measure": m, "difference": {"mean": precisions[a] - precisions[b]}, "p_value": p_value}
            for m in ("P@10", "mAP@1000")
            for a in precisions
            for b in precisions
            if a < b
        ],
        "overlap": {a: {b: 1.0 if a == b else 0.5 for b in precisions} for a in precisions},
    }


def test_recommendation_names_the_best_when_it_is_better_by_more_than_chance() -> None:
    text = evaluate.recommend(made_up({"cosine": 0.4, "euclidean": 0.3, "manhattan": 0.35}, 0.0001))
    assert text.startswith("Use cosine: 40.0 % of its ten nearest")
    assert "the most of all" in text
    assert "manhattan (−0.0500, p < 0.001) and euclidean (−0.1000, p < 0.001)" in text
    assert "gives away 0.1000" in text


def test_recommendation_takes_the_quickest_of_those_that_chance_may_have_ordered() -> None:
    text = evaluate.recommend(made_up({"cosine": 0.301, "euclidean": 0.300}, 0.3, {"cosine": 2.0, "euclidean": 0.5}))
    assert text.startswith("Use euclidean")
    assert "cosine and euclidean cannot be told apart" in text
    assert "answers quickest, in 0.50 ms" in text
    assert "most of all" not in text
    assert "more than the distance" in text


def test_recommendation_corrects_for_the_number_of_comparisons() -> None:
    # 0.02 alone would count, the least of three such does not
    precisions = {"a": 0.4, "b": 0.39, "c": 0.38, "d": 0.37}
    assert "cannot be told apart" in evaluate.recommend(made_up(precisions, 0.02))
    assert "cannot be told apart" not in evaluate.recommend(made_up(precisions, 0.016))


def test_recommendation_of_one() -> None:
    assert "Only cosine was measured" in evaluate.recommend(made_up({"cosine": 0.4}, 1.0))


# baselines ----------------------------------------------------------------------------------------------------------


def small_digits(n_train: int = 400, n_test: int = 60) -> datasets.Dataset:
    return datasets.subset(datasets.load("digits"), n_train, n_test, seed=0)


def test_components_are_sklearn_s() -> None:
    from sklearn.decomposition import PCA

    digits = small_digits()
    components = Components.fit(digits.x_train, 10)
    flat, tests = (x.reshape(len(x), -1) / 255.0 for x in (digits.x_train, digits.x_test))
    exact = PCA(10, whiten=True, svd_solver="full").fit(flat)
    expected = np.square(tests - exact.inverse_transform(exact.transform(tests))).mean(axis=1)
    np.testing.assert_allclose(components.errors(digits.x_test), expected, rtol=1e-3)
    ours, theirs = components.encode(digits.x_test), exact.transform(tests)
    np.testing.assert_allclose(cdist(ours, ours), cdist(theirs, theirs), rtol=0.01, atol=0.01)
    np.testing.assert_allclose(components.encode(digits.x_train).std(axis=0), 1, rtol=1e-3)


def test_components_of_fewer_images_than_asked_for() -> None:
    digits = small_digits(400, 60)
    components = Components.fit(digits.x_train[:4], 10)
    assert components.encode(digits.x_test).shape == (60, 4)
    assert np.isfinite(components.encode(digits.x_test)).all()
    np.testing.assert_allclose(components.errors(digits.x_train[:4]), 0, atol=1e-6)


def rows_of(source: ranking.Source, trial: ranking.Trial) -> Any:
    rows = [of(row).copy() for block, of in source.blocks(trial) for row in block]
    return np.array(rows)


def test_pixels_are_compared_by_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "_QUERIES_PER_BLOCK", 7)
    monkeypatch.setattr(baselines, "_IMAGES_PER_BLOCK", 50)
    digits = small_digits()
    trial = ranking.Trial(None, np.arange(400, 420), np.arange(0, 460, 2), 400)
    flat = digits.images.reshape(460, -1).astype(np.float64)
    source = baselines.Directions(lambda ids: baselines._pixel_directions(baselines.pick(digits, ids)))
    expected = cdist(flat[trial.query_ids], flat[trial.database_ids], "cosine")
    np.testing.assert_allclose(rows_of(source, trial), expected, atol=1e-5)


def test_large_images_are_averaged_first_and_black_ones_have_no_direction() -> None:
    images = np.repeat(np.repeat(np.arange(48, dtype=np.uint8).reshape(4, 2, 2, 3), 50, axis=1), 50, axis=2)
    assert baselines._pixel_directions(images).shape[1] <= 64 * 64 * 3
    black = baselines._pixel_directions(np.zeros((2, 32, 32, 3), np.uint8))
    assert not black.any()


def test_histograms_are_compared_by_hellinger_distance() -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    roots = baselines._root_histograms(images)
    for image, root in zip(images, roots, strict=True):
        counts, _ = np.histogramdd(image.reshape(-1, 3), bins=8, range=[(0, 256)] * 3)
        np.testing.assert_allclose(root**2, counts.ravel() / 64, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(roots, axis=1), 1, rtol=1e-6)


def test_random_order_is_a_seeded_shuffle() -> None:
    trial = ranking.Trial(None, np.arange(5), np.arange(50), 40)
    first, again = (rows_of(baselines.RandomOrder(3), trial) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (rows_of(baselines.RandomOrder(4), trial) != first).any()
    assert len({tuple(row) for row in first.tolist()}) == 5


# evaluate -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits_model() -> store.Model:
    digits = small_digits()
    network = models.build("dense", n_components=6, seed=1)
    return coding.from_network(network, digits.x_train, card={"name": "untrained-digits"})


def test_evaluation_of_digits(digits_model: store.Model) -> None:
    digits, told = small_digits(), list[Any]()
    evaluation = evaluate.evaluate(
        digits_model, digits, n_resamples=100, seed=5, progress=lambda *state: told.append(state)
    )
    json.dumps(evaluation, allow_nan=False)
    assert evaluation["model"]["name"] == "untrained-digits"
    assert evaluation["model"]["fingerprint"] == digits_model.fingerprint
    assert evaluation["dataset"] == {"name": "digits", "n_train": 400, "n_test": 60, "n_classes": 10}
    assert list(evaluation["protocols"]) == ["main", "literature"]
    assert list(evaluation["baselines"]) == [
        "random order", "raw pixels", "PCA-6", "colour histogram", "untrained encoder",
    ]  # fmt: skip
    found = {name: scores["P@10"]["mean"] for name, scores in evaluation["baselines"].items()}
    assert found["random order"] < 0.2 < found["colour histogram"] < found["PCA-6"] < found["raw pixels"]
    assert found["untrained encoder"] > 0.2
    assert evaluation["baselines"]["PCA-6"]["mse"]["mean"] < evaluation["reconstruction"]["mse"]["mean"]
    finished = [state for state in told if state[1] == state[2]]
    assert finished == [
        ("encoding", 460, 460), ("ranking", 60, 60), ("decoding", 60, 60), ("checking without labels", 240, 240),
        ("scoring baselines", 5, 5),
    ]  # fmt: skip


def test_evaluation_scores_the_codes_and_the_reconstructions(digits_model: store.Model) -> None:
    digits = small_digits()
    codes = coding.encode(digits_model, digits.images)
    evaluation = evaluate.evaluate(
        digits_model, digits, distance="mahalanobis", codes=codes, baselines=False, n_resamples=100, seed=5
    )
    assert evaluation["baselines"] is None
    scored = evaluate.score(
        codes,
        digits.labels,
        np.arange(400, 460),
        n_train=400,
        distance="mahalanobis",
        model=digits_model,
        n_resamples=100,
        seed=5,
    )
    main = evaluation["protocols"]["main"]
    assert {name: main[name] for name in evaluate.MEASURES} == {name: scored[name] for name in evaluate.MEASURES}
    decoded = coding.decode(digits_model, codes[400:])
    assert evaluation["reconstruction"]["ssim"]["mean"] == pytest.approx(
        measures.ssim(digits.x_test, decoded).mean(), rel=1e-6
    )


def test_evaluation_without_labels_measures_what_needs_none(digits_model: store.Model) -> None:
    import dataclasses

    unlabelled = dataclasses.replace(small_digits(), y_train=None, y_test=None, class_names=())
    evaluation = evaluate.evaluate(digits_model, unlabelled, n_resamples=50)
    json.dumps(evaluation, allow_nan=False)
    assert evaluation["protocols"]["main"]["P@10"] is None
    assert evaluation["protocols"]["literature"]["ms_per_query"] > 0
    assert evaluation["baselines"] is None
    assert evaluation["dataset"]["n_classes"] is None
    assert 0 < evaluation["reconstruction"]["mse"]["mean"] < 1
    assert evaluation["classes"] is None
    assert evaluation["label_free"]["verdict"] == "fine"
    labelled = evaluate.evaluate(digits_model, small_digits(), n_resamples=50, baselines=False)
    assert (evaluation["codes"], evaluation["label_free"]) == (labelled["codes"], labelled["label_free"])


def test_wrong_evaluations_are_refused(digits_model: store.Model) -> None:
    digits = small_digits()
    with pytest.raises(UnknownNameError, match="distance 'euclid'"):
        evaluate.evaluate(digits_model, digits, distance="euclid")
    with pytest.raises(InputError, match="codes of all 460 images of digits, training images first, came 3"):
        evaluate.evaluate(digits_model, digits, codes=np.zeros((3, 6), np.float32))


@pytest.mark.cifar10
def test_principal_components_reach_protocol_md_s_figures(cifar10_dir: Path) -> None:
    cifar10 = datasets.load("cifar10", data_dir=cifar10_dir)
    components = Components.fit(cifar10.x_train[::5], 10)
    assert components.errors(cifar10.x_test).mean() == pytest.approx(0.0214, abs=1e-4)
    codes = np.concatenate([components.encode(cifar10.x_train), components.encode(cifar10.x_test)])
    # a fifth of the images to learn from and a tenth of the queries, so within sampling error of the whole
    scores = evaluate.score(codes, cifar10.labels, np.arange(50_000, 60_000, 10), n_train=50_000, n_resamples=200)
    for measure, published in (("P@10", 0.269), ("mAP@1000", 0.220), ("20-NN accuracy", 0.384)):
        half_width = (scores[measure]["high"] - scores[measure]["low"]) / 2
        assert scores[measure]["mean"] == pytest.approx(published, abs=1.5 * half_width)
