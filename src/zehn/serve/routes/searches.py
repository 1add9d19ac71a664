"""Searching: by an image that is there, by a code, by images that are uploaded; and why a hit is one."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from fastapi import Form, Request, Response
from jaxtyping import Float32

from zehn.errors import InputError
from zehn.serve import schemas
from zehn.serve.routes._addresses import Name, check_at_most, image_not_there, new_router, shelf_of
from zehn.serve.service import Found, Query, Question, Service, service_of
from zehn.serve.shelves import Shelf
from zehn.serve.uploads import FORM

router = new_router("search")


@router.post("/collections/{name}/search", response_model=schemas.Answer, summary="Search by id or by code")
async def search(request: Request, name: Name, asked: schemas.Search) -> Response:
    """Return the images nearest to one of the collection, which is left out itself, or to a code."""
    service, shelf = service_of(request), shelf_of(request, name)
    check_at_most("k", asked.k, service.settings.max_k)
    n_dimensions = 0 if asked.code is None else len(asked.code)
    question = _question(shelf, asked, n_dimensions)
    query: Query = asked.id if asked.id is not None else np.array(asked.code, np.float32)
    try:
        [found] = await service.search(question, [query])
    except InputError as error:
        raise image_not_there(error) if asked.id is not None else error from error
    pictures = await _reconstructions(service, shelf, [found]) if asked.reconstruct else [None]
    return schemas.as_json(
        schemas.answer_of(found, distance=asked.distance, k=asked.k, id=asked.id, reconstruction=pictures[0])
    )


@router.post(
    "/collections/{name}/search/upload", response_model=schemas.Answers, summary="Search by images that are uploaded"
)
async def search_uploads(
    request: Request, name: Name, asked: Annotated[schemas.UploadSearch, Form(media_type=FORM)]
) -> Response:
    """Return the images nearest to each of the files, in their order. Nothing of them is kept."""
    service, shelf = service_of(request), shelf_of(request, name)
    check_at_most("k", asked.k, service.settings.max_k)
    squares = await service.decoder.squares(shelf, asked.files)
    codes, fingerprint = await service.encode(shelf, squares, asked.version)
    question = replace(_question(shelf, asked, codes.shape[1]), fingerprint=fingerprint)
    found = await service.search(question, list(codes))
    pictures = await _reconstructions(service, shelf, found) if asked.reconstruct else [None] * len(found)
    answers = [
        schemas.answer_of(one, distance=asked.distance, k=asked.k, reconstruction=picture)
        for one, picture in zip(found, pictures, strict=True)
    ]
    return schemas.as_json({"answers": answers})


@router.post("/collections/{name}/explain", response_model=schemas.Explanation, summary="Say why a hit is one")
async def explain(request: Request, name: Name, asked: schemas.Explain) -> Response:
    """Return what the codes of a query and a hit kept, and which numbers brought them together or apart."""
    shelf = shelf_of(request, name)

    def explained() -> dict[str, Any]:
        try:
            code = code_of(shelf, asked)
            if not len(code):
                raise InputError("expected a code, came none")
            reason = shelf.explain(code, asked.hit, asked.distance)
        except InputError as error:
            raise image_not_there(error) if asked.code is None else error from error
        return {
            "query_code": reason.query_code,
            "hit_code": reason.hit_code,
            "contributions": reason.contributions,
            "query_reconstruction": schemas.data_uri(reason.query_reconstruction),
            "hit_reconstruction": schemas.data_uri(reason.hit_reconstruction),
        }

    return schemas.as_json(await service_of(request).call(explained))


@router.post(
    "/collections/{name}/distances",
    response_class=Response,
    responses={
        200: {
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            "headers": {"ETag": {"description": "That of the map's points.", "schema": {"type": "string"}}},
        }
    },
    summary="Compare all images with one",
)
def distances(request: Request, name: Name, asked: schemas.Distances) -> Response:
    """Return float32 values, little-endian: the distance of every image, in the order of the map's points.

    The ETag is that of these points: another map may have been made since they were read. Where there is no map, values
    come in the order of their ids and without ETag. NaN stands for images that are gone since the map was made.
    """
    shelf = shelf_of(request, name)
    try:
        code = code_of(shelf, asked)
    except InputError as error:
        raise image_not_there(error) from error
    there = shelf.map()
    _, values = shelf.distances(code, asked.distance, None if there is None else there.ids)
    headers = {} if there is None else {"ETag": f'"{there.state}"'}
    return Response(values.astype("<f4").tobytes(), headers=headers, media_type="application/octet-stream")


def code_of(shelf: Shelf, asked: schemas.IdOrCode) -> Float32[np.ndarray, " d"]:
    """Return the code that is asked about.

    Raises:
        InputError: an id that is not there.

    """
    if asked.id is not None:
        return shelf.codes([asked.id])[0]
    return np.array(asked.code, np.float32)


def _question(shelf: Shelf, asked: schemas.Search | schemas.UploadSearch, n_dimensions: int) -> Question:
    return Question(shelf, asked.k, asked.distance, asked.where, asked.approximate, asked.version, n_dimensions)


async def _reconstructions(service: Service, shelf: Shelf, found: list[Found]) -> list[str]:
    return schemas.data_uris(await service.decode(shelf, np.stack([one.code for one in found])))
