"""All codes of a shelf as points on a map: made once by UMAP, in a process of its own, and kept.

UMAP holds Python's lock for seconds at a time and takes its time: in a process of its own it holds up nobody, and can
be killed when the service ends.
"""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int16, Int64
from numpy.typing import NDArray

from zehn.engines import Record
from zehn.errors import InputError, MissingExtraError, ZehnError
from zehn.progress import Progress
from zehn.serve import cache
from zehn.serve.background import DONE, RUNNING, Background, Stop, Task

LEAST = 4
"""Codes of which a map can be made."""
N_FITTED = 60_000
"""So many codes UMAP places, a seeded choice; the others find their places among them."""
_N_NEIGHBORS = 3
"""Of 60,000 codes of CIFAR-10, 10,000 placed by UMAP, with 10 neighbours for the others 47.4 % of the ten nearest on
the map are of the same class, with 3 neighbours 48.7 %, where UMAP placed all 49.2 %; with 2 the points form lines."""
_N_AT_ONCE = 10_000
_KIND = "maps"
_VERSION = "1"
"""Of how maps are made: another one makes them anew."""
_NICE = 10
_PROGRAM = "from zehn.serve.maps import answer; answer()"
_LEAST_SPREAD = 1e-12


@dataclass(frozen=True, eq=False)
class Map:
    """Where each image lies; what lies close has close codes."""

    ids: Int64[np.ndarray, " n"]
    """Ascending."""
    points: Float32[np.ndarray, "n 2"]
    """Within 0 and 1, the longer side of the map filling it."""
    labels: Int16[np.ndarray, " n"]
    """Places in :attr:`label_names`; −1 where there is none."""
    label_names: tuple[str, ...]
    state: str
    """Of the shelf, as it was then."""


@dataclass(frozen=True, eq=False)
class Start:
    """Points of some images that a map can begin with."""

    ids: Int64[np.ndarray, " m"]
    points: Float32[np.ndarray, "m 2"]


@dataclass(frozen=True, eq=False)
class Content:
    """What a map is made of."""

    key: str
    """Differs where ids or codes do."""
    state: str
    ids: Int64[np.ndarray, " n"]
    codes: Float32[np.ndarray, "n d"]


Records = Callable[[], Iterable[list[Record]]]
"""Gives all records, in batches."""


class Maps:
    """The maps of one shelf."""

    def __init__(self, background: Background, records: Records, start: Start | None = None) -> None:
        """Make maps of images whose records are given by a function; ``start`` saves UMAP the work where it fits."""
        self._background, self._records, self._start = background, records, start
        self._latest: tuple[str, Map] | None = None

    def latest(self, content: Content) -> Map | None:
        """Return the map of a content, where it is there; else the one that was made last, or None."""
        is_other = self._latest is None or self._latest[0] != content.key
        # what is being made is kept on disk a moment before it is kept here
        if is_other and self._background.task(self._key(content)).state != RUNNING:
            self._take_kept(content)
        if self._latest is not None and self._latest[0] == content.key and self._latest[1].state != content.state:
            # only what is known of the images is other than it was
            self._keep(content, self._latest[1].points)
        return None if self._latest is None else self._latest[1]

    def task(self, content: Content) -> Task:
        """Return where the map of a content stands."""
        self.latest(content)
        if self._latest is not None and self._latest[0] == content.key:
            return Task(DONE, len(content.ids), len(content.ids))
        return self._background.task(self._key(content))

    def begin(self, content: Content) -> Task:
        """Begin to make the map of a content, unless it is there or being made.

        Raises:
            InputError: fewer than four images.
            MissingExtraError: UMAP is not installed.

        """
        known = self.task(content)
        if known.state in (RUNNING, DONE):
            return known
        if len(content.ids) < LEAST:
            raise InputError(f"expected at least {LEAST} images for a map, came {len(content.ids)}; add more")
        if self._places(content) is None and importlib.util.find_spec("umap") is None:
            raise MissingExtraError("umap", "train")

        def make(progress: Progress, stop: Stop) -> None:
            self._make(content, progress, stop)

        return self._background.start(self._key(content), make, n=len(content.ids))

    def _make(self, content: Content, progress: Progress, stop: Stop) -> None:
        progress("drawing the map", 0, len(content.ids))
        start = self._places(content)
        given = {"codes": content.codes}
        if start is not None and self._start is not None:
            given |= {"places": start, "points": self._start.points}
        points = _within(_asked(given, stop))
        cache.write(_KIND, content.key, {"points": points})
        self._keep(content, points)

    def _places(self, content: Content) -> Int64[np.ndarray, " m"] | None:
        """Return where the images that a map can start with are in a content, where they all are."""
        if self._start is None or len(self._start.ids) < min(LEAST, len(content.ids)) or not len(content.ids):
            return None
        places = np.minimum(np.searchsorted(content.ids, self._start.ids), len(content.ids) - 1)
        return places if (content.ids[places] == self._start.ids).all() else None

    def _take_kept(self, content: Content) -> None:
        kept = cache.read(_KIND, content.key)
        points = None if kept is None else kept.get("points")
        if points is not None and points.shape == (len(content.ids), 2) and points.dtype == np.float32:
            self._keep(content, points)

    def _keep(self, content: Content, points: Float32[np.ndarray, "n 2"]) -> None:
        labels, names = _labels(self._records(), content.ids)
        self._latest = (content.key, Map(content.ids, points, labels, names, content.state))

    def _key(self, content: Content) -> tuple[int, str, str]:
        return (id(self), _KIND, content.key)


