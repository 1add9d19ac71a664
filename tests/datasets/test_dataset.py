"""A data set counts, describes, divides and checks itself."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from zehn.datasets import Dataset, Expected, Skipped, describe, problems, split_validation, subset
from zehn.errors import ConfigError
from zehn.train.batches import shuffled


def make(n_train: int = 12, n_test: int = 6, *, labels: bool = True) -> Dataset:
    n_images = n_train + n_test
    x = np.random.default_rng(0).integers(0, 256, (n_images, 4, 4, 3), np.uint8)
    x[:, 0, 0, 0], x[:, 0, 0, 1] = 0, 255
    y = (np.arange(n_images) % 3)[:, None].astype(np.int64)
    return Dataset(
        name="made",
        x_train=x[:n_train],
        y_train=y[:n_train] if labels else None,
        x_test=x[n_train:],
        y_test=y[n_train:] if labels else None,
        class_names=("a", "b", "c") if labels else (),
        paths=tuple(f"{i}.png" for i in range(n_images)),
        skipped=(Skipped("x.png", "empty"),),
    )


def test_ids_run_over_training_then_test_images() -> None:
    dataset = make()
    assert (dataset.n_train, dataset.n_test) == (12, 6)
    assert_array_equal(dataset.images, np.concatenate([dataset.x_train, dataset.x_test]))
    assert_array_equal(dataset.labels, np.arange(18) % 3)
    assert make(labels=False).labels is None


def test_images_are_copied_only_where_they_do_not_lie_in_order() -> None:
    dataset = make()
    assert np.shares_memory(dataset.images, dataset.x_train)
    whole = np.concatenate([dataset.x_test, dataset.x_train])
    swapped = dataclasses.replace(dataset, x_train=whole[6:], x_test=whole[:6])
    assert_array_equal(swapped.images, dataset.images)
    overlapping = dataclasses.replace(dataset, x_test=dataset.images[:6], y_test=None)
    assert_array_equal(overlapping.images[12:], dataset.x_train[:6])


def test_subset_chooses_by_the_seed_and_keeps_what_belongs_together() -> None:
    dataset = make()
    small = subset(dataset, 5, 2, seed=1)
    assert (small.n_train, small.n_test) == (5, 2)
    assert small.paths is not None
    kept = [int(path.partition(".")[0]) for path in small.paths]
    assert kept[:5] == sorted(kept[:5])
    assert kept[5:] == [12, 13]
    assert_array_equal(small.images, dataset.images[kept])
    assert_array_equal(small.labels, np.array(kept) % 3)
    assert_array_equal(subset(dataset, 5, 2, seed=1).images, small.images)
    assert any(subset(dataset, 5, 2, seed=seed).paths != small.paths for seed in range(2, 6))


@pytest.mark.parametrize("seed", range(4))
def test_subset_draws_apart_from_the_order_of_training(seed: int) -> None:
    chosen = subset(make(n_train=200), 20, 1, seed=seed)
    numbers = [int(path.partition(".")[0]) for path in (chosen.paths or ())[:20]]
    orders = [shuffled(200, other, epoch) for other in range(4) for epoch in range(4)]
    assert numbers not in [sorted(order[:20].tolist()) for order in orders]


def test_a_subset_of_all_or_more_is_the_whole() -> None:
    dataset = make()
    assert subset(dataset, 0, 0, seed=0) is dataset
    assert subset(dataset, 100, 100, seed=0) is dataset
    assert subset(make(labels=False), 0, 3, seed=0).n_test == 3
    with pytest.raises(ConfigError, match=r"from 0 \(all\) upwards, came -1 and 0"):
        subset(dataset, -1, 0, seed=0)


@given(st.integers(1, 500), st.floats(0, 0.99), st.integers(0, 5))
def test_validation_images_are_a_share_of_the_training_images(n_train: int, share: float, seed: int) -> None:
    kept, held = split_validation(n_train, share, seed)
    assert_array_equal(np.sort(np.concatenate([kept, held])), np.arange(n_train))
    assert_array_equal(held, np.sort(held))
    assert len(kept) >= 1
    assert abs(len(held) - n_train * share) <= 1
    assert_array_equal(split_validation(n_train, share, seed)[1], held)


def test_at_least_one_image_is_held_out_if_any_is_to_be() -> None:
    assert len(split_validation(2, 0.01, 0)[1]) == 1
    assert len(split_validation(1, 0.5, 0)[1]) == 0
    assert len(split_validation(100, 0.0, 0)[1]) == 0
    with pytest.raises(ConfigError, match=r"came 1\.0"):
        split_validation(10, 1.0, 0)
    with pytest.raises(ConfigError, match="at least one training image, came 0"):
        split_validation(0, 0.1, 0)


def test_the_description_is_json_and_complete() -> None:
    described = json.loads(json.dumps(describe(make())))
    assert described["arrays"]["x_train"] == {"shape": [12, 4, 4, 3], "dtype": "uint8", "min": 0, "max": 255}
    assert described["arrays"]["y_test"] == {
        "shape": [6, 1],
        "dtype": "int64",
        "min": 0,
        "max": 2,
        "class_counts": {"a": 2, "b": 2, "c": 2},
    }
    assert described["skipped"] == [{"path": "x.png", "reason": "empty"}]
    assert "y_train" not in describe(make(labels=False))["arrays"]


def test_a_sound_data_set_has_no_problems() -> None:
    assert problems(make(), Expected((4, 4, 4), (2, 2, 2))) == []
    assert problems(make(labels=False)) == []


def test_each_problem_is_said() -> None:
    dataset, expected = make(), Expected((4, 4, 4), (2, 2, 3))
    assert problems(dataset, expected) == [
        "x_test: expected 7 images, came 6",
        "y_test: expected 3 images of class 'c', came 2",
    ]
    assert problems(make(labels=False), expected)[0] == "y_train: expected labels, came none"
    assert problems(make(), Expected((4, 8), (2, 2, 2))) == ["y_train: expected 2 classes, came 3"]
    flat = dataclasses.replace(dataset, x_train=np.zeros_like(dataset.x_train))
    assert problems(flat) == ["x_train: expected values from 0 to 255, came 0 to 0"]
    narrow = dataclasses.replace(dataset, x_train=dataset.x_train // 2)
    assert problems(narrow) == []
    assert problems(narrow, Expected((4, 4, 4), (2, 2, 2))) == ["x_train: expected values from 0 to 255, came 0 to 127"]
    wrong = dataclasses.replace(dataset, y_test=np.full((6, 1), 7, np.int64))
    assert problems(wrong) == ["y_test: expected labels from 0 to 2, came 7 to 7"]
    assert problems(subset(dataclasses.replace(dataset, x_test=dataset.x_test[:0], y_test=None), 0, 0, 0)) == [
        "x_test: expected images, came none"
    ]
