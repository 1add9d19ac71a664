from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from zehn import Collection
from zehn.errors import MissingExtraError
from zehn.serve.background import Task
from zehn.serve.maps import Map

Draw = Callable[..., bytes]
SEARCH = "/collections/photos/search"
PROBLEM = "application/problem+json"


def picture_of(uri: str) -> Any:
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as picture:
        return np.asarray(picture)


def refused(answer: httpx.Response, status: int) -> str:
    """Check that an answer is problem details, and return its sentence."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    problem = answer.json()
    assert problem["status"] == status
    assert problem["instance"] == f"urn:zehn:request:{answer.headers['x-request-id']}"
    return problem["detail"]


def test_it_lives_and_is_ready(served: Any) -> None:
    assert served.http.get("/health").json() == {"status": "ok"}
    assert served.http.get("/ready").json() == {"status": "ready"}


def test_collections_are_described(served: Any) -> None:
    [info] = served.http.get("/collections").json()["collections"]
    assert info == served.http.get("/collections/photos").json()
    assert (info["name"], info["kind"], info["n_images"], info["n_components"]) == ("photos", "collection", 30, 10)
    assert info["labels"] == {"cats": 10, "dogs": 10, "emus": 10}
    assert len(info["code_low"]) == len(info["code_high"]) == len(info["code_mean"]) == 10


def test_an_unknown_collection_is_answered_with_the_one_that_was_meant(served: Any) -> None:
    assert "did you mean 'photos'?" in refused(served.http.get("/collections/photo"), 404)


def test_a_search_by_id_is_that_of_the_collection(served: Any, collection_path: Path) -> None:
    answer = served.http.post(SEARCH, json={"id": 4, "k": 5, "distance": "cosine", "where": "label = 'cats'"}).json()
    with Collection.open(collection_path, read_only=True) as collection:
        [expected] = collection.search_ids([4], k=5, distance="cosine", where="label = 'cats'")
    assert [(hit["id"], hit["rank"], hit["path"], hit["label"]) for hit in answer["hits"]] == [
        (hit.id, hit.rank, hit.path, hit.label) for hit in expected
    ]
    assert [hit["distance"] for hit in answer["hits"]] == pytest.approx([hit.distance for hit in expected])
    assert [hit["percentile"] for hit in answer["hits"]] == pytest.approx([hit.percentile for hit in expected])
    assert (answer["k"], answer["distance"], answer["n_images"], answer["recall"]) == (5, "cosine", 30, 1.0)
    assert answer["query"]["id"] == 4
    assert answer["query"]["path"].endswith(".png")
    assert answer["query"]["reconstruction"] is None


def test_searches_by_code_and_by_upload_find_what_is_nearest(served: Any) -> None:
    code = served.http.get("/collections/photos/images/7").json()["code"]
    by_code = served.http.post(SEARCH, json={"code": code, "k": 3}).json()
    assert by_code["hits"][0]["id"] == 7
    assert by_code["hits"][0]["distance"] == 0
    data = served.http.get("/collections/photos/images/7").json()["path"]
    files = [("files", (name, Path(data).read_bytes())) for name in ("a.png", "b.png")]
    answers = served.http.post(f"{SEARCH}/upload", files=files, data={"k": "3"}).json()["answers"]
    assert len(answers) == 2
    assert [hit["id"] for hit in answers[1]["hits"]] == [hit["id"] for hit in by_code["hits"]]
    assert answers[0]["query"]["code"] == pytest.approx(code, abs=1e-4)


def test_a_search_can_bring_what_the_code_kept(served: Any, draw_file: Draw) -> None:
    answer = served.http.post(SEARCH, json={"id": 4, "reconstruct": True}).json()
    assert picture_of(answer["query"]["reconstruction"]).shape == (32, 32, 3)
    form = {"files": ("a.png", draw_file(1)), "reconstruct": (None, "true")}
    [answer] = served.http.post(f"{SEARCH}/upload", files=form).json()["answers"]
    assert picture_of(answer["query"]["reconstruction"]).shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("asked", "status", "why"),
    [
        ({}, 422, "expected either id or code"),
        ({"id": 1, "code": [0.0] * 10}, 422, "expected either id or code"),
        ({"id": 999}, 404, "id 999 is not in the collection"),
        ({"id": -1}, 422, "body.id: Input should be greater than or equal to 0"),
        ({"id": "1"}, 422, "body.id: Input should be a valid integer"),
        ({"id": 1, "k": 0}, 422, "body.k"),
        ({"id": 1, "k": 1001}, 422, "body.k"),
        ({"id": 1, "kk": 3}, 422, "body.kk: Extra inputs are not permitted"),
        ({"id": 1, "distance": "cosin"}, 422, "did you mean 'cosine'"),
        ({"id": 1, "version": "other"}, 422, "other"),
        ({"id": 1, "where": "label = cats"}, 422, "there is no column cats"),
        ({"id": 1, "where": "1=1; drop table images"}, 422, "cannot filter by"),
        ({"code": [0.0] * 9}, 422, "9 dimensions"),
        ({"code": []}, 422, "body.code"),
        ({"code": [1e300] * 10}, 422, "body.code.0"),
        ({"id": 1, "version": "robust"}, 409, "not encoded with the robust model yet"),
    ],
)
def test_what_cannot_be_searched_is_said_in_words(served: Any, asked: dict[str, Any], status: int, why: str) -> None:
    assert why in refused(served.http.post(SEARCH, json=asked), status)


@pytest.mark.parametrize("body", ['{"id": NaN}', '{"code": [Infinity]}', "[" * 100_000, '{"id":', '"\\ud800"', "\xff"])
def test_json_is_read_as_the_standard_has_it(served: Any, body: str) -> None:
    answer = served.http.post(SEARCH, content=body.encode("latin-1"), headers={"Content-Type": "application/json"})
    assert "JSON" in refused(answer, 422)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_other_types_of_bodies_are_refused(served: Any, kind: str) -> None:
    answer = served.http.post(SEARCH, content='{"id": 1}', headers={"Content-Type": kind})
    assert "expected a body of type application/json" in refused(answer, 415)


def test_a_query_that_is_wrong_does_not_spoil_those_that_wait_with_it(served: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as threads:
        asked = [{"id": 999 if place % 3 else place // 3, "k": 2} for place in range(60)]
        answers = list(threads.map(lambda one: served.http.post(SEARCH, json=one).status_code, asked))
    assert answers == [404 if one["id"] == 999 else 200 for one in asked]


def test_codes_are_made_and_decoded(served: Any, draw_file: Draw) -> None:
    files = [("files", ("a.png", draw_file(1))), ("files", ("b.jpg", draw_file(2, kind="JPEG")))]
    made = served.http.post("/collections/photos/encode", files=files).json()
    assert np.shape(made["codes"]) == (2, 10)
    assert made["fingerprint"] == served.photos.model.fingerprint
    pictures = served.http.post("/collections/photos/decode", json={"codes": made["codes"]}).json()["pictures"]
    assert [picture_of(one).shape for one in pictures] == [(32, 32, 3)] * 2
    for codes, why in (([[0.0] * 9], "(1, 9)"), ([[0.0] * 10, [0.0]], "one length"), ([], "body.codes")):
        assert why in refused(served.http.post("/collections/photos/decode", json={"codes": codes}), 422)


def test_a_hit_is_explained(served: Any) -> None:
    reason = served.http.post("/collections/photos/explain", json={"id": 4, "hit": 5}).json()
    assert sum(reason["contributions"]) == pytest.approx(1)
    assert len(reason["query_code"]) == len(reason["hit_code"]) == 10
    assert picture_of(reason["hit_reconstruction"]).shape == (32, 32, 3)
    refused(served.http.post("/collections/photos/explain", json={"id": 4, "hit": 999}), 404)
    refused(served.http.post("/collections/photos/explain", json={"code": [0.0] * 3, "hit": 4}), 422)


def test_images_are_listed_page_by_page(served: Any) -> None:
    first = served.http.get("/collections/photos/images", params={"limit": 20}).json()
    rest = served.http.get("/collections/photos/images", params={"limit": 20, "after": first["next"]}).json()
    assert [one["id"] for one in first["images"] + rest["images"]] == list(range(30))
    assert rest["next"] is None
    assert len(first["images"][0]["sha256"]) == 64
    chosen = served.http.get("/collections/photos/images", params={"where": "label = 'dogs'"}).json()["images"]
    assert {one["label"] for one in chosen} == {"dogs"}


def test_images_are_chosen_by_chance_and_by_seed(served: Any) -> None:
    asked = {"n": 5, "seed": 3}
    ids = served.http.get("/collections/photos/random", params=asked).json()["ids"]
    assert len(set(ids)) == 5
    assert ids == served.http.get("/collections/photos/random", params=asked).json()["ids"]


def test_pictures_are_kept_by_browsers_as_long_as_they_are_the_same(served: Any) -> None:
    path, state = "/collections/photos/images/3/picture", served.photos.state()
    answer = served.http.get(path, params={"max_side": 40})
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert max(picture.size) <= 48
    assert answer.headers["content-type"].startswith("image/")
    assert "max-age=" not in answer.headers["cache-control"]
    again = served.http.get(path, params={"max_side": 40}, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "max-age=" in served.http.get(path, params={"max_side": 40, "v": state}).headers["cache-control"]
    assert "max-age=" not in served.http.get(path, params={"max_side": 40, "v": "old"}).headers["cache-control"]
    refused(served.http.get("/collections/photos/images/999/picture"), 404)


def test_distances_come_as_bytes(served: Any) -> None:
    answer = served.http.post("/collections/photos/distances", json={"id": 4})
    values = np.frombuffer(answer.content, "<f4")
    assert values.shape == (30,)
    assert values[4] == 0
    assert answer.headers["content-type"] == "application/octet-stream"


def test_the_map_is_absent_until_it_is_asked_for(served: Any) -> None:
    assert served.http.get("/collections/photos/map").json()["state"] == "absent"
    assert "there is no map yet" in refused(served.http.get("/collections/photos/map/points"), 404)


def test_a_map_is_read_as_bytes(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.array([3, 5, 8, 999])
    points = np.linspace(0, 1, 8, dtype=np.float32).reshape(4, 2)
    made = Map(ids, points, np.array([0, 1, -1, 0], np.int16), ("cats", "dogs"), served.photos.state())
    monkeypatch.setattr(type(served.photos), "map", lambda _: made)
    state = served.http.get("/collections/photos/map").json()
    assert (state["has"], state["is_current"], state["labels"]) == (True, True, ["cats", "dogs"])
    answer = served.http.get("/collections/photos/map/points")
    read = [
        np.frombuffer(answer.content, kind, 4, at) for kind, at in (("<i4", 0), ("<f4", 16), ("<f4", 32), ("<i2", 48))
    ]
    assert len(answer.content) == 56
    assert read[0].tolist() == ids.tolist()
    np.testing.assert_array_equal(np.stack(read[1:3], axis=1), points)
    assert read[3].tolist() == [0, 1, -1, 0]
    again = served.http.get("/collections/photos/map/points", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    values = np.frombuffer(served.http.post("/collections/photos/distances", json={"id": 5}).content, "<f4")
    assert values[1] == 0
    assert np.isnan(values).tolist() == [False, False, False, True]


def test_making_a_map_is_told_of_while_it_goes_on(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = type(served.photos)
    monkeypatch.setattr(shelf, "start_map", lambda _: None)
    monkeypatch.setattr(shelf, "map_task", lambda _: Task("running", 10, 30))
    answer = served.http.post("/collections/photos/map")
    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["n_done"], answer.json()["n"]) == ("running", 10, 30)

    def refuse(_: Any) -> None:
        raise MissingExtraError("umap", "train")

    monkeypatch.setattr(shelf, "start_map", refuse)
    assert "pip install 'zehn[train]'" in refused(served.http.post("/collections/photos/map"), 501)
    assert 501 in served.documented("/collections/{name}/map")


def test_a_distorted_image_is_searched_by_both_models(served: Any, draw_file: Draw) -> None:
    path, form = "/collections/photos/distort", {"noise": (None, "0.1"), "perspective": (None, "0.4")}
    asked = form | {"file": ("a.png", draw_file(4))}
    assert "has not encoded all images yet" in refused(served.http.post(path, files=asked), 409)
    alone = served.http.post(path, files=asked | {"robust": (None, "false")}).json()
    assert alone["answers"]["robust"] is None
    assert (picture_of(alone["picture"]) != picture_of(alone["clean"])).any()
    state = served.http.post("/collections/photos/versions/robust").json()
    while state["state"] == "running":
        state = served.http.get("/collections/photos/versions/robust").json()
    assert state == {"state": "done", "n_done": 30, "n": 30, "error": None}
    both = served.http.post(path, files=asked | {"k": (None, "3")}).json()
    assert both["picture"] == alone["picture"]
    assert len(both["answers"]["main"]["hits"]) == len(both["answers"]["robust"]["hits"]) == 3
    assert both["answers"]["main"]["query"]["code"] != both["answers"]["robust"]["query"]["code"]
    stored = served.http.post(path, files={"id": (None, "4"), "noise": (None, "0")}).json()
    assert stored["answers"]["robust"]["hits"][0]["id"] == 4
    for wrong in (form, asked | {"id": (None, "4")}, form | {"id": (None, "999")}, asked | {"noise": (None, "0.6")}):
        refused(served.http.post(path, files=wrong), 404 if wrong.get("id") == (None, "999") else 422)


def test_images_are_added_and_removed(served: Any, draw_file: Draw) -> None:
    path, before = "/collections/photos/images", served.photos.state()
    files = [("files", ("new.png", draw_file(900))), ("files", ("bad.png", b"nothing"))]
    answer = served.http.post(path, files=files, data={"label": "new"}, headers=served.authorized)
    assert answer.status_code == 201
    added = answer.json()
    assert (added["n_added"], added["n_unchanged"]) == (1, 0)
    assert added["skipped"][0]["name"] == "bad.png"
    assert served.photos.state() != before
    [id_] = added["ids"]
    assert served.http.get(f"{path}/{id_}").json()["label"] == "new"
    again = served.http.post(path, files=files[:1], headers=served.authorized).json()
    assert (again["ids"], again["n_added"], again["n_unchanged"]) == ([id_], 0, 1)
    gone = served.http.delete(f"{path}/{id_}", headers=served.authorized)
    assert (gone.status_code, gone.content) == (204, b"")
    refused(served.http.delete(f"{path}/{id_}", headers=served.authorized), 404)


def test_a_collection_is_made_and_served_at_once(served: Any, draw_file: Draw) -> None:
    answer = served.http.post("/collections", json={"name": "more"}, headers=served.authorized)
    assert answer.status_code == 201
    assert answer.json()["n_images"] == 0
    assert served.http.post("/collections/more/search", json={"code": [0.0] * 10}).json()["hits"] == []
    files = {"files": ("a.png", draw_file(1))}
    assert served.http.post("/collections/more/images", files=files, headers=served.authorized).status_code == 201
    [hit] = served.http.post("/collections/more/search", json={"code": [0.0] * 10}).json()["hits"]
    assert hit["percentile"] is None  # there are no pairs to compare with
    assert "already" in refused(served.http.post("/collections", json={"name": "more"}, headers=served.authorized), 409)
    for name in ("../more", "a/b", ".hidden", "", "x" * 64, "a\0b"):
        refused(served.http.post("/collections", json={"name": name}, headers=served.authorized), 422)
    no_model = served.http.post("/collections", json={"name": "b", "model": "/etc/passwd"}, headers=served.authorized)
    assert "unknown model" in refused(no_model, 422)


def test_metrics_count(served: Any) -> None:
    served.http.get("/nothing/of/ours")
    answer = served.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'zehn_images{collection="photos"} 30.0' in answer.text
    assert 'route="/api/v1/collections/{name}/search",status="200"' in answer.text
    assert 'route="none",status="404"' in answer.text
    assert 'zehn_queue_depth{queue="searches"} 0.0' in answer.text
    assert "of/ours" not in answer.text


def test_unknown_addresses_and_methods_are_problems_too(served: Any) -> None:
    assert "nothing at this address" in refused(served.http.get("/nothing"), 404)
    answer = served.http.put("/collections/photos")
    assert answer.headers["allow"] == "GET"
    refused(answer, 405)


def test_a_mistake_of_ours_is_answered_without_its_details(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(type(served.photos), "info", fail)
    answer = served.http.get("/collections/photos")
    assert "secret" not in answer.text
    assert "a mistake in Zehn" in refused(answer, 500)
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_paths_that_are_no_text_are_sent_as_text(serve: Any, tmp_path: Path, draw_file: Draw) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    (folder / "1.png").write_bytes(draw_file(1))
    with Collection.create(tmp_path / "odd.zehn") as collection:
        collection.add(folder)
    http = serve(tmp_path / "odd.zehn").http
    [image] = http.get("/collections/odd/images").json()["images"]
    assert image["path"].endswith("caf\N{REPLACEMENT CHARACTER}/1.png")
    answer = http.post("/collections/odd/search", json={"code": [0.0] * 10}).json()
    assert answer["hits"][0]["path"] == image["path"]
