"""A run as it is served: its codes, with what is known of its data set's images, in an engine of their own.

The engine is made once from the run folder and kept in the cache, so that a run is searched and filtered exactly as a
collection is. The run folder is never written to.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from zehn import codes, config, datasets, engines, images, store
from zehn.codes import Codes
from zehn.datasets import Dataset
from zehn.engines import Engine, NewRecord
from zehn.errors import ImageError, InputError, RunError
from zehn.serve import cache
from zehn.serve.background import Background
from zehn.serve.maps import Start
from zehn.serve.settings import Settings
from zehn.serve.shelves import pictures
from zehn.serve.shelves.shelf import ROBUST, RUN
from zehn.serve.shelves.stored import Ids, StoredShelf, in_batches
from zehn.serve.versions import Squares
from zehn.store import Model, Run

CODES_PATH, MODEL_PATH, ROBUST_MODEL_PATH = "check/codes.npz", "train/model.h5", "robust/model.h5"
_MAP_PATH = "check/umap.npz"
_CHECK, _STAGE_ROBUST = "check", "robust"
_FOLDER = "folder"
_KIND = "runs"
_VERSION = "1"
"""Of how an engine is made of a run: another one makes it anew."""
_N_ADDED, _N_AT_ONCE = 10_000, 256


class RunShelf(StoredShelf):
    """A run; :class:`zehn.serve.shelves.Shelf` says what each method does."""

    kind = RUN

    def __init__(self, run: Run, name: str, settings: Settings, background: Background) -> None:
        """Serve a run whose stage ``check`` is done.

        Raises:
            RunError: it is not, something in the folder is damaged, or the data set is no longer what it was.
            DataError: the data set cannot be had.
            ModelFileError: the model file is damaged.

        """
        read = _codes_of(run)
        self._own_model = store.load_model(run.path / MODEL_PATH)
        if self._own_model.fingerprint != read.fingerprint:
            raise RunError(f"{run.path} holds codes of another model; make them again with: zehn check {run.path}")
        self._dataset = _dataset_of(run, len(read.codes))
        self._images = self._dataset.images
        super().__init__(
            name,
            _engine_of(self._dataset, read),
            settings,
            background,
            versions=_other_models(run),
            start=_start_of(run, read.fingerprint),
        )
        self.run = run

    def picture(self, id: int, *, max_side: int | None = None) -> UInt8[np.ndarray, "h w 3"]:  # noqa: A002
        """Return an image."""
        square = self._images[self._place(id)]
        side = min(max_side or self.settings.max_side, self.settings.max_side)
        if self._dataset.paths is not None and side > max(square.shape[:2]):
            with suppress(ImageError):  # the square is kept, whatever became of the file
                path = Path(self._dataset.paths[id])
                return pictures.shrunk(
                    images.read_image(path, max_pixels=self.settings.max_pixels, least_side=side), side
                )
        return pictures.shrunk(np.ascontiguousarray(square), side)

    def picture_file(self, id: int, max_side: int | None = None) -> tuple[bytes, str]:  # noqa: A002
        """Return an image as the bytes of a file, and its media type."""
        return pictures.as_file(self.picture(id, max_side=max_side))

    def squares(self, ids: Ids) -> UInt8[np.ndarray, "n s s 3"]:
        """Return images as the squares that the model sees."""
        return np.ascontiguousarray(self._images[[self._place(int(id_)) for id_ in ids]])

    def _read_model(self, facts: Mapping[str, str]) -> Model:
        del facts
        return self._own_model

    @property
    def _fit(self) -> str:
        return "crop"

    @property
    def _model_name(self) -> str:
        return str(self._own_model.card.get("name") or self.name)

    @property
    def _some_squares(self) -> Squares:
        return self._sliced

    def _sliced(
        self, ids: Int64[np.ndarray, " n"]
    ) -> Iterator[tuple[Int64[np.ndarray, " b"], UInt8[np.ndarray, "b s s 3"]]]:
        return ((part, self._images[part]) for part in in_batches(ids, _N_AT_ONCE))

    def _place(self, id_: int) -> int:
        if not 0 <= id_ < len(self._images):
            raise InputError(f"id {id_} is not in the run; its ids go from 0 to {len(self._images) - 1}")
        return id_


def is_servable(run: Run) -> bool:
    """Say whether a run has come as far as that its images can be searched."""
    return _CHECK in run.stages() and run.has(CODES_PATH) and run.has(MODEL_PATH)


def _codes_of(run: Run) -> Codes:
    if not is_servable(run):
        raise RunError(
            f"{run.path} has no codes yet, so nothing can be searched; make them with: zehn check {run.path}"
        )
    return codes.read(run.path / CODES_PATH)


def _dataset_of(run: Run, n_codes: int) -> Dataset:
    """Return the data set of a run, as the run saw it."""
    data = config.read(run.path / "config.toml")
    named = run.read_json("run.json").get("data_dir")
    full = datasets.load(data.data.name, image_size=data.data.image_size, data_dir=named)
    dataset = datasets.subset(full, n_train=data.data.n_train, n_test=data.data.n_test, seed=data.seed)
    before: Any = run.read_json("data/data.json").get("checksums", {}) if run.has("data/data.json") else {}
    if dataset.n_train + dataset.n_test != n_codes or (before and before != dict(dataset.checksums)):
        raise RunError(
            f"the images of {data.data.name} are no longer those of {run.path}; bring them back, or give its command "
            "again in another folder"
        )
    return dataset


def _other_models(run: Run) -> dict[str, Any]:
    there = _STAGE_ROBUST in run.stages() and run.has(ROBUST_MODEL_PATH)
    return {ROBUST: lambda: store.load_model(run.path / ROBUST_MODEL_PATH)} if there else {}


def _start_of(run: Run, fingerprint: str) -> Start | None:
    """Return the map of some of the images, as the run drew it."""
    if not run.has(_MAP_PATH):
        return None
    drawn = codes.read(run.path / _MAP_PATH)
    if drawn.fingerprint != fingerprint or drawn.codes.shape[1] != 2 or not (np.diff(drawn.ids) > 0).all():
        return None
    return Start(drawn.ids, drawn.codes)


def _engine_of(dataset: Dataset, read: Codes) -> Engine:
    """Return a run's codes and records in an engine; it is made once and kept in the cache."""
    records = list(_records_of(dataset))
    named = (one.path + b"\0" + (one.label or "").encode("utf-8", "surrogateescape") for one in records)
    path = cache.folder_path() / _KIND / f"{cache.key_of(_VERSION, read.fingerprint, read.codes, named)}.zehn"
    if not path.exists():
        _fill(path, records, read)
    return engines.connect(path, read_only=True)


