"""What callers give to an engine, refused where none could keep it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from zehn.engines._protocol import NewRecord
from zehn.errors import InputError

LARGEST = 1e15
"""Codes hold no larger numbers."""


def check_codes(codes: Float[np.ndarray, "..."], what: str, n_components: int) -> None:
    """Refuse what no encoder returns.

    Raises:
        InputError: no rows of codes, another number of dimensions, or what are no numbers up to 1e15.

    """
    if codes.ndim != 2:
        raise InputError(f"expected {what} of shape (n, {n_components}), came {codes.shape}; give each its own row")
    if codes.shape[1] != n_components:
        raise InputError(
            f"{what} have {codes.shape[1]} dimensions but this collection was built with {n_components}; encode them "
            "with the collection's model"
        )
    if not (codes.min(initial=0) >= -LARGEST and codes.max(initial=0) <= LARGEST):
        raise InputError(
            f"expected {what} of finite numbers up to {LARGEST:g}, came NaN, infinity or larger; encode the images "
            "again or check the model"
        )


def check_dimensions(n_components: int) -> None:
    """Refuse codes without a dimension.

    Raises:
        InputError: less than one.

    """
    if n_components < 1:
        raise InputError(f"expected codes of at least one dimension, came {n_components}")


def paths_of(
    records: Sequence[NewRecord], codes: Float[np.ndarray, "..."], thumbnails: Sequence[bytes | None] | None
) -> list[bytes]:
    """Return the paths of images that are to be added together.

    Raises:
        InputError: another number of codes or thumbnails than images, or a path given twice.

    """
    n_thumbnails = len(records) if thumbnails is None else len(thumbnails)
    if not len(records) == len(codes) == n_thumbnails:
        raise InputError(
            f"expected a code and a thumbnail (or None) per image, came {len(records)} images, {len(codes)} codes "
            f"and {n_thumbnails} thumbnails"
        )
    paths = [record.path for record in records]
    if len(set(paths)) < len(paths):
        twice = next(path for place, path in enumerate(paths) if path in paths[:place])
        raise InputError(f"path {twice!r} is given twice; add every image once")
    return paths
