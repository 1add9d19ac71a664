"""Objectives of one mixture look at the same views, through one pass of the encoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from zehn import augment, models, objectives
from zehn.errors import ConfigError, UnknownNameError


@pytest.fixture
def network() -> models.Network:
    return models.build("conv", options={"widths": (4, 8)}).train()


def step(network: models.Network, seed: int = 0) -> objectives.Step:
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    return objectives.Step(network, images, torch.Generator().manual_seed(seed))


def test_a_mixture_encodes_the_views_once(network: models.Network) -> None:
    calls: list[int] = []
    network.encoder.body.register_forward_hook(lambda _, inputs, __: calls.append(len(inputs[0])))
    weights = {"contrastive": 1.0, "code_contrastive": 1.0, "vicreg": 0.1, "self_labelling": 1.0, "reconstruction": 5.0}
    mixture = objectives.build(weights, {"reconstruction": {"view": "augmented"}}, network)
    made = step(network)
    mixture(made)
    assert calls == [24]
    images, reconstructions = made.compared
    assert calls == [24]
    assert torch.equal(images, made.views[0])
    assert reconstructions is made.view_reconstructions


def test_the_most_demanding_objective_says_how_many_views(network: models.Network) -> None:
    mixture = objectives.build({"contrastive": 1.0, "coding_rate": 1.0}, {"coding_rate": {"n_views": 5}}, network)
    made = step(network)
    mixture(made)
    assert made.views.shape == (5, 6, 3, 32, 32)
    assert made.view_codes.shape == (5, 6, 10)


def test_views_are_made_by_the_options_of_the_mixture(network: models.Network) -> None:
    options: dict[str, Any] = {"grey_share": 1.0, "least_area": 0.5}
    mixture = objectives.build({"code_contrastive": 1.0}, {}, network, augmentation=options)
    made = step(network)
    mixture(made)
    assert torch.equal(made.views[:, :, 0], made.views[:, :, 1])
    expected = augment.views(made.images, 4, augment.Options(**options), torch.Generator().manual_seed(0))
    assert torch.equal(made.views, expected)


def test_view_codes_are_the_codes_of_the_views(network: models.Network) -> None:
    made = step(network.eval())
    for view, features, codes in zip(made.views, made.view_features, made.view_codes, strict=True):
        torch.testing.assert_close(codes, network.encoder(view))
        torch.testing.assert_close(features, network.encoder.features(view))
    torch.testing.assert_close(made.view_reconstructions, network(made.views[0]))


def test_an_augmented_reconstruction_compares_the_first_view(network: models.Network) -> None:
    mixture = objectives.build({"reconstruction": 2.0}, {"reconstruction": {"view": "augmented"}}, network)
    made = step(network)
    expected = 2 * (made.view_reconstructions - made.views[0]).square().mean()
    torch.testing.assert_close(mixture(made), expected)


def test_evaluation_always_compares_the_clean_images(network: models.Network) -> None:
    mixture = objectives.build({"reconstruction": 1.0}, {"reconstruction": {"view": "augmented"}}, network.eval())
    made = step(network)
    mixture(made)
    assert made.compared[0] is made.images


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"crop": 0.2}, UnknownNameError, "unknown option of augment 'crop'"),
        ({"hue": 0.7}, ConfigError, "augment 'hue' must be from 0 to 0.5, came 0.7"),
        ({"hue": "much"}, ConfigError, "option of augment 'hue': expected float, came 'much'"),
    ],
)
def test_options_of_views_that_are_none(
    network: models.Network, options: dict[str, float], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        objectives.build({"contrastive": 1.0}, {}, network, augmentation=options)


def test_small_views_are_for_encoders_that_can_see_them(network: models.Network) -> None:
    compact = models.build("compact", options={"widths": [8, 8], "depths": [1, 1]}).train()
    weights = {"code_contrastive": 1.0, "denoising": 1.0, "reconstruction": 1.0}
    for net, side in ((compact, 24), (network, 32)):
        options = {"reconstruction": {"view": "augmented"}}
        mixture = objectives.build(weights, options, net, augmentation={"side": 0.75})
        made = step(net)
        assert torch.isfinite(mixture(made))
        assert made.views.shape == (4, 6, 3, side, side)


def test_denoising_holds_what_a_view_decodes_to_against_the_clean_image(network: models.Network) -> None:
    mixture = objectives.build({"denoising": 1.0}, {}, network)
    made = step(network)
    loss = mixture(made)
    decoded = network.decoder(network.encoder(made.views[0]))
    torch.testing.assert_close(loss, (decoded - made.images).square().mean())
    assert made.compared[0] is made.images
