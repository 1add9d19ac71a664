from __future__ import annotations

from typing import Any

import pytest

from zehn.report.prose import checks, classes, data, label_free, model, querying, robustness, training, verdict


def interval(mean: float, half: float = 0.004) -> dict[str, float]:
    return {"mean": mean, "low": mean - half, "high": mean + half}


def evaluation(own: float | None, *, mse: float = 0.02, **baselines: float) -> dict[str, Any]:
    scores = {name.replace("_", " "): {"P@10": interval(value)} for name, value in baselines.items()}
    scores["PCA-10"] = {**scores.get("PCA-10", {}), "mse": interval(0.0214, 0.0003)}
    return {
        "model": {"n_components": 10},
        "protocols": {"main": {"P@10": None if own is None else interval(own)}},
        "reconstruction": {"mse": interval(mse, 0.0003)},
        "baselines": scores,
    }


def test_worse_than_a_baseline_is_called_worse() -> None:
    text = verdict.retrieval_verdict(evaluation(0.288, raw_pixels=0.302, random_order=0.1))
    assert "28.8\u00a0% are of the query's class" in text
    assert text.endswith("is worse than raw pixels (0.302), but better than chance (0.100).")


def test_no_better_is_called_no_better() -> None:
    text = verdict.retrieval_verdict(evaluation(0.288, raw_pixels=0.287, untrained_encoder=0.2))
    assert "is no better than raw pixels (0.287), but better than an untrained encoder (0.200)." in text


def test_better_than_all_is_called_better_and_nothing_more() -> None:
    text = verdict.retrieval_verdict(evaluation(0.5, raw_pixels=0.3, random_order=0.1))
    assert text.endswith("is better than raw pixels (0.300) and chance (0.100).")


def test_without_labels_nothing_is_claimed() -> None:
    assert "no labels" in verdict.retrieval_verdict(evaluation(None))


@pytest.mark.parametrize(
    ("mse", "words"),
    [
        (0.0199, "better than PCA with as many numbers (0.0214) by 7\u00a0%"),
        (0.025, "worse than PCA"),
        (0.0213, "no different from"),
    ],
)
def test_reconstruction_is_compared_with_pca(mse: float, words: str) -> None:
    assert words in verdict.reconstruction_verdict(evaluation(0.3, mse=mse))


def test_classes_of_unequal_size_are_named_so() -> None:
    assert "2 classes of 50 training images each" in data.describe_balance({"a": 50, "b": 50})
    assert "chance alone scores 50.0\u00a0%" in data.describe_balance({"a": 50, "b": 50})
    assert "of unequal size: 5 training images in the smallest, 50" in data.describe_balance({"a": 50, "b": 5})
    assert "precision means nothing" in data.describe_balance({"a": 50})
    assert data.describe_balance({}) == ""


def rung(name: str, mse: float, p: float, n_parameters: int = 1000) -> dict[str, Any]:
    return {"architecture": name, "mse": mse, "P@10": interval(p), "n_parameters": n_parameters, "seconds": 60.0}


def test_a_rung_is_said_to_help_only_where_it_does() -> None:
    before = rung("dense", 0.03, 0.2)
    better = model.compare_rungs(rung("conv", 0.024, 0.25, 100), before)
    assert "lowers the MSE from 0.0300 to 0.0240 (−20\u00a0%)" in better
    assert "raises P@10 to 0.250" in better
    assert "90\u00a0% fewer parameters" in better
    worse = model.compare_rungs(rung("conv", 0.033, 0.201, 3000), before)
    assert "raises the MSE" in worse
    assert "leaves P@10 where it was" in worse
    assert "3.0 times the parameters" in worse


def test_choosing_an_architecture_that_did_not_win_is_said() -> None:
    rungs = [rung("dense", 0.02, 0.2), rung("conv", 0.03, 0.2)]
    assert "although under this budget dense reconstructs best" in model.choose_rung(rungs, "conv")
    assert "which reconstructs best" in model.choose_rung(rungs, "dense")


def epochs(*losses: float, train: float = 0.9) -> list[dict[str, Any]]:
    return [
        {"epoch": i, "train": {"loss": loss * train}, "validation": {"loss": loss}, "test": {"loss": loss}}
        for i, loss in enumerate(losses, start=1)
    ]


def test_a_training_that_was_cut_short_is_told_from_one_that_settled() -> None:
    assert "longer training would most likely lower it" in training.describe_trend(epochs(1.0, 0.8, 0.7))
    assert "it had settled" in training.describe_trend(epochs(1.0, 0.5, 0.4999))
    assert "no trend" in training.describe_trend(epochs(1.0))
    assert "never fell below that of epoch 1" in training.describe_trend(epochs(1.0, 1.1, 1.2))


def test_a_gap_is_named_where_it_is_wide() -> None:
    assert "holds for the training images only" in training.describe_gap(epochs(1.0, train=0.5)[0])
    assert "about the same" in training.describe_gap(epochs(1.0, train=0.99)[0])
    assert "Without held-out images" in training.describe_gap({"train": {"loss": 1.0}, "validation": None})


def dimension(std: float, *, dead: bool = False, skew: float = 0.0) -> dict[str, Any]:
    return {"mean": 0.0, "std": std, "skew": skew, "kurtosis": 0.0, "dead": dead}


def test_dead_dimensions_are_named() -> None:
    text = checks.describe_dimensions([dimension(1.0), dimension(0.0, dead=True)])
    assert "1 dimension of 2 is dead: z2" in text
    assert "All 2 dimensions are in use" in checks.describe_dimensions([dimension(1.0), dimension(2.0)])
    assert "2.0 times" in checks.describe_dimensions([dimension(1.0), dimension(2.0)])
    assert "kurtosis: z1" in checks.describe_dimensions([dimension(1.0, skew=3.0)])