def content_of(ids: Int64[np.ndarray, " n"], codes: Float32[np.ndarray, "n d"], state: str) -> Content:
    """Return what a map is made of."""
    return Content(cache.key_of(_VERSION, ids, codes), state, ids, codes)


def layout(
    codes: Float[np.ndarray, "n d"],
    places: Int64[np.ndarray, " m"],
    points: Float32[np.ndarray, "m 2"],
) -> Float32[np.ndarray, "n 2"]:
    """Return points for all codes, given those of some: the others lie among their nearest of these.

    A point is the mean of its three nearest's, each weighted as UMAP weighs neighbours: by exp(−(d − d₁) / σ), with d₁
    the distance of the nearest and σ the mean of what the others are farther. A copy lies where its like does.
    """
    from zehn.engines import Index

    laid = np.empty((len(codes), 2), np.float32)
    laid[places] = points
    others = np.setdiff1d(np.arange(len(codes)), places)
    if not len(others):
        return laid
    index = Index()
    index.add(np.arange(len(places)), codes[places].astype(np.float64))
    k = min(_N_NEIGHBORS, len(places))
    for start in range(0, len(others), _N_AT_ONCE):
        part = others[start : start + _N_AT_ONCE]
        near, distances = index.search(codes[part].astype(np.float64), k)
        beyond = (distances - distances[:, :1]).astype(np.float64)
        spread = np.maximum(beyond.mean(axis=1, keepdims=True), _LEAST_SPREAD)
        weights = np.where(distances[:, :1] > 0, np.exp(-beyond / spread), distances == 0)
        weights /= weights.sum(axis=1, keepdims=True)
        laid[part] = (points[near] * weights[..., None]).sum(axis=1)
    return laid


def answer() -> None:
    """Make the points of the codes on standard input: what the process of a map does."""
    with suppress(OSError, AttributeError):
        os.nice(_NICE)
    given, out = np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints does not go into the answer
    try:
        points = _points({name: given[name] for name in given.files})
    except ZehnError as error:
        out.write(b"!" + str(error).encode())
    else:
        buffer = io.BytesIO()  # numpy asks a file where it is, which a pipe cannot say
        np.save(buffer, points, allow_pickle=False)
        out.write(buffer.getvalue())
    out.flush()


def _points(given: dict[str, NDArray[Any]]) -> Float32[np.ndarray, "n 2"]:
    codes = given["codes"]
    if "places" in given:
        return layout(codes, given["places"], given["points"])
    from zehn.evaluate.projection import project

    chosen = np.sort(np.random.default_rng(0).permutation(len(codes))[:N_FITTED])
    return layout(codes, chosen, project(codes[chosen]))


def _asked(given: dict[str, NDArray[Any]], stop: Stop) -> Float32[np.ndarray, "n 2"]:
    """Have points made by another process."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OMP_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
    }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **given)
    # -P: or a numpy.py in the folder that we were started in would run
    command = [sys.executable, "-P", "-c", _PROGRAM]
    with subprocess.Popen(  # noqa: S603 – our own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        stop.on_stop(process.kill)
        answered, said = process.communicate(buffer.getvalue())
    stop.check()
    if answered.startswith(b"!"):
        raise ZehnError(answered[1:].decode())
    if process.returncode != 0:
        last = said.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise ZehnError(f"the map could not be made: {last[0]}; ask for it again")
    return np.load(io.BytesIO(answered), allow_pickle=False)


def _within(points: Float32[np.ndarray, "n 2"]) -> Float32[np.ndarray, "n 2"]:
    """Move and scale points into the unit square, both axes alike."""
    low, high = points.min(axis=0), points.max(axis=0)
    side = max(float((high - low).max()), _LEAST_SPREAD)
    return ((points - low) / side + (1 - (high - low) / side) / 2).clip(0, 1).astype(np.float32)


def _labels(
    records: Iterable[list[Record]], ids: Int64[np.ndarray, " n"]
) -> tuple[Int16[np.ndarray, " n"], tuple[str, ...]]:
    """Return each image's label as its place among their sorted names."""
    known = {record.id: record.label for batch in records for record in batch if record.label is not None}
    names = sorted(set(known.values()))[: np.iinfo(np.int16).max]
    places = {name: place for place, name in enumerate(names)}
    labels = [places.get(known.get(id_, ""), -1) for id_ in ids.tolist()]
    return np.array(labels, np.int16), tuple(names)
