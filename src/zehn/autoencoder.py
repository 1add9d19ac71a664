"""The autoencoder as scikit-learn would have it: fit, transform, inverse_transform; and save, load.

>>> from zehn import Autoencoder, load_dataset
>>> digits = load_dataset("digits")
>>> autoencoder = Autoencoder("conv", epochs=1).fit(digits.x_train[:500])
>>> codes = autoencoder.transform(digits.x_test)
>>> codes.shape[1]
10
>>> autoencoder.inverse_transform(codes).shape[1:]
(32, 32, 3)
"""

from __future__ import annotations

import inspect
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, UInt8

from zehn import codes, config, datasets, measures, plugins, store
from zehn.errors import ConfigError, InputError, ModelFileError, UnknownNameError
from zehn.images import check_images

if TYPE_CHECKING:
    from torch import nn

_DEFAULT = config.Config()
_LEAST_IMAGES = 3
"""Two to learn from, one to hold out."""
_SECTIONS = ("data", "model", "train")
"""The sections of a run's settings that :meth:`Autoencoder.fit` reads."""
_MOST_SEED = 2**32 - 1
_CHUNK = 1_000

TrainProgress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Encoder:
    """Image → code, the first half of a trained autoencoder. Call it with images."""

    model: store.Model
    device: str = "auto"

    def __call__(self, images: Any) -> Float32[np.ndarray, "n d"]:
        """Return the codes (n, d) of images (n, H, W, 3), uint8 or floating point in [0, 1]."""
        return codes.encode(self.model, images, device=self.device)

    @property
    def network(self) -> nn.Module:
        """This half as a PyTorch module: float32 NCHW images in [0, 1] → codes."""
        return codes.to_network(self.model).encoder


@dataclass(frozen=True)
class Decoder:
    """Code → image, the second half of a trained autoencoder. Call it with codes."""

    model: store.Model
    device: str = "auto"

    def __call__(self, vectors: Any) -> Float32[np.ndarray, "n h w 3"]:
        """Return the images (n, H, W, 3), float32 in [0, 1], of codes (n, d)."""
        return codes.decode(self.model, vectors, device=self.device)

    @property
    def network(self) -> nn.Module:
        """This half as a PyTorch module: codes → float32 NCHW images in [0, 1]."""
        return codes.to_network(self.model).decoder


