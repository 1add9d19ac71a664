"""The images of a collection: what is known of them, how they look; adding and removing."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import Form, Query, Request, Response

from zehn.errors import InputError
from zehn.serve import schemas
from zehn.serve.problems import as_text
from zehn.serve.routes._addresses import ImageId, Name, check_at_most, image_not_there, is_known, new_router, shelf_of
from zehn.serve.schemas import LARGEST_ID, LARGEST_SEED
from zehn.serve.service import service_of
from zehn.serve.settings import Settings
from zehn.serve.uploads import FORM, WRITING

router = new_router("images")

_PICTURES = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/png", "image/jpeg")}
_FOR_A_DAY = "private, max-age=86400"
_N_DIGITS = 32
_ASK_AGAIN = "private, no-cache"


@router.get(
    "/collections/{name}/images/{id}/picture",
    response_class=Response,
    responses={200: {"content": _PICTURES}, 304: {"description": "It is what If-None-Match names."}},
    summary="Show an image",
)
async def show_picture(
    request: Request,
    name: Name,
    id: ImageId,  # noqa: A002
    max_side: Annotated[
        int | None, Query(ge=1, le=Settings.max_side, description="Longest side in pixels; a thumbnail may do.")
    ] = None,
    v: Annotated[str, Query(max_length=100, description="The collection's state: the answer may be kept then.")] = "",
) -> Response:
    """Return an image as a file that browsers show."""
    service, shelf = service_of(request), shelf_of(request, name)
    side = min(max_side or service.settings.max_side, service.settings.max_side)
    try:
        is_current, (data, kind) = await service.decoder.call(
            lambda: (v == shelf.state(), shelf.picture_file(id, side))
        )
    except InputError as error:
        raise image_not_there(error) from error
    # of what is sent, as the collection does not know when one of its files changes
    headers = {"ETag": _etag_of(data), "Cache-Control": _FOR_A_DAY if is_current else _ASK_AGAIN}
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type=kind)


@router.get("/collections/{name}/images", response_model=schemas.Images, summary="List images")
def list_images(
    request: Request,
    name: Name,
    after: Annotated[int, Query(ge=-1, le=LARGEST_ID, description="Begin beyond this id.")] = -1,
    limit: Annotated[int, Query(ge=1, le=Settings.max_page)] = 100,
    where: Annotated[
        str | None, Query(max_length=2_000, description="A filter.", examples=["label = 'cat' and width >= 640"])
    ] = None,
) -> Response:
    """Return what is known of images, page by page, by ascending id."""
    check_at_most("a limit", limit, service_of(request).settings.max_page)
    records = shelf_of(request, name).records(after_id=after, limit=limit + 1, where=where or None)
    following = records[limit - 1].id if len(records) > limit else None
    return schemas.as_json({"images": [schemas.record_of(one) for one in records[:limit]], "next": following})


@router.get("/collections/{name}/images/{id}", response_model=schemas.RecordWithCode, summary="Describe an image")
def show_image(request: Request, name: Name, id: ImageId) -> Response:  # noqa: A002
    """Return what is known of an image, its code too."""
    shelf = shelf_of(request, name)
    try:
        record, code = shelf.record(id), shelf.codes([id])[0]
    except InputError as error:
        raise image_not_there(error) from error
    return schemas.as_json(schemas.record_of(record) | {"code": code})


@router.get("/collections/{name}/random", response_model=schemas.Ids, summary="Take images by chance")
def choose_images(
    request: Request,
    name: Name,
    n: Annotated[int, Query(ge=1, le=Settings.max_page, description="How many; all where there are fewer.")] = 1,
    seed: Annotated[int | None, Query(ge=0, le=LARGEST_SEED, description="The same seed chooses the same.")] = None,
) -> Response:
    """Return ids of different images, chosen by chance."""
    return schemas.as_json({"ids": shelf_of(request, name).random_ids(n, seed)})


@router.post(
    "/collections/{name}/images",
    status_code=201,
    response_model=schemas.Added,
    openapi_extra=WRITING,
    summary="Add images",
)
async def add_images(
    request: Request, name: Name, asked: Annotated[schemas.UploadAdd, Form(media_type=FORM)]
) -> Response:
    """Add image files; they are kept beside the collection under their hash, whatever they are called."""
    shelf = shelf_of(request, name)
    uploads = [(one.filename or "", await one.read()) for one in asked.files]
    added = await service_of(request).write(lambda: shelf.add(uploads, asked.label), len(uploads))
    skipped = [{"name": as_text(called), "reason": as_text(why)} for called, why in added.skipped]
    counted = {"ids": added.ids, "n_added": added.n_added, "n_unchanged": added.n_unchanged}
    return schemas.as_json(counted | {"skipped": skipped}, 201)


@router.delete("/collections/{name}/images/{id}", status_code=204, openapi_extra=WRITING, summary="Remove an image")
async def remove_image(request: Request, name: Name, id: ImageId) -> Response:  # noqa: A002
    """Forget an image; its file stays, unless it was uploaded."""
    shelf = shelf_of(request, name)
    try:
        await service_of(request).write(lambda: shelf.remove([id]))
    except InputError as error:
        raise image_not_there(error) from error
    return Response(status_code=204)


def _etag_of(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:_N_DIGITS]}"'