def test_correlated_dimensions_are_counted() -> None:
    strong = checks.describe_correlations([[1.0, -0.9], [-0.9, 1.0]])
    assert "−0.90, of z1 and z2; 1 of 1 pairs" in strong
    assert "no two dimensions say the same" in checks.describe_correlations([[1.0, 0.2], [0.2, 1.0]])
    assert checks.describe_correlations([[1.0]]) == ""


def test_a_poor_map_is_called_poor() -> None:
    assert "poor picture" in checks.describe_map({"trustworthiness": 0.6, "purity": 0.11}, 0.1)
    assert "hardly told apart" in checks.describe_map({"trustworthiness": 0.6, "purity": 0.11}, 0.1)
    assert "lie apart" in checks.describe_map({"trustworthiness": 0.95, "purity": 0.9}, 0.1)
    assert checks.describe_map({"trustworthiness": None, "purity": None}, None) == ""


def test_distances_are_ranked_by_what_was_measured() -> None:
    scores = {"cosine": {"P@10": interval(0.25)}, "euclidean": {"P@10": interval(0.3)}}
    assert "euclidean comes first with 0.300" in querying.describe_distances(scores)
    assert "cannot be ranked" in querying.describe_distances({"cosine": {"P@10": None}})
    assert "no other distance" in querying.describe_distances({"cosine": {"P@10": interval(0.25)}})


def test_paired_differences_are_not_overstated() -> None:
    rows = [
        {"other": "cosine", "difference": {"mean": 0.01, "low": 0.001, "high": 0.02}, "p_value": 0.01},
        {"other": "manhattan", "difference": {"mean": 0.001, "low": -0.001, "high": 0.002}, "p_value": 0.5},
    ]
    assert "cosine lies behind with the whole interval" in querying.describe_pairs(rows, "euclidean")
    assert "none is certain to be behind" in querying.describe_pairs(rows[1:], "euclidean")


def test_overlaps_are_said_as_they_are() -> None:
    text = querying.describe_overlap({"a": {"a": 1.0, "b": 0.95, "c": 0.3}, "b": {"b": 1.0, "c": 0.4}, "c": {}})
    assert "A and b agree most: on average 95\u00a0%" in text
    assert "A and c agree least, in 30\u00a0%: the choice of distance decides" in text


def test_hits_are_counted_or_said_to_be_uncountable() -> None:
    labelled = {"cosine": [[{"match": True}, {"match": False}]]}
    assert "50\u00a0% by cosine" in querying.describe_hits(labelled)
    assert "no hit can be called right" in querying.describe_hits({"cosine": [[{"match": None}]]})


def test_the_best_and_the_worst_class_are_named() -> None:
    rows = [{"name": "cat", "P@10": interval(0.2)}, {"name": "ship", "P@10": interval(0.5)}]
    text = classes.describe_classes(rows)
    assert "finds ship best, with 0.500 (0.496–0.504), and cat worst" in text
    assert "chance" not in text
    assert "may be chance" in classes.describe_classes([rows[0], {"name": "dog", "P@10": interval(0.201)}])
    assert "There is one class, cat" in classes.describe_classes(rows[:1])


def hubs(skewness: float) -> dict[str, Any]:
    return {"n_images": 1_000, "k": 10, "skewness": interval(skewness), "orphans": interval(0.02), "largest": 40}


def test_hubs_are_told_by_their_skewness() -> None:
    assert "hardly any images are hubs" in label_free.describe_hubness(hubs(0.2))
    assert "none out of proportion" in label_free.describe_hubness(hubs(1.0))
    assert "crowd into the hits of many others" in label_free.describe_hubness(hubs(3.0))
    assert "too few to look for hubs" in label_free.describe_hubness(None)


def test_the_verdict_stands_in_where_there_are_no_labels() -> None:
    found = evaluation(None) | {"label_free": {"verdict": "collapsed", "explanation": "One point."}}
    assert verdict.retrieval_verdict(found).endswith("What can be said without labels: collapsed. One point.")


def test_a_schedule_that_stands_still_is_not_said_to_rise() -> None:
    entry = {"epoch": 1, "train": {"loss": 1.0}, "distortion": {"share": 0.3, "strength": 1.0}}
    history = {"epochs": [entry, {**entry, "epoch": 2}], "seconds": 60.0}
    text = robustness.describe_training(history, {}, {"old": {"name": "cifar10"}})
    assert "from the weights of cifar10, never from scratch, for 2 epochs" in text
    assert text.endswith("All the time 30\u00a0% of the images were distorted.")
    unknown = robustness.describe_training({"epochs": [{**entry, "distortion": None}]}, {}, {"old": {"name": "a"}})
    assert "were distorted" not in unknown


def test_a_course_needs_two_measurements() -> None:
    assert robustness.describe_course([], None) == ""
    entry = {"epoch": 1, "validation": {"psnr": 16.0}, "distorted": {"psnr": 12.0}}
    assert robustness.describe_course([entry], 1) == ""
    text = robustness.describe_course([entry, {**entry, "epoch": 2, "distorted": {"psnr": 14.5}}], 2)
    assert "from 12.00 to 14.50 dB where they were distorted" in text
    assert "after epoch 1, and after epoch 2" in text


def test_nothing_measured_is_nothing_claimed() -> None:
    assert robustness.summarize({"distortions": []}) == ""
    assert robustness.headline({"distortions": []}) == []
