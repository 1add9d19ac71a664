"""The digits are scikit-learn's, enlarged."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits

from zehn import datasets
from zehn.errors import MissingExtraError


def test_they_are_as_published() -> None:
    dataset = datasets.load("digits")
    assert datasets.verify("digits", dataset=dataset) == []
    assert dataset.x_train.shape == (1437, 32, 32, 3)
    assert dataset.x_test.shape == (360, 32, 32, 3)
    assert_array_equal(dataset.labels, load_digits().target)


def test_enlarging_keeps_what_they_show() -> None:
    original = load_digits().images / 16
    blocks = datasets.load("digits").images[..., 0].reshape(-1, 8, 4, 8, 4).mean((2, 4)) / 255
    assert np.corrcoef(blocks.ravel(), original.ravel())[0, 1] > 0.95


def test_their_grey_fills_the_range_in_every_size() -> None:
    dataset = datasets.load("digits", image_size=8)
    assert_array_equal(dataset.images[..., 0], np.rint(load_digits().images * 255 / 16))
    assert_array_equal(dataset.images[..., 0], dataset.images[..., 2])


def test_get_names_the_folder_that_has_them() -> None:
    assert (datasets.get("digits") / "digits.csv.gz").is_file()


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zehn\[train\]'"):
        datasets.load("digits")