class Autoencoder:
    """Learns a short code for images, without labels, and turns images into codes and codes into images.

    It keeps scikit-learn's conventions (parameters are only stored here and checked by :meth:`fit`; ``clone`` and
    ``Pipeline`` work) without needing scikit-learn. Training needs the extra ``train``; a loaded autoencoder encodes
    and decodes without it.

    Args:
        architecture: ``dense``, ``conv``, ``residual`` or ``compact``.
        n_components: Length of a code, 2 to 512.
        image_size: Side of the square images in pixels, 28 to 256. Images of another size are refused, never resized
            behind one's back; ``zehn.images.resize_all`` resizes them.
        preset: ``smoke``, ``quick``, ``standard`` or ``full``: how long to train, unless ``epochs`` says it.
        epochs: How many times training sees every image.
        settings: Any other setting by its section, as in a run's TOML file:
            ``{"train": {"learning_rate": 1e-3}, "data": {"validation_share": 0.1}, "model": {"options": {…}}}``.
        random_state: Seed; the same seed on the same machine gives the same codes. None takes a new one each time.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``, for training; encoding takes ``auto`` as the processor.

    """

    def __init__(
        self,
        architecture: str = _DEFAULT.model.architecture,
        n_components: int = _DEFAULT.model.n_components,
        *,
        image_size: int = _DEFAULT.data.image_size,
        preset: str = _DEFAULT.preset,
        epochs: int | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        random_state: int | None = _DEFAULT.seed,
        device: str = _DEFAULT.train.device,
    ) -> None:
        self.architecture = architecture
        self.n_components = n_components
        self.image_size = image_size
        self.preset = preset
        self.epochs = epochs
        self.settings = settings
        self.random_state = random_state
        self.device = device
        self._model: store.Model | None = None

    def fit(
        self, images: Any, y: Any = None, *, folder: str | Path | None = None, progress: TrainProgress | None = None
    ) -> Autoencoder:
        """Train on images (n, H, W, 3), uint8 or floating point in [0, 1] (rounded to 256 levels), at least three.

        Some of them are held out to pick the best epoch; fewer images than a batch make one batch. Labels ``y`` are
        ignored. ``folder`` keeps checkpoints, TensorBoard logs and history; without it they are thrown away.
        ``progress`` is told each epoch's row of the history.

        Raises:
            ConfigError: a parameter that is out of its range or belongs to nothing.
            InputError: images of another shape, type, range or size, or too few.
            TrainingError: training went wrong.
            MissingExtraError: the extra ``train`` is not installed.

        """
        del y
        resolved = self._resolved()
        x = check_images(images)
        _check_enough(x, resolved.data.image_size)
        kept, held_out = datasets.split_validation(len(x), resolved.data.validation_share, resolved.seed)
        self._model = _train(resolved, x[kept], x[held_out], folder, progress)
        return self

    def transform(self, images: Any) -> Float32[np.ndarray, "n d"]:
        """Return the codes (n, n_components) of images (n, H, W, 3), uint8 or floating point in [0, 1].

        Raises:
            InputError: images of another shape, type, range or size, or nothing was fitted or loaded yet.

        """
        return self.encoder(images)

    def inverse_transform(self, vectors: Any) -> Float32[np.ndarray, "n h w 3"]:
        """Return the images (n, H, W, 3), in [0, 1], that the decoder sees in codes (n, n_components).

        Raises:
            InputError: codes of another shape or not finite, or nothing was fitted or loaded yet.

        """
        return self.decoder(vectors)

    def fit_transform(self, images: Any, y: Any = None, **fit_params: Any) -> Float32[np.ndarray, "n d"]:
        """Train on images and return their codes; see :meth:`fit` and :meth:`transform`."""
        return self.fit(images, y, **fit_params).transform(images)

    def score(self, images: Any, y: Any = None) -> float:
        """Return minus the mean squared error of the reconstructions, pixels in [0, 1]: the greater, the better.

        Raises:
            InputError: images of another shape, type, range or size, or nothing was fitted or loaded yet.

        """
        del y
        x = check_images(images)
        chunks = (x[start : start + _CHUNK] for start in range(0, len(x), _CHUNK))
        errors = [measures.mse(chunk, self.inverse_transform(self.transform(chunk))) for chunk in chunks]
        return -float(np.concatenate(errors).mean())

    def save(self, path: str | Path, *, dtype: str | None = None) -> None:
        """Write the trained model to an HDF5 file, whole or not at all; ``dtype="float16"`` halves its size.

        Raises:
            InputError: nothing was fitted or loaded yet.
            RunError: the disk is full, or the place cannot be written to.

        """
        store.save_model(path, self.model, dtype=dtype)

    @classmethod
    def load(cls, name_or_path: str | Path, *, device: str = _DEFAULT.train.device) -> Autoencoder:
        """Read a model file, or a shipped model by its name (``"cifar10"``); PyTorch is not needed.

        Raises:
            UnknownNameError: a bare name that no shipped model has.
            ModelFileError: no such file, or one that is cut short, tampered with, foreign or of a newer version.

        """
        model = store.load_model(name_or_path)
        try:
            trained_with = tomllib.loads(model.config_toml)
        except (ValueError, RecursionError) as error:
            raise ModelFileError(
                f"the configuration in {name_or_path} is no valid TOML ({error}); train the model again"
            ) from error
        autoencoder = cls(
            model.architecture,
            model.n_components,
            image_size=model.image_size,
            preset=trained_with.get("preset", _DEFAULT.preset),
            settings={name: trained_with[name] for name in _SECTIONS if name in trained_with},
            random_state=trained_with.get("seed", _DEFAULT.seed),
            device=device,
        )
        autoencoder._model = model
        return autoencoder

    @property
    def model(self) -> store.Model:
        """The trained model as plain data, with its fingerprint.

        Raises:
            InputError: nothing was fitted or loaded yet.

        """
        if self._model is None:
            raise InputError("this autoencoder is not trained yet; call fit(images), or use Autoencoder.load(path)")
        return self._model

    @property
    def encoder(self) -> Encoder:
        """The trained encoder, an object of its own."""
        return Encoder(self.model, self.device)

    @property
    def decoder(self) -> Decoder:
        """The trained decoder, an object of its own."""
        return Decoder(self.model, self.device)

    @property
    def history(self) -> dict[str, Any] | None:
        """The training history, epoch by epoch, where the model was trained by :meth:`fit`."""
        return self.model.card.get("history")

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - scikit-learn's signature
        """Return the parameters by name; ``deep`` changes nothing."""
        del deep
        return {name: getattr(self, name) for name in _PARAMETERS}

    def set_params(self, **parameters: Any) -> Autoencoder:
        """Change parameters by name; they count from the next :meth:`fit` on.

        Raises:
            UnknownNameError: a parameter that does not exist.

        """
        for name, value in parameters.items():
            if name not in _PARAMETERS:
                raise UnknownNameError("parameter of Autoencoder", name, _PARAMETERS)
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = {name: parameter.default for name, parameter in _PARAMETERS.items()}
        shown = (f"{name}={value!r}" for name, value in self.get_params().items() if value != defaults[name])
        return f"{type(self).__name__}({', '.join(shown)})"

    def __sklearn_is_fitted__(self) -> bool:
        return self._model is not None

    def __sklearn_tags__(self) -> Any:
        tags = plugins.require("sklearn.utils", "train")
        return tags.Tags(
            estimator_type=None,
            target_tags=tags.TargetTags(required=False),
            transformer_tags=tags.TransformerTags(preserves_dtype=[]),
            input_tags=tags.InputTags(two_d_array=False, three_d_array=False),
        )

    def _resolved(self) -> config.Config:
        own: dict[str, dict[str, Any]] = {
            "data": {"image_size": self.image_size, "n_train": 0, "n_test": 0},
            "model": {"architecture": self.architecture, "n_components": self.n_components},
            "train": {"device": self.device} | ({} if self.epochs is None else {"epochs": self.epochs}),
        }
        given = dict(self.settings or {})
        for name, section in given.items():
            if name not in own:
                raise UnknownNameError("section of settings", name, own)
            if not isinstance(section, Mapping):
                raise ConfigError(f"settings[{name!r}] must be a mapping from names to values, came {section!r}")
        sections: dict[str, Any] = {name: {**given.get(name, {}), **values} for name, values in own.items()}
        return config.resolve(self.preset, seed=_as_seed(self.random_state), **sections)


