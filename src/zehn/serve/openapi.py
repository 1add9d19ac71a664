"""The OpenAPI document: what FastAPI knows of the routes, and what the guards may answer to any of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from zehn.serve import guards, problems, schemas

_METHODS = ("get", "post", "delete")
_REF = "#/components/schemas/{model}"
_EXAMPLES = {
    400: "the form cannot be read: Missing boundary in multipart.",
    401: "writing needs the service's token; send it as: Authorization: Bearer TOKEN",
    403: "this service only reads; start it with --token-file FILE, or with ZEHN_TOKEN, to write",
    404: "unknown collection 'foto'; did you mean 'photos'? there are: photos",
    408: "the request did not come to its end within 60 s; send less, or faster",
    409: "there is a collection photos already; choose another name",
    413: "expected at most 20,000,000 bytes in one request, came more; send less at a time",
    415: "expected a body of type multipart/form-data, came 'text/plain'",
    421: "expected a request to this machine, came one to 'elsewhere.example'; use 127.0.0.1",
    422: "body.k: Input should be greater than or equal to 1",
    501: "this needs 'umap', which is not installed; install it with: pip install 'zehn[train]'",
    503: "too many requests wait for searches; try again in a moment",
}
_DESCRIPTION = """
Ten numbers for every image, and look-alikes by them.

Errors are problem details (RFC 9457): `detail` says what was expected, what came and what to do. Reading is free on the
machine itself; writing needs the service's token, and where other machines reach the service, reading does too.
"""
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "The service's token."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": guards.COOKIE,
        "description": "What POST /session sets; good for reading.",
    },
}


def describe(app: FastAPI, version: str) -> None:
    """Let an app give the document when it is asked for it; it is made once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, version)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI, version: str) -> dict[str, Any]:
    made = get_openapi(
        title="Zehn", version=version, summary="Search by looking.", description=_DESCRIPTION, routes=app.routes
    )
    components = made.setdefault("components", {})
    _, models = models_json_schema([(schemas.ProblemDetails, "serialization")], ref_template=_REF)
    components.setdefault("schemas", {}).update(models["$defs"])
    components["securitySchemes"] = _SCHEMES
    made["security"] = [{}, {"token": []}, {"session": []}]
    for path, operations in made["paths"].items():
        for method in _METHODS:
            if method in operations:
                _complete(path, method, operations[method])
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    return made


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Add the problems that an operation may be answered with."""
    answers: dict[str, Any] = operation["responses"]
    for status in _statuses(path, method, operation):
        answers[str(status)] = _problem(status)
    operation["responses"] = dict(sorted(answers.items()))


def _statuses(path: str, method: str, operation: dict[str, Any]) -> set[int]:
    statuses = {421}
    if path not in guards.OPEN_PATHS:
        statuses |= {401, 503}
    if path.endswith("/ready"):
        statuses |= {503}
    if path.endswith("/session"):
        statuses |= {401}
    if method != "get":
        statuses |= {403}
    if "requestBody" in operation:
        statuses |= {400, 408, 413, 415, 422}
    if operation.get("parameters"):
        statuses |= {404, 422}
    if path.startswith(f"{guards.API}/collections"):
        statuses |= {409}
    if "501" in operation["responses"]:
        statuses |= {501}
    return statuses


def _problem(status: int) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    example = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": _EXAMPLES[status],
        "instance": "urn:zehn:request:5f2c0d9a1b3e4f60",
    }
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="ProblemDetails")}, "example": example}}
    headers = {
        401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
        503: {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}},
    }
    return {"description": title, "content": content} | ({"headers": headers[status]} if status in headers else {})
