"""What callers give to an engine, refused where none could keep it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence, Sized

import numpy as np
from jaxtyping import Float

from zehn.engines._protocol import NewRecord, Reencoding
from zehn.errors import CollectionError, InputError

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


def check_pairs(ids: Sized, codes: Float[np.ndarray, "..."]) -> None:
    """Refuse codes without an id of their own.

    Raises:
        InputError: another number of ids than codes.

    """
    if len(ids) != len(codes):
        raise InputError(f"expected an id per code, came {len(ids)} ids and {len(codes)} codes")


def check_there(ids: Sequence[int], rows: Container[int]) -> Sequence[int]:
    """Return ids of which there are rows.

    Raises:
        InputError: one is not there.

    """
    missing = next((id_ for id_ in ids if id_ not in rows), None)
    if missing is not None:
        raise InputError(f"id {missing} is not in the collection; it was removed, or never there")
    return ids


def check_facts(known: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Refuse to go on where facts are no longer what they were when it was begun.

    Raises:
        CollectionError: another process gave the collection another model.

    """
    if any(known.get(name) != value for name, value in expected.items()):
        raise CollectionError("the model of this collection changed meanwhile; give the same command again")


def check_under_way(found: str | None, expected: str | None) -> None:
    """Refuse to go on with a change of model if another than the expected one is under way, or none.

    Raises:
        CollectionError: it is, and one was expected; each is known by its fingerprint.

    """
    if expected is not None and found != expected:
        raise CollectionError(
            "the change of model was abandoned, or another one begun, by another process meanwhile; look at zehn index "
            "info, then give the command again"
        )


def check_encoded(begun: Reencoding) -> None:
    """Refuse to finish a change of model that is not done.

    Raises:
        CollectionError: images without a new code are left.

    """
    if begun.n_left:
        raise CollectionError(
            f"{begun.n_left:,} images have no new code yet; encode them with the new model, or remove those that "
            "cannot be read any more, then finish"
        )


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


def path_taken(path: bytes) -> InputError:
    """Return what refuses a path that another image has."""
    return InputError(f"another image has the path {path!r}; remove it first")


def paths_alike() -> InputError:
    """Return what refuses one path for two images."""
    return InputError("two images cannot have one path; give every image its own")
