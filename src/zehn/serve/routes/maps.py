"""The map: all codes of a collection as points."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from zehn.serve import schemas
from zehn.serve.problems import Problem, as_text
from zehn.serve.routes._addresses import Name, is_known, new_router, shelf_of
from zehn.serve.shelves import Shelf

router = new_router("map")


@router.get("/collections/{name}/map", response_model=schemas.MapState, summary="Say how far the map is")
def show_map(request: Request, name: Name) -> Response:
    """Return how far the map of the collection as it is now is made; one of an earlier state may be there."""
    return schemas.as_json(_state(shelf_of(request, name)))


@router.post(
    "/collections/{name}/map",
    status_code=202,
    response_model=schemas.MapState,
    responses={501: {"description": "The extra that makes maps is not installed."}},
    summary="Begin to make the map",
)
def make_map(request: Request, name: Name) -> Response:
    """Begin to make the map in the background, unless it is there or being made; it takes minutes and is kept."""
    shelf = shelf_of(request, name)
    shelf.start_map()
    return schemas.as_json(_state(shelf), 202)


@router.get(
    "/collections/{name}/map/points",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "It is what If-None-Match names."},
    },
    summary="Read the map",
)
def show_points(request: Request, name: Name) -> Response:
    """Return the points, little-endian, one array after the other: ids int32, x float32, y float32, labels int16.

    Places lie between 0 and 1; labels are places in the map's list of names, −1 where an image has none.
    """
    there = shelf_of(request, name).map()
    if there is None:
        raise Problem(404, "there is no map yet; begin to make it with POST …/map")
    headers = {"ETag": f'"{there.state}"', "Cache-Control": "private, no-cache"}
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    parts = (there.ids.astype("<i4"), there.points[:, 0].astype("<f4"), there.points[:, 1].astype("<f4"))
    data = b"".join(part.tobytes() for part in (*parts, there.labels.astype("<i2")))
    return Response(data, headers=headers, media_type="application/octet-stream")


def _state(shelf: Shelf) -> dict[str, Any]:
    there = shelf.map()
    return schemas.task_of(shelf.map_task()) | {
        "has": there is not None,
        "is_current": there is not None and there.state == shelf.state(),
        "labels": [] if there is None else [as_text(label) for label in there.label_names],
    }
