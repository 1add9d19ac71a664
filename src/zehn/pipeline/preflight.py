"""What can be known to be wrong before anything long begins."""

from __future__ import annotations

from zehn import distances, plugins, store
from zehn.config import Config, TrainConfig
from zehn.errors import ConfigError, UnknownNameError
from zehn.pipeline.training import with_teacher


def check_settings(config: Config) -> store.Model | None:
    """Look up every name that the settings use, and return the model to be used instead of training one, if any.

    Raises:
        UnknownNameError: an architecture, objective, distance, option or model that does not exist.
        ConfigError: an option of the wrong type, a device that is not there, or a model of another image size.
        ModelFileError: the model file cannot be read.
        MissingExtraError: PyTorch, which training and the drawing of a model need, is not installed.

    """
    for name in config.query.distances:
        if name not in distances.names():
            raise UnknownNameError("distance", name, distances.names())
    plugins.require("torch", "train")
    for objective in config.robust.objectives:
        plugins.load("objectives", objective)
    if config.model.source != "train":
        return _check_given(config)
    _check_training(config)
    return None


def _check_training(config: Config) -> None:
    from zehn.train import choose_device

    choose_device(config.train.device)
    plugins.options(plugins.load("models", config.model.architecture), config.model.options)
    for architecture in config.evolve.architectures:
        plugins.load("models", architecture)
    _check_start(config)
    train = with_teacher(config.train)
    for objective in train.objectives:
        plugins.options(plugins.load("objectives", objective), train.objective_options.get(objective))


def _check_start(config: Config) -> None:
    """Refuse to go on from a model of another shape: its weights would not fit, and nothing else is a continuation."""
    name, wanted = config.train.start, config.model
    if name == TrainConfig.start:
        return
    model = store.load_model(name)
    for setting, expected, found in (
        ("model.architecture", wanted.architecture, model.architecture),
        ("model.n_components", wanted.n_components, model.n_components),
        ("data.image_size", config.data.image_size, model.image_size),
    ):
        if expected != found:
            raise ConfigError(
                f"training cannot go on from {name}: {setting} is {expected!r}, and the model's is {found!r}; add "
                f"--set {setting}={found} or start from another model"
            )


def _check_given(config: Config) -> store.Model:
    model = store.load_model(config.model.source)
    if model.image_size != config.data.image_size:
        raise ConfigError(
            f"model {config.model.source} takes images of {model.image_size} pixels, and data.image_size is "
            f"{config.data.image_size}; add --set data.image_size={model.image_size}"
        )
    return model
