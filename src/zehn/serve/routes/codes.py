"""Images to codes, and codes to images."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import Form, Request, Response

from zehn.serve import schemas
from zehn.serve.problems import Problem
from zehn.serve.routes._addresses import Name, check_at_most, new_router, shelf_of
from zehn.serve.service import service_of
from zehn.serve.uploads import FORM

router = new_router("codes")


@router.post("/collections/{name}/encode", response_model=schemas.Codes, summary="Turn images into codes")
async def encode(
    request: Request, name: Name, asked: Annotated[schemas.UploadEncode, Form(media_type=FORM)]
) -> Response:
    """Return the code of each file, in their order, as the collection's model makes it."""
    service, shelf = service_of(request), shelf_of(request, name)
    squares = await service.decoder.squares(shelf, asked.files)
    codes, fingerprint = await service.encode(shelf, squares)
    return schemas.as_json({"codes": codes, "fingerprint": fingerprint})


@router.post("/collections/{name}/decode", response_model=schemas.Pictures, summary="Turn codes into images")
async def decode(request: Request, name: Name, asked: schemas.Decode) -> Response:
    """Return the image that the model's decoder sees in each code."""
    service, shelf = service_of(request), shelf_of(request, name)
    check_at_most("a number of codes", len(asked.codes), service.settings.max_codes)
    if len({len(code) for code in asked.codes}) > 1:
        raise Problem(422, "expected codes of one length, came several; every code of a model has as many numbers")
    pictures = await service.decode(shelf, np.array(asked.codes, np.float32))
    return schemas.as_json({"pictures": schemas.data_uris(pictures)})
