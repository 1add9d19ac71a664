"""How images are encoded in bulk where nothing else is said."""

from __future__ import annotations

from dataclasses import dataclass

from zehn.collection import defaults as of_collections
from zehn.scale.encoding import defaults


@dataclass(frozen=True)
class Options:
    """How images become codes, and how the work is divided."""

    batch: int = defaults.BATCH
    """Images per unit of work at most, as far as a file can be divided: what a kill loses of each worker's work, and
    the rows of a part file. Another number means other part files."""
    fit: str = of_collections.FIT
    """How oblong images become squares: ``crop``, ``stretch`` or ``pad``."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``mps``; with ``cuda`` on a cluster, actors share the GPUs."""
    column: str = ""
    """Of Parquet files: which one holds the images, where that is not plain."""
    retry_skipped: bool = False
    """Do those units again in which something could not be read."""
