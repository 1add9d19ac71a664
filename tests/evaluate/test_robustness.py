"""Two models on distorted queries: against sorting all distances, without labels, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from zehn import codes as coding
from zehn import datasets, distances, distort, evaluate, measures, models, store
from zehn.errors import ConfigError, InputError, UnknownNameError
from zehn.evaluate.geometry import choose

N_TRAIN, N_TEST, N_QUERIES, SEED = 200, 60, 40, 4
FEW: dict[str, Any] = {
    "n_queries": N_QUERIES, "noise": (0.1, 0.3), "perspective": (0.3,), "corruptions": ("fog", "contrast"),
    "severities": (1, 3), "n_shown": 6, "n_hits": 4, "n_resamples": 60, "seed": SEED,
}  # fmt: skip
WAYS = [
    ("gaussian_noise", 0.1), ("gaussian_noise", 0.3), ("perspective", 0.3),
    ("fog", 1), ("fog", 3), ("contrast", 1), ("contrast", 3),
]  # fmt: skip
MEASURES = ("P@10", "P@10 kept", "recall@1", "recall@10", "overlap", "psnr")


def compare(old: store.Model, new: store.Model, dataset: datasets.Dataset, **options: Any) -> dict[str, Any]:
    asked = {name: options.pop(name) for name in tuple(options) if name in evaluate.Questions.__dataclass_fields__}
    return evaluate.compare_robustness(old, new, dataset, evaluate.Questions(**asked), **options)


@pytest.fixture(scope="module")
def digits() -> datasets.Dataset:
    return datasets.subset(datasets.load("digits"), N_TRAIN, N_TEST, seed=0)


@pytest.fixture(scope="module")
def old(digits: datasets.Dataset) -> store.Model:
    return coding.from_network(models.build("dense", n_components=6, seed=1), digits.x_train)


@pytest.fixture(scope="module")
def new(digits: datasets.Dataset) -> store.Model:
    network = models.build("dense", n_components=8, seed=2)
    return coding.from_network(network, digits.x_train, card={"name": "digits-robust"})


@pytest.fixture(scope="module")
def robust(old: store.Model, new: store.Model, digits: datasets.Dataset) -> dict[str, Any]:
    return compare(old, new, digits, **FEW)


def distorted(images: Any, kind: str, strength: Any) -> Any:
    if kind == "gaussian_noise":
        return next(distort.gaussian_noise(images, strength, seed=SEED, batch_size=len(images)))[0]
    if kind == "perspective":
        return next(distort.projective(images, strength, outwards=False, seed=SEED, batch_size=len(images)))[0]
    return distort.corrupt(images, kind, strength, seed=SEED)


def by_sorting(model: store.Model, digits: datasets.Dataset, name: str, kind: str, strength: Any) -> dict[str, Any]:
    """Protocol.md as written, query by query, every distance computed and sorted."""
    labels, codes = digits.labels, coding.encode(model, digits.images)
    assert labels is not None
    chosen = choose(N_TEST, N_QUERIES, SEED)
    images = digits.x_test[chosen]
    views = coding.encode(model, distorted(images, kind, strength))
    values: dict[str, list[float]] = {"clean P@10": [], **{measure: [] for measure in MEASURES}}
    statistics = (model.code_mean, model.code_covariance)
    for query, view in zip(chosen + N_TRAIN, views, strict=True):
        order = np.argsort(distances.between(name, view[None], codes, *statistics)[0].astype(float), kind="stable")
        clean = np.argsort(distances.between(name, codes[query][None], codes, *statistics)[0], kind="stable")
        others, clean = order[order != query][:10], clean[clean != query][:10]
        values["P@10"].append(float(np.mean(labels[others] == labels[query])))
        values["clean P@10"].append(float(np.mean(labels[clean] == labels[query])))
        values["recall@1"].append(float(order[0] == query))
        values["recall@10"].append(float(query in order[:10]))
        values["overlap"].append(len(set(others) & set(clean)) / 10)
    decoded = coding.decode(model, views)
    values["psnr"] = list(-10 * np.log10(np.square(decoded - images / 255).mean(axis=(1, 2, 3))))
    found = {measure: np.array(column) for measure, column in values.items()}
    found["P@10 kept"] = found["P@10"] / found["clean P@10"].mean()
    return found


# against the definition ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["euclidean", "cosine", "mahalanobis"])
def test_every_figure_is_what_sorting_all_distances_gives(
    name: str, old: store.Model, new: store.Model, digits: datasets.Dataset
) -> None:
    found = compare(old, new, digits, distance=name, **FEW)
    assert [(row["kind"], row["strength"]) for row in found["distortions"]] == WAYS
    assert [row["seen"] for row in found["distortions"]] == [True] * 3 + [False] * 4
    resamples = measures.Resamples(N_QUERIES, 60, SEED)
    for row, (kind, strength) in zip(found["distortions"], WAYS, strict=True):
        before, after = (by_sorting(model, digits, name, kind, strength) for model in (old, new))
        for side, expected in (("old", before), ("new", after)):
            assert tuple(row[side]) == MEASURES
            for measure in MEASURES:
                assert row[side][measure]["mean"] == pytest.approx(expected[measure].mean(), rel=1e-5), measure
            clean = found["clean"][side]["P@10"]
            assert clean == pytest.approx(resamples.interval(expected["clean P@10"]).as_dict(), abs=1e-6)
            kept = resamples.ratios({"": expected["P@10"]}, expected["clean P@10"])[""]
            assert row[side]["P@10 kept"] == pytest.approx(kept.as_dict(), abs=1e-6)
            overlap = resamples.interval(expected["overlap"])
            assert row[side]["overlap"] == pytest.approx(overlap.as_dict(), abs=1e-6)
        paired = {pair["measure"]: pair for pair in row["paired"]}
        assert tuple(paired) == MEASURES
        for measure in MEASURES:
            difference = after[measure].mean() - before[measure].mean()
            assert paired[measure]["difference"]["mean"] == pytest.approx(difference, abs=1e-5), measure
        p_value = resamples.paired(after["overlap"], before["overlap"])["p_value"]
        assert paired["overlap"]["p_value"] == pytest.approx(p_value, abs=2e-3)


def test_unseen_corruptions_are_averaged_at_severity_3(robust: dict[str, Any]) -> None:
    rows = [row for row in robust["distortions"] if not row["seen"] and row["strength"] == 3]
    assert len(rows) == 2
    for side in ("old", "new"):
        expected = np.mean([row[side]["P@10 kept"]["mean"] for row in rows])
        assert robust["unseen"][side]["mean"] == pytest.approx(expected)
        assert robust["unseen"][side]["low"] < expected < robust["unseen"][side]["high"]
    difference = robust["unseen"]["paired"]["difference"]
    assert difference["mean"] == pytest.approx(robust["unseen"]["new"]["mean"] - robust["unseen"]["old"]["mean"])
    assert robust["unseen"]["severity"] == 3


def test_clean_queries_are_compared_as_models_are(
    robust: dict[str, Any], old: store.Model, new: store.Model, digits: datasets.Dataset
) -> None:
    queries = choose(N_TEST, N_QUERIES, SEED) + N_TRAIN
    codes = [coding.encode(model, digits.images) for model in (old, new)]
    compared = evaluate.compare_codes(
        codes[0], codes[1], digits.labels, queries, n_train=N_TRAIN, n_resamples=60, seed=SEED
    )
    assert robust["clean"]["overlap"] == pytest.approx(compared["overlap"])
    paired = {pair["measure"]: pair for pair in robust["clean"]["paired"]}
    assert list(paired) == ["P@10", "psnr"]
    expected = next(pair for pair in compared["paired"] if pair["measure"] == "P@10")
    assert paired["P@10"]["difference"] == pytest.approx(expected["difference"], abs=1e-6)
    for side, model, values in zip(("old", "new"), (old, new), codes, strict=True):
        decoded = coding.decode(model, values[queries])
        psnr = measures.psnr(digits.images[queries], decoded).mean()
        assert robust["clean"][side]["psnr"]["mean"] == pytest.approx(psnr, rel=1e-6)


def test_a_model_differs_from_itself_by_nothing(old: store.Model, digits: datasets.Dataset) -> None:
    found = compare(old, old, digits, **FEW)
    for row in found["distortions"]:
        assert row["old"] == row["new"]
        for pair in row["paired"]:
            assert pair["difference"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
            assert pair["p_value"] == 1.0
    assert found["clean"]["overlap"] == 1
    assert "may be chance" in found["explanation"]
    assert "a gain" not in found["explanation"]


def test_without_distortion_everything_is_kept(old: store.Model, new: store.Model, digits: datasets.Dataset) -> None:
    still = FEW | {"noise": (0.0,), "perspective": (0.0,), "corruptions": False}
    found = compare(old, new, digits, **still)
    for row in found["distortions"]:
        for side in ("old", "new"):
            assert row[side]["recall@10"]["mean"] == row[side]["overlap"]["mean"] == 1
            assert row[side]["P@10 kept"] == pytest.approx({"mean": 1, "low": 1, "high": 1}, abs=1e-6)
            assert row[side]["psnr"] == pytest.approx(found["clean"][side]["psnr"], abs=1e-4)
    assert found["unseen"] is None


# what comes back ----------------------------------------------------------------------------------------------------


def test_the_schema_is_plain_json(
    robust: dict[str, Any], old: store.Model, new: store.Model, digits: datasets.Dataset
) -> None:
    assert json.loads(json.dumps(robust, allow_nan=False)) == robust
    assert list(robust) == [
        "models", "dataset", "distance", "n_queries", "n_database", "clean", "distortions", "unseen", "queries",
        "explanation", "seconds",
    ]  # fmt: skip
    assert robust["models"]["new"] == {
        "name": "digits-robust", "fingerprint": new.fingerprint, "architecture": "dense", "n_components": 8,
    }  # fmt: skip
    assert robust["models"]["old"]["name"] == "dense"
    assert robust["dataset"] == {"name": "digits", "n_train": N_TRAIN, "n_test": N_TEST}
    assert (robust["n_queries"], robust["n_database"], robust["distance"]) == (N_QUERIES, 260, "euclidean")
    assert list(robust["clean"]) == ["old", "new", "paired", "overlap"]
    assert robust["seconds"] > 0


def test_the_same_seed_gives_the_same_figures_and_codes_may_be_given(
    robust: dict[str, Any], old: store.Model, new: store.Model, digits: datasets.Dataset
) -> None:
    named = (("old_codes", old), ("new_codes", new))
    codes: dict[str, Any] = {name: coding.encode(model, digits.images) for name, model in named}
    again = compare(old, new, digits, **codes, **FEW)
    assert {**again, "seconds": 0} == {**robust, "seconds": 0}
    other = compare(old, new, digits, **codes, **(FEW | {"seed": 5}))
    assert other["distortions"] != robust["distortions"]


def test_strengths_are_measured_for_themselves(
    robust: dict[str, Any], old: store.Model, new: store.Model, digits: datasets.Dataset
) -> None:
    alone = {"noise": (), "perspective": (0.3,), "corruptions": True, "severities": ()}
    one = compare(old, new, digits, **(FEW | alone))
    assert [row["kind"] for row in one["distortions"]] == ["perspective"]
    for measure, interval in robust["distortions"][2]["new"].items():
        assert one["distortions"][0]["new"][measure] == pytest.approx(interval, abs=1e-6)
    everything = compare(old, new, digits, **(FEW | {"corruptions": True, "severities": (3,)}))
    assert [row["kind"] for row in everything["distortions"][3:]] == list(distort.CORRUPTIONS)


def test_nothing_to_distort_leaves_the_clean_queries(
    old: store.Model, new: store.Model, digits: datasets.Dataset
) -> None:
    nothing = {"noise": (), "perspective": [], "corruptions": False}
    found = compare(old, new, digits, **(FEW | nothing))
    assert (found["distortions"], found["unseen"], found["queries"]) == ([], None, [])
    assert found["explanation"].startswith("On clean queries P@10 went from")
    with pytest.raises(InputError, match="came none"):
        evaluate.shown_queries(digits, found)


def test_without_labels_what_needs_them_is_none(
    robust: dict[str, Any], old: store.Model, new: store.Model, digits: datasets.Dataset
) -> None:
    unlabelled = dataclasses.replace(digits, y_train=None, y_test=None, class_names=())
    found = compare(old, new, unlabelled, **FEW)
    json.dumps(found, allow_nan=False)
    assert found["unseen"] is None
    assert found["clean"]["old"]["P@10"] is None
    assert [pair["measure"] for pair in found["clean"]["paired"]] == ["psnr"]
    for row, labelled in zip(found["distortions"], robust["distortions"], strict=True):
        assert row["old"]["P@10"] is row["old"]["P@10 kept"] is None
        for measure in MEASURES[2:]:
            assert row["old"][measure] == pytest.approx(labelled["old"][measure], abs=1e-6)
        assert [pair["measure"] for pair in row["paired"]] == ["recall@1", "recall@10", "overlap", "psnr"]
    for row in found["queries"]:
        assert row["label"] is row["class_name"] is None
        assert all(hit["label"] is hit["match"] is None for hit in row["old"])
    assert "of the clean query's ten hits" in found["explanation"]
    assert "without labels" in found["explanation"]


def test_where_clean_queries_find_nothing_there_is_no_share_of_it(
    old: store.Model, new: store.Model, digits: datasets.Dataset
) -> None:
    """Every image is a class of its own."""
    numbers = np.arange(N_TRAIN + N_TEST)[:, None]
    alone = dataclasses.replace(digits, y_train=numbers[:N_TRAIN], y_test=numbers[N_TRAIN:])
    found = compare(old, new, alone, **FEW)
    json.dumps(found, allow_nan=False)
    for row in found["distortions"]:
        assert row["old"]["P@10"]["mean"] == 0
        assert row["old"]["P@10 kept"] is None
        assert "P@10 kept" not in [pair["measure"] for pair in row["paired"]]
    assert found["unseen"] == {"severity": 3, "old": None, "new": None, "paired": None}
    assert found["queries"][0]["class_name"] == str(found["queries"][0]["label"])


# queries that are shown ---------------------------------------------------------------------------------------------


def test_shown_queries_can_be_made_again_and_their_hits_found(
    robust: dict[str, Any], old: store.Model, new: store.Model, digits: datasets.Dataset
) -> None:
    rows, images, labels = robust["queries"], evaluate.shown_queries(digits, robust), digits.labels
    assert labels is not None
    assert [(row["kind"], row["strength"]) for row in rows] == [("gaussian_noise", 0.1)] * 3 + [
        ("perspective", 0.3)
    ] * 3
    assert len({row["id"] for row in rows}) == len(images) == 6
    assert images.dtype == np.uint8
    for row, image in zip(rows, images, strict=True):
        assert row["id"] - N_TRAIN in choose(N_TEST, N_QUERIES, SEED)
        assert (row["label"], row["class_name"]) == (labels[row["id"]], str(labels[row["id"]]))
        assert (image != digits.images[row["id"]]).any()
        for side, model in (("old", old), ("new", new)):
            codes = coding.encode(model, digits.images)
            apart = distances.between("euclidean", coding.encode(model, image[None]), codes)[0]
            nearest = np.argsort(apart, kind="stable")[:4]
            assert [hit["id"] for hit in row[side]] == nearest.tolist()
            assert [hit["rank"] for hit in row[side]] == [1, 2, 3, 4]
            assert [hit["distance"] for hit in row[side]] == pytest.approx(apart[nearest], rel=1e-5)
            assert [hit["match"] for hit in row[side]] == (labels[nearest] == row["label"]).tolist()


@pytest.mark.parametrize(("n_shown", "n_noise"), [(0, 0), (1, 1), (3, 2), (5, 3), (99, 20)])
def test_half_of_the_shown_is_noise(
    n_shown: int, n_noise: int, old: store.Model, new: store.Model, digits: datasets.Dataset
) -> None:
    quick = FEW | {"corruptions": False, "n_shown": n_shown}
    rows = compare(old, new, digits, **quick)["queries"]
    assert len(rows) == min(n_shown, N_QUERIES)
    assert [row["kind"] for row in rows].count("gaussian_noise") == n_noise
    assert len({row["id"] for row in rows}) == len(rows)


def test_shown_queries_need_the_data_that_was_compared_on(robust: dict[str, Any], digits: datasets.Dataset) -> None:
    with pytest.raises(InputError, match="test images of digits, came id"):
        evaluate.shown_queries(datasets.subset(digits, 20, 20, seed=0), robust)


# how far it is, and what is refused ---------------------------------------------------------------------------------


def test_progress_ends_where_it_should(old: store.Model, new: store.Model, digits: datasets.Dataset) -> None:
    told: list[Any] = []
    compare(old, new, digits, **FEW, progress=lambda *state: told.append(state))
    assert told[0][0] == "encoding"
    assert told[-1] == ("asking with distorted images", 7 * N_QUERIES, 7 * N_QUERIES)


def test_all_test_images_are_asked_about_where_there_are_fewer(
    old: store.Model, new: store.Model, digits: datasets.Dataset
) -> None:
    found = compare(old, new, digits, **(FEW | {"n_queries": 5_000, "corruptions": False}))
    assert found["n_queries"] == N_TEST


def test_models_of_two_image_sizes_are_refused(old: store.Model, digits: datasets.Dataset) -> None:
    larger = dataclasses.replace(old, image_size=64)
    words = "the old model sees images of 32 × 32 pixels and the new one of 64 × 64, so they cannot be asked"
    with pytest.raises(InputError, match=words):
        compare(old, larger, digits)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"noise": (0.1, -0.1)}, ConfigError, "a strength from 0 to inf, .* came -0.1"),
        ({"noise": (float("nan"),)}, ConfigError, "came nan"),
        ({"perspective": (1.5,)}, ConfigError, "a strength from 0 to 1, .* came 1.5"),
        ({"corruptions": ("contrasts",)}, UnknownNameError, "did you mean 'contrast'"),
        ({"severities": (3, 6)}, ConfigError, "a severity from 1 to 5, a whole number, came 6"),
        ({"n_queries": 0}, ConfigError, "at least one query and one hit, .* came 0, 4 and 6"),
        ({"n_hits": 0}, ConfigError, "came 40, 0 and 6"),
        ({"n_shown": -1}, ConfigError, "came 40, 4 and -1"),
        ({"distance": "euclid"}, UnknownNameError, "did you mean 'euclidean'"),
        ({"old_codes": np.zeros((259, 6), np.float32)}, InputError, r"codes \(260, 6\) of all images of digits by"),
        ({"new_codes": np.zeros((260, 6), np.float32)}, InputError, r"codes \(260, 8\) .* came \(260, 6\); encode"),
        ({"old_codes": np.full((260, 6), np.nan, np.float32)}, InputError, "NaN or infinity"),
    ],
)
def test_wrong_requests_are_refused(
    options: dict[str, Any],
    error: type[Exception],
    words: str,
    old: store.Model,
    new: store.Model,
    digits: datasets.Dataset,
) -> None:
    with pytest.raises(error, match=words):
        compare(old, new, digits, **(FEW | options))


def test_wrong_strengths_are_refused_before_anything_is_encoded(
    old: store.Model, new: store.Model, digits: datasets.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coding, "encode", lambda *_, **__: pytest.fail("it has encoded"))
    with pytest.raises(ConfigError, match="came 9"):
        compare(old, new, digits, **(FEW | {"severities": (9,)}))


@pytest.mark.parametrize(("n_train", "n_test"), [(9, 1), (5, 5)])
def test_a_database_without_ten_hits_is_refused(
    n_train: int, n_test: int, old: store.Model, new: store.Model, digits: datasets.Dataset
) -> None:
    few = datasets.subset(digits, n_train, n_test, seed=0)
    with pytest.raises(InputError, match=r"11 images to search, .* came [15] and 10; give more images"):
        compare(old, new, few)


def test_eleven_images_are_enough(old: store.Model, new: store.Model, digits: datasets.Dataset) -> None:
    few = datasets.subset(digits, 9, 2, seed=0)
    found = compare(old, new, few, **(FEW | {"n_hits": 20}))
    json.dumps(found, allow_nan=False)
    assert found["n_queries"] == 2
    assert all(row["old"]["overlap"]["mean"] == 1 for row in found["distortions"])
    assert len(found["queries"][0]["old"]) == 11
