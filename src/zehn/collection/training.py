"""A model for a collection, trained on its own images first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zehn import store
from zehn.collection import decoding, keeping
from zehn.collection.files import Found
from zehn.engines import Engine
from zehn.errors import DataError
from zehn.progress import Progress

N_MOST = 100_000
"""Images that training takes at most, a seeded choice: more would take memory and teach ten numbers little."""
_LEAST = 16
_STEPS = 100
"""How finely an epoch is told."""


def train_first(
    engine: Engine, name: str, found: Sequence[Found], n_workers: int, *, progress: Progress | None
) -> None:
    """Train a collection's model on the first images that are added, where that was asked for and is yet to be done.

    Raises:
        CollectionError: another process did so meanwhile.
        DataError, TrainingError, MissingExtraError: as :func:`train`.

    """
    if engine.facts()["model"] != keeping.TRAIN:
        return
    trained = train(found, engine, n_workers, progress=progress)
    engine.set_facts(
        keeping.facts_of(trained, named_after(name)),
        {keeping.ATTACHMENT: keeping.file_of(trained)},
        expected={"model": keeping.TRAIN},
    )


def named_after(name: str) -> str:
    """Return what a model is called that was trained on a collection's images."""
    return f"trained on {name}"


def train(
    found: Sequence[Found],
    engine: Engine,
    n_workers: int,
    *,
    seed: int = 0,
    progress: Progress | None,
) -> store.Model:
    """Return a model trained on image files, without labels, as a collection wants it.

    Raises:
        DataError: fewer than sixteen of the images can be read.
        TrainingError: training went wrong.
        MissingExtraError: the extra ``train`` is not installed.

    """
    from zehn import plugins

    plugins.require("torch", "train")
    from zehn import config
    from zehn.autoencoder import Autoencoder

    how = decoding.how_of(engine.facts(), config.DataConfig().image_size)
    preset = engine.facts().get("preset", config.DEFAULT_PRESET)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(found))[:N_MOST])
    tasks = [decoding.Task(found[position].path) for position in chosen]
    squares = []
    for answers in decoding.decode_all(tasks, how, n_workers):
        squares += [decoded.square for _, decoded in answers if decoded.square is not None]
        if progress:
            progress("reading images to train on", min(len(squares), len(tasks)), len(tasks))
    if len(squares) < _LEAST:
        raise DataError(
            f"expected at least {_LEAST} readable images to train a model on, came {len(squares)} of {len(tasks)} "
            "files; add more at once, or use the model that ships: --model cifar10"
        )
    autoencoder = Autoencoder(
        n_components=engine.n_components, image_size=how.image_size, preset=preset, random_state=seed
    )
    return autoencoder.fit(np.stack(squares), progress=_teller(progress)).model


def _teller(progress: Progress | None) -> Callable[[dict[str, Any]], None] | None:
    if progress is None:
        return None

    def tell(row: dict[str, Any]) -> None:
        done = row["epoch"] - 1 + row["share"]
        what = "training the decoder" if row.get("part") == "decoder" else "training"
        progress(what, round(_STEPS * done), _STEPS * row["n_epochs"])

    return tell
