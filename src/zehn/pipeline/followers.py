"""The processes beside the first one that train a run's model with it, and have no part in the rest of the run."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from zehn import config as configuration
from zehn import plugins
from zehn.config import Config
from zehn.pipeline.workshop import SILENT, Workshop

if TYPE_CHECKING:
    from zehn.train.ranks import Ranks


def begin_together(workshop: Workshop) -> None:
    """Send the other processes, where there are any, the settings of the training that begins now."""
    if workshop.ranks is not None:
        workshop.ranks.tell(configuration.to_toml(workshop.config).encode(), patiently=True)
        workshop.has_followers = False


def dismiss(workshop: Workshop) -> None:
    """Let the other processes go that still wait for a training: there was nothing left to train."""
    if workshop.ranks is not None and workshop.has_followers:
        workshop.ranks.tell(b"", patiently=True)


def follow(ranks: Ranks, data_dir: Path | None = None) -> None:
    """Wait for the first process to begin the training of its run, take part in it, and leave.

    The settings are those that the first one sends; data sets and models named in them have to be on this machine too.

    Raises:
        DataError: the data set cannot be had here.
        TrainingError: it is not the one that the first process has, the training cannot go on, or another process has
            ended.

    """
    from zehn.pipeline.training import join_training

    settings = ranks.tell(patiently=True)
    if settings:
        config = plugins.build(Config, tomllib.loads(settings.decode()), where="setting")
        workshop = Workshop(config, data_dir, SILENT)
        workshop.ranks = ranks
        join_training(workshop)
