"""The sections of a run's settings, with their defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zehn.errors import ConfigError

LEAST_SIZE, MOST_SIZE = 28, 256
"""Sides of the images that a model can see, in pixels."""
LEAST_COMPONENTS, MOST_COMPONENTS = 2, 512
"""Latent neurons that it can have."""

_N_ENDS, _N_SEVERITIES = 2, 5


@dataclass(frozen=True)
class DataConfig:
    """Which images, and how they are divided."""

    name: str = "auto"
    """A data set (``cifar10``, ``digits``, ``fashion_mnist``, ``folder:PATH``) or ``auto``."""
    image_size: int = 32
    """Side of the square images that the model sees, in pixels, 28 to 256."""
    validation_share: float = 0.04
    """Share of the training images held out to watch for over-fitting and to pick the best checkpoint."""
    n_train: int = 0
    """Use this many training images only (seeded choice); 0 means all."""
    n_test: int = 0
    """Use this many test images only (the first ones); 0 means all."""


@dataclass(frozen=True)
class ModelConfig:
    """The autoencoder's shape."""

    source: str = "train"
    """``train``, or the model to use instead: the name of one that ships, or the path of an HDF5 model file."""
    architecture: str = "compact"
    """The name of an architecture."""
    n_components: int = 10
    """Latent neurons, 2 to 512."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the architecture, as its ``Options`` dataclass names them."""


@dataclass(frozen=True)
class DistortConfig:
    """What is done to images in training before the encoder sees them; what it should give is that of the clean ones.

    A distorted image gets noise, is projected, or both, all three equally likely. While training goes on the share of
    distorted images and how strongly they are distorted rise together, as long as the loss allows it.
    """

    share: tuple[float, ...] = (0.0, 0.0)
    """Share of the images that are distorted, in the beginning and in the end; 0 and 0 leave all as they are."""
    strength: tuple[float, ...] = (0.3, 1.0)
    """How much of ``noise`` and ``perspective`` is used at most, in the beginning and in the end, 0 to 1."""
    noise: float = 0.2
    """The strongest Gaussian noise, as a standard deviation on [0, 1] pixels; each image's own is drawn from 0 up."""
    perspective: float = 0.7
    """The strongest projective transform, 0 to 1; each image's own is drawn from 0 up."""
    rise: float = 0.5
    """Share of the training in which share and strength reach their ends."""
    tolerance: float = 0.1
    """They wait where the validation loss on clean images is above its best by more than this share of it."""

    def __post_init__(self) -> None:
        """Refuse values that nothing can be distorted by."""
        for name in ("share", "strength"):
            bounds = getattr(self, name)
            if len(bounds) != _N_ENDS or not all(0 <= bound <= 1 for bound in bounds):
                raise ConfigError(
                    f"distort.{name} must be two numbers from 0 to 1, in the beginning and in the end, came {bounds!r}"
                )
        for name, most in (("noise", math.inf), ("perspective", 1.0), ("rise", 1.0), ("tolerance", math.inf)):
            value = getattr(self, name)
            if not 0 <= value <= most or math.isinf(value):
                raise ConfigError(f"distort.{name} must be a number from 0 to {most:g}, came {value:g}")


@dataclass(frozen=True)
class TrainConfig:
    """How the autoencoder is trained."""

    epochs: int = 0
    """How often training sees every image; 0 asks for as many epochs as come nearest to ``n_seen``, at most 200."""
    n_seen: int = 100_000
    """Images that training sees, counted each time: a small collection is seen more often than a large one."""
    batch_size: int = 256
    """Images per step, over all processes together."""
    learning_rate: float = 2e-3
    """Peak of the one-cycle schedule."""
    optimizer: str = "muon"
    """``adamw``, or ``muon``, which moves convolutions that a normalisation follows and leaves the rest to AdamW."""
    muon_rate: float = 0.15
    """Peak learning rate of Muon; ``learning_rate`` is that of AdamW."""
    weight_decay: float = 0.01
    """Of AdamW, for matrices and convolutions; what Muon moves has none."""
    warmup_share: float = 0.1
    """Share of all steps in which the learning rate rises to its peak."""
    gradient_clip: float = 0.0
    """Longest gradient, as a Euclidean norm, that a step follows in full; 0 never clips."""
    flip: bool = True
    """Mirror half of the training images, chosen anew in every epoch."""
    objectives: Mapping[str, float] = field(
        default_factory=lambda: {
            "coding_rate": 0.02,
            "code_contrastive": 1.0,
            "code_neighbours": 0.5,
            "denoising": 20.0,
        }
    )
    """Objective names and their weights in the loss."""
    objective_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Options of each objective, by objective name."""
    augment: Mapping[str, Any] = field(default_factory=lambda: {"side": 0.75})
    """Options of the views that objectives share, as :class:`zehn.augment.Options` names them."""
    distort: DistortConfig = field(default_factory=DistortConfig)
    start: str = "scratch"
    """``scratch``, or whose weights to begin with: a model that ships, by its name, or the path of an HDF5 model."""
    precision: str = "auto"
    """``float32``, ``bfloat16``, or ``auto``: bfloat16 where the hardware computes in it.

    A small network may be quicker in float32 all the same.
    """
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``mps``."""
    decoder_seen: int = 100_000
    """Images that the decoder sees at the end, in whole epochs, while the encoder rests; 0 leaves it as it is."""
    measure_every: int = 1
    """Measure validation and test images after every so many epochs, and after the last one."""
    keep: str = "best"
    """Whose weights to keep: ``best``, of the epoch with the best validation loss, or ``last``."""
    patience: int = 0
    """Stop after this many measurements without a better validation loss; 0 never stops early."""


