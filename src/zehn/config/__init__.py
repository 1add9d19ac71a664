"""A run's settings: frozen dataclasses, presets, TOML in and out. The only home of a run's defaults.

The order of precedence, weakest first: the dataclass defaults, the preset, the TOML file, ``--set`` and other flags.
What came of it is saved in the run as ``config.toml``. A plug-in's own options live beside the plug-in.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zehn import plugins
from zehn.config.sections import (
    LEAST_COMPONENTS,
    LEAST_SIZE,
    MOST_COMPONENTS,
    MOST_SIZE,
    CheckConfig,
    DataConfig,
    DistortConfig,
    EvolveConfig,
    ModelConfig,
    QueryConfig,
    RobustConfig,
    TrainConfig,
)
from zehn.errors import ConfigError, UnknownNameError

DEFAULT_PRESET = "quick"

__all__ = [
    "DEFAULT_PRESET",
    "PRESETS",
    "CheckConfig",
    "Config",
    "DataConfig",
    "DistortConfig",
    "EvolveConfig",
    "ModelConfig",
    "QueryConfig",
    "RobustConfig",
    "TrainConfig",
    "changed",
    "read",
    "resolve",
    "to_toml",
]


@dataclass(frozen=True)
class Config:
    """Everything that one run is made from."""

    preset: str = DEFAULT_PRESET
    """Whose defaults count: ``smoke``, ``quick``, ``standard`` or ``full``; by ``--preset`` or a TOML file."""
    seed: int = 0
    """Of everything that is random, from 0."""
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
"""What each preset changes of the defaults: ``smoke`` takes a few minutes, ``quick`` about twenty, ``standard`` about
an hour on two cores; ``full`` is how the weights that ship were trained."""

_LEAST: Mapping[str, Mapping[str, float]] = {
    "data": {"image_size": LEAST_SIZE, "validation_share": 0.0, "n_train": 0, "n_test": 0},
    "model": {"n_components": LEAST_COMPONENTS},
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
    "data": {"image_size": MOST_SIZE, "validation_share": 0.5},
    "model": {"n_components": MOST_COMPONENTS},
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
    except (ValueError, RecursionError) as error:  # endless numbers are refused in another way than other mistakes
        raise ConfigError(f"{path} is no valid TOML: {error}; mend it there") from error


def _parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for assignment in assignments:
        settings = _merged(settings, _parse_assignment(assignment), whole=())
    return settings


def _parse_assignment(assignment: str) -> dict[str, Any]:
    name, equals, value = assignment.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise ConfigError(f"expected name=value such as train.epochs=12, came {assignment!r}")
    if not _is_utf8(assignment):  # a run keeps its settings as TOML, which is UTF-8
        raise ConfigError(f"expected a setting in UTF-8, came {assignment!r}; set the terminal to UTF-8")
    try:
        parsed = tomllib.loads(f"value = {value.strip()}")["value"]
    except (ValueError, RecursionError):
        parsed = value.strip()
    for part in reversed(name.strip().split(".")):
        parsed = {part: parsed}
    return parsed


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
