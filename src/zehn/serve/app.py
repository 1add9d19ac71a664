"""The service over HTTP: routes, guards and problems put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from zehn.errors import ZehnError
from zehn.serve import openapi, problems
from zehn.serve.guards import API, Guards
from zehn.serve.routes import ROUTERS
from zehn.serve.service import Service
from zehn.serve.settings import Settings
from zehn.serve.shelves import Shelves

_NO_TELEMETRY = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
"""Nothing leaves this machine, whatever the environment says."""


def create_app(shelves: Shelves, settings: Settings) -> FastAPI:
    """Return the service over HTTP; whoever runs it closes the shelves.

    Args:
        shelves: What is served.
        settings: Who may use it, and how much it takes.

    """
    service = Service(shelves, settings)

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            service.stop()

    app = FastAPI(
        telemetry=_NO_TELEMETRY,  # type: ignore[arg-type]
        title="Zehn",
        version=version("zehn"),
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # they would fetch scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=living,
        middleware=_middleware(service, settings),
        exception_handlers={
            HTTPException: problems.on_problem,
            RequestValidationError: problems.on_invalid,
            ZehnError: problems.on_zehn_error,
        },
    )
    app.state.service = service
    for router in ROUTERS:
        # not include_router, which looks for each route twice
        app.router.routes.extend(router.routes)
    openapi.describe(app, app.version)
    return app


def _middleware(service: Service, settings: Settings) -> list[Middleware]:
    guards = Middleware(Guards, settings=settings, metrics=service.metrics)
    if not settings.cors_origins:
        return [guards]
    others = Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=("GET", "POST", "DELETE"),
        allow_headers=("Authorization", "Content-Type"),
    )
    return [guards, others]
