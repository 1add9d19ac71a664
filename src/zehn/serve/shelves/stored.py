"""What collections and runs have in common: an engine that stores records and codes, and what is made of these."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, Int64, UInt8

from zehn import distances, images
from zehn.codes import decode, encode
from zehn.collection import Explanation, Hit, defaults, hits
from zehn.engines import Engine, Neighbors, Record
from zehn.errors import CollectionError, InputError
from zehn.serve.background import Background, Task
from zehn.serve.maps import Content, Map, Maps, Start, content_of
from zehn.serve.settings import Settings
from zehn.serve.shelves.known import Known, Shown, look
from zehn.serve.shelves.shelf import Added, Info, Pictures
from zehn.serve.versions import Squares, Versions
from zehn.store import Model, Run

_N_SAMPLED = 10_000
_LOW, _HIGH = 1.0, 99.0
"""Per cent of the codes that the sliders leave out at either end."""

Ids = Sequence[int] | Int[np.ndarray, " _"]


class StoredShelf(ABC):
    """Images with codes in an engine; :class:`zehn.serve.shelves.Shelf` says what each method does."""

    kind = ""
    run: Run | None = None

    def __init__(
        self,
        name: str,
        engine: Engine,
        settings: Settings,
        background: Background,
        *,
        versions: Mapping[str, Callable[[], Model]],
        start: Start | None = None,
    ) -> None:
        self.name, self.settings = name, settings
        self.ready = False
        self._engine = engine
        self._known: Known | None = None
        self._info: tuple[str, Info] | None = None
        self._content: Content | None = None
        self._maps = Maps(background, engine.walk, start)
        self._versions = Versions(background, versions, self._some_squares)

    @property
    def writable(self) -> bool:
        """Say whether images can be added and removed."""
        return False

    @property
    def model(self) -> Model:
        """The model that made the codes."""
        with self._engine.snapshot():
            return self._now().model

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self._engine)

    def state(self) -> str:
        """Return a short word that changes whenever anything does."""
        with self._engine.snapshot():
            return self._now().state

    def snapshot(self) -> AbstractContextManager[None]:
        """Return a block in which all that this thread asks is of one state and one model."""
        return self._engine.snapshot()

    def fingerprint(self, version: str = "") -> str:
        """Return the fingerprint of the model that encodes now."""
        return self._encoder(version).fingerprint

    def warm(self) -> None:
        """Read the codes into memory and make the index of the default distance."""
        with self._engine.snapshot():
            _, codes = self._now().all_codes()
        if len(codes):
            self.search(codes[:1], 1)
        self.ready = True

    def info(self) -> Info:
        """Return what there is to know."""
        with self._engine.snapshot():
            known = self._now()
            if self._info is not None and self._info[0] == known.mark:
                return self._info[1]
            made = self._told(known)
        self._info = (known.mark, made)
        return made

    def codes(self, ids: Ids, *, version: str = "") -> Float32[np.ndarray, "n d"]:
        """Return codes in the order of the ids."""
        wanted = _array(ids)
        with self._engine.snapshot():
            own = self._now().codes(wanted)
            return self._versions.encoded(version, self._current()).codes(wanted) if version else own

    def search(
        self,
        codes: Float[np.ndarray, "q d"],
        k: int = defaults.N_HITS,
        *,
        distance: str = defaults.DISTANCE,
        where: str | None = None,
        exclude: Ids | None = None,
        approximate: bool = False,
        version: str = "",
    ) -> list[list[Hit]]:
        """Return the k nearest images of each code."""
        without = None if exclude is None else _array(exclude)
        with self._engine.snapshot():
            if version:
                return self._search_version(codes, k, distance, where, without, version)
            known = self._now()
            measure, k = known.measure(distance), min(k, max(1, known.n_images))
            near = self._engine.search(codes, k, measure, where=where, exclude=without, approximate=approximate)
            return known.hits(near, self._engine.percentiles(near.distances, measure), measure)

    def search_ids(self, ids: Ids, k: int = defaults.N_HITS, *, version: str = "", **options: Any) -> list[list[Hit]]:
        """Return the k nearest images of images that are there, each without itself."""
        wanted = _array(ids)
        with self._engine.snapshot():
            return self.search(self.codes(wanted, version=version), k, exclude=wanted, version=version, **options)

    def records(self, *, after_id: int = -1, limit: int = 100, where: str | None = None) -> list[Record]:
        """Return what is known of images, in the order of their ids."""
        batches = self._engine.walk(where=where, after_id=after_id, n_batch=max(1, limit))
        return list(islice((record for batch in batches for record in batch), limit))

    def record(self, id: int) -> Record:  # noqa: A002
        """Return what is known of an image."""
        return self._engine.get([id])[0]

    def shown(self, ids: Ids) -> Mapping[int, Shown]:
        """Return path and label of images by id, and maybe of more."""
        with self._engine.snapshot():
            return self._now().shown(int(id_) for id_ in ids)

    def random_ids(self, n: int, seed: int | None = None) -> Int64[np.ndarray, " m"]:
        """Return ids of different images by chance."""
        if n < 0:
            raise InputError(f"expected a number of images from 0, came {n}")
        with self._engine.snapshot():
            ids, _ = self._now().all_codes()
        return np.random.default_rng(seed).choice(ids, min(n, len(ids)), replace=False) if len(ids) else ids

    @abstractmethod
    def picture(self, id: int, *, max_side: int | None = None) -> UInt8[np.ndarray, "h w 3"]:  # noqa: A002
        """Return an image."""

    @abstractmethod
    def picture_file(self, id: int, max_side: int | None = None) -> tuple[bytes, str]:  # noqa: A002
        """Return an image as the bytes of a file, and its media type."""

    @abstractmethod
    def squares(self, ids: Ids) -> UInt8[np.ndarray, "n s s 3"]:
        """Return images as the squares that the model sees."""

    def square(self, file: bytes) -> UInt8[np.ndarray, "s s 3"]:
        """Return an image file, given as bytes, as the square that the model sees."""
        return images.read_square(file, self.model.image_size, self._fit, max_pixels=self.settings.max_pixels)

    def encode(self, pictures: Pictures, *, version: str = "") -> Float32[np.ndarray, "n d"]:
        """Return the codes of images of any size."""
        return self.encode_with_fingerprint(pictures, version=version)[0]

    def encode_with_fingerprint(
        self, pictures: Pictures, *, version: str = ""
    ) -> tuple[Float32[np.ndarray, "n d"], str]:
        """Return the codes of images and the fingerprint of the very model that made them."""
        model, fit = self._encoder(version), self._fit
        if not len(pictures):
            raise InputError("expected at least one image to encode, came none")
        if isinstance(pictures, np.ndarray):
            squares = images.resize_all(pictures, model.image_size, fit)
        else:
            squares = np.stack([images.resize(one, model.image_size, fit) for one in pictures])
        return encode(model, squares), model.fingerprint

    def decode(self, codes: Float[np.ndarray, "n d"]) -> UInt8[np.ndarray, "n s s 3"]:
        """Return the images that the model's decoder sees in codes."""
        return images.as_uint8(decode(self.model, codes))

    def explain(
        self, query_code: Float[np.ndarray, " d"], hit_id: int, distance: str = defaults.DISTANCE
    ) -> Explanation:
        """Return why an image is as near to a code as it is."""
        with self._engine.snapshot():
            known = self._now()
            near = known.codes(np.array([hit_id], np.int64))
        if len(query_code) != near.shape[1]:
            raise InputError(f"expected a code of {near.shape[1]} numbers, came {len(query_code)}")
        return hits.explain(known.model, known.measure(distance), query_code.astype(np.float32), near)[0]

    def distances(
        self,
        code: Float[np.ndarray, " d"],
        distance: str = defaults.DISTANCE,
        ids: Int64[np.ndarray, " m"] | None = None,
    ) -> tuple[Int64[np.ndarray, " m"], Float32[np.ndarray, " m"]]:
        """Return ids and the distance of each from a code."""
        with self._engine.snapshot():
            known = self._now()
            model, (there, codes) = known.model, known.all_codes()
        apart = distances.between(distance, code[None], codes, model.code_mean, model.code_covariance)[0]
        if ids is None or ids is there:
            return there, apart
        chosen = np.full(len(ids), np.nan, np.float32)
        if len(there):
            places = np.minimum(np.searchsorted(there, ids), len(there) - 1)
            chosen = np.where(there[places] == ids, apart[places], chosen)
        return ids, chosen

    def add(self, uploads: Sequence[tuple[str, bytes]], label: str | None = None) -> Added:
        """Add image files, given as names and bytes."""
        raise self._refusal((uploads, label))

    def remove(self, ids: Sequence[int]) -> int:
        """Forget images, and return how many."""
        raise self._refusal(ids)

    def map(self) -> Map | None:
        """Return the map that was made last, or None."""
        return self._maps.latest(self._current())

    def map_task(self) -> Task:
        """Return how far the map of this state is."""
        return self._maps.task(self._current())

    def start_map(self) -> Task:
        """Begin to make the map of this state."""
        return self._maps.begin(self._current())

    def version_task(self, version: str) -> Task:
        """Return how far encoding all images with another version of the model is."""
        return self._versions.task(version, self._current())

    def start_version(self, version: str) -> Task:
        """Begin to encode all images with another version of the model."""
        return self._versions.begin(version, self._current())

    def close(self) -> None:
        """Let go of everything."""
        self.ready = False
        self._engine.close()

    @abstractmethod
    def _read_model(self, facts: Mapping[str, str]) -> Model:
        """Return the model that the facts speak of."""

    @property
    @abstractmethod
    def _fit(self) -> str:
        """How oblong images become squares."""

    @property
    @abstractmethod
    def _model_name(self) -> str: ...

    @property
    @abstractmethod
    def _some_squares(self) -> Squares:
        """A function that gives squares of images, some at a time."""

    def _refusal(self, _: object) -> CollectionError:
        return CollectionError(
            f"{self.name} is a {self.kind}, whose images are those of its data set; add images to a collection"
        )

    def _encoder(self, version: str) -> Model:
        return self._versions.model(version) if version else self.model

    def _now(self) -> Known:
        """Return what is known of the state that this thread's snapshot is of."""
        self._known = known = look(self._engine, self._known, self._read_model)
        return known

    def _search_version(
        self,
        codes: Float[np.ndarray, "q d"],
        k: int,
        distance: str,
        where: str | None,
        without: Int64[np.ndarray, " q"] | None,
        version: str,
    ) -> list[list[Hit]]:
        encoded, model = self._versions.encoded(version, self._current()), self._versions.model(version)
        known, measure = self._now(), distances.get(distance, model.code_mean, model.code_covariance)
        among = None if where is None else known.let_through(where)
        ids, apart, percentiles = encoded.search(codes, min(k, max(1, known.n_images)), measure, without, among)
        near = Neighbors(ids, apart, len(encoded.mirror.ids) if among is None else len(among))
        return known.hits(near, percentiles, measure)

    def _current(self) -> Content:
        """Return ids and codes as they are now, with a key that names them."""
        with self._engine.snapshot():
            known = self._now()
            ids, codes = known.all_codes()
        if self._content is None or self._content.state != known.state:
            self._content = content_of(ids, codes, known.state)
        return self._content

    def _told(self, known: Known) -> Info:
        _, codes = known.all_codes()
        chosen = np.random.default_rng(0).integers(0, max(1, len(codes)), min(len(codes), _N_SAMPLED))
        sample = codes[chosen] if len(codes) else np.zeros((1, self._engine.n_components), np.float32)
        low, high = np.percentile(sample, [_LOW, _HIGH], axis=0)
        labels = {label: number for label, number in self._engine.count_labels().items() if label is not None}
        return Info(
            name=self.name,
            kind=self.kind,
            n_images=known.n_images,
            n_components=self._engine.n_components,
            image_size=known.model.image_size,
            model=self._model_name,
            fingerprint=known.model.fingerprint,
            labels=labels,
            distances=tuple(distances.names()),
            writable=self.writable,
            has_versions=bool(self._versions.names()),
            code_low=tuple(low.tolist()),
            code_high=tuple(high.tolist()),
            code_mean=tuple(sample.mean(axis=0, dtype=np.float64).tolist()),
            state=known.state,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def in_batches(ids: Int64[np.ndarray, " n"], n_batch: int) -> Iterator[Int64[np.ndarray, " b"]]:
    """Yield ids a few at a time."""
    return (ids[start : start + n_batch] for start in range(0, len(ids), n_batch))


def _array(ids: Ids) -> Int64[np.ndarray, " n"]:
    try:
        return np.asarray(ids, np.int64).reshape(-1)
    except OverflowError as error:
        raise InputError(
            "expected ids of at most 64 bits, came a larger one; give ids that a search returned"
        ) from error