@dataclass(frozen=True)
class EvolveConfig:
    """The ladder of architectures, each trained under the same small budget, to show how the model grew."""

    architectures: tuple[str, ...] = ("dense", "conv", "residual", "compact")
    """One rung each, by name, in this order."""
    epochs: int = 1
    """How often each rung sees its images."""
    n_train: int = 10_000
    """Training images per rung; 0 means all."""
    n_queries: int = 2_000
    """Test images that score each rung."""


@dataclass(frozen=True)
class CheckConfig:
    """The sanity checks."""

    n_reconstructions: int = 10
    """Test images that are drawn beside what the decoder makes of their codes."""
    n_pairplot: int = 50
    """Test images whose codes the pairplot draws."""
    n_mapped: int = 10_000
    """Test images on the map at most (a seeded choice): its cost grows with their square."""
    n_neighbors: int = 15
    """UMAP's neighbourhood size."""
    min_dist: float = 0.1
    """UMAP's least distance of two points on the map."""


@dataclass(frozen=True)
class QueryConfig:
    """The querying experiment."""

    n_queries: int = 20
    """Query images whose hits are drawn."""
    query_ids: tuple[int, ...] = ()
    """Positions of the query images in the test set; none means a seeded choice of ``n_queries``."""
    n_hits: int = 10
    """Hits drawn of each."""
    distances: tuple[str, ...] = ("euclidean", "cosine", "manhattan", "chebyshev", "mahalanobis", "correlation")
    """What the experiment compares, by name."""
    n_scored: int = 10_000
    """Test images that score the distances at most (the first ones); 0 means all."""
    n_resamples: int = 1_000
    """Bootstrap resamples behind every interval."""


@dataclass(frozen=True)
class RobustConfig:
    """The retraining with distorted images, and the comparison of the old model with the new one."""

    n_train: int = 10_000
    """Training images that the retraining sees (a seeded choice); 0 means all."""
    n_seen: int = 40_000
    """Images that the retraining sees, counted each time, in whole epochs."""
    learning_rate: float = 1e-3
    """Peak of the one-cycle schedule of the retraining."""
    muon_rate: float = 0.04
    """Peak learning rate of Muon in the retraining."""
    objectives: Mapping[str, float] = field(default_factory=lambda: {"distillation": 2.0, "reconstruction": 20.0})
    """Objective names and their weights; the teacher of ``distillation`` is the old model, shown the clean images."""
    distort: DistortConfig = field(default_factory=lambda: DistortConfig(share=(0.2, 0.6)))
    n_queries: int = 500
    """Test images that are distorted in each way and asked about, at most (a seeded choice); 0 means all."""
    noise: tuple[float, ...] = (0.04, 0.07, 0.10, 0.15, 0.20)
    """Standard deviations of the Gaussian noise that both models are compared at."""
    perspective: tuple[float, ...] = (0.1, 0.2, 0.3, 0.5, 0.7)
    """Strengths of the projective transform that both models are compared at."""
    severities: tuple[int, ...] = (3,)
    """Of the corruptions that no training sees."""
    n_shown: int = 20
    """Distorted queries whose hits by both models are drawn, at most 20: half of them noisy, half projected."""

    def __post_init__(self) -> None:
        """Refuse, before anything is trained, what could not be measured afterwards."""
        if not self.objectives or not all(weight >= 0 for weight in self.objectives.values()):
            raise ConfigError(f"robust.objectives must name one or more, with weights from 0, came {self.objectives!r}")
        for name, most in (("noise", math.inf), ("perspective", 1.0)):
            if not all(0 <= strength <= most and math.isfinite(strength) for strength in getattr(self, name)):
                raise ConfigError(f"robust.{name} must be strengths from 0 to {most:g}, came {getattr(self, name)!r}")
        if not all(1 <= severity <= _N_SEVERITIES for severity in self.severities):
            raise ConfigError(f"robust.severities must be of 1 to {_N_SEVERITIES}, came {self.severities!r}")
