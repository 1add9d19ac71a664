"""What training minimises: a file each, mixed with weights from the configuration.

A plug-in file holds ``Options`` (a frozen dataclass) and ``Objective(nn.Module)``: built from the network and its
options, called with a :class:`Step`, returning a scalar loss. An objective may own parameters (a projection head, a
momentum copy, prototypes): they train with the network, are kept in checkpoints and are not exported with the model.
It must not keep the network itself as an attribute; ``step.network`` is there when it is needed.

Objectives that compare views of an image share them: each says by an attribute ``n_views`` how many it wants, a step
makes as many as the most demanding one does, all by the same :class:`zehn.augment.Options`, and sends them through the
encoder once. An option called ``teacher`` names a model: the objective is then given its network as a third argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zehn import augment, plugins
from zehn.errors import ConfigError
from zehn.models import Network
from zehn.objectives._gather import gathered
from zehn.shares import WHOLE, Share

LoadNetwork = Callable[[str], Network]
"""Loads the network of a model by its name or path."""
_COMPARED = "compared"
N_VIEWS = 2
"""Views that a step makes of each image, unless an objective wants more."""


class Step:
    """One batch on its way through the network: every quantity is computed when first asked for, then kept.

    Where several processes train together, pictures (``images``, ``inputs``, ``views`` and what is decoded) are this
    process's share of the batch, so that each passes through the network once; ``features``, ``codes``,
    ``view_features`` and ``view_codes`` are of the whole batch, the same in every process. A loss of pictures is then
    the mean over its share; a loss of codes is computed alike everywhere; an objective that needs both, or that makes
    its own numbers from pictures, brings those together by :meth:`gather`. All processes have to ask for the same
    quantities in the same order.

    Attributes:
        network: the autoencoder in training.
        images: the clean images, (n, 3, h, w) in [0, 1].
        inputs: what the encoder sees of them: the clean images, or distorted ones in their places.
        generator: where an objective draws its random numbers from; seeded by seed, epoch and batch.
        progress: how much of the training is done, 0 to 1, for weights and temperatures that change on the way.
        augmentation: how views are made; a mixture sets it.
        n_views: how many views are made of each image; a mixture sets it.
        share: which part of the batch the images are.

    """

    def __init__(
        self,
        network: Network,
        images: Float[Tensor, "n 3 h w"],
        generator: torch.Generator,
        progress: float = 0.0,
        inputs: Float[Tensor, "n 3 h w"] | None = None,
        share: Share = WHOLE,
    ) -> None:
        self.share = share
        self.network, self.images, self.generator, self.progress = network, images, generator, progress
        self.inputs = images if inputs is None else inputs
        self.augmentation, self.n_views = augment.Options(), N_VIEWS
        self._kept: dict[str, Any] = {}

    @cached_property
    def _own_features(self) -> Tensor:
        return self.network.encoder.features(self.inputs)

    @cached_property
    def _own_codes(self) -> Tensor:
        return self.network.encoder.head(self._own_features)

    @cached_property
    def features(self) -> Tensor:
        """What the encoder's body gives for the inputs, (n, n_features)."""
        return self.gather(self._own_features)

    @cached_property
    def codes(self) -> Tensor:
        """Codes of the inputs, (n, n_components)."""
        return self.gather(self._own_codes)

    @cached_property
    def reconstructions(self) -> Tensor:
        """The images as decoded from the codes of the inputs, (n, 3, h, w) in [0, 1]."""
        return self.network.decoder(self._own_codes)

    @cached_property
    def views(self) -> Float[Tensor, "v n 3 h w"]:
        """Random views of the inputs, in [0, 1]; smaller ones only where the encoder can see them."""
        options = self.augmentation if self.network.encoder.any_size else replace(self.augmentation, side=1.0)
        return augment.views(self.inputs, self.n_views, options, self.generator, self.share)

    @cached_property
    def _own_view_features(self) -> Tensor:
        images = self.views.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        return self.network.encoder.features(images).view(*self.views.shape[:2], -1)

    @cached_property
    def _own_view_codes(self) -> Tensor:
        seen = self._own_view_features
        return self.network.encoder.head(seen.flatten(0, 1)).view(*seen.shape[:2], -1)

    @cached_property
    def view_features(self) -> Tensor:
        """What the encoder's body gives for the views, (v, n, n_features); one pass for all of them."""
        return self.gather(self._own_view_features, dim=1)

    @cached_property
    def view_codes(self) -> Tensor:
        """Codes of the views, (v, n, n_components)."""
        return self.gather(self._own_view_codes, dim=1)

    @cached_property
    def view_reconstructions(self) -> Tensor:
        """What is decoded from the codes of the first views, (n, 3, h, w) in [0, 1], at the size of the images."""
        return self.network.decoder(self._own_view_codes[0])

    @property
    def compared(self) -> tuple[Tensor, Tensor]:
        """Images and reconstructions to measure: the clean ones, unless training decoded only views."""
        if not self.network.training or "reconstructions" in vars(self):
            return self.images, self.reconstructions
        if _COMPARED not in self._kept:  # nothing was decoded: look, without moving any running statistics
            self.network.eval()
            self.compare(self.images, self.network(self.images))
            self.network.train()
        return self._kept[_COMPARED]

    def gather(self, rows: Tensor, dim: int = 0) -> Tensor:
        """Return what all processes have for their shares of the batch, in its order; ``dim`` counts images."""
        return gathered(rows, self.share, dim)

    def compare(self, images: Tensor, reconstructions: Tensor) -> tuple[Tensor, Tensor]:
        """Note what an objective holds against each other, to be measured if no clean image is decoded."""
        self._kept.setdefault(_COMPARED, (images, reconstructions))
        return images, reconstructions