_PARAMETERS = inspect.signature(Autoencoder).parameters


def _as_seed(random_state: Any) -> int:
    if random_state is None:
        return int(np.random.default_rng().integers(_MOST_SEED))
    if not isinstance(random_state, int | np.integer) or not 0 <= random_state <= _MOST_SEED:
        raise ConfigError(f"random_state must be a whole number from 0 to {_MOST_SEED} or None, came {random_state!r}")
    return int(random_state)


def _check_enough(images: UInt8[np.ndarray, "n h w 3"], image_size: int) -> None:
    if images.shape[1:3] != (image_size, image_size):
        raise InputError(
            f"expected images of {image_size} × {image_size} pixels, came {images.shape[1]} × {images.shape[2]}; make "
            f"them so with zehn.images.resize_all(images, {image_size}), or set image_size"
        )
    if len(images) < _LEAST_IMAGES:
        raise InputError(f"expected at least {_LEAST_IMAGES} images to train on, came {len(images)}; give more")


def _train(
    resolved: config.Config,
    x_train: UInt8[np.ndarray, "n h w 3"],
    x_validation: UInt8[np.ndarray, "m h w 3"],
    folder: str | Path | None,
    progress: TrainProgress | None,
) -> store.Model:
    plugins.require("torch", "train")
    from zehn import models
    from zehn.train import train

    network = models.build(
        resolved.model.architecture,
        n_components=resolved.model.n_components,
        image_size=resolved.data.image_size,
        options=resolved.model.options,
        seed=resolved.seed,
    )
    with _kept_or_thrown_away(folder) as place:
        history = train(
            network, x_train, x_validation, None, resolved.train, place, seed=resolved.seed, progress=progress
        )
    if history["interrupted"]:
        raise KeyboardInterrupt
    card = {"dataset": f"{len(x_train) + len(x_validation)} images", "seed": resolved.seed, "history": history}
    return codes.from_network(network, x_train, config_toml=config.to_toml(resolved), card=card)


@contextmanager
def _kept_or_thrown_away(folder: str | Path | None) -> Iterator[Path]:
    if folder is not None:
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory(prefix="zehn-") as temporary:
        yield Path(temporary)
