"""A run's settings: frozen dataclasses, presets, TOML in and out. The only home of a run's defaults.

The order of precedence, weakest first: the dataclass defaults, the preset, the TOML file, ``--set`` and other flags.
What came of it is saved in the run as ``config.toml``. A plug-in's own options live beside the plug-in.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zehn import plugins
from zehn.errors import ConfigError, UnknownNameError

DEFAULT_PRESET = "quick"
_N_ENDS = 2


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
    learning_rate: float = 2e-3
    """Peak of the one-cycle schedule."""
    optimizer: str = "muon"
    """``adamw``, or ``muon``, which moves convolutions that a normalisation follows and leaves the rest to AdamW."""
    muon_rate: float = 0.15
    """Peak learning rate of Muon; ``learning_rate`` is that of AdamW."""
    weight_decay: float = 0.01
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
    """``auto``, ``float32`` or ``bfloat16``."""
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
    epochs: int = 1
    n_train: int = 10_000
    """Training images per rung; 0 means all."""
    n_queries: int = 2_000
    """Test images that score each rung."""


@dataclass(frozen=True)
class CheckConfig:
    """The sanity checks."""

    n_reconstructions: int = 10
    n_pairplot: int = 50
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
    query_ids: tuple[int, ...] = ()
    """Positions of the query images in the test set; none means a seeded choice of ``n_queries``."""
    n_hits: int = 10
    distances: tuple[str, ...] = ("euclidean", "cosine", "manhattan", "chebyshev", "mahalanobis", "correlation")
    n_scored: int = 10_000
    """Test images that score the distances at most (the first ones); 0 means all."""
    n_resamples: int = 1_000
    """Bootstrap resamples behind every interval."""


@dataclass(frozen=True)
class RobustConfig:
    """The retraining with distorted images, and the comparison of the old model with the new one."""

    n_train: int = 10_000
    """Training images that the retraining sees (the first ones); 0 means all."""
    n_seen: int = 40_000
    """Images that the retraining sees, counted each time, in whole epochs."""
    learning_rate: float = 1e-3
    muon_rate: float = 0.04
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


@dataclass(frozen=True)
class Config:
    """Everything that one run is made from."""

    preset: str = DEFAULT_PRESET
    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evolve: EvolveConfig = field(default_factory=EvolveConfig)
    check: CheckConfig = field(default_factory=CheckConfig)
    query: QueryConfig = field(default_factory=QueryConfig)
    robust: RobustConfig = field(default_factory=RobustConfig)

    def __post_init__(self) -> None:
        """Refuse values that no run can be made from."""
        _check_ranges(self)


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "smoke": {
        "data": {"n_train": 10_000, "n_test": 2_000},
        "train": {"n_seen": 20_000, "decoder_seen": 20_000},
        "evolve": {"n_train": 4_000, "n_queries": 500},
        "query": {"n_resamples": 200},
        "robust": {"n_train": 4_000, "n_seen": 8_000, "n_queries": 200},
    },
    "quick": {},
    "standard": {
        "data": {"validation_share": 0.02},
        "train": {"n_seen": 400_000, "decoder_seen": 200_000, "measure_every": 4},
        "robust": {"n_train": 0, "n_seen": 100_000, "n_queries": 1_000, "severities": [1, 2, 3, 4, 5]},
    },
    "full": {
        "data": {"validation_share": 0.02},
        "train": {"n_seen": 800_000, "decoder_seen": 300_000, "measure_every": 8},
        "robust": {"n_train": 0, "n_seen": 400_000, "n_queries": 2_000, "severities": [1, 2, 3, 4, 5]},
    },
}
"""What each preset changes of the defaults: ``smoke`` takes minutes, ``quick`` a quarter of an hour and ``standard``
about an hour on two cores; ``full`` is how the weights that ship were trained."""

_LEAST: Mapping[str, Mapping[str, float]] = {
    "data": {"image_size": 28, "validation_share": 0.0, "n_train": 0, "n_test": 0},
    "model": {"n_components": 2},
    "train": {
        "epochs": 0,
        "n_seen": 1,
        "decoder_seen": 0,
        "batch_size": 1,
        "learning_rate": 0.0,
        "muon_rate": 0.0,
        "weight_decay": 0.0,
        "warmup_share": 0.0,
        "gradient_clip": 0.0,
        "patience": 0,
        "measure_every": 1,
    },
    "evolve": {"epochs": 1, "n_train": 0, "n_queries": 1},
    "check": {"n_reconstructions": 1, "n_pairplot": 2, "n_mapped": 4, "n_neighbors": 2, "min_dist": 0.0},
    "query": {"n_queries": 1, "n_hits": 1, "n_scored": 0, "n_resamples": 10},
    "robust": {"n_train": 0, "n_seen": 1, "learning_rate": 0.0, "muon_rate": 0.0, "n_queries": 0, "n_shown": 1},
}
_MOST: Mapping[str, Mapping[str, float]] = {
    "data": {"image_size": 256, "validation_share": 0.5},
    "model": {"n_components": 512},
    "train": {"warmup_share": 1.0},
    "check": {"min_dist": 1.0},
    "robust": {"n_shown": 20},
}


def resolve(
    preset: str | None = None,
    *,
    path: Path | None = None,
    assignments: Sequence[str] = (),
    **overrides: Any,
) -> Config:
    """Build a run's configuration from a preset, a TOML file and ``name=value`` assignments, in that order.

    Without ``preset`` the file's ``preset`` counts, and ``quick`` if it names none. ``assignments`` are dotted, with
    TOML values on the right: ``"train.epochs=12"``, ``"data.name=digits"`` (a bare word counts as a string).
    ``overrides`` are whole top-level values, such as ``seed=3``.

    Raises:
        ConfigError: an unknown preset or setting, a value of the wrong type or out of its range, TOML that is none.

    """
    from_file = _read_toml(path) if path else {}
    named = str(from_file.pop("preset", DEFAULT_PRESET))
    chosen = preset or named
    if chosen not in PRESETS:
        raise UnknownNameError("preset", chosen, PRESETS)
    settings: dict[str, Any] = {**dataclasses.asdict(Config()), "preset": chosen}
    for layer in (PRESETS[chosen], from_file, _parse_assignments(assignments), overrides):
        if "preset" in layer:
            raise ConfigError("a preset is chosen with --preset (preset= in Python), not among the settings")
        settings = _merged(settings, layer)
    return plugins.build(Config, settings, where="setting")


def changed(config: Config, assignments: Sequence[str]) -> Config:
    """Return a configuration with some ``name=value`` assignments applied, as :func:`resolve` reads them.

    Raises:
        ConfigError: an assignment that names no setting or gives it a wrong value.

    """
    settings = _merged(dataclasses.asdict(config), _parse_assignments(assignments))
    return plugins.build(Config, settings, where="setting")


def to_toml(config: Config) -> str:
    """Return a configuration as TOML text that :func:`read` reads back to an equal one."""
    import tomli_w

    return tomli_w.dumps(_plain(dataclasses.asdict(config)))


def read(path: Path) -> Config:
    """Read a whole configuration, as a run keeps it, from a TOML file; no preset is applied.

    Raises:
        ConfigError: no such file, no TOML, an unknown setting or a wrong value.

    """
    return plugins.build(Config, _read_toml(path), where="setting")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration {path}: {error}; name a TOML file") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no valid TOML: {error}") from error


def _parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for assignment in assignments:
        settings = _merged(settings, _parse_assignment(assignment), whole=())
    return settings


def _parse_assignment(assignment: str) -> dict[str, Any]:
    name, equals, value = assignment.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise ConfigError(f"expected name=value such as train.epochs=12, came {assignment!r}")
    try:
        parsed = tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    for part in reversed(name.strip().split(".")):
        parsed = {part: parsed}
    return parsed


def _merged(base: Mapping[str, Any], over: Mapping[str, Any], whole: Sequence[str] = ("objectives",)) -> dict[str, Any]:
    """Lay one table over another, key by key; the tables named ``whole`` are replaced, not mixed."""
    result = dict(base)
    for key, value in over.items():
        deeper = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _merged(result[key], value, whole) if deeper and key not in whole else value
    return result


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _check_ranges(config: Config) -> None:
    for bounds, words, wrong in ((_LEAST, "at least", _below), (_MOST, "at most", _above)):
        for section, fields in bounds.items():
            for name, bound in fields.items():
                value = getattr(getattr(config, section), name)
                if wrong(value, bound):
                    raise ConfigError(f"{section}.{name} must be {words} {bound:g}, came {value:g}")
    if config.seed < 0:
        raise ConfigError(f"seed must be at least 0, came {config.seed}")
    if not config.train.objectives:
        raise ConfigError("train.objectives is empty; name at least one, such as {reconstruction = 1.0}")
    if not config.query.distances:
        raise ConfigError("query.distances is empty; name at least one, such as euclidean")


def _below(value: float, bound: float) -> bool:
    return not value >= bound


def _above(value: float, bound: float) -> bool:
    return not value <= bound
