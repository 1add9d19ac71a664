"""The collection: what is asked of it, each method a few lines over the modules beside this one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from zehn import codes, distances, engines, images, store
from zehn.collection import (
    duplicates,
    exchange,
    files,
    hits,
    ingest,
    keeping,
    places,
    queries,
    reencoding,
    training,
    upkeep,
)
from zehn.collection.decoding import How
from zehn.collection.duplicates import MAX_DIFFERENCE, Duplicate
from zehn.collection.files import Found, Source
from zehn.collection.hits import Hit
from zehn.collection.ingest import Changes, Tally
from zehn.datasets import Skipped
from zehn.distances import Distance
from zehn.engines import Engine, Record
from zehn.errors import CollectionError, ConfigError, DataError, InputError, UnknownNameError
from zehn.progress import Progress

DEFAULT_MODEL = "cifar10"
DEFAULT_DISTANCE = "euclidean"
THUMBNAIL_SIZE = 96
"""Longest side of the thumbnails in pixels."""
_TRAINED_SIZE, _TRAINED_COMPONENTS, _TRAINED_PRESET = 32, 10, "quick"
LABELS = ("folder",)

AnyPath = str | bytes | os.PathLike[str]
AnyId = int | np.int64


class Collection:
    """Images of one's own in one durable file: add, remove, update, search by image.

    Make one with :meth:`create`, open it again with :meth:`open`; it is a context manager. One process writes at a
    time, any number reads. Every change is committed before a method returns, long ones batch by batch.
    """

    def __init__(self, engine: Engine, address: str) -> None:
        self.engine = engine
        """What stores it."""
        self.address = address
        """The path of its file, or its URL."""
        self.name = places.name_of(address)
        self.n_workers = codes.count_threads()
        """Processes that decode images; 0 decodes in this one."""
        self._model: store.Model | None = None

    @classmethod
    def create(
        cls,
        name_or_path: str | Path,
        model: str | Path = DEFAULT_MODEL,
        *,
        fit: str = "crop",
        thumbnail_size: int = THUMBNAIL_SIZE,
        n_components: int = _TRAINED_COMPONENTS,
        preset: str = _TRAINED_PRESET,
    ) -> Collection:
        """Make an empty collection.

        Args:
            name_or_path: A name, kept in the user's data folder (or in ``$ZEHN_HOME``); or a path with a slash or the
                ending .zehn.
            model: A model that ships, the path of a model file, or ``train``: the first images added train one.
            fit: How oblong images become squares: ``crop``, ``stretch`` or ``pad``.
            thumbnail_size: Longest side of the thumbnails kept, in pixels; 0 keeps none.
            n_components: Latent neurons of a model that is to be trained; others know their own.
            preset: How long to train: ``smoke``, ``quick``, ``standard`` or ``full``.

        Raises:
            CollectionError: there is one already, or the place cannot be written to.
            UnknownNameError: an unknown model, fit or preset.
            ModelFileError: the model file cannot be read.
            ConfigError: a name that is none, or a setting out of its range.

        """
        address = places.address_of(name_or_path)
        facts = {"fit": _known("fit", fit, images.FITS), "thumbnail_size": str(_check_size(thumbnail_size))}
        facts |= {"created": datetime.now(UTC).isoformat(timespec="seconds"), "sources": "[]"}
        if engines.exists(address):
            raise CollectionError(f"there is a collection at {address} already; open it, or choose another name")
        if str(model) == keeping.TRAIN:
            from zehn import config

            _known("preset", preset, config.PRESETS)
            facts |= {"model": keeping.TRAIN, "fingerprint": "", "preset": preset}
            return cls(_created(address, n_components, facts), address)
        loaded, data, called = keeping.load(model)
        facts |= keeping.facts_of(loaded, called)
        return cls(_created(address, loaded.n_components, facts, {keeping.ATTACHMENT: data}), address)

    @classmethod
    def open(cls, name_or_path: str | Path, *, read_only: bool = False) -> Collection:
        """Open a collection.

        Raises:
            CollectionError: there is none, or it is damaged or of a newer Zehn.
            ConfigError: a name that is none.

        """
        address = places.address_of(name_or_path)
        if not engines.exists(address):
            known = places.collections()
            there = f"there are: {', '.join(known)}" if known else "there is none yet"
            raise CollectionError(
                f"there is no collection {name_or_path}; {there}; make it with zehn index create {name_or_path}"
            )
        return cls(engines.connect(address, read_only=read_only), address)

    def __enter__(self) -> Collection:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        self.engine.close()

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self.engine)

    def __repr__(self) -> str:
        return f"Collection({self.name!r}, {len(self):,} images)"

    @property
    def model(self) -> store.Model:
        """The model that made the codes, as it is kept in the collection.

        Raises:
            ConfigError: it is yet to be trained.
            CollectionError: it is not there, damaged, or not the one that made the codes.

        """
        # asked anew each time: another process may have given the collection another model
        if self._model is None or self._model.fingerprint != self.engine.facts().get("fingerprint"):
            self._model = keeping.read(self.engine, self.name)
        return self._model

    def add(
        self,
        paths: AnyPath | Iterable[AnyPath],
        *,
        labels: str | None = None,
        thorough: bool = False,
        progress: Progress | None = None,
    ) -> Changes:
        """Add image files, and folders with all that lies below them; what is there and unchanged is passed over.

        Changed is what has another size or time than before, and then another hash. Each batch of 512 images is
        committed by itself: what was interrupted goes on with the same call. Folders are remembered for :meth:`update`.

        Args:
            paths: Files and folders.
            labels: ``folder`` takes the first folder below the one that is added for the label of an image.
            thorough: Read every file, whatever its size and time say.
            progress: Told how many images are done and how many there are.

        Returns:
            What was done, with the files that cannot be used and why.

        Raises:
            DataError: a file or folder that is not there.
            UnknownNameError: labels that are not known.
            CollectionError: the collection cannot be written to.
            TrainingError: its model was to be trained on these images, and that went wrong.
            MissingExtraError: likewise, and PyTorch is not installed.

        """
        if labels is not None:
            _known("kind of labels", labels, LABELS)
        sources = [files.source_of(path, is_labelled=labels is not None) for path in _listed(paths)]
        tally = Tally()
        found = list(files.find(sources, tally.skip))
        if not found and not tally.skipped:
            suffixes = ", ".join(sorted(images.SUFFIXES))
            raise DataError(f"there are no images in {_said(sources)}: expected files named {suffixes}")
        upkeep.remember(self.engine, sources)
        self._bring_in(found, tally, thorough=thorough, progress=progress)
        return tally.changes()

    def update(self, *, thorough: bool = False, progress: Progress | None = None) -> Changes:
        """Bring the collection up to date with its files: those that are new in its folders, changed, or gone.

        Images of a folder that is not there as a whole, as on a disk that is not mounted, are kept, and the folder is
        listed among what was skipped. Whatever was removed but still lies in a remembered folder comes back.

        Raises:
            CollectionError: the collection cannot be written to.

        """
        tally = Tally()
        survey = upkeep.survey(self.engine, tally)
        self._bring_in(survey.found, tally, thorough=thorough, progress=progress)
        return tally.changes(self.engine.remove(survey.gone) if survey.gone else 0)

    def remove(self, paths_or_ids: AnyPath | AnyId | Iterable[AnyPath | AnyId]) -> int:
        """Forget images, by id, by path, or all below a folder; the files stay. Return how many there were.

        Raises:
            InputError: an id that is not there, or an empty path; nothing was removed.
            DataError: no image of the collection lies at a path; nothing was removed.

        """
        given: list[Any] = [paths_or_ids] if isinstance(paths_or_ids, Integral) else _listed(paths_or_ids)
        ids = {int(one) for one in given if isinstance(one, Integral)}
        paths = [os.fsencode(one) for one in given if not isinstance(one, Integral)]
        if b"" in paths:  # it would be the folder that we are in, and all below it
            raise InputError("expected paths of images or folders, came an empty one")
        below = [os.path.abspath(os.path.expanduser(path)) for path in paths]  # noqa: PTH100, PTH111 – bytes
        ids |= set(upkeep.ids_below(self.engine, below, self.name)) if below else set()
        n_removed = self.engine.remove(sorted(ids)) if ids else 0
        folders = upkeep.folders_of(self.engine)
        kept = [one for one in folders if not any(files.is_below(one.path, path) for path in below)]
        if len(kept) < len(folders):
            upkeep.keep_folders(self.engine, kept)
        return n_removed

    def search(
        self,
        images: Any,
        k: int = 10,
        *,
        distance: str = DEFAULT_DISTANCE,
        where: str | None = None,
        approximate: bool = False,
        explain: bool = False,
    ) -> list[list[Hit]]:
        """Return the k nearest images of each query, nearest first.

        Args:
            images: A path, the bytes of a file, an array (H, W, 3) or a Pillow image; several of them in a list, or an
                array (n, H, W, 3).
            k: How many hits; fewer where the collection holds fewer.
            distance: euclidean, cosine, manhattan, chebyshev, mahalanobis or correlation.
            where: A filter such as ``label = 'cat' and width >= 640``.
            approximate: Answer sooner with what may not be all of the nearest; each hit states the recall.
            explain: Add the reconstructions, the codes and each dimension's share of the distance.

        Raises:
            ImageError: a query that cannot be read as an image.
            InputError: a query that is no image, or k below 1.
            UnknownNameError: an unknown distance.
            ConfigError: a filter that cannot be read, or a model that is yet to be trained.
            CollectionError: the collection's model is not there, damaged or another.

        """
        with self.engine.snapshot():  # another process may give the collection another model meanwhile
            return self.search_codes(
                self.encode(images), k, distance=distance, where=where, approximate=approximate, explain=explain
            )

    def search_ids(self, ids: Sequence[int] | Int[np.ndarray, " q"], k: int = 10, **options: Any) -> list[list[Hit]]:
        """Return the k nearest images of images that are in the collection, each without itself; see :meth:`search`.

        Raises:
            InputError: an id that is not there, or k below 1.

        """
        with self.engine.snapshot():
            vectors = self.engine.codes(ids)
            return self.search_codes(vectors, k, exclude=np.asarray(ids, np.int64), **options)

    def search_codes(
        self,
        vectors: Float[np.ndarray, "q d"],
        k: int = 10,
        *,
        distance: str = DEFAULT_DISTANCE,
        where: str | None = None,
        exclude: Int[np.ndarray, " q"] | None = None,
        approximate: bool = False,
        explain: bool = False,
    ) -> list[list[Hit]]:
        """Return the k nearest images of each code (q, d), as the collection's model encodes; see :meth:`search`.

        ``exclude`` names one id per query that is left out.

        Raises:
            InputError: k below 1, another number of dimensions, or codes that are no numbers.

        """
        with self.engine.snapshot():
            measure, k = self._distance(distance), min(k, max(1, len(self.engine)))
            near = self.engine.search(vectors, k, measure, where=where, exclude=exclude, approximate=approximate)
            found = hits.hits_of(self.engine, near, measure)
            if not explain:
                return found
            near_codes = [self.engine.codes([hit.id for hit in row]) for row in found]
            reasons = [
                hits.explain(self.model, measure, vector, own)
                for vector, own in zip(vectors.astype(np.float32), near_codes, strict=True)
            ]
        return [hits.with_explanations(row, own) for row, own in zip(found, reasons, strict=True)]

    def encode(self, images: Any) -> Float32[np.ndarray, "q d"]:
        """Return the codes of images, given as :meth:`search` takes them, made by the collection's model.

        Raises:
            ImageError: a file that cannot be read as an image.
            InputError: what is no image.

        """
        squares = queries.squares_of(images, self.model.image_size, self.engine.facts()["fit"])
        return codes.encode(self.model, squares)

    def duplicates(
        self,
        threshold: float | None = None,
        *,
        other: Collection | None = None,
        distance: str = DEFAULT_DISTANCE,
        max_difference: float | None = MAX_DIFFERENCE,
        where: str | None = None,
        progress: Progress | None = None,
    ) -> list[Duplicate]:
        """Return pairs of images that show the same, true copies first: of this collection, or of this and another one.

        Each image's ten nearest by their codes are looked at. A pair counts where its files have the same bytes, or
        where its thumbnails show that they are one picture.

        Args:
            threshold: Greatest distance of a pair; none by default.
            other: Compare with this collection, which must have the same model.
            distance: As in :meth:`search`.
            max_difference: How far thumbnails may differ, from 0 to 1; None does not look at them, and without a
                threshold only pairs nearer than 99.9 % of all pairs count then.
            where: A filter on the images of this collection.
            progress: Told how many images are done and how many there are.

        Raises:
            CollectionError: the other collection has another model.
            ConfigError: a filter that cannot be read.

        """
        if other is not None:
            keeping.check_match(other.engine.facts(), self.model, other.engine.n_components, other.name)
        return duplicates.find(
            self.engine,
            None if other is None else other.engine,
            self._distance(distance),
            threshold=threshold,
            max_difference=max_difference,
            where=where,
            progress=progress,
        )

    def records(self, where: str | None = None) -> Iterator[Record]:
        """Yield what is known of each image, in the order of adding.

        Raises:
            ConfigError: a filter that cannot be read.

        """
        return self._records(where)

    def picture(self, id: int, *, max_side: int | None = None) -> UInt8[np.ndarray, "h w 3"]:  # noqa: A002
        """Return an image from its file or, where that is gone or unreadable, from its thumbnail.

        Args:
            id: Which one.
            max_side: A thumbnail of that size or larger will do.

        Raises:
            InputError: an id that is not there.
            DataError: there is neither file nor thumbnail.

        """
        record = self.engine.get([id])[0]
        thumbnail = self.engine.thumbnail(id)
        if thumbnail is not None and max_side is not None and max_side <= int(self.engine.facts()["thumbnail_size"]):
            return images.read_image(thumbnail)
        try:
            return images.read_image(os.fsdecode(record.path))
        except DataError:
            if thumbnail is None:
                raise
            return images.read_image(thumbnail)

    def info(self) -> dict[str, Any]:
        """Return what there is to know: name, address, images, labels, model, settings, folders, bytes."""
        facts, state = self.engine.facts(), self.engine.reencoding()
        return {
            "name": self.name,
            **self.engine.info(),
            "n_components": self.engine.n_components,
            "labels": self.engine.count_labels(),
            **{name: facts.get(name, "") for name in ("model", "fingerprint", "fit", "thumbnail_size", "created")},
            "folders": [os.fsdecode(source.path) for source in upkeep.folders_of(self.engine)],
            "reencoding": None
            if state is None
            else {"fingerprint": state.fingerprint, "n_done": state.n_done, "n_left": state.n_left},
        }

    def verify(self) -> list[str]:
        """Return what is wrong with the collection, one sentence each; nothing where all is well."""
        return [*self.engine.verify(), *keeping.problems(self.engine, self.name)]

    def reencode(self, model: str | Path | None = None, *, progress: Progress | None = None) -> tuple[Skipped, ...]:
        """Encode all images anew with another model; the old codes serve until it is done.

        What was interrupted goes on, with the same model or with none named.

        Args:
            model: A model that ships, the path of a model file, or ``train`` to train one on the collection's images.
            progress: Told how many images are done and how many there are.

        Returns:
            The files that are gone or cannot be read any more, whose thumbnails were encoded instead.

        Raises:
            CollectionError: neither file nor thumbnail of some images can be read; or nothing was begun, and no model
                was named.
            UnknownNameError: a bare name that no shipped model has.
            ModelFileError: the model file cannot be read.

        """
        if model is not None and str(model) == keeping.TRAIN:
            found = [Found(one.path, one.size, one.mtime_ns, one.label) for one in self._records()]
            trained = self._trained(found, progress)
            reencoding.keep_next(self.engine, keeping.file_of(trained), f"trained on {self.name}")
        elif model is not None:
            _, data, called = keeping.load(model)
            reencoding.keep_next(self.engine, data, called)
        following, _, _ = reencoding.next_model(self.engine)
        how = self._how(following.image_size)
        return reencoding.reencode(self.engine, how, n_workers=self.n_workers, progress=progress)

    def compact(self) -> None:
        """Give back the room on disk that removed images took."""
        self.engine.compact()

    def backup(self, path: AnyPath) -> None:
        """Write a consistent copy to a new file, while others go on reading and writing.

        Raises:
            CollectionError: a file is there already, or the place cannot be written to.

        """
        self.engine.backup(os.fsdecode(path))

    def export(self, path: AnyPath) -> int:
        """Write records and codes to a .parquet or .npz file, and return how many.

        Raises:
            UnknownNameError: another ending.
            RunError: the disk is full, or the place cannot be written to.
            MissingExtraError: Parquet is asked for, and pyarrow is not installed.

        """
        return exchange.write(self.engine, Path(os.fsdecode(path)), self.engine.facts()["fingerprint"])

    def import_codes(self, path: AnyPath) -> int:
        """Add records and codes from a file that :meth:`export` or ``zehn encode`` wrote, and return how many.

        The files themselves need not be there; :meth:`update` gives images that have none neither hash nor thumbnail.

        Raises:
            DataError: no such file, or one that is damaged or holds something else.
            CollectionError: the codes are those of another model.
            UnknownNameError: another ending.

        """
        n_images = 0
        fingerprint = self.model.fingerprint
        for records, values in exchange.read(Path(os.fsdecode(path)), fingerprint):
            self.engine.add(records, values, fingerprint=fingerprint)
            n_images += len(records)
        return n_images

    def _distance(self, name: str) -> Distance:
        return distances.get(name, self.model.code_mean, self.model.code_covariance)

    def _how(self, image_size: int) -> How:
        facts = self.engine.facts()
        return How(image_size, facts["fit"], int(facts["thumbnail_size"]))

    def _records(self, where: str | None = None) -> Iterator[Record]:
        return (record for batch in self.engine.walk(where=where) for record in batch)

    def _bring_in(self, found: Sequence[Found], tally: Tally, *, thorough: bool, progress: Progress | None) -> None:
        candidates = ingest.sort_out(self.engine, found, tally, thorough=thorough)
        if not candidates:
            return
        if self.engine.facts()["model"] == keeping.TRAIN:
            trained = self._trained(found, progress)
            facts, attachments = (
                keeping.facts_of(trained, f"trained on {self.name}"),
                {keeping.ATTACHMENT: keeping.file_of(trained)},
            )
            self.engine.set_facts(facts, attachments, expected={"model": keeping.TRAIN})
        ingest.bring_in(
            self.engine,
            self.model,
            candidates,
            self._how(self.model.image_size),
            tally,
            n_workers=self.n_workers,
            progress=progress,
        )

    def _trained(self, found: Sequence[Found], progress: Progress | None) -> store.Model:
        return training.train(
            found,
            self._how(_TRAINED_SIZE),
            self.n_workers,
            n_components=self.engine.n_components,
            preset=self.engine.facts().get("preset", _TRAINED_PRESET),
            progress=progress,
        )


def _created(
    address: str, n_components: int, facts: dict[str, str], attachments: dict[str, bytes] | None = None
) -> Engine:
    if "://" not in address:
        with store.writing(address):
            Path(address).parent.mkdir(parents=True, exist_ok=True)
    return engines.create(address, n_components, facts, attachments=attachments)


def _known(kind: str, name: str, known: Iterable[str]) -> str:
    if name not in known:
        raise UnknownNameError(kind, name, known)
    return name


def _check_size(size: int) -> int:
    if not 0 <= size <= 1024:
        raise ConfigError(f"thumbnail_size must lie between 0 (none) and 1024 pixels, came {size}")
    return size


def _listed(paths: Any) -> list[Any]:
    listed = [paths] if isinstance(paths, str | bytes | os.PathLike) else list(paths)
    if not listed:
        raise InputError("expected at least one path, came none")
    return listed


def _said(sources: Sequence[Source]) -> str:
    return ", ".join(files.said(one.path) for one in sources)
