"""The codes of a whole data set or folder, in one file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zehn import codes, datasets, plugins, store
from zehn.progress import Progress


def encode(
    source: str,
    model: str | Path,
    out: Path,
    *,
    device: str = "auto",
    data_dir: Path | None = None,
    progress: Progress | None = None,
) -> int:
    """Write the codes of a data set, training images first, to an NPZ, HDF5 or Parquet file; return how many.

    Args:
        source: A data set's name, ``folder:PATH``, or the path of a folder of images.
        model: The name of a model that ships, or the path of a model file.
        out: The file; its ending says which kind.
        device: Where to compute.
        data_dir: Where to look for data sets first.
        progress: Told how far loading and encoding are.

    Raises:
        DataError: the images cannot be had.
        UnknownNameError: a data set, model or file ending that does not exist.
        ModelFileError: the model file cannot be read.

    """
    codes.check_ending(out)
    loaded = store.load_model(model)
    known = source.partition(":")[0] in plugins.names("datasets") or source == datasets.AUTO
    name = source if known else f"folder:{source}"
    dataset = datasets.load(name, image_size=loaded.image_size, data_dir=data_dir, progress=progress)
    values = codes.encode(loaded, dataset.images, device=device, progress=progress)
    codes.write(out, values, np.arange(len(values)), dataset.labels, loaded.fingerprint, paths=dataset.paths)
    return len(values)
