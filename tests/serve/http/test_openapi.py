"""The OpenAPI document and the service are held against each other by requests that schemathesis makes up."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

Draw = Callable[..., bytes]
N_REQUESTS = 2_000
N_VALID, N_INVALID = 50, 32
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
METHODS = ("get", "post", "delete")
TRIED = settings(
    max_examples=1, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)  # the same requests every time


@pytest.fixture(scope="module")
def document(served: Any) -> Any:
    return served.http.get("/openapi.json").json()


def operations(document: Any) -> list[tuple[str, str, Any]]:
    return [(path, method, of[method]) for path, of in document["paths"].items() for method in METHODS if method in of]


def test_every_operation_says_what_it_is_and_how_it_fails(document: Any) -> None:
    names = [of["operationId"] for _, _, of in operations(document)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z_]+", name) for name in names)
    for path, method, of in operations(document):
        assert of["summary"], path
        assert of["description"], path
        assert of["tags"], path
        for status, answer in of["responses"].items():
            assert answer["description"], (path, status)
            if int(status) >= 400:
                problem = answer["content"]["application/problem+json"]
                assert problem["example"]["status"] == int(status)
        is_writing = {"security": [{"token": []}]}.items() <= of.items()
        assert is_writing == ((path, method) in WRITING), path


WRITING = {
    ("/api/v1/collections", "post"),
    ("/api/v1/collections/{name}/images", "post"),
    ("/api/v1/collections/{name}/images/{id}", "delete"),
}


def test_every_reference_leads_somewhere_and_every_schema_is_used(document: Any) -> None:
    referred = set(re.findall(r"'#/components/schemas/(\w+)'", str(document)))
    assert referred == set(document["components"]["schemas"])
    assert set(document["components"]["securitySchemes"]) == {"token", "session"}


def test_bodies_have_examples_that_are_right(served: Any, document: Any) -> None:
    schemas = document["components"]["schemas"]
    for name, path in (("Search", "search"), ("Explain", "explain"), ("Distances", "distances"), ("Decode", "decode")):
        for example in schemas[name]["examples"]:
            assert served.http.post(f"/collections/photos/{path}", json=example).status_code == 200


def test_the_document_needs_nothing_from_elsewhere(served: Any) -> None:
    for path in ("/docs", "/redoc"):
        assert requests.get(served.url + path, timeout=10).status_code == 404


@pytest.fixture(scope="module")
def made_up(served: Any, collection_path: Path, draw_file: Draw) -> dict[str, int]:
    """Ask a service of its own what schemathesis makes up, and count how often."""
    schema: Any = schemathesis.openapi.from_url(f"{served.url}/api/v1/openapi.json")
    picture, counted = draw_file(1), {"requests": 0}
    with requests.Session() as session:
        session.headers["Authorization"] = served.authorized["Authorization"]
        for place, result in enumerate(schema.get_all_operations()):
            operation = result.ok()
            for mode, n in ((GenerationMode.POSITIVE, N_VALID), (GenerationMode.NEGATIVE, N_INVALID)):
                _ask(operation, mode, n, place, session, picture, counted)
    return counted


def _ask(
    operation: Any, mode: Any, n: int, seed: int, session: requests.Session, picture: bytes, counted: dict[str, int]
) -> None:
    @hypothesis.seed(seed)
    @settings(TRIED, max_examples=n)
    @given(case=operation.as_strategy(generation_mode=mode), is_there=st.booleans(), id_=st.integers(0, 40))
    def ask(case: Any, is_there: bool, id_: int) -> None:
        if is_there:  # else hardly any request would get as far as a collection
            _lead_somewhere(case, id_, picture)
        counted["requests"] += 1
        case.call_and_validate(session=session, checks=CHECKS)

    with suppress(hypothesis.errors.Unsatisfiable):  # where nothing is asked, nothing can be wrong
        ask()


def _lead_somewhere(case: Any, id_: int, picture: bytes) -> None:
    if isinstance(case.path_parameters, dict):
        there = {"name": "photos", "id": id_, "version": "robust"}
        case.path_parameters |= {name: there[name] for name in case.path_parameters if name in there}
    if isinstance(case.body, dict):
        if isinstance(case.body.get("id"), int):
            case.body["id"] = id_
        if case.media_type == "multipart/form-data":
            case.body |= {"files": [picture]} if "files" in case.body else {}
            case.body |= {"file": picture} if "file" in case.body else {}


def test_thousands_of_made_up_requests_are_answered_as_documented(made_up: dict[str, int]) -> None:
    assert made_up["requests"] >= N_REQUESTS


def test_no_made_up_request_was_a_mistake_of_ours(made_up: dict[str, int], served: Any) -> None:
    statuses = set(re.findall(r'zehn_requests_total\{.*status="(\d+)"\}', served.http.get("/metrics").text))
    assert {"200", "201", "204", "404", "422"} <= statuses
    assert not [status for status in statuses if status >= "500"]