class Mixture(nn.Module):
    """Several objectives, the weights with which their losses are added up, and the views that they share."""

    def __init__(
        self,
        weights: Mapping[str, float],
        objectives: Mapping[str, nn.Module],
        augmentation: augment.Options | None = None,
    ) -> None:
        super().__init__()
        self.weights = dict(weights)
        self.objectives = nn.ModuleDict(objectives)
        self.augmentation = augmentation or augment.Options()
        self.n_views = max(getattr(objective, "n_views", N_VIEWS) for objective in objectives.values())

    def terms(self, step: Step) -> dict[str, Tensor]:
        """Return each objective's own loss, unweighted, by name."""
        step.augmentation, step.n_views = self.augmentation, self.n_views
        return {name: objective(step) for name, objective in self.objectives.items()}

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Return the weighted sum of the terms, which is what training minimises."""
        return torch.stack([self.weights[name] * term.float() for name, term in terms.items()]).sum()

    def forward(self, step: Step) -> Tensor:
        """Return the loss of one step, a scalar."""
        return self.total(self.terms(step))


def build(
    weights: Mapping[str, float],
    options: Mapping[str, Mapping[str, Any]] | None,
    network: Network,
    seed: int = 0,
    *,
    augmentation: Mapping[str, Any] | None = None,
    load_network: LoadNetwork | None = None,
) -> Mixture:
    """Build a mixture of objectives; the same seed gives the same heads, and torch's own state is left alone.

    Args:
        weights: of each objective's loss, by name.
        options: of each objective, by name.
        network: the autoencoder to be trained.
        seed: of the parameters that objectives own.
        augmentation: options of :mod:`zehn.augment`, for the views that all objectives share.
        load_network: how to load a teacher.

    Raises:
        UnknownNameError: no such objective, or an option that it does not have.
        ConfigError: no objectives, a negative weight, options for an objective that is not in the mixture, or a
            teacher where none can be loaded.

    """
    options = options or {}
    _check(weights, options)
    shared = plugins.build(augment.Options, augmentation or {}, where="option of augment")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        objectives = {name: _build_one(name, options.get(name), network, load_network) for name in sorted(weights)}
    return Mixture(weights, objectives, shared)


def _build_one(
    name: str, given: Mapping[str, Any] | None, network: Network, load_network: LoadNetwork | None
) -> nn.Module:
    plugin = plugins.load("objectives", name)
    options = plugins.options(plugin, given)
    teacher = getattr(options, "teacher", "")
    if not teacher:
        return plugin.Objective(network, options)
    if load_network is None:
        raise ConfigError(
            f"objective {name!r} asks for the teacher {teacher!r}, and no way to load one was given; pass load_network"
        )
    return plugin.Objective(network, options, load_network(teacher))


def _check(weights: Mapping[str, float], options: Mapping[str, Mapping[str, Any]]) -> None:
    if not weights:
        raise ConfigError("no objective is named; name at least one, such as {reconstruction = 1.0}")
    for name, weight in weights.items():
        if not weight >= 0:
            raise ConfigError(f"the weight of objective {name!r} must be at least 0, came {weight!r}")
    for name in options:
        if name not in weights:
            raise ConfigError(f"options are given for objective {name!r}, which is not among: {', '.join(weights)}")
