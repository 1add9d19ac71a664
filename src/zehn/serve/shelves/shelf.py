"""What is served under one name, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Int, Int64, UInt8

from zehn.collection import Explanation, Hit, defaults
from zehn.engines import Record
from zehn.serve.background import Task
from zehn.serve.maps import Map
from zehn.store import Model, Run

COLLECTION, RUN = "collection", "run"
"""Kinds of shelves."""
ROBUST = "robust"
"""The name of the other version of a shelf's model: the one that was retrained with distorted images."""

Pictures = Sequence[UInt8[np.ndarray, "_ _ 3"]] | UInt8[np.ndarray, "_ _ _ 3"]


@dataclass(frozen=True)
class Info:
    """What there is to know of a shelf."""

    name: str
    kind: str
    """``collection`` or ``run``."""
    n_images: int
    n_components: int
    image_size: int
    """Side of the squares that the model sees, in pixels."""
    model: str
    """What the model is called."""
    fingerprint: str
    """Of the model that made the codes."""
    labels: Mapping[str, int]
    """How many images have each label; those without one are left out."""
    distances: tuple[str, ...]
    writable: bool
    has_versions: bool
    """Whether there is another version of the model, to be compared with under distortion."""
    code_low: tuple[float, ...]
    """Of each dimension of the codes, what 1 % of them lie below; zeros where there are no images."""
    code_high: tuple[float, ...]
    """Likewise above."""
    code_mean: tuple[float, ...]
    state: str


@dataclass(frozen=True)
class Added:
    """What came of files that were to be added."""

    ids: tuple[int, ...]
    """Of the images, one for each file that can be used, in their order."""
    n_added: int
    n_unchanged: int
    skipped: tuple[tuple[str, str], ...]
    """Names of files that cannot be used, and why."""


