"""TensorBoard: scalars and reconstructions, written each epoch and read back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

SPLITS = ("train", "validation", "test", "distorted")
"""The last one: the validation images, distorted."""
_WHOLE_ROW = ("learning_rate", "images_per_second")
_DISTORTION = ("share", "strength")


class Board:
    """The TensorBoard logs of one training; a resumed one appends to what is there."""

    def __init__(self, logs_path: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(logs_path))

    def write(self, row: Mapping[str, Any], picture: UInt8[np.ndarray, "h w 3"]) -> None:
        """Log one epoch's row of the history, and a picture of reconstructions."""
        epoch = row["epoch"]
        for split in SPLITS:
            for name, value in (row.get(split) or {}).items():
                self._writer.add_scalar(f"{name}/{split}", value, epoch)
        for name in _WHOLE_ROW:
            self._writer.add_scalar(name, row[name], epoch)
        for name in _DISTORTION if "distortion" in row else ():
            self._writer.add_scalar(f"distortion/{name}", row["distortion"][name], epoch)
        self._writer.add_image("reconstructions", picture, epoch, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Write what is still in memory and close the file."""
        self._writer.close()


def read_scalars(logs_path: str | Path) -> dict[str, tuple[list[int], list[float]]]:
    """Read every scalar that a training logged: ``{tag: (epochs, values)}``, sorted by epoch.

    The tags are ``loss/train``, ``mse/validation``, ``psnr/test``, ``channel_accuracy/…``, ``learning_rate``,
    ``images_per_second`` and, with several objectives, ``objective/NAME/…``. An epoch that was logged twice, because
    a training was resumed, counts as it was logged last. A folder without logs gives nothing.
    """
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

    found: dict[str, dict[int, tuple[float, float]]] = {}
    for path in sorted(Path(logs_path).glob("events.out.tfevents.*")):
        events = EventAccumulator(str(path), size_guidance={SCALARS: 0}).Reload()
        for tag in events.Tags()[SCALARS]:
            values = found.setdefault(tag, {})
            for event in events.Scalars(tag):
                values[event.step] = max(values.get(event.step, (0.0, 0.0)), (event.wall_time, event.value))
    return {tag: _sorted(values) for tag, values in sorted(found.items())}


def _sorted(values: Mapping[int, tuple[float, float]]) -> tuple[list[int], list[float]]:
    return sorted(values), [values[epoch][1] for epoch in sorted(values)]
