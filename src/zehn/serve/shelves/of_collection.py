"""A collection as it is served: read through one connection, written through another, so that nobody waits."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from zehn import images, store
from zehn.collection import Collection, decoding, places
from zehn.engines import Record
from zehn.errors import CollectionError, ConfigError, DataError, ImageError
from zehn.serve.background import Background
from zehn.serve.settings import Settings
from zehn.serve.shelves import pictures
from zehn.serve.shelves.shelf import COLLECTION, ROBUST, Added
from zehn.serve.shelves.stored import Ids, StoredShelf, in_batches
from zehn.serve.versions import Squares
from zehn.store import Model

_OTHER_VERSIONS = {"cifar10": "cifar10-robust"}
"""Of models that ship, the one that was retrained with distorted images."""
_UPLOADS = ".uploads"
_ENDINGS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "TIFF": ".tif", "GIF": ".gif"}
_N_AT_ONCE = 256
_LONGEST_LABEL = 200


class CollectionShelf(StoredShelf):
    """A collection; :class:`zehn.serve.shelves.Shelf` says what each method does."""

    kind = COLLECTION

    def __init__(self, collection: Collection, name: str, settings: Settings, background: Background) -> None:
        """Serve a collection that was opened read-only."""
        other = _OTHER_VERSIONS.get(collection.engine.facts().get("model", ""))
        loaders = {ROBUST: lambda: store.load_model(str(other))} if other in store.shipped_names() else {}
        super().__init__(name, collection.engine, settings, background, versions=loaders)
        self._collection = collection
        self._writer: Collection | None = None
        self._writing = threading.Lock()

    @classmethod
    def open(cls, name_or_path: str | Path, settings: Settings, background: Background, name: str) -> CollectionShelf:
        """Open a collection.

        Raises:
            CollectionError: there is none, or it is damaged or of a newer Zehn.
            ConfigError: a name that is none, or its model is yet to be trained.

        """
        collection = Collection.open(name_or_path, read_only=True)
        try:
            shelf = cls(collection, name, settings, background)
            _ = shelf.model
        except BaseException:
            collection.close()
            raise
        return shelf

    @property
    def writable(self) -> bool:
        """Say whether images can be added and removed."""
        path = Path(self._collection.address)
        return "://" in self._collection.address or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))

    def picture(self, id: int, *, max_side: int | None = None) -> UInt8[np.ndarray, "h w 3"]:  # noqa: A002
        """Return an image."""
        record, side = self._engine.get([id])[0], self._side(max_side)
        thumbnail = self._engine.thumbnail(id)
        if thumbnail is None or not self._thumbnail_does(side):
            try:
                read = images.read_image(
                    Path(os.fsdecode(record.path)), max_pixels=self.settings.max_pixels, least_side=side
                )
                return pictures.shrunk(read, side)
            except ImageError:
                if thumbnail is None:
                    raise
        return pictures.shrunk(images.read_image(thumbnail), side)

    def picture_file(self, id: int, max_side: int | None = None) -> tuple[bytes, str]:  # noqa: A002
        """Return an image as the bytes of a file, and its media type."""
        if max_side is not None and self._thumbnail_does(max_side):
            thumbnail = self._engine.thumbnail(id)
            if thumbnail is not None:
                return thumbnail, pictures.JPEG
        return pictures.as_file(self.picture(id, max_side=max_side))

    def squares(self, ids: Ids) -> UInt8[np.ndarray, "n s s 3"]:
        """Return images as the squares that the model sees."""
        read = [self._square_of(record) for record in self._engine.get(ids)]
        return np.stack(read) if read else np.empty((0, self.model.image_size, self.model.image_size, 3), np.uint8)

    def add(self, uploads: Sequence[tuple[str, bytes]], label: str | None = None) -> Added:
        """Add image files, given as names and bytes."""
        _check_label(label)
        skipped: list[tuple[str, str]] = []
        with self._writing:
            writer = self._opened_writer()
            kept = list(self._keep(uploads, skipped))
            if not kept:
                return Added((), 0, 0, tuple(skipped))
            changes = writer.add(list(dict.fromkeys(path for _, path in kept)))
            found = writer.engine.find(list({os.fsencode(path) for _, path in kept}))
            if label is not None:
                writer.engine.touch([replace(one, label=label) for one in found.values() if one.label != label])
        there = [(name, found.get(os.fsencode(path))) for name, path in kept]
        why = changes.skipped[0].reason if changes.skipped else "it cannot be read"
        skipped += [(name, why) for name, record in there if record is None]
        ids = tuple(record.id for _, record in there if record is not None)
        n_added = changes.n_added + changes.n_changed
        return Added(ids, n_added, len(ids) - n_added, tuple(skipped))

    def remove(self, ids: Sequence[int]) -> int:
        """Forget images, and return how many."""
        if not len(ids):
            return 0
        with self._writing:
            writer = self._opened_writer()
            records = writer.engine.get(ids)
            n_removed = writer.remove(list(ids))
            # before the lock is released: who adds the same file next would find it there, and lose it
            for record in records:
                self._delete_upload(record)
        return n_removed

    def close(self) -> None:
        """Let go of everything."""
        with self._writing:
            if self._writer is not None:
                self._writer.close()
            self._writer = None
        super().close()

    def _read_model(self, facts: Mapping[str, str]) -> Model:
        del facts  # the collection reads them itself, in the same snapshot
        return self._collection.model

    @property
    def _fit(self) -> str:
        with self._engine.snapshot():
            return self._now().facts["fit"]

    @property
    def _model_name(self) -> str:
        return self._now().facts.get("model", "")

    @cached_property
    def _uploads_path(self) -> Path:
        address = self._collection.address
        beside = Path(address) if "://" not in address else places.home_path() / self.name
        return beside.with_name(beside.name.removesuffix(places.SUFFIX) + _UPLOADS)

    def _side(self, max_side: int | None) -> int:
        return min(max_side or self.settings.max_side, self.settings.max_side)

    def _thumbnail_does(self, side: int) -> bool:
        with self._engine.snapshot():
            return side <= int(self._now().facts["thumbnail_size"])

    def _square_of(self, record: Record) -> UInt8[np.ndarray, "s s 3"]:
        size, fit = self.model.image_size, self._fit
        try:
            return images.read_square(Path(os.fsdecode(record.path)), size, fit)
        except DataError:
            thumbnail = self._engine.thumbnail(record.id)
            if thumbnail is None:
                raise
            return images.read_square(thumbnail, size, fit)

    def _delete_upload(self, record: Record) -> None:
        """Delete the file of an image that came by :meth:`add`: a path alone, which may be imported, is no proof."""
        path = Path(os.fsdecode(record.path)).resolve()
        if path.parent.parent == self._uploads_path.resolve() and path.stem == record.sha256.hex():
            path.unlink(missing_ok=True)

    @property
    def _some_squares(self) -> Squares:
        return self._decoded

    def _decoded(
        self, ids: Int64[np.ndarray, " n"]
    ) -> Iterator[tuple[Int64[np.ndarray, " b"], UInt8[np.ndarray, "b s s 3"]]]:
        """Yield the squares of images, decoded by processes of their own where there are many."""
        how = decoding.How(self.model.image_size, self._fit, 0)
        for part in in_batches(ids, _N_AT_ONCE * 16):
            by_path = {record.path: record.id for record in self._engine.get(part)}
            tasks = [decoding.Task(path) for path in by_path]
            for answers in decoding.decode_all(tasks, how, self._collection.n_workers):
                squares = {
                    by_path[task.path]: self._or_thumbnail(by_path[task.path], one, how) for task, one in answers
                }
                there = {id_: square for id_, square in squares.items() if square is not None}
                if there:
                    yield np.array(sorted(there), np.int64), np.stack([there[id_] for id_ in sorted(there)])

    def _or_thumbnail(
        self, id_: int, decoded: decoding.Decoded, how: decoding.How
    ) -> UInt8[np.ndarray, "s s 3"] | None:
        if decoded.square is not None:
            return decoded.square
        thumbnail = self._engine.thumbnail(id_)
        return None if thumbnail is None else images.read_square(thumbnail, how.image_size, how.fit)

    def _opened_writer(self) -> Collection:
        if not self.writable:
            raise CollectionError(f"{self.name} cannot be written to: make its file and its folder writable")
        if self._writer is None:
            self._writer = self._collection.opened_again()
        return self._writer

    def _keep(self, uploads: Sequence[tuple[str, bytes]], skipped: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """Write files that are images under their hashes, and yield their given names and their paths."""
        for name, data in uploads:
            try:
                images.read_image(data, max_pixels=self.settings.max_pixels, least_side=self.model.image_size)
            except ImageError as error:
                skipped.append((name, str(error)))
                continue
            digest = hashlib.sha256(data).hexdigest()
            path = self._uploads_path / digest[:2] / f"{digest}{_ending(data)}"
            if not path.exists():
                store.write_atomically(path, data)
            yield name, str(path)


def _ending(data: bytes) -> str:
    from PIL import Image

    with Image.open(BytesIO(data)) as picture:
        return _ENDINGS.get(picture.format or "", "")


def _check_label(label: str | None) -> None:
    if label is None:
        return
    if not 0 < len(label) <= _LONGEST_LABEL or not label.isprintable():
        raise ConfigError(
            f"expected a label of 1 to {_LONGEST_LABEL} printable characters, came {len(label)} characters"
        )
