"""Collection files (SQLite): opened, and read in every way in which a search, an export or a check reads one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import numpy as np

from fuzz._folder import placed
from zehn import distances, engines
from zehn.collection import Collection
from zehn.engines import NewRecord, embedded
from zehn.errors import CollectionError, ConfigError, InputError

TOKENS = (
    b"SQLite format 3\0", b"Zehn", b"CREATE TABLE", b"images", b"codes", b"state", b"facts",
    b"CREATE TRIGGER x AFTER INSERT ON images BEGIN", b"CREATE VIEW codes AS SELECT", b"GENERATED ALWAYS AS (",
    b"WITHOUT ROWID", b"\x0d\0\0\0\x01", b"\x05\0\0\0\x01", b"\x0a\0\0\0\x01", b"\xff\xff\xff\xff",
    b"\x81\x80\x80\x80\x80\x80\x80\x80\x7f", b"[]", b'[{"path": 1}]', b"sources", b"thumbnail_size", b"fingerprint",
)  # fmt: skip
_D = 2
_PAGE_BYTES = 512
_FACTS = {
    "model": "cifar10", "fingerprint": "zehn-0123456789abcdef", "fit": "crop", "thumbnail_size": "16",
    "sources": '[{"path": "/photos", "labels": "folder"}]', "created": "2026-01-01",
}  # fmt: skip


def seeds() -> Mapping[str, bytes]:
    """Return collections of three images and of none, in small pages, with and without a change of model under way."""
    return {"three.zehn": _made(3), "empty.zehn": _made(0), "changing.zehn": _made(2, is_changing=True)}


def check(data: bytes) -> None:
    """Read all there is, each by itself: what is damaged here may not keep from what is whole there."""
    path = placed("photos.zehn", data)
    try:
        collection = Collection.open(path, read_only=True)
    except CollectionError:
        return
    with collection:
        engine = collection.engine
        for read in (*_reading(engine), *_asking(collection)):
            try:
                read()
            except (CollectionError, InputError, ConfigError):
                continue


def _reading(engine: engines.Engine) -> tuple[Callable[[], Any], ...]:
    query = np.array([[0.5, 0.5]], np.float32)
    return (
        lambda: len(engine),
        engine.info,
        engine.count_labels,
        lambda: [record.label for batch in engine.walk() for record in batch],
        lambda: [codes.sum() for _, codes in engine.walk_codes()],
        lambda: engine.get([1, 2, 3]),
        lambda: engine.find([b"/0.png", b"/1.png"]),
        lambda: engine.codes([1, 2]),
        lambda: engine.thumbnails([1, 2]),
        engine.all_codes,
        lambda: engine.search(query, 2, distances.get("euclidean")),
        lambda: engine.search(query, 2, distances.get("euclidean"), where="label = 'cat'"),
        lambda: engine.count("width > 1 and mtime < '2030'"),
        engine.reencoding,
        engine.verify,
        lambda: engine.backup(f"{engine.info()['address']}.backup"),
    )


def _asking(collection: Collection) -> tuple[Callable[[], Any], ...]:
    return (
        collection.info,
        collection.verify,
        lambda: collection.model,
    )


def _made(n_images: int, *, is_changing: bool = False) -> bytes:
    place = placed("made", b"").parent / "made.zehn"
    attachments = {"model.h5": b"\x89HDF\r\n\x1a\n no model"}
    with embedded.create(str(place), _D, _FACTS, embedded.Options(), attachments=attachments) as engine:
        if n_images:
            records = [NewRecord(f"/{n}.png".encode(), 10, 5 * 10**17, bytes(32), 4, 3, "cat") for n in range(n_images)]
            codes = np.arange(n_images * _D, dtype=np.float32).reshape(n_images, _D)
            engine.add(records, codes, [b"\xff\xd8 thumbnail"] * n_images)
        if is_changing:
            engine.begin_reencoding("zehn-ffffffffffffffff", 3)
            engine.put_codes(np.array([1]), np.zeros((1, 3), np.float32))
    with closing(sqlite3.connect(place, isolation_level=None)) as connection:
        for statement in ("PRAGMA journal_mode = DELETE", f"PRAGMA page_size = {_PAGE_BYTES}", "VACUUM"):
            connection.execute(statement)
    return place.read_bytes()
