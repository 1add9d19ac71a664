from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from zehn.figures import robust_training, scalars_of, training_curves


def history(n_epochs: int, *, validation: bool = True) -> dict[str, Any]:
    def measures(factor: float, epoch: int) -> dict[str, float]:
        return {"loss": factor / epoch, "mse": factor / epoch, "psnr": 10.0 + epoch, "channel_accuracy": 0.4}

    epochs = [
        {
            "epoch": epoch, "train": measures(1.0, epoch), "validation": measures(1.1, epoch) if validation else None,
            "test": measures(1.2, epoch), "learning_rate": 0.001 * epoch, "images_per_second": 1000.0,
        }
        for epoch in range(1, n_epochs + 1)
    ]  # fmt: skip
    return {"epochs": epochs, "best_epoch": n_epochs}


def test_scalars_of_a_history_have_the_tags_of_the_logs() -> None:
    scalars = scalars_of(history(3))
    for tag, expected in (("loss/validation", [1.1, 0.55, 1.1 / 3]), ("learning_rate", [0.001, 0.002, 0.003])):
        epochs, values = scalars[tag]
        assert epochs == [1, 2, 3]
        assert values == pytest.approx(expected)
    assert "loss/validation" not in scalars_of(history(3, validation=False))


@pytest.mark.parametrize("n_epochs", [1, 8, 50])
def test_curves_hold_what_was_logged(
    n_epochs: int, texts: Callable[[Figure], list[str]], check_fit: Callable[[Figure, float], None]
) -> None:
    figure = training_curves(scalars_of(history(n_epochs)), best_epoch=n_epochs)
    assert {"train", "validation", "test", f"┊ best epoch: {n_epochs}"} <= set(texts(figure))
    loss = {str(line.get_label()): line for line in figure.axes[0].lines}
    assert np.asarray(loss["test"].get_ydata()).tolist() == pytest.approx(
        [1.2 / epoch for epoch in range(1, n_epochs + 1)]
    )
    assert len({loss[split].get_linestyle() for split in ("train", "validation", "test")}) == 3
    check_fit(figure, 7.0)


def test_what_was_not_logged_is_said_not_to_be(texts: Callable[[Figure], list[str]]) -> None:
    assert texts(training_curves({})).count("not logged") == 4
    assert texts(training_curves({"learning_rate": ([1, 2], [0.1, 0.2])})).count("not logged") == 3


def retraining(n_epochs: int) -> dict[str, Any]:
    """Return a history of a training with distorted images, epoch 0 being what was there before."""
    entries: list[dict[str, Any]] = []
    for epoch, entry in enumerate([history(1)["epochs"][0], *history(n_epochs)["epochs"]]):
        entries.append({**entry, "epoch": epoch, "test": None, "distorted": {**entry["validation"], "loss": 2.0}})
        entries[-1] |= {"distortion": {"share": 0.1 + epoch / 100, "strength": epoch / n_epochs}} if epoch else {}
    entries[0]["train"] = None
    return {"epochs": entries}


@pytest.mark.parametrize("n_epochs", [1, 12, 40])
def test_a_retraining_shows_clean_and_distorted_images_apart_and_its_schedule(
    n_epochs: int, texts: Callable[[Figure], list[str]], check_fit: Callable[[Figure, float], None]
) -> None:
    figure = robust_training(retraining(n_epochs), best_epoch=n_epochs)
    named = {"train, some distorted", "validation, clean", "validation, distorted", "share", "strength"}
    assert named <= set(texts(figure))
    loss = {str(line.get_label()): line for line in figure.axes[0].lines}
    assert np.asarray(loss["validation, distorted"].get_ydata()).tolist() == [2.0] * (n_epochs + 1)
    assert np.asarray(loss["train, some distorted"].get_xdata()).tolist() == list(range(1, n_epochs + 1))
    schedule = {str(line.get_label()): line for line in figure.axes[3].lines}
    assert np.asarray(schedule["strength"].get_ydata())[-1] == 1.0
    check_fit(figure, 7.0)


def test_a_retraining_without_a_schedule_says_so(texts: Callable[[Figure], list[str]]) -> None:
    assert "not logged" in texts(robust_training(history(2)))
