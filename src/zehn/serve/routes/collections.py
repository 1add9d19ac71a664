"""What is served: collections and runs."""

from __future__ import annotations

from fastapi import Request, Response

from zehn.serve import schemas
from zehn.serve.routes._addresses import Name, new_router, shelf_of
from zehn.serve.service import service_of
from zehn.serve.uploads import WRITING

router = new_router("collections")


@router.get("/collections", response_model=schemas.Collections, summary="List what is served")
def list_collections(request: Request) -> Response:
    """Return what there is to know of each collection and run."""
    return schemas.as_json({"collections": [schemas.info_of(info) for info in service_of(request).shelves.infos()]})


@router.post(
    "/collections",
    status_code=201,
    response_model=schemas.Info,
    openapi_extra=WRITING,
    summary="Make an empty collection",
)
def create_collection(request: Request, asked: schemas.Create) -> Response:
    """Make a collection under a name that is free; add images to it next."""
    shelf = service_of(request).shelves.create(asked.name, asked.model)
    return schemas.as_json(schemas.info_of(shelf.info()), 201)


@router.get("/collections/{name}", response_model=schemas.Info, summary="Describe a collection")
def show_collection(request: Request, name: Name) -> Response:
    """Return what there is to know of a collection or a run."""
    return schemas.as_json(schemas.info_of(shelf_of(request, name).info()))
