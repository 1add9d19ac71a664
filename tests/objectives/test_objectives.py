"""Objectives are mixed by weight, share what a step computes, and own what they learn beside the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from zehn import models, objectives, plugins
from zehn.errors import ConfigError, UnknownNameError


@pytest.fixture
def network() -> models.Network:
    return models.build("conv", options={"widths": (4, 8)})


@pytest.fixture
def step(network: models.Network) -> objectives.Step:
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    return objectives.Step(network, images, torch.Generator().manual_seed(0))


class Length(nn.Module):
    """An objective with a head of its own."""

    def __init__(self, network: models.Network) -> None:
        super().__init__()
        self.head = nn.Linear(network.n_components, 1)

    def forward(self, step: objectives.Step) -> torch.Tensor:
        return self.head(step.codes).square().mean()


def test_a_step_computes_each_quantity_once(step: objectives.Step) -> None:
    calls = []
    step.network.encoder.body.register_forward_hook(lambda *_: calls.append("body"))
    step.network.decoder.register_forward_hook(lambda *_: calls.append("decoder"))
    assert calls == []
    assert step.reconstructions is step.reconstructions
    assert step.codes.shape == (6, 10)
    assert step.features.shape == (6, step.network.encoder.n_features)
    assert calls == ["body", "decoder"]
    torch.testing.assert_close(step.reconstructions, step.network(step.images))


def test_reconstruction_is_the_mean_squared_error(network: models.Network, step: objectives.Step) -> None:
    mixture = objectives.build({"reconstruction": 1.0}, {}, network)
    expected = np.mean((step.reconstructions.detach().numpy() - step.images.numpy()) ** 2)
    assert mixture(step).item() == pytest.approx(expected, rel=1e-5)


def test_ssim_is_that_of_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.random((3, 3, 8, 8)), np.ones((1, 1, 4, 4)))
    images = smooth.astype(np.float32)
    others = np.clip(smooth + rng.normal(0, 0.1, smooth.shape), 0, 1).astype(np.float32)
    ours = plugins.load("objectives", "reconstruction").ssim(torch.from_numpy(images), torch.from_numpy(others))
    theirs = np.mean(
        [
            metrics.structural_similarity(
                *pair, channel_axis=0, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
            for pair in zip(images, others, strict=True)
        ]
    )
    assert ours.item() == pytest.approx(theirs, abs=0.03)  # they treat the border differently


def test_ssim_weight_adds_its_share(network: models.Network, step: objectives.Step) -> None:
    plain = objectives.build({"reconstruction": 1.0}, {}, network)(step)
    mixed = objectives.build({"reconstruction": 1.0}, {"reconstruction": {"ssim_weight": 0.5}}, network)(step)
    ssim = plugins.load("objectives", "reconstruction").ssim(step.reconstructions, step.images)
    assert mixed.item() == pytest.approx(plain.item() + 0.5 * (1 - ssim.item()), rel=1e-5)
    mixed.backward()
    assert network.encoder.head.weight.grad is not None


def test_a_mixture_weighs_its_terms(network: models.Network, step: objectives.Step) -> None:
    reconstruction = plugins.load("objectives", "reconstruction")
    parts = {"reconstruction": reconstruction.Objective(network, reconstruction.Options()), "length": Length(network)}
    mixture = objectives.Mixture({"reconstruction": 2.0, "length": 0.25}, parts)
    terms = mixture.terms(step)
    assert sorted(terms) == ["length", "reconstruction"]
    expected = 2 * terms["reconstruction"] + 0.25 * terms["length"]
    torch.testing.assert_close(mixture(step), expected)


def test_an_objective_owns_its_head_and_not_the_network(network: models.Network) -> None:
    mixture = objectives.Mixture({"length": 1.0}, {"length": Length(network)})
    assert sorted(mixture.state_dict()) == ["objectives.length.head.bias", "objectives.length.head.weight"]


def test_building_leaves_the_random_state_alone(network: models.Network) -> None:
    state = torch.random.get_rng_state()
    objectives.build({"reconstruction": 1.0}, None, network, seed=3)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_an_unknown_objective(network: models.Network) -> None:
    with pytest.raises(UnknownNameError, match="unknown objective 'reconstrution'; did you mean 'reconstruction'"):
        objectives.build({"reconstrution": 1.0}, {}, network)


@pytest.mark.parametrize(
    ("weights", "options", "message"),
    [
        ({}, {}, "no objective is named"),
        ({"reconstruction": -1.0}, {}, "must be at least 0, came -1.0"),
        ({"reconstruction": float("nan")}, {}, "must be at least 0, came nan"),
        ({"reconstruction": 1.0}, {"denoising": {}}, "options are given for objective 'denoising'"),
        ({"reconstruction": 1.0}, {"reconstruction": {"ssim_weight": -1}}, "ssim_weight must be at least 0"),
        ({"reconstruction": 1.0}, {"reconstruction": {"sim": 1}}, "option of reconstruction"),
    ],
)
def test_a_mixture_that_is_none(
    network: models.Network, weights: dict[str, float], options: dict[str, dict[str, float]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        objectives.build(weights, options, network)
