"""The page's files as they are sent: compressed, kept by browsers, and what is in them."""

from __future__ import annotations

import asyncio
import gzip
import re
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from zehn.serve import page

MODULES = sorted(page.FOLDER.glob("*.js"))
MOST_BYTES_WITHOUT_MAP = 100_000
MOST_BYTES = 1_500_000
_IMPORT = re.compile(r"""^(?:import|export) [^"']*from "\./([\w-]+\.js)";|^import "\./([\w-]+\.js)";""", re.MULTILINE)


@dataclass(frozen=True)
class Client:
    """Asks an app without a network."""

    app: FastAPI

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.get(path, headers=headers)

        return asyncio.run(ask())


@pytest.fixture
def client() -> Client:
    app = FastAPI()
    page.mount(app)
    return Client(app)


def _version() -> str:
    return page.read_page().version


def test_the_first_page_names_its_files_under_their_hash(client: Client) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"
    assert f'src="/static/{_version()}/main.js"' in answer.text
    assert '"/static/main.js"' not in answer.text
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text):
        assert client.get(address).status_code == 200, address


def test_files_are_kept_for_ever_under_the_right_hash_only(client: Client) -> None:
    current = client.get(f"/static/{_version()}/main.js")
    assert "immutable" in current.headers["cache-control"]
    assert current.headers["content-type"] == "text/javascript; charset=utf-8"
    assert client.get("/static/0123/main.js").headers["cache-control"] == "no-cache"


def test_a_file_that_is_known_is_not_sent_again(client: Client) -> None:
    etag = client.get("/").headers["etag"]
    again = client.get("/", headers={"If-None-Match": f'"other", {etag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/", headers={"If-None-Match": '"other"'}).status_code == 200


def test_files_are_compressed_for_who_takes_it(client: Client) -> None:
    packed = client.get(f"/static/{_version()}/page.css", headers={"Accept-Encoding": "br;q=1, gzip"})
    plain = client.get(f"/static/{_version()}/page.css", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    assert int(packed.headers["content-length"]) < len(plain.content) / 2


@pytest.mark.parametrize(
    ("header", "takes"), [("", False), ("gzip", True), ("*", True), ("gzip;q=0", False), ("br, gzip;q=0.5", True)]
)
def test_which_headers_take_gzip(header: str, takes: bool) -> None:
    assert page.takes_gzip(header) is takes


@pytest.mark.parametrize(
    "path", ["nothing.js", "index.html", "..%2fpage.py", "%2e%2e%2fpage.py", "main.js%00", "%2fetc%2fpasswd"]
)
def test_nothing_but_the_list_is_served(client: Client, path: str) -> None:
    assert client.get(f"/static/{_version()}/{path}").status_code == 404


def test_the_page_weighs_little(client: Client) -> None:
    sizes = {name: len(asset.compressed) for name, asset in page.read_page().assets.items()}
    assert sum(sizes.values()) < min(MOST_BYTES_WITHOUT_MAP, MOST_BYTES)


def test_a_change_of_any_file_changes_the_version(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<script src="/static/a.js"></script>')
    (tmp_path / "a.js").write_text("1")
    before = page.read_page(tmp_path)
    (tmp_path / "a.js").write_text("2")
    after = page.read_page(tmp_path)
    assert before.version != after.version
    assert gzip.decompress(after.assets["index.html"].compressed) == after.assets["index.html"].body
    assert f"/static/{after.version}/a.js".encode() in after.assets["index.html"].body


def test_what_the_first_view_imports_is_loaded_at_once() -> None:
    """A module that only its importer names is found one round trip later."""
    needed: set[str] = set()
    waiting = ["main.js", "search.js"]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            text = (page.FOLDER / name).read_text()
            waiting += [first or second for first, second in _IMPORT.findall(text)]
    index = (page.FOLDER / "index.html").read_text()
    preloaded = set(re.findall(r'rel="modulepreload" href="/static/([\w-]+\.js)"', index))
    assert preloaded == needed - {"main.js"}


def test_index_has_neither_scripts_nor_styles_in_it() -> None:
    index = (page.FOLDER / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", index)
    assert not re.search(r"<script(?![^>]*\ssrc=)", index)
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", index)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_modules_are_short_and_make_no_markup_of_text(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < 400
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert not re.search(r"""setAttribute\(["']style["']""", text)
    assert "https://" not in text
