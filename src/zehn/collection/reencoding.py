"""A collection's images encoded anew with another model; the old codes serve until all new ones are there.

The new model is kept in the collection from the beginning, so that what was interrupted goes on without it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zehn import codes, images, store
from zehn.collection import decoding, keeping, training
from zehn.collection.decoding import How, Task
from zehn.collection.files import Found
from zehn.collection.ingest import Tally
from zehn.datasets import Skipped
from zehn.engines import Engine, Record
from zehn.errors import CollectionError
from zehn.progress import Progress

NEXT = "next-model.h5"
NEXT_NAME = "next_model"
_N_BATCH = 512
_N_SHOWN = 3


def reencode(engine: Engine, *, n_workers: int, progress: Progress | None) -> tuple[Skipped, ...]:
    """Encode every image with the model that is kept as the next one, and let it take the place of the old one.

    Returns:
        The files that are gone or cannot be read any more, and whose thumbnails were encoded instead.

    Raises:
        CollectionError: neither file nor thumbnail of some images can be read; what was encoded is kept. Or another
            process abandoned this change of model, or began another.

    """
    model, data, name = next_model(engine)
    how = decoding.how_of(engine.facts(), model.image_size)
    state = engine.begin_reencoding(model.fingerprint, model.n_components)
    tally, failed = Tally(), []
    after_id, n_done, n_all = -1, state.n_done, state.n_done + state.n_left
    while records := engine.unencoded(after_id=after_id, n_batch=_N_BATCH, fingerprint=model.fingerprint):
        failed += _encode(engine, model, records, how, n_workers, tally)
        after_id, n_done = records[-1].id, n_done + len(records)
        if progress:
            progress("encoding anew", min(n_done, n_all), n_all)
    if failed:
        shown = ", ".join(str(record.id) for record in failed[:_N_SHOWN])
        raise CollectionError(
            f"{len(failed):,} images can be read neither from their files nor from thumbnails (ids {shown}"
            f"{', …' if len(failed) > _N_SHOWN else ''}; first {os.fsdecode(failed[0].path)!r}); bring the files back "
            "or remove these images, then give the same command again: the old codes serve meanwhile"
        )
    engine.finish_reencoding(
        keeping.facts_of(model, name), {keeping.ATTACHMENT: data, NEXT: b""}, fingerprint=model.fingerprint
    )
    return tuple(tally.skipped)


def begin(engine: Engine, model: str | Path, name: str, *, n_workers: int, progress: Progress | None) -> None:
    """Keep a model as the next one; what an earlier one had encoded is dropped when the work begins.

    ``train`` trains one on the collection's images.
    """
    if str(model) == keeping.TRAIN:
        found = [Found(one.path, one.size, one.mtime_ns, one.label) for records in engine.walk() for one in records]
        trained = training.train(found, engine, n_workers, progress=progress)
        data, called = keeping.file_of(trained), training.named_after(name)
    else:
        _, data, called = keeping.load(model)
    engine.set_facts({NEXT_NAME: called}, {NEXT: data})


def abandon(engine: Engine) -> None:
    """Forget the next model and what it has encoded.

    Raises:
        CollectionError: there is none.

    """
    if not engine.attachment(NEXT) and engine.reencoding() is None:
        raise CollectionError("no change of model was begun, so there is none to abandon")
    # killed in between, the next model is still there to be abandoned or gone on with
    engine.drop_reencoding()
    engine.set_facts({NEXT_NAME: None}, {NEXT: None})


def next_model(engine: Engine) -> tuple[store.Model, bytes, str]:
    """Return the model that is to be the next one.

    Raises:
        CollectionError: there is none.

    """
    data = engine.attachment(NEXT)
    if not data:
        raise CollectionError("no change of model was begun; name the new model")
    return keeping.parse(data), data, engine.facts().get(NEXT_NAME, "model")


def _encode(
    engine: Engine, model: store.Model, records: Sequence[Record], how: How, n_workers: int, tally: Tally
) -> list[Record]:
    """Encode some images and return those of which nothing is left to encode."""
    by_path = {record.path: record for record in records}
    ids, squares, failed = [], [], []
    for answers in decoding.decode_all([Task(path) for path in by_path], how, n_workers):
        for task, decoded in answers:
            record, square = by_path[task.path], decoded.square
            if square is None:
                thumbnail = engine.thumbnail(record.id)
                if thumbnail is None:
                    failed.append(record)
                    continue
                tally.skip(task.path, decoded.reason)
                square = images.read_square(thumbnail, how.image_size, how.fit)
            ids.append(record.id)
            squares.append(square)
    if ids:
        stacked: Any = squares
        engine.put_codes(np.array(ids, np.int64), codes.encode(model, np.stack(stacked)), fingerprint=model.fingerprint)
    return failed
