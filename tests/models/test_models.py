"""Every architecture builds halves that fit any size, says what it is made of, and leaves torch's state alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zehn import models, plugins
from zehn.errors import ConfigError, UnknownNameError

ARCHITECTURES = plugins.names("models")


def test_the_architectures() -> None:
    assert ARCHITECTURES == ["compact", "conv", "dense", "residual"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("image_size", "n_components"), [(28, 2), (32, 10), (45, 3), (100, 16), (256, 512)])
def test_halves_fit_any_size(architecture: str, image_size: int, n_components: int) -> None:
    network = models.build(architecture, n_components=n_components, image_size=image_size)
    images = torch.rand(2, 3, image_size, image_size)
    with torch.no_grad():
        codes = network.encoder(images)
        features = network.encoder.features(images)
        reconstructions = network.decoder(codes)
    assert codes.shape == (2, n_components)
    assert features.shape == (2, network.encoder.n_features)
    torch.testing.assert_close(network.encoder.head(features), codes)
    assert reconstructions.shape == images.shape
    assert reconstructions.min() >= 0
    assert reconstructions.max() <= 1
    torch.testing.assert_close(network(images), reconstructions)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_parameter_gets_a_gradient(architecture: str) -> None:
    network = models.build(architecture, image_size=33)
    network(torch.rand(4, 3, 33, 33)).sum().backward()
    still = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert still == []


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_codes_of_an_image_do_not_depend_on_its_batch(architecture: str) -> None:
    network = models.build(architecture)
    images = torch.rand(5, 3, 32, 32)
    torch.testing.assert_close(network.encoder(images)[2:3], network.encoder(images[2:3]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_bfloat16_decodes_to_float32(architecture: str) -> None:
    network = models.build(architecture)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(torch.rand(2, 3, 32, 32)).dtype == torch.float32


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("image_size", [32, 200])
def test_describe_counts_every_parameter_in_order(architecture: str, image_size: int) -> None:
    network = models.build(architecture, image_size=image_size)
    layers = models.describe(network)
    assert sum(layer.n_parameters for layer in layers) == models.n_parameters(network)
    halves = [layer.half for layer in layers]
    assert halves == sorted(halves, reverse=True)  # the encoder comes first
    encoder = [layer for layer in layers if layer.half == "encoder"]
    assert (encoder[-1].kind, encoder[-1].shape) == ("Linear", (10,))
    assert layers[-1].shape == (3, image_size, image_size)
    assert not any(module._forward_hooks for module in network.modules())


def test_describe_leaves_the_mode_as_it_was() -> None:
    network = models.build("conv").train()
    models.describe(network)
    assert network.training


def test_dense_has_two_dense_layers_each_way() -> None:
    kinds = [(layer.half, layer.shape) for layer in models.describe(models.build("dense")) if layer.kind == "Linear"]
    assert kinds == [("encoder", (512,)), ("encoder", (10,)), ("decoder", (512,)), ("decoder", (3072,))]


def test_residual_counts_a_block_as_one_layer() -> None:
    network = models.build("residual", options={"widths": (16, 32), "encoder_depths": (1, 2), "decoder_depths": (0, 1)})
    blocks = [layer for layer in models.describe(network) if layer.kind == "ResidualBlock"]
    assert [layer.shape for layer in blocks] == [
        (16, 16, 16),
        (32, 8, 8),
        (32, 8, 8),
        (32, 8, 8),
    ]


def test_attributes_say_what_it_was_built_from() -> None:
    network = models.build("conv", n_components=7, image_size=64, options={"widths": [8, 16]})
    assert (network.architecture, network.n_components, network.image_size) == ("conv", 7, 64)
    assert network.options == {"widths": (8, 16)}
    assert not network.training


def test_the_seed_decides_the_weights_and_nothing_else() -> None:
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    first, again, other = (models.build("conv", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first.encoder.head.weight, again.encoder.head.weight)
    assert not torch.equal(first.encoder.head.weight, other.encoder.head.weight)


def test_shapes_for_256_pixels_stay_small() -> None:
    for architecture in ARCHITECTURES:
        assert models.n_parameters(models.build(architecture, image_size=256)) < 20e6


def test_features_are_centred() -> None:
    class Seen(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images

    encoder = models.Encoder(Seen(), 3 * 4 * 4, 2)
    assert encoder.features(torch.full((1, 3, 4, 4), 0.5)).abs().max() == 0
    assert encoder.features(torch.ones(1, 3, 4, 4)).max() == 2


@pytest.mark.parametrize("n_components", [0, 1, 513, True])
def test_a_latent_size_that_is_none(n_components: int) -> None:
    with pytest.raises(ConfigError, match="n_components must be a whole number from 2 to 512, came"):
        models.build("conv", n_components=n_components)


@pytest.mark.parametrize("image_size", [0, 27, 257])
def test_an_image_size_out_of_range(image_size: int) -> None:
    with pytest.raises(ConfigError, match="image_size must be a whole number from 28 to 256, came"):
        models.build("conv", image_size=image_size)


def test_an_unknown_architecture() -> None:
    with pytest.raises(UnknownNameError, match="unknown model 'residul'; did you mean 'residual'"):
        models.build("residul")


def test_an_unknown_option() -> None:
    with pytest.raises(UnknownNameError, match="option of residual"):
        models.build("residual", options={"width": 3})


@pytest.mark.parametrize(
    ("architecture", "options", "message"),
    [
        ("residual", {"widths": (8, 16)}, "widths and depths must be as many"),
        ("residual", {"widths": (), "encoder_depths": (), "decoder_depths": ()}, "widths and depths must be as many"),
        ("residual", {"widths": (0,), "encoder_depths": (1,), "decoder_depths": (1,)}, "at least 1"),
        ("residual", {"n_hidden": 0}, "at least 1"),
        ("conv", {"widths": []}, r"expected at least one width, each at least 1, came \(\)"),
        ("conv", {"widths": [8, 0]}, r"came \(8, 0\)"),
        ("dense", {"n_hidden": 0}, "n_hidden must be at least 1, came 0"),
        ("dense", {"most_side": 0}, "most_side must be at least 1, came 0"),
    ],
)
def test_options_that_nothing_can_be_built_from(architecture: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        models.build(architecture, options=options)


def test_compact_averages_an_image_and_its_mirror_image_in_use() -> None:
    network = models.build("compact", options={"widths": [8, 16], "depths": [1, 1]})
    plain = models.build("compact", options={"widths": [8, 16], "depths": [1, 1], "mirrored": False})
    plain.load_state_dict(network.state_dict())
    images = torch.rand(3, 3, 32, 32)
    looks = [plain.encoder.features(seen) for seen in (images, images.flip(3))]
    torch.testing.assert_close(network.encoder.features(images), (looks[0] + looks[1]) / 2)
    torch.testing.assert_close(network.encoder(images), network.encoder(images.flip(3)))


def test_compact_sees_images_of_other_sizes() -> None:
    network = models.build("compact", image_size=32)
    assert network.encoder(torch.rand(2, 3, 24, 24)).shape == (2, 10)
    assert network.encoder(torch.rand(2, 3, 45, 45)).shape == (2, 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": [8]}, "as many"),
        ({"depths": [1, 0, 1]}, "depths at least 1"),
        ({"decoder_widths": [0, 1, 1]}, "widths must be at least 1"),
        ({"n_read": 0}, "at least 1"),
    ],
)
def test_compact_refuses(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        models.build("compact", options=options)
