"""The 1,797 handwritten digits that scikit-learn ships, 8×8 pixels enlarged: real data that needs no network.

From E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zehn import images, plugins
from zehn.datasets._dataset import Dataset, Expected
from zehn.progress import Progress

_N_TEST = 360
_MOST_INK = 16


@dataclass(frozen=True)
class Options:
    """The digits have none."""


def load(options: Options, *, image_size: int, data_dir: Path | str | None, progress: Progress | None) -> Dataset:
    """Load the digits, enlarged; the last fifth of them, by writers of their own, is the test part.

    Raises:
        MissingExtraError: scikit-learn is not installed.

    """
    del options, data_dir, progress  # there is nothing to choose, to find or to wait for
    bunch = plugins.require("sklearn.datasets", "train").load_digits()
    grey = np.rint(bunch.images * (255 / _MOST_INK)).astype(np.uint8)
    x = images.resize_all(np.broadcast_to(grey[..., None], (*grey.shape, 3)), image_size)
    y = bunch.target.astype(np.int64)[:, None]
    return Dataset(
        name="digits",
        x_train=x[:-_N_TEST],
        y_train=y[:-_N_TEST],
        x_test=x[-_N_TEST:],
        y_test=y[-_N_TEST:],
        class_names=tuple(str(digit) for digit in range(10)),
        origin="the handwritten digits that scikit-learn ships (8×8 pixels, enlarged)",
    )


def get(options: Options, *, data_dir: Path | str | None, progress: Progress | None) -> Path:
    """Return the folder in which scikit-learn keeps the digits; there is nothing to fetch.

    Raises:
        MissingExtraError: scikit-learn is not installed.

    """
    del options, data_dir, progress
    return Path(str(plugins.require("sklearn.datasets", "train").__file__)).parent / "data"


def expected() -> Expected:
    """Return how many of each digit there are."""
    return Expected(
        n_train_per_class=(143, 146, 142, 146, 144, 145, 144, 143, 141, 143),
        n_test_per_class=(35, 36, 35, 37, 37, 37, 37, 36, 33, 37),
    )
