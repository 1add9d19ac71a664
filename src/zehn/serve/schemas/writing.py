"""What was found, as the plain dictionaries that are answered."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from dataclasses import asdict
from io import BytesIO
from typing import Any

import numpy as np
import orjson
from fastapi import Response
from jaxtyping import UInt8

from zehn.collection import Hit as FoundHit
from zehn.engines import Record as StoredRecord
from zehn.serve.background import Task
from zehn.serve.problems import as_text
from zehn.serve.service import Found
from zehn.serve.shelves import Info as ShelfInfo

JSON = "application/json"


def as_json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer, written as JSON; NaN becomes null."""
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), status, headers, JSON)


def answer_of(
    found: Found,
    *,
    distance: str,
    k: int,
    id: int | None = None,  # noqa: A002
    reconstruction: str | None = None,
) -> dict[str, Any]:
    """Return what was found for one query as :class:`Answer` describes it."""
    path, label = found.shown if found.shown is not None else (None, None)
    return {
        "query": {
            "id": id,
            "code": found.code,
            "label": None if label is None else as_text(label),
            "path": None if path is None else as_text(path),
            "reconstruction": reconstruction,
        },
        "distance": distance,
        "k": k,
        "n_images": found.n_images,
        "recall": found.hits[0].recall if found.hits else 1.0,
        "missing": [as_text(part) for part in found.hits[0].missing] if found.hits else [],
        "hits": [_hit(hit) for hit in found.hits],
    }


def _hit(hit: FoundHit) -> dict[str, Any]:
    return {
        "id": hit.id,
        "rank": hit.rank,
        "distance": hit.distance,
        "percentile": None if math.isnan(hit.percentile) else hit.percentile,
        "path": as_text(hit.path),
        "label": None if hit.label is None else as_text(hit.label),
    }


def info_of(info: ShelfInfo) -> dict[str, Any]:
    """Return what :class:`Info` describes."""
    return asdict(info) | {"labels": {as_text(label): n_images for label, n_images in info.labels.items()}}


def record_of(record: StoredRecord) -> dict[str, Any]:
    """Return what :class:`Record` describes."""
    return {
        "id": record.id,
        "path": record.path.decode("utf-8", "replace"),
        "label": None if record.label is None else as_text(record.label),
        "width": record.width,
        "height": record.height,
        "size": record.size,
        "sha256": record.sha256.hex(),
        "mtime": record.mtime_ns / 1e9,
        "added": record.added,
    }


def task_of(task: Task) -> dict[str, Any]:
    """Return what :class:`TaskState` describes."""
    return {"state": task.state, "n_done": task.n_done, "n": task.n, "error": as_text(task.error) or None}


def data_uri(picture: UInt8[np.ndarray, "h w 3"]) -> str:
    """Return a picture as a PNG within an address."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def data_uris(pictures: Iterable[UInt8[np.ndarray, "_ _ 3"]]) -> list[str]:
    """Return pictures as :func:`data_uri` does."""
    return [data_uri(picture) for picture in pictures]
