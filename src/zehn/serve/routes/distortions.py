"""Searching with distorted images, and the model that was retrained with such."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Form, Path, Request, Response

from zehn import distort
from zehn.errors import InputError
from zehn.serve import schemas
from zehn.serve.background import DONE
from zehn.serve.problems import Problem
from zehn.serve.routes._addresses import Name, check_at_most, image_not_there, new_router, shelf_of
from zehn.serve.service import Question, Service, service_of
from zehn.serve.shelves import ROBUST, Shelf
from zehn.serve.uploads import FORM, Square

router = new_router("distortion")

VersionName = Annotated[Literal["robust"], Path(description="The version that was retrained with distorted images.")]


@router.post("/collections/{name}/distort", response_model=schemas.Distorted, summary="Distort an image, then search")
async def distort_image(
    request: Request, name: Name, asked: Annotated[schemas.UploadDistort, Form(media_type=FORM)]
) -> Response:
    """Return a distorted image, and what the model and its robust version find with it.

    An image of the collection may find itself: that it does is what a robust model is for. 409 while the robust
    version's codes are not there: begin to make them with POST …/versions/robust, or send robust=false.
    """
    service, shelf = service_of(request), shelf_of(request, name)
    check_at_most("k", asked.k, service.settings.max_k)
    versions = await service.call(lambda: _versions(shelf)) if asked.robust else ("",)
    clean = await _square(service, shelf, asked)
    picture = await service.call(lambda: distorted(clean, asked.noise, asked.perspective, asked.seed))
    answers = {version: await _answer(service, shelf, picture, asked, version) for version in versions}
    return schemas.as_json(
        {
            "picture": schemas.data_uri(picture),
            "clean": schemas.data_uri(clean),
            "answers": {"main": answers[""], "robust": answers.get(ROBUST)},
        }
    )


@router.get("/collections/{name}/versions/{version}", response_model=schemas.TaskState, summary="Say how far it is")
def show_version(request: Request, name: Name, version: VersionName) -> Response:
    """Return how many images another version of the model has encoded."""
    return schemas.as_json(schemas.task_of(shelf_of(request, name).version_task(version)))


@router.post(
    "/collections/{name}/versions/{version}",
    status_code=202,
    response_model=schemas.TaskState,
    summary="Begin to encode with another version",
)
def make_version(request: Request, name: Name, version: VersionName) -> Response:
    """Begin to encode all images with another version of the model, in the background; the codes are kept."""
    return schemas.as_json(schemas.task_of(shelf_of(request, name).start_version(version)), 202)


def distorted(square: Square, noise: float, perspective: float, seed: int) -> Square:
    """Return a square seen from elsewhere, then with noise."""
    [(tilted, _, _)] = distort.projective(square[None], perspective, seed=seed, batch_size=1)
    [(noised, _, _)] = distort.gaussian_noise(tilted, noise, seed=seed, batch_size=1)
    return noised[0]


def _versions(shelf: Shelf) -> tuple[str, ...]:
    """Return which versions of a shelf's model can be asked.

    Raises:
        Problem: there is a robust one whose codes are not there yet.

    """
    if not shelf.info().has_versions:
        return ("",)
    if shelf.version_task(ROBUST).state != DONE:
        raise Problem(
            409,
            "the robust model has not encoded all images yet; begin with POST …/versions/robust, or ask again "
            "when it is done",
        )
    return ("", ROBUST)


async def _square(service: Service, shelf: Shelf, asked: schemas.UploadDistort) -> Square:
    if asked.file is not None:
        return (await service.decoder.squares(shelf, [asked.file]))[0]
    try:
        return (await service.call(lambda: shelf.squares([asked.id or 0])))[0]
    except InputError as error:
        raise image_not_there(error) from error


async def _answer(
    service: Service, shelf: Shelf, picture: Square, asked: schemas.UploadDistort, version: str
) -> dict[str, Any]:
    codes, fingerprint = await service.encode(shelf, [picture], version)
    question = Question(
        shelf, asked.k, asked.distance, version=version, n_dimensions=codes.shape[1], fingerprint=fingerprint
    )
    [found] = await service.search(question, list(codes))
    return schemas.answer_of(found, distance=asked.distance, k=asked.k, id=asked.id)