@runtime_checkable
class Shelf(Protocol):
    """Images with codes, searched by image: a collection or a run.

    All methods block, and may be called from several threads. All raise CollectionError where a store is damaged.
    """

    @property
    def name(self) -> str:
        """What it is called in addresses."""
        ...

    @property
    def kind(self) -> str:
        """``collection`` or ``run``."""
        ...

    @property
    def model(self) -> Model:
        """The model that made the codes."""
        ...

    @property
    def writable(self) -> bool:
        """Say whether images can be added and removed."""
        ...

    @property
    def ready(self) -> bool:
        """Say whether a search would be answered at once: its index is in memory."""
        ...

    @property
    def run(self) -> Run | None:
        """The run folder of a run."""
        ...

    def __len__(self) -> int:
        """Return how many images there are."""
        ...

    def info(self) -> Info:
        """Return what there is to know; quick, unless something changed."""
        ...

    def state(self) -> str:
        """Return a short word that changes whenever images, codes or what is known of them do; it survives restarts."""
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """Return a block in which all that this thread asks is of one state and one model; it may be nested.

        Who searches meanwhile waits for its end: search in it, and encode outside of it.
        """
        ...

    def fingerprint(self, version: str = "") -> str:
        """Return the fingerprint of the model that encodes now; quick.

        Raises:
            UnknownNameError: an unknown version.

        """
        ...

    def warm(self) -> None:
        """Read the codes into memory and make the index of the default distance."""
        ...

    def codes(self, ids: Sequence[int] | Int[np.ndarray, " n"], *, version: str = "") -> Float32[np.ndarray, "n d"]:
        """Return codes (n, d) in the order of the ids.

        Raises:
            InputError: an id that is not there.
            CollectionError: codes of another version that are not there yet.

        """
        ...

    def search(
        self,
        codes: Float[np.ndarray, "q d"],
        k: int = defaults.N_HITS,
        *,
        distance: str = defaults.DISTANCE,
        where: str | None = None,
        exclude: Sequence[int] | Int[np.ndarray, " q"] | None = None,
        approximate: bool = False,
        version: str = "",
    ) -> list[list[Hit]]:
        """Return the k nearest images of each code (q, d), nearest first; fewer where there are fewer.

        Args:
            codes: As :meth:`encode` of the same version returns them.
            k: How many hits.
            distance: A name of :func:`zehn.distances.names`.
            where: A filter such as ``label = 'cat' and width >= 640``.
            exclude: One id per query that is left out.
            approximate: Answer sooner with what may not be all of the nearest.
            version: ``robust`` searches the codes of that model; exact always.

        Raises:
            InputError: k below 1, another number of dimensions, or codes that are no numbers.
            UnknownNameError: an unknown distance or version.
            ConfigError: a filter that cannot be read.
            CollectionError: codes of another version that are not there yet.

        """
        ...

    def search_ids(
        self,
        ids: Sequence[int] | Int[np.ndarray, " q"],
        k: int = defaults.N_HITS,
        *,
        distance: str = defaults.DISTANCE,
        where: str | None = None,
        approximate: bool = False,
        version: str = "",
    ) -> list[list[Hit]]:
        """Return the k nearest images of images that are there, each without itself; see :meth:`search`.

        Raises:
            InputError: an id that is not there, or k below 1.

        """
        ...

    def records(self, *, after_id: int = -1, limit: int = 100, where: str | None = None) -> list[Record]:
        """Return what is known of images, in the order of their ids, from the first id beyond ``after_id``.

        Raises:
            ConfigError: a filter that cannot be read.

        """
        ...

    def shown(self, ids: Sequence[int] | Int[np.ndarray, " n"]) -> Mapping[int, tuple[str, str | None]]:
        """Return path and label of images by id, and maybe of more; quick for those that were hits lately.

        Raises:
            InputError: an id that is not there.

        """
        ...

    def record(self, id: int) -> Record:  # noqa: A002
        """Return what is known of an image.

        Raises:
            InputError: an id that is not there.

        """
        ...

    def random_ids(self, n: int, seed: int | None = None) -> Int64[np.ndarray, " m"]:
        """Return ids of n different images by chance; all where there are fewer."""
        ...

    def picture(self, id: int, *, max_side: int | None = None) -> UInt8[np.ndarray, "h w 3"]:  # noqa: A002
        """Return an image, made smaller where it is larger than ``max_side``.

        Raises:
            InputError: an id that is not there.
            DataError: neither its file nor a thumbnail of it can be read.

        """
        ...

    def picture_file(self, id: int, max_side: int | None = None) -> tuple[bytes, str]:  # noqa: A002
        """Return an image as the bytes of a file, and its media type; see :meth:`picture`."""
        ...

    def square(self, file: bytes) -> UInt8[np.ndarray, "s s 3"]:
        """Return an image file, given as bytes, as the square that the model sees, as indexing makes it.

        Raises:
            ImageError: it is no image, damaged, or has too many pixels.

        """
        ...

    def squares(self, ids: Sequence[int] | Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "n s s 3"]:
        """Return images as the squares that the model sees.

        Raises:
            InputError: an id that is not there.
            DataError: neither its file nor a thumbnail of it can be read.

        """
        ...

    def encode(self, pictures: Pictures, *, version: str = "") -> Float32[np.ndarray, "n d"]:
        """Return the codes of images of any size; they are made squares first, unless they are.

        Raises:
            InputError: no image at all.
            UnknownNameError: an unknown version.

        """
        ...

    def encode_with_fingerprint(
        self, pictures: Pictures, *, version: str = ""
    ) -> tuple[Float32[np.ndarray, "n d"], str]:
        """Return the codes of images and the fingerprint of the very model that made them; see :meth:`encode`.

        Another process may change the model at any time: codes whose fingerprint is no longer :meth:`fingerprint` are
        not to be searched for.
        """
        ...

    def decode(self, codes: Float[np.ndarray, "n d"]) -> UInt8[np.ndarray, "n s s 3"]:
        """Return the images that the model's decoder sees in codes.

        Raises:
            InputError: codes of another number of dimensions, or that are no numbers.

        """
        ...

    def explain(
        self, query_code: Float[np.ndarray, " d"], hit_id: int, distance: str = defaults.DISTANCE
    ) -> Explanation:
        """Return why an image is as near to a code as it is.

        Raises:
            InputError: an id that is not there.

        """
        ...

    def distances(
        self,
        code: Float[np.ndarray, " d"],
        distance: str = defaults.DISTANCE,
        ids: Int64[np.ndarray, " m"] | None = None,
    ) -> tuple[Int64[np.ndarray, " m"], Float32[np.ndarray, " m"]]:
        """Return ids and the distance of each from a code: of all images by ascending id, or of the ids given.

        NaN where an id is not there (any more).
        """
        ...

    def add(self, uploads: Sequence[tuple[str, bytes]], label: str | None = None) -> Added:
        """Add image files, given as names and bytes; they are kept beside the collection under their hash.

        Raises:
            CollectionError: it cannot be written to.
            BusyError: another process writes to it.

        """
        ...

    def remove(self, ids: Sequence[int]) -> int:
        """Forget images, and return how many; only files that came by :meth:`add` are deleted.

        Raises:
            InputError: an id that is not there; nothing was removed.
            CollectionError: it cannot be written to.

        """
        ...

    def map(self) -> Map | None:
        """Return the map that was made last, or None; its ``state`` says whether it is of this very state."""
        ...

    def map_task(self) -> Task:
        """Return how far the map of this state is; ``absent`` where it was not asked for."""
        ...

    def start_map(self) -> Task:
        """Begin to make the map of this state, unless it is there or being made.

        Raises:
            InputError: fewer than four images.
            MissingExtraError: the extra ``train``, which brings UMAP, is not installed.

        """
        ...

    def version_task(self, version: str) -> Task:
        """Return how far encoding all images with another version of the model is.

        Raises:
            UnknownNameError: there is no such version.

        """
        ...

    def start_version(self, version: str) -> Task:
        """Begin to encode all images with another version of the model, unless that is done or going on.

        Raises:
            UnknownNameError: there is no such version.

        """
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