def _fill(path: Path, records: Sequence[NewRecord], read: Codes) -> None:
    """Make the engine beside its place, and move it there when it is whole."""
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    with store.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
    try:
        with engines.create(beside, read.codes.shape[1], {"fingerprint": read.fingerprint}) as engine:
            for start in range(0, len(records), _N_ADDED):
                part = slice(start, start + _N_ADDED)
                engine.add(records[part], read.codes[part])
        with store.writing(path):
            # two services may make it at once: what is there stays, as the other has opened it
            if not path.exists():
                beside.rename(path)
    finally:
        for ending in ("", "-wal", "-shm"):
            beside.with_name(beside.name + ending).unlink(missing_ok=True)


def _records_of(dataset: Dataset) -> Iterator[NewRecord]:
    """Yield what is known of each image, by id: its file's path, or its part of the data set and its number there."""
    labels, paths = dataset.labels, dataset.paths
    height, width = dataset.images.shape[1:3] if paths is None else (0, 0)
    for place in range(dataset.n_train + dataset.n_test):
        label = None if labels is None else dataset.class_names[int(labels[place])]
        yield NewRecord(_path_of(dataset, place), 0, 0, b"", width, height, label)


def _path_of(dataset: Dataset, place: int) -> bytes:
    if dataset.paths is not None:
        return os.fsencode(dataset.paths[place])
    is_test = place >= dataset.n_train
    return f"{'test' if is_test else 'train'}/{place - dataset.n_train * is_test}".encode()
