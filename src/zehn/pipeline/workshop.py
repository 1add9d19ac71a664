"""What the stages of one run share: settings, run folder, data set, model, codes, each loaded when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from zehn import codes, datasets, store
from zehn.config import Config, TrainConfig

if TYPE_CHECKING:
    from zehn.train.ranks import Ranks

LOGS_PATH = "train/logs"
MODEL_PATH = "train/model.h5"
CODES_PATH = "check/codes.npz"
ROBUST_MODEL_PATH = "robust/model.h5"
_TICKS = 10_000
"""In how many steps a training's progress is counted."""


@dataclass(frozen=True)
class Say:
    """Where a run's progress goes: whole lines, and a line that is overwritten while something advances."""

    line: Callable[[str], None]
    advance: Callable[..., None]
    """Called as a :data:`~zehn.progress.Progress`, with a detail that may change as a fourth argument."""


SILENT = Say(line=lambda _: None, advance=lambda *_: None)
"""Swallows everything."""


@dataclass
class Workshop:
    """The state of one run while its stages are performed."""

    config: Config
    data_dir: Path | None
    say: Say
    resume: bool | None = None
    """Whether an unfinished training goes on from its last checkpoint; None: if there is one."""
    run: store.Run = field(init=False)
    hashes: dict[str, str] = field(default_factory=dict)
    """Of each stage: what its inputs are, so that it knows whether its own left-overs still fit."""
    ranks: Ranks | None = None
    """The processes that train the run's model together, this being the first of them; None: this one alone."""
    has_followers: bool = True
    """Whether the other ones still wait for the training to begin."""
    given_model: store.Model | None = None
    """The model that is used instead of training one."""

    @property
    def starts_from_a_model(self) -> bool:
        """Say whether training begins with the weights of another model."""
        return self.config.train.start != TrainConfig.start

    @property
    def seed(self) -> int:
        """The seed of everything that is random."""
        return self.config.seed

    @cached_property
    def dataset(self) -> datasets.Dataset:
        """The data set, cut down as the settings ask."""
        data = self.config.data
        full = datasets.load(
            data.name,
            image_size=data.image_size,
            data_dir=self.data_dir,
            progress=self.say.advance,
        )
        return datasets.subset(full, n_train=data.n_train, n_test=data.n_test, seed=self.config.seed)

    @cached_property
    def split(self) -> tuple[Int64[np.ndarray, " t"], Int64[np.ndarray, " v"]]:
        """Positions of the training images that train, and of those held out for validation."""
        return datasets.split_validation(self.dataset.n_train, self.config.data.validation_share, self.config.seed)

    @cached_property
    def x_train(self) -> UInt8[np.ndarray, "n h w 3"]:
        """The training images without those held out."""
        return self.dataset.x_train[self.split[0]]

    @cached_property
    def x_validation(self) -> UInt8[np.ndarray, "n h w 3"]:
        """The training images held out."""
        return self.dataset.x_train[self.split[1]]

    @cached_property
    def model(self) -> store.Model:
        """The trained model, from the run folder."""
        return store.load_model(self.run.path / MODEL_PATH)

    @cached_property
    def codes(self) -> Float32[np.ndarray, "n d"]:
        """The codes of all images, training images first, from the run folder."""
        return codes.read(self.run.path / CODES_PATH).codes

    def forget(self, name: str) -> None:
        """Load ``model`` or ``codes`` anew when it is next asked for."""
        self.__dict__.pop(name, None)

    def advance_epochs(self, what: str) -> Callable[[dict[str, Any]], None]:
        """Return a callback that takes what :func:`zehn.train.train` tells of itself."""

        def tell(state: dict[str, Any]) -> None:
            part = "fitting the decoder" if state.get("part") == "decoder" else what
            done = (state["epoch"] - 1 + state["share"]) / state["n_epochs"]
            detail = f"epoch {state['epoch']} of {state['n_epochs']}, loss {state['loss']:.4f}"
            speed = f"{state['images_per_second']:,.0f} images/s"
            self.say.advance(part, round(done * _TICKS), _TICKS, f"{detail}, {speed}")

        return tell
