"""The collection: what is asked of it, each method a few lines over the modules beside this one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from zehn import codes, distances
from zehn.collection import (
    creation,
    defaults,
    duplicates,
    exchange,
    facts,
    files,
    hits,
    ingest,
    keeping,
    queries,
    reencoding,
    training,
    upkeep,
)
from zehn.collection.duplicates import Duplicate
from zehn.collection.files import AnyPath
from zehn.collection.handle import Handle
from zehn.datasets import Skipped
from zehn.engines import Record
from zehn.progress import Progress


class Collection(Handle):
    """Images of one's own in one durable file: add, remove, update, search by image.

    Make one with :meth:`create`, open it again with :meth:`open`; it is a context manager. One process writes at a
    time, any number reads. Every change is committed before a method returns, long ones batch by batch.
    """

    @classmethod
    def create(
        cls,
        name_or_path: str | Path,
        model: str | Path = defaults.MODEL,
        *,
        fit: str = defaults.FIT,
        thumbnail_size: int = defaults.THUMBNAIL_SIZE,
        n_components: int | None = None,
        preset: str | None = None,
        engine: str | None = None,
    ) -> Collection:
        """Make an empty collection.

        Args:
            name_or_path: A name, kept in the user's data folder (or in ``$ZEHN_HOME``); or a path with a slash or the
                ending .zehn.
            model: A model that ships, the path of a model file, or ``train``: the first images added train one.
            fit: How oblong images become squares: ``crop``, ``stretch`` or ``pad``.
            thumbnail_size: Longest side of the thumbnails kept, in pixels; 0 keeps none.
            n_components: Latent neurons of a model that is to be trained, by default as in a run; others know theirs.
            preset: How long to train: ``smoke``, ``quick``, ``standard`` or ``full``; by default as a run does.
            engine: Where it is kept if not in a file: the URL of a database such as ``postgresql://me@host/images``. It
                has its name there too, and the name is written down at home; it is then used as any other.

        Raises:
            CollectionError: there is one already, or the place cannot be written to.
            UnknownNameError: an unknown model, fit or preset.
            ModelFileError: the model file cannot be read.
            ConfigError: a name that is none, or a setting out of its range.

        """
        made = creation.create(
            name_or_path, model, fit=fit, thumbnail_size=thumbnail_size, n_components=n_components, preset=preset,
            engine=engine,
        )  # fmt: skip
        return cls(*made)

    @classmethod
    def open(cls, name_or_path: str | Path, *, read_only: bool = False, allow_partial: bool = False) -> Collection:
        """Open a collection.

        Args:
            name_or_path: A name, a path or a URL.
            read_only: Nothing may be changed through it.
            allow_partial: Where it lies on several servers and some do not answer, search the others; each hit says
                what is missing.

        Raises:
            CollectionError: there is none, or it is damaged or of a newer Zehn.
            ConfigError: a name that is none.

        """
        return cls(*creation.connect(name_or_path, read_only=read_only, allow_partial=allow_partial))

    def opened_again(self, *, read_only: bool = False) -> Collection:
        """Open the same collection once more, such as for writing.

        Raises:
            CollectionError: it is not there any more, or cannot be opened so.

        """
        return type(self).open(self._place, read_only=read_only)

    def __enter__(self) -> Collection:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def add(
        self,
        paths: AnyPath | Iterable[AnyPath],
        *,
        labels: str | None = None,
        thorough: bool = False,
        progress: Progress | None = None,
    ) -> ingest.Changes:
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
        survey = upkeep.enlist(self.engine, files.sources_of(paths, labels))
        return self._bring_in(survey, thorough=thorough, progress=progress)

    def update(self, *, thorough: bool = False, progress: Progress | None = None) -> ingest.Changes:
        """Bring the collection up to date with its files: those that are new in its folders, changed, or gone.

        Images of a folder that is not there as a whole, as on a disk that is not mounted, are kept, and the folder is
        listed among what was skipped. Whatever was removed but still lies in a remembered folder comes back.

        Raises:
            CollectionError: the collection cannot be written to.

        """
        return self._bring_in(upkeep.survey(self.engine), thorough=thorough, progress=progress)

    def remove(self, paths_or_ids: AnyPath | int | np.int64 | Iterable[AnyPath | int | np.int64]) -> int:
        """Forget images, by id, by path, or all below a folder; the files stay. Return how many there were.

        Raises:
            InputError: an id that is not there, or an empty path; nothing was removed.
            DataError: no image of the collection lies at a path; nothing was removed.

        """
        return upkeep.forget(self.engine, paths_or_ids, self.name)

    def search(
        self,
        images: Any,
        k: int = defaults.N_HITS,
        *,
        distance: str = defaults.DISTANCE,
        where: str | None = None,
        approximate: bool = False,
        explain: bool = False,
    ) -> list[list[hits.Hit]]:
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

    def search_ids(
        self, ids: Sequence[int] | Int[np.ndarray, " q"], k: int = defaults.N_HITS, **options: Any
    ) -> list[list[hits.Hit]]:
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
        k: int = defaults.N_HITS,
        *,
        distance: str = defaults.DISTANCE,
        where: str | None = None,
        exclude: Int[np.ndarray, " q"] | None = None,
        approximate: bool = False,
        explain: bool = False,
    ) -> list[list[hits.Hit]]:
        """Return the k nearest images of each code (q, d), as the collection's model encodes; see :meth:`search`.

        ``exclude`` names one id per query that is left out.

        Raises:
            InputError: k below 1, another number of dimensions, or codes that are no numbers.

        """
        with self.engine.snapshot():
            return hits.search(
                self.engine, self.model, vectors, k, distance,
                explained=explain, where=where, exclude=exclude, approximate=approximate,
            )  # fmt: skip

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
        distance: str = defaults.DISTANCE,
        max_difference: float | None = defaults.MAX_DIFFERENCE,
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
        return duplicates.find(
            self.engine, self.model, None if other is None else (other.engine, other.name),
            distance_name=distance, threshold=threshold, max_difference=max_difference, where=where, progress=progress,
        )  # fmt: skip

    def records(self, where: str | None = None) -> Iterator[Record]:
        """Yield what is known of each image, in the order of adding.

        Raises:
            ConfigError: a filter that cannot be read.

        """
        return (record for batch in self.engine.walk(where=where) for record in batch)

    def picture(self, id: int, *, max_side: int | None = None) -> UInt8[np.ndarray, "h w 3"]:  # noqa: A002
        """Return an image from its file or, where that is gone or unreadable, from its thumbnail.

        Args:
            id: Which one.
            max_side: A thumbnail of that size or larger will do.

        Raises:
            InputError: an id that is not there.
            DataError: there is neither file nor thumbnail.

        """
        return hits.picture_of(self.engine, id, max_side)

    def info(self) -> dict[str, Any]:
        """Return what there is to know: name, address, images, labels, model, settings, folders, bytes."""
        return facts.info(self.engine, self.name)

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
            CollectionError: some images have no readable file or thumbnail; nothing was begun, and no model was named.
            UnknownNameError: a bare name that no shipped model has.
            ModelFileError: the model file cannot be read.

        """
        if model is not None:
            reencoding.begin(self.engine, model, self.name, n_workers=self.n_workers, progress=progress)
        return reencoding.reencode(self.engine, n_workers=self.n_workers, progress=progress)

    def abandon_reencoding(self) -> None:
        """Forget a change of model that was begun and not finished; the old model and its codes stay."""
        reencoding.abandon(self.engine)

    def prepare_search(self, distance: str = defaults.DISTANCE) -> None:
        """Make what approximate searches by a distance need, where the engine keeps such: an index in a database.

        It may take long, and is done once for a distance and a model.

        Raises:
            UnknownNameError: an unknown distance.
            ConfigError: a distance that the engine cannot search approximately, or a model that is yet to be trained.
            CollectionError: the collection cannot be written to.

        """
        model = self.model
        self.engine.prepare_search(distances.get(distance, model.code_mean, model.code_covariance))

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

        The files themselves need not be there; until :meth:`update` has read them, images have no thumbnails and 0 for
        the time of change. The whole file is checked first; then each batch is committed by itself.

        Raises:
            DataError: no such file, or one that is damaged or holds something else; nothing was added.
            CollectionError: the codes are those of another model.
            UnknownNameError: another ending.

        """
        return exchange.bring_in(self.engine, Path(os.fsdecode(path)), self.model.fingerprint)

    def _bring_in(self, survey: upkeep.Survey, *, thorough: bool, progress: Progress | None) -> ingest.Changes:
        candidates = ingest.sort_out(self.engine, survey.found, survey.tally, thorough=thorough)
        if candidates:
            training.train_first(self.engine, self.name, survey.found, self.n_workers, progress=progress)
            ingest.bring_in(self.engine, self.model, candidates, survey.tally, self.n_workers, progress)
        return survey.tally.changes(self.engine.remove(survey.gone) if survey.gone else 0)
