"""The other version of a model: all images of a shelf encoded by it as well, to compare old hits with new ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from zehn.codes import encode
from zehn.distances import Distance
from zehn.engines import Mirror
from zehn.errors import CollectionError, UnknownNameError
from zehn.progress import Progress
from zehn.serve import cache
from zehn.serve.background import DONE, RUNNING, Background, Stop, Task
from zehn.serve.maps import Content
from zehn.store import Model

_KIND, _UNFINISHED = "versions", "unfinished"
_N_KEPT, _N_TIMES_KEPT = 5_000, 20
"""What was encoded is kept now and then, so that a service that is ended half-way goes on with it."""

Squares = Callable[[Int64[np.ndarray, " n"]], Iterator[tuple[Int64[np.ndarray, " b"], UInt8[np.ndarray, "b s s 3"]]]]
"""Gives the squares of images, some at a time; those that cannot be read are left out."""
Found = tuple[Int64[np.ndarray, "q k"], Float32[np.ndarray, "q k"], Float64[np.ndarray, "q k"]]
"""Ids, distances and percentiles."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """Images of one content as the other model encodes them."""

    content: Content
    mirror: Mirror
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def search(self, queries: Any, k: int, distance: Distance, exclude: Any, among: Any) -> Found:
        """Return the k nearest of each query, exactly."""
        with self._lock:  # a mirror makes its indexes as it is asked
            ids, found, _ = self.mirror.search(queries, k, distance, exclude=exclude, among=among)
            return ids, found, self.mirror.percentiles(found, distance)

    def codes(self, ids: Int64[np.ndarray, " n"]) -> Float32[np.ndarray, "n d"]:
        """Return codes in the order of the ids.

        Raises:
            CollectionError: an image that could not be read when all were encoded.

        """
        places, there = _places(self.mirror.ids, ids)
        if not there.all():
            missing = int(ids[~there][0])
            raise CollectionError(f"image {missing} has no code of the other model, as it could not be read; ask again")
        return self.mirror.codes[places]


class Versions:
    """The other versions of one shelf's model."""

    def __init__(self, background: Background, models: Mapping[str, Callable[[], Model]], squares: Squares) -> None:
        """Encode with models, loaded when they are first needed, the squares that a function gives."""
        self._background, self._loaders, self._squares = background, models, squares
        self._models: dict[str, Model] = {}
        self._encoded: dict[str, Encoded] = {}

    def names(self) -> list[str]:
        """Return the names of the versions that there are."""
        return sorted(self._loaders)

    def model(self, version: str) -> Model:
        """Return the other model.

        Raises:
            UnknownNameError: there is no such version.

        """
        self._check(version)
        if version not in self._models:
            self._models[version] = self._loaders[version]()
        return self._models[version]

    def encoded(self, version: str, content: Content) -> Encoded:
        """Return the images of a content as the other model encodes them.

        Raises:
            UnknownNameError: there is no such version.
            CollectionError: they are not encoded yet.

        """
        if self.task(version, content).state != DONE:
            raise CollectionError(
                f"the images are not encoded with the {version} model yet, or others have come since; have them encoded"
            )
        return self._encoded[version]

    def task(self, version: str, content: Content) -> Task:
        """Return where the encoding of a content stands.

        Raises:
            UnknownNameError: there is no such version.

        """
        self._check(version)
        under_way = self._background.task(self._key(version, content))
        if not self._holds(version, content) and under_way.state != RUNNING:
            self._take_kept(version, content)
        return Task(DONE, len(content.ids), len(content.ids)) if self._holds(version, content) else under_way

    def begin(self, version: str, content: Content) -> Task:
        """Begin to encode a content, unless that is done or going on.

        Raises:
            UnknownNameError: there is no such version.

        """
        known = self.task(version, content)
        if known.state == DONE:
            return known

        def make(progress: Progress, stop: Stop) -> None:
            self._make(version, content, progress, stop)

        return self._background.start(self._key(version, content), make, n=len(content.ids))

    def _make(self, version: str, content: Content, progress: Progress, stop: Stop) -> None:
        model, n = self.model(version), len(content.ids)
        key = self._cache_key(version, content)
        codes = np.empty((n, model.n_components), np.float32)
        there = self._reuse(version, content, codes)
        n_done = n_kept = int(there.sum())
        for ids, squares in self._squares(content.ids[~there]):
            stop.check()
            places = np.searchsorted(content.ids, ids)
            codes[places], there[places] = encode(model, squares), True
            n_done += len(ids)
            progress(f"encoding with the {version} model", n_done, n)
            if n_done - n_kept >= max(_N_KEPT, n // _N_TIMES_KEPT):
                cache.write(_UNFINISHED, key, {"ids": content.ids[there], "codes": codes[there]})
                n_kept = n_done
        arrays = {"ids": content.ids[there], "codes": codes[there]}
        if there.all():  # what could not be read may be there next time
            cache.write(_KIND, key, arrays)
        cache.forget(_UNFINISHED, key)
        self._keep(version, content, arrays)

    def _reuse(self, version: str, content: Content, codes: Any) -> Any:
        """Fill in the codes of images that were encoded before and are as they were, and say which these are."""
        there, before = np.zeros(len(content.ids), bool), self._encoded.get(version)
        kept = cache.read(_UNFINISHED, self._cache_key(version, content))
        if kept is not None and _are_sound(kept, codes.shape[1]) and np.isin(kept["ids"], content.ids).all():
            places = np.searchsorted(content.ids, kept["ids"])
            codes[places], there[places] = kept["codes"], True
        if before is not None and before.mirror.codes.shape[1] == codes.shape[1]:
            old, was_there = _places(before.content.ids, content.ids)
            encoded, was_encoded = _places(before.mirror.ids, content.ids)
            candidates = np.flatnonzero(was_there & was_encoded)
            same = candidates[(before.content.codes[old[candidates]] == content.codes[candidates]).all(axis=1)]
            codes[same], there[same] = before.mirror.codes[encoded[same]], True
        return there

    def _holds(self, version: str, content: Content) -> bool:
        return version in self._encoded and self._encoded[version].content.key == content.key

    def _take_kept(self, version: str, content: Content) -> None:
        kept = cache.read(_KIND, self._cache_key(version, content))
        if kept is not None and _are_sound(kept, self.model(version).n_components):
            self._keep(version, content, kept)

    def _keep(self, version: str, content: Content, arrays: Mapping[str, Any]) -> None:
        self._encoded[version] = Encoded(content, Mirror(arrays["ids"], arrays["codes"]))

    def _cache_key(self, version: str, content: Content) -> str:
        return cache.key_of(self.model(version).fingerprint, content.key)

    def _key(self, version: str, content: Content) -> tuple[int, str, str, str]:
        return (id(self), _KIND, version, content.key)

    def _check(self, version: str) -> None:
        if version not in self._loaders:
            raise UnknownNameError("version of the model", version, self._loaders)


def _places(sorted_ids: Any, ids: Any) -> tuple[Any, Any]:
    """Return where ids are among ascending ones, and whether they are."""
    if not len(sorted_ids):
        return np.zeros(len(ids), np.int64), np.zeros(len(ids), bool)
    places = np.minimum(np.searchsorted(sorted_ids, ids), len(sorted_ids) - 1)
    return places, sorted_ids[places] == ids


def _are_sound(arrays: Mapping[str, Any], n_components: int) -> bool:
    ids, codes = arrays.get("ids"), arrays.get("codes")
    if ids is None or codes is None or ids.dtype != np.int64 or codes.dtype != np.float32:
        return False
    return ids.ndim == 1 and codes.shape == (len(ids), n_components) and bool((np.diff(ids) > 0).all())
