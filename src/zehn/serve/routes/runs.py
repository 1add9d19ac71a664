"""Runs: what they found, how they were trained, what they drew."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request, Response

from zehn.errors import UnknownNameError
from zehn.serve import runs, schemas
from zehn.serve.routes._addresses import new_router
from zehn.serve.service import service_of
from zehn.store import Run

router = new_router("runs")

RunName = Annotated[str, Path(max_length=200, description="Of a run.", examples=["cifar10-quick"])]
_KINDS = {".pdf": "application/pdf", ".png": "image/png"}
_FILES = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _KINDS.values()}


@router.get("/runs", response_model=schemas.Runs, summary="List runs")
def list_runs(request: Request) -> Response:
    """Return what each run found, in short."""
    return schemas.as_json({"runs": runs.summaries(service_of(request).shelves.runs.values())})


@router.get("/runs/{name}", response_model=schemas.RunSummary, summary="Describe a run")
def show_run(request: Request, name: RunName) -> Response:
    """Return what a run found, in short, and how long its stages took."""
    return schemas.as_json(runs.summary(_run(request, name)))


@router.get("/runs/{name}/history", response_model=schemas.History, summary="Show how a run was trained")
def show_history(request: Request, name: RunName) -> Response:
    """Return the figures of every epoch."""
    return schemas.as_json(runs.history(_run(request, name)))


@router.get("/runs/{name}/comparison", response_model=schemas.Comparison, summary="Compare the distances")
def show_comparison(request: Request, name: RunName) -> Response:
    """Return the scores of each distance, how much their answers overlap, and which is to be preferred."""
    return schemas.as_json(runs.comparison(_run(request, name)))


@router.get("/runs/{name}/figures", response_model=schemas.Figures, summary="List a run's pictures")
def list_figures(request: Request, name: RunName) -> Response:
    """Return names and titles of the pictures that a run drew."""
    found = runs.figures(_run(request, name))
    return schemas.as_json({"figures": [{"name": one.name, "title": one.title} for one in found]})


@router.get(
    "/runs/{name}/files/{file}", response_class=Response, responses={200: {"content": _FILES}}, summary="Show a file"
)
def show_file(
    request: Request, name: RunName, file: Annotated[str, Path(max_length=200, examples=["report.pdf"])]
) -> Response:
    """Return the report or one of the pictures of a run; nothing else of its folder is ever given away."""
    path = runs.file(_run(request, name), file)
    headers = {"Content-Disposition": f'inline; filename="{path.name}"', "Cache-Control": "private, no-cache"}
    return Response(path.read_bytes(), headers=headers, media_type=_KINDS[path.suffix])


def _run(request: Request, name: str) -> Run:
    known = service_of(request).shelves.runs
    if name not in known:
        raise UnknownNameError("run", name, known)
    return known[name]
