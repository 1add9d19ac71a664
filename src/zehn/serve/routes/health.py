"""How the service is."""

from __future__ import annotations

from fastapi import Request, Response

from zehn.serve import metrics, problems, schemas
from zehn.serve.routes._addresses import new_router
from zehn.serve.service import service_of

router = new_router("health")


@router.get("/health", response_model=schemas.Health, summary="Say whether it lives")
async def show_health() -> Response:
    """Answer as long as the service lives."""
    return schemas.as_json({"status": "ok"})


@router.get("/ready", response_model=schemas.Health, summary="Say whether it is ready")
async def show_readiness(request: Request) -> Response:
    """Answer 200 when searches are answered at once, 503 while an index is being loaded."""
    if not service_of(request).shelves.ready:
        raise problems.busy("an index is being loaded; searches wait for it")
    return schemas.as_json({"status": "ready"})


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    summary="Give figures to Prometheus",
)
def show_metrics(request: Request) -> Response:
    """Return requests, durations, queues and numbers of images, as Prometheus reads them."""
    return Response(service_of(request).metrics.text(), media_type=metrics.MEDIA_TYPE)
