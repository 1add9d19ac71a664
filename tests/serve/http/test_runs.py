from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zehn.store import Run


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    """A run with a picture, a report, and files that are nobody's business."""
    made = make_run("digits-smoke")
    (made.path / "check" / "umap.png").write_bytes(b"\x89PNG a picture")
    (made.path / "report.pdf").write_bytes(b"%PDF a report")
    (made.path / "secret.txt").write_text("secret", encoding="utf-8")
    (made.path / "check" / "passwd.png").symlink_to("/etc/passwd")
    return made


def test_a_run_is_served_as_a_collection_is_and_tells_of_itself(run: Run, shelves: Any, listen: Any) -> None:
    with listen(shelves(run.path)) as served:
        http = served.http
        assert http.get("/collections/digits-smoke").json()["kind"] == "run"
        answer = http.post("/collections/digits-smoke/search", json={"id": 70, "k": 3}).json()
        assert answer["query"]["path"] == "test/10"
        assert len(answer["hits"]) == 3
        picture = http.get("/collections/digits-smoke/images/70/picture")
        assert picture.headers["content-type"].startswith("image/")
        [summary] = http.get("/runs").json()["runs"]
        assert summary == http.get("/runs/digits-smoke").json()
        assert summary["has_report"]
        assert [stage["name"] for stage in summary["stages"] if stage["done"]] == ["data", "train", "check", "robust"]
        assert http.get("/runs/digits-smoke/history").json() == {"parts": []}
        assert http.get("/runs/digits-smoke/comparison").json()["distances"] == []
        [figure] = http.get("/runs/digits-smoke/figures").json()["figures"]
        assert figure["name"] == "check-umap.png"
        read = http.get("/runs/digits-smoke/files/check-umap.png")
        assert (read.content, read.headers["content-type"]) == (b"\x89PNG a picture", "image/png")
        report = http.get("/runs/digits-smoke/files/report.pdf")
        assert report.headers["content-type"] == "application/pdf"
        assert report.headers["content-disposition"] == 'inline; filename="report.pdf"'
        assert http.post("/collections/digits-smoke/images", files={"files": b"x"}).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/runs/digits-smok",
        "/runs/..",
        "/runs/%2e%2e/files/report.pdf",
        "/runs/digits-smoke/files/secret.txt",
        "/runs/digits-smoke/files/check-passwd.png",
        "/runs/digits-smoke/files/..%2f..%2fsecret.txt",
        "/runs/digits-smoke/files/%2fetc%2fpasswd",
        "/runs/digits-smoke/files/../../../../etc/passwd",
        "/runs/digits-smoke/files/report.pdf%00.png",
        "/runs/digits-smoke/files/run.json",
        "/runs/digits-smoke/files/train",
    ],
)
def test_nothing_else_of_its_folder_is_given_away(run: Run, shelves: Any, listen: Any, path: str) -> None:
    with listen(shelves(run.path)) as served:
        answer = served.http.get(path)
        assert answer.status_code in (404, 422)
        assert answer.headers["content-type"] == "application/problem+json"
        assert not any(word in answer.text for word in ("root:", "secret\n", str(Path.cwd())))
