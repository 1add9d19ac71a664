"""Architectures of autoencoders: a file each, and what they share.

A plug-in file holds ``Options`` (a frozen dataclass) and ``build(n_components, image_size, options)``, which returns
an :class:`Encoder` and a :class:`Decoder`. Images go in and come out as float32 in [0, 1], NCHW.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zehn import plugins
from zehn.config.sections import LEAST_COMPONENTS, LEAST_SIZE, MOST_COMPONENTS, MOST_SIZE
from zehn.errors import ConfigError

N_CHANNELS = 3

_GREY = 0.5
_CONTRAST = 4.0
"""The encoder sees (image - 0.5) × 4: natural images then have about zero mean and unit variance."""


class Encoder(nn.Module):
    """Image → code: a body that sees, and a head that reads ``n_components`` numbers off it, a linear one by default.

    Attributes:
        n_features: how many numbers the body gives; a wider head of an objective may read them too.
        any_size: images of another size than the network's may be seen too, such as small views.
        mirrored: outside of training, an image and its mirror image are seen and averaged already.

    """

    def __init__(
        self,
        body: nn.Module,
        n_features: int,
        n_components: int,
        head: nn.Module | None = None,
        *,
        any_size: bool = False,
        mirrored: bool = False,
    ) -> None:
        super().__init__()
        self.n_features, self.n_components = n_features, n_components
        self.any_size, self.mirrored = any_size, mirrored
        self.body = body
        self.head: Any = head or nn.Linear(n_features, n_components)

    def features(self, images: Tensor) -> Tensor:
        """Return what the head reads, (n, n_features), for images (n, 3, h, w) in [0, 1]."""
        return self.body((images - _GREY) * _CONTRAST).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        """Return codes (n, n_components) of images (n, 3, h, w) in [0, 1]."""
        return self.head(self.features(images))


class Decoder(nn.Module):
    """Code → image; the last step is a logistic function in float32, whatever the precision before it."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, codes: Tensor) -> Tensor:
        """Return images (n, 3, h, w) in [0, 1] for codes (n, n_components)."""
        return torch.sigmoid(self.body(codes).float())


class Network(nn.Module):
    """An autoencoder: ``encoder``, ``decoder``, and what it was built from.

    Attributes:
        architecture: name of the plug-in.
        n_components: length of a code.
        image_size: side of an image, in pixels.
        options: the architecture's options, every default filled in.

    """

    def __init__(
        self, encoder: Encoder, decoder: Decoder, architecture: str, image_size: int, options: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.architecture, self.image_size = architecture, image_size
        self.n_components = encoder.n_components
        self.options = dict(options)

    def forward(self, images: Tensor) -> Tensor:
        """Return the reconstructions, (n, 3, h, w) in [0, 1], of images alike."""
        return self.decoder(self.encoder(images))


@dataclass(frozen=True)
class Layer:
    """One layer of a network, as it is drawn."""

    half: str
    """``encoder`` or ``decoder``."""
    name: str
    """Where it sits in its half, such as ``body.3``."""
    kind: str
    """What it is, such as ``Conv2d`` or ``ResidualBlock``."""
    shape: tuple[int, ...]
    """Shape of what it gives for one image, without the batch."""
    n_parameters: int


def build(
    architecture: str,
    *,
    n_components: int = 10,
    image_size: int = 32,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Network:
    """Build an untrained autoencoder; the same seed gives the same weights, and torch's own state is left alone.

    Raises:
        UnknownNameError: no such architecture, or an option that it does not have.
        ConfigError: ``n_components`` outside 2…512, ``image_size`` outside 28…256, or an option of the wrong type.

    """
    _check_range("n_components", n_components, LEAST_COMPONENTS, MOST_COMPONENTS)
    _check_range("image_size", image_size, LEAST_SIZE, MOST_SIZE)
    plugin = plugins.load("models", architecture)
    resolved = plugins.options(plugin, options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder, decoder = plugin.build(n_components, image_size, resolved)
    return Network(encoder, decoder, architecture, image_size, dataclasses.asdict(resolved)).eval()


def describe(network: Network) -> list[Layer]:
    """List the layers of both halves in the order in which an image passes them, with shapes and parameter counts.

    A block that an architecture defines itself counts as one layer.
    """
    layers: list[Layer] = []
    hooks = [
        module.register_forward_hook(_recorder(layers, half, name))
        for half in ("encoder", "decoder")
        for name, module in _drawn(getattr(network, half))
    ]
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            device = next(network.parameters()).device
            network(torch.zeros(1, N_CHANNELS, network.image_size, network.image_size, device=device))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return layers


def n_parameters(module: nn.Module) -> int:
    """Count the trainable numbers of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def _drawn(module: nn.Module, prefix: str = "") -> list[tuple[str, nn.Module]]:
    found = []
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        found += _drawn(child, f"{path}.") if isinstance(child, nn.Sequential) else [(path, child)]
    return found


def _recorder(layers: list[Layer], half: str, name: str) -> Any:
    def record(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        layers.append(Layer(half, name, type(module).__name__, tuple(output.shape[1:]), n_parameters(module)))

    return record


def _check_range(name: str, value: int, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(f"{name} must be a whole number from {least} to {most}, came {value!r}")
