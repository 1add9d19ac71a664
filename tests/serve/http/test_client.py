from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from zehn import Client, Collection
from zehn.errors import (
    BusyError,
    CollectionError,
    ConfigError,
    DataError,
    ImageError,
    InputError,
    MissingExtraError,
    ZehnError,
)

Draw = Callable[..., bytes]
TOKEN = "only-for-these-tests"  # noqa: S105


@pytest.fixture
def client(served: Any) -> Any:
    with Client(served.url, TOKEN) as made:
        yield made


def test_it_finds_what_the_collection_finds(client: Client, collection_path: Path, draw_file: Draw) -> None:
    with Collection.open(collection_path, read_only=True) as collection:
        [expected] = collection.search(draw_file(50), k=4, distance="manhattan", where="label <> 'cats'")
    answer = client.search("photos", draw_file(50), k=4, distance="manhattan", where="label <> 'cats'")
    assert [(hit.id, hit.rank, hit.path, hit.label) for hit in answer.hits] == [
        (hit.id, hit.rank, hit.path, hit.label) for hit in expected
    ]
    assert answer.hits[0].distance == pytest.approx(expected[0].distance, rel=1e-4)
    assert (answer.distance, answer.k, answer.n_images, answer.recall) == ("manhattan", 4, 30, 1.0)


def test_every_kind_of_picture_is_the_same_query(client: Client, draw_file: Draw, tmp_path: Path) -> None:
    data, path = draw_file(50), tmp_path / "query.png"
    path.write_bytes(data)
    with Image.open(path) as picture:
        array = np.asarray(picture)
        answers = [
            client.search("photos", one, k=3)
            for one in (data, bytearray(data), path, str(path), array, array / 255, array / np.float32(255), picture)
        ]
    assert len({tuple(hit.id for hit in answer.hits) for answer in answers}) == 1
    assert len(client.search_images("photos", [data, array])) == 2


def test_ids_and_codes_are_queries_too(client: Client) -> None:
    code = client.code("photos", 5)
    assert client.search("photos", code=code, k=1).hits[0].id == 5
    assert client.search("photos", code=code.tolist(), k=1).hits[0].id == 5
    answer = client.search("photos", id=5, approximate=True)
    assert 5 not in [hit.id for hit in answer.hits]
    assert answer.query.id == 5
    several: list[dict[str, Any]] = [{}, {"id": 1, "code": code}, {"image": b"x", "id": 1}]
    for wrong in several:
        with pytest.raises(InputError, match="expected one of image, id and code"):
            client.search("photos", **wrong)


def test_codes_and_pictures_come_as_arrays(client: Client, draw_file: Draw) -> None:
    codes = client.encode("photos", [draw_file(1), draw_file(2)])
    assert codes.shape == (2, 10)
    assert codes.dtype == np.float32
    pictures = client.decode("photos", codes)
    assert pictures.shape == (2, 32, 32, 3)
    assert pictures.dtype == np.uint8
    assert client.picture("photos", 5).shape == (40, 48, 3)
    assert max(client.picture("photos", 5, max_side=16).shape) <= 48


def test_collections_and_images_are_listed(client: Client) -> None:
    assert client.is_ready()
    [info] = client.collections()
    assert info == client.collection("photos")
    assert (info.n_images, info.labels) == (30, {"cats": 10, "dogs": 10, "emus": 10})
    images = list(client.images("photos", page=7))
    assert [image.id for image in images] == list(range(30))
    assert images[3] == client.image("photos", 3)
    assert {image.label for image in client.images("photos", where="label = 'dogs'")} == {"dogs"}


def test_images_are_added_and_removed(client: Client, draw_file: Draw) -> None:
    added = client.add("photos", [draw_file(70), b"nothing"], label="new")
    assert (added.n_added, added.n_unchanged, len(added.skipped)) == (1, 0, 1)
    [id_] = added.ids
    assert client.image("photos", id_).label == "new"
    client.remove("photos", id_)
    with pytest.raises(InputError, match="is not in the collection"):
        client.image("photos", id_)
    assert client.create("a new one").n_images == 0
    assert client.collection("a new one").kind == "collection"
    with pytest.raises(CollectionError, match="already"):
        client.create("a new one")


def test_what_the_service_refuses_is_raised_in_its_words(client: Client, served: Any) -> None:
    with pytest.raises(ConfigError, match="did you mean 'photos'"):
        client.collection("photo")
    with pytest.raises(ConfigError, match="did you mean 'cosine'"):
        client.search("photos", id=1, distance="cosin")
    with pytest.raises(ImageError, match=r"expected JPEG.* came a file that begins with b'no'"):
        client.search("photos", b"no")
    with pytest.raises(InputError, match="9 dimensions"):
        client.search("photos", code=[0.0] * 9)
    with pytest.raises(InputError, match=r"body\.k"):
        client.search("photos", id=1, k=0)
    with (
        Client(served.url, "another-token-of-theirs") as stranger,
        pytest.raises(ConfigError, match="writing needs the service's token"),
    ):
        stranger.remove("photos", 1)


def test_what_cannot_be_sent_is_said_before(client: Client, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        client.search("photos", tmp_path / "none.png")
    for wrong in (7, object(), np.zeros((3, 3), complex), np.full((9, 9, 3), 7.0)):
        with pytest.raises(InputError, match="expected a path, a file's bytes, an array"):
            client.search("photos", wrong)


def answering(status: int, **content: Any) -> Any:
    """Return a client of a service that always answers the same."""
    client = Client("http://127.0.0.1:1")
    client._http.close()
    transport = httpx.MockTransport(lambda _: httpx.Response(status, **content))
    client._http = httpx.Client(base_url=client.url, transport=transport)
    return client


def test_a_service_that_is_busy_is_not_ready() -> None:
    problem = {"type": "about:blank", "status": 503, "detail": "an index is being loaded"}
    with answering(503, json=problem) as client:
        assert not client.is_ready()
        with pytest.raises(BusyError, match="an index is being loaded"):
            client.collections()


def test_what_is_no_service_of_ours_is_said_to_be_none() -> None:
    damaged = answering(200, text="{", headers={"Content-Type": "application/json"})
    with damaged as client, pytest.raises(ZehnError, match="is it a Zehn service"):
        client.collections()
    with answering(500, text="<html>") as client, pytest.raises(ZehnError, match="the service answered 500"):
        client.collections()
    with answering(418, json=["teapot"]) as client, pytest.raises(ZehnError, match="the service answered 418"):
        client.collections()


def test_a_service_that_is_not_there_is_said_not_to_be() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(ZehnError, match=r"does not answer .*zehn serve"):
        client.collections()
    with pytest.raises(ConfigError, match="expected an address such as"):
        Client("127.0.0.1:8010")


def test_without_httpx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zehn\[serve\]'"):
        Client()


def test_the_token_is_not_shown() -> None:
    with Client("http://127.0.0.1:8010/", TOKEN) as client:
        assert repr(client) == "Client('http://127.0.0.1:8010')"
