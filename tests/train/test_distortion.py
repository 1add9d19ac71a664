from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zehn import models, objectives
from zehn.config import DistortConfig, TrainConfig
from zehn.errors import ConfigError
from zehn.objectives import Step
from zehn.train import distortion, read_scalars, train

RISING = DistortConfig(share=(0.1, 0.5), strength=(0.2, 1.0))


def row(reached: float, loss: float | None) -> dict[str, Any]:
    return {"distortion": {"reached": reached}, "validation": None if loss is None else {"loss": loss}}


def draw(n_images: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n_images, 32, 32, 3), dtype=np.uint8)


def test_share_and_strength_go_from_their_beginnings_to_their_ends() -> None:
    assert distortion.level(RISING, 0.0) == distortion.Level(0.0, 0.1, 0.2)
    middle = distortion.level(RISING, 0.5)
    assert middle.share == pytest.approx(0.3)
    assert middle.strength == pytest.approx(0.6)
    assert distortion.level(RISING, 1.0) == distortion.Level(1.0, 0.5, 1.0)


def test_they_arrive_when_the_rise_is_over() -> None:
    reached = [distortion.reach(RISING, [], progress, 0.0) for progress in (0.0, 0.25, 0.5, 0.9)]
    assert reached == [0.0, 0.5, 1.0, 1.0]


def test_they_wait_while_clean_images_fare_worse() -> None:
    better, worse = [row(0.2, 1.0), row(0.4, 1.05)], [row(0.2, 1.0), row(0.4, 1.2)]
    assert distortion.reach(RISING, better, 0.5, 0.4) == pytest.approx(0.6)
    assert distortion.reach(RISING, worse, 0.5, 0.4) == 0.4
    assert distortion.reach(RISING, [*worse, row(0.4, 1.0)], 0.6, 0.5) == pytest.approx(0.6)


def test_losses_below_zero_are_compared_too() -> None:
    assert not distortion.has_to_wait(RISING, [row(0.1, -2.0), row(0.2, -1.9)])
    assert distortion.has_to_wait(RISING, [row(0.1, -2.0), row(0.2, -1.7)])


def test_epochs_that_were_not_measured_hold_nothing_up() -> None:
    assert not distortion.has_to_wait(RISING, [row(0.1, 1.0), row(0.2, None)])
    assert not distortion.has_to_wait(RISING, [])


def test_a_share_of_the_images_is_distorted_and_the_rest_left_alone() -> None:
    images = torch.rand(400, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    level = distortion.Level(1.0, 0.25, 1.0)
    seen = distortion.distorted(images, RISING, level, torch.Generator().manual_seed(0))
    share = (seen != images).flatten(1).any(dim=1).float().mean()
    assert 0.18 < share < 0.32
    assert seen.min() >= 0
    assert seen.max() <= 1
    again = distortion.distorted(images, RISING, level, torch.Generator().manual_seed(0))
    assert torch.equal(seen, again)


def test_all_kinds_are_drawn() -> None:
    images = torch.full((300, 3, 28, 28), 0.5)
    seen = distortion.distorted(images, RISING, distortion.greatest(RISING), torch.Generator().manual_seed(0))
    # noise gives many values; a projection of grey gives black and little else
    n_values = torch.tensor([len(image.unique()) for image in seen])
    is_dark = (seen == 0).flatten(1).float().mean(dim=1) > 0.02
    assert (n_values > 1000).sum() > 150
    assert ((n_values <= 1000) & is_dark).sum() > 30
    assert ((n_values > 1000) & is_dark).sum() > 30


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"share": (0.5,)}, "share must be two numbers from 0 to 1"),
        ({"share": (0.1, 1.5)}, "share must be two numbers from 0 to 1"),
        ({"strength": (-0.1, 1.0)}, "strength must be two numbers from 0 to 1"),
        ({"noise": -0.1}, "noise must be a number from 0 to inf, came -0.1"),
        ({"noise": float("inf")}, "noise must be a number"),
        ({"perspective": 1.2}, "perspective must be a number from 0 to 1"),
        ({"rise": float("nan")}, "rise must be a number"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(RISING, **changes)


def test_a_training_on_distorted_images_tells_how_it_fares_on_both(tmp_path: Path) -> None:
    config = TrainConfig(epochs=3, batch_size=16, objectives={"reconstruction": 1.0}, decoder_seen=0, distort=RISING)
    config = replace(config, precision="float32")
    network = models.build("dense", n_components=4)
    history = train(network, draw(64, 1), draw(16, 2), draw(8, 3), config, tmp_path)
    rows = history["epochs"]
    assert [row["distortion"]["share"] for row in rows] == sorted(row["distortion"]["share"] for row in rows)
    assert rows[-1]["distortion"]["share"] > rows[0]["distortion"]["share"] > 0.1
    assert all(row["distorted"]["mse"] != row["validation"]["mse"] for row in rows)
    scalars = read_scalars(tmp_path / "logs")
    assert {"loss/distorted", "channel_accuracy/distorted", "distortion/share", "distortion/strength"} <= set(scalars)


def test_a_training_on_clean_images_says_nothing_of_distorted_ones(tmp_path: Path) -> None:
    config = TrainConfig(epochs=1, batch_size=16, objectives={"reconstruction": 1.0}, decoder_seen=0)
    history = train(models.build("dense", n_components=4), draw(32, 1), draw(16, 2), None, config, tmp_path)
    assert not {"distorted", "distortion"} & set(history["epochs"][0])


@pytest.mark.parametrize("objective", ["denoising", "contrastive", "reconstruction"])
def test_every_objective_sees_what_the_encoder_sees(objective: str) -> None:
    network = models.build("dense", n_components=4)
    mixture = objectives.build({objective: 1.0}, None, network)
    images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    losses = [
        mixture(Step(network, images, torch.Generator().manual_seed(1), inputs=inputs)).item()
        for inputs in (None, images.flip(2))
    ]
    assert losses[0] != losses[1]


def test_augmented_views_of_distorted_images_have_no_clean_image_to_come_back_to() -> None:
    network, images = models.build("dense", n_components=4), torch.rand(8, 3, 32, 32)
    mixture = objectives.build({"reconstruction": 1.0}, {"reconstruction": {"view": "augmented"}}, network)
    with pytest.raises(ConfigError, match="take view = 'clean', or the objective denoising"):
        mixture(Step(network, images, torch.Generator().manual_seed(1), inputs=images.flip(2)))


def test_an_interrupted_training_on_distorted_images_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    config = TrainConfig(epochs=3, batch_size=16, objectives={"reconstruction": 1.0}, decoder_seen=0, distort=RISING)
    config = replace(config, precision="float32")
    whole, broken, again = (models.build("dense", n_components=4) for _ in range(3))
    images = (draw(64, 1), draw(16, 2), None)
    train(whole, *images, config, tmp_path / "whole")

    def stop(state: dict[str, Any]) -> None:
        if state["epoch"] == 2 and state["share"] >= 0.5:
            raise KeyboardInterrupt

    assert train(broken, *images, config, tmp_path / "broken", progress=stop)["interrupted"]
    train(again, *images, config, tmp_path / "broken", resume=True)
    for name, weights in whole.state_dict().items():
        assert torch.equal(weights, again.state_dict()[name]), name
