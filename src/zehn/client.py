"""A client of the service that ``zehn serve`` runs, here or on another machine."""

from __future__ import annotations

import base64
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from zehn.errors import (
    BusyError,
    CollectionError,
    ConfigError,
    DataError,
    ImageError,
    InputError,
    MissingExtraError,
    ModelFileError,
    RunError,
    ZehnError,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_URL = "http://127.0.0.1:8010"
DEFAULT_SECONDS = 60.0
_EXTRA = "serve"
_ROOT = "/api/v1"
_KIND = "urn:zehn:"
_NAMED: Mapping[str, type[ZehnError]] = {
    kind.__name__: kind
    for kind in (ConfigError, InputError, DataError, ImageError, CollectionError, BusyError, ModelFileError, RunError)
} | {"UnknownNameError": ConfigError}
_BY_STATUS: Mapping[int, type[ZehnError]] = {
    401: ConfigError, 403: ConfigError, 404: DataError, 409: CollectionError, 413: InputError, 415: InputError,
    422: InputError, 503: BusyError,
}  # fmt: skip
"""What an answer means whose type does not say it."""

Made = TypeVar("Made")
Picture = Any
"""A path, the bytes of a file, an array (H, W, 3) of uint8 or of floating point in [0, 1], or a Pillow image."""


@dataclass(frozen=True)
class Info:
    """What there is to know of a collection or a run."""

    name: str
    kind: str
    """``collection`` or ``run``."""
    n_images: int
    n_components: int
    image_size: int
    model: str
    fingerprint: str
    labels: Mapping[str, int]
    distances: Sequence[str]
    writable: bool
    has_versions: bool
    state: str


@dataclass(frozen=True)
class Query:
    """What was asked about."""

    id: int | None
    code: Sequence[float]
    label: str | None
    path: str | None


@dataclass(frozen=True)
class Hit:
    """One answer to a query."""

    id: int
    rank: int
    """From 1."""
    distance: float
    percentile: float | None
    """Per cent of the collection's pairs of images that are farther apart; None below two images."""
    path: str
    label: str | None


@dataclass(frozen=True)
class Answer:
    """The nearest images of one query, nearest first."""

    query: Query
    hits: Sequence[Hit]
    distance: str
    k: int
    n_images: int
    recall: float
    """Share of the true hits that such a search finds; 1 where it is exact."""
    missing: Sequence[str] = ()
    """Parts of a cluster that did not answer, where partial answers are allowed."""


@dataclass(frozen=True)
class Image:
    """What is known of an image of a collection."""

    id: int
    path: str
    label: str | None
    width: int
    height: int
    size: int
    sha256: str
    mtime: float
    added: str


@dataclass(frozen=True)
class Added:
    """What came of images that were to be added."""

    ids: Sequence[int]
    n_added: int
    n_unchanged: int
    skipped: Sequence[Mapping[str, str]]
    """Each with ``name`` and ``reason``."""


class Client:
    """Asks a service; a context manager that closes its connections.

    Each method raises, with the sentence that the service gives: InputError for an id that is not there and for what
    cannot be asked, ConfigError for a name or a filter that is none and for a token that is missing or wrong,
    ImageError for what is no image, CollectionError for what cannot be written, BusyError when the service has too much
    to do; and ZehnError where it cannot be reached.
    """

    def __init__(self, url: str = DEFAULT_URL, token: str = "", *, seconds: float = DEFAULT_SECONDS) -> None:
        """Say where the service is.

        Args:
            url: Its address, as ``zehn serve`` prints it.
            token: Needed for writing, and for reading over the network.
            seconds: How long to wait for an answer.

        Raises:
            MissingExtraError: httpx is not installed.
            ConfigError: an address that is none.

        """
        try:
            import httpx
        except ImportError as error:
            raise MissingExtraError("httpx", _EXTRA) from error
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"expected an address such as {DEFAULT_URL}, came {url!r}")
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._errors = (httpx.HTTPError, httpx.InvalidURL)
        self._http = httpx.Client(base_url=self.url + _ROOT, headers=headers, timeout=seconds)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def is_ready(self) -> bool:
        """Return whether searches are answered at once."""
        try:
            self._ask("GET", "/ready")
        except BusyError:
            return False
        return True

    def collections(self) -> list[Info]:
        """Return what is served, collections and runs."""
        return [_made(Info, one) for one in self._ask("GET", "/collections")["collections"]]

    def collection(self, name: str) -> Info:
        """Return what there is to know of one."""
        return _made(Info, self._ask("GET", _at(name)))

    def create(self, name: str, model: str = "cifar10") -> Info:
        """Make an empty collection."""
        return _made(Info, self._ask("POST", "/collections", json={"name": name, "model": model}))

    def search(
        self,
        collection: str,
        image: Picture = None,
        *,
        id: int | None = None,  # noqa: A002
        code: Sequence[float] | NDArray[np.floating[Any]] | None = None,
        k: int = 10,
        distance: str = "euclidean",
        where: str | None = None,
        approximate: bool = False,
    ) -> Answer:
        """Return the images nearest to a picture, to an image of the collection, or to a code.

        Args:
            collection: Its name.
            image: A path, the bytes of a file, an array (H, W, 3) or a Pillow image.
            id: Of an image that is there, instead; it is left out of the answer.
            code: As :meth:`encode` returns it, instead.
            k: How many hits.
            distance: One of those that :meth:`collection` lists.
            where: A filter such as ``label = 'cat' and width >= 640``.
            approximate: Answer sooner with what may not be all of the nearest.

        """
        if sum(one is not None for one in (image, id, code)) != 1:
            raise InputError("expected one of image, id and code, came none or several")
        if image is not None:
            return self.search_images(
                collection, [image], k=k, distance=distance, where=where, approximate=approximate
            )[0]
        asked: dict[str, Any] = {"k": k, "distance": distance, "where": where, "approximate": approximate}
        if id is not None:
            asked["id"] = int(id)
        if code is not None:
            asked["code"] = [float(number) for number in code]
        return _answer(self._ask("POST", f"{_at(collection)}/search", json=asked))

    def search_images(
        self,
        collection: str,
        images: Sequence[Picture],
        *,
        k: int = 10,
        distance: str = "euclidean",
        where: str | None = None,
        approximate: bool = False,
    ) -> list[Answer]:
        """Return an answer for each of several pictures; see :meth:`search`."""
        asked = {"k": k, "distance": distance, "where": where or "", "approximate": approximate}
        answers = self._ask("POST", f"{_at(collection)}/search/upload", files=_files(images), data=asked)
        return [_answer(one) for one in answers["answers"]]

    def encode(self, collection: str, images: Sequence[Picture]) -> NDArray[np.float32]:
        """Return the codes (n, d) of pictures, as the collection's model makes them."""
        import numpy as np

        answer = self._ask("POST", f"{_at(collection)}/encode", files=_files(images), data={})
        return np.array(answer["codes"], np.float32)

    def decode(self, collection: str, codes: Sequence[Sequence[float]] | NDArray[Any]) -> NDArray[np.uint8]:
        """Return the images (n, H, W, 3) that the model's decoder sees in codes (n, d)."""
        import numpy as np

        asked = {"codes": [[float(number) for number in code] for code in codes]}
        pictures = self._ask("POST", f"{_at(collection)}/decode", json=asked)["pictures"]
        return np.stack([_read(base64.b64decode(picture.partition(",")[2])) for picture in pictures])

    def images(self, collection: str, *, where: str | None = None, page: int = 1_000) -> Iterator[Image]:
        """Yield the record of each image by ascending id: path, label, size, …; :meth:`picture` has the pixels."""
        asked: dict[str, Any] = {"limit": page} | ({} if where is None else {"where": where})
        after: int | None = -1
        while after is not None:
            answer = self._ask("GET", f"{_at(collection)}/images", params=asked | {"after": after})
            yield from (_made(Image, one) for one in answer["images"])
            after = answer["next"]

    def image(self, collection: str, id: int) -> Image:  # noqa: A002
        """Return the record of one image: path, label, size, …; :meth:`picture` has the pixels."""
        return _made(Image, self._ask("GET", f"{_at(collection)}/images/{int(id)}"))

    def code(self, collection: str, id: int) -> NDArray[np.float32]:  # noqa: A002
        """Return the code (d,) of one image."""
        import numpy as np

        return np.array(self._ask("GET", f"{_at(collection)}/images/{int(id)}")["code"], np.float32)

    def picture(self, collection: str, id: int, *, max_side: int | None = None) -> NDArray[np.uint8]:  # noqa: A002
        """Return the pixels of an image (H, W, 3), at most so many a side; a thumbnail may do."""
        asked = {} if max_side is None else {"max_side": max_side}
        return _read(self._ask("GET", f"{_at(collection)}/images/{int(id)}/picture", params=asked))

    def add(self, collection: str, images: Sequence[Picture], *, label: str | None = None) -> Added:
        """Add pictures; the service keeps them."""
        asked = {} if label is None else {"label": label}
        return _made(Added, self._ask("POST", f"{_at(collection)}/images", files=_files(images), data=asked))

    def remove(self, collection: str, id: int) -> None:  # noqa: A002
        """Forget an image."""
        self._ask("DELETE", f"{_at(collection)}/images/{int(id)}")

    def _ask(self, method: str, path: str, **what: Any) -> Any:
        """Return what an answer holds: JSON as Python's own, anything else as bytes."""
        try:
            answer = self._http.request(method, path, **what)
        except self._errors as error:
            raise ZehnError(
                f"the service at {self.url} does not answer ({error}); start it with zehn serve, or name another url"
            ) from error
        kind = answer.headers.get("content-type", "").partition(";")[0]
        try:
            content = answer.json() if kind.endswith("json") else answer.content
        except ValueError as error:
            raise ZehnError(f"what {self.url} answers cannot be read; is it a Zehn service?") from error
        if answer.is_success:
            return content
        raise _error(answer.status_code, content if isinstance(content, dict) else {})


def _at(collection: str) -> str:
    return f"/collections/{quote(collection, safe='')}"


def _error(status: int, problem: Mapping[str, Any]) -> ZehnError:
    """Return the error that an answer stands for: of the class that the service raised, where it says so."""
    detail = str(problem.get("detail") or f"the service answered {status}")
    kind = _NAMED.get(str(problem.get("type", "")).removeprefix(_KIND), _BY_STATUS.get(status, ZehnError))
    return kind(detail)


def _made(kind: type[Made], content: Mapping[str, Any]) -> Made:
    """Return a dataclass of those fields that it has; a newer service may send more."""
    names = {one.name for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in content.items() if name in names})


def _answer(content: Mapping[str, Any]) -> Answer:
    hits = [_made(Hit, hit) for hit in content["hits"]]
    return _made(Answer, {**content, "query": _made(Query, content["query"]), "hits": hits})


def _files(images: Sequence[Picture]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", _file(image)) for image in images]


def _file(image: Picture) -> tuple[str, bytes]:
    """Return what a picture is called, and the bytes of its file."""
    if isinstance(image, bytes | bytearray | memoryview):
        return "image", bytes(image)
    if isinstance(image, str | os.PathLike):
        path = Path(os.fsdecode(image)).expanduser()
        try:
            return path.name, path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}; name an image file") from error
    return "image.png", _png(image)


def _png(image: Any) -> bytes:
    from PIL import Image as Pillow

    buffer = BytesIO()
    try:
        (image if hasattr(image, "save") else Pillow.fromarray(_bytes(image))).save(buffer, "PNG")
    except (TypeError, ValueError, OSError) as error:
        raise InputError(
            f"expected a path, a file's bytes, an array (H, W, 3) or a Pillow image, came {type(image).__name__}"
        ) from error
    return buffer.getvalue()


def _bytes(image: Any) -> NDArray[np.uint8]:
    import numpy as np

    given = np.asarray(image)
    if np.issubdtype(given.dtype, np.floating):
        if not (given.min() >= 0 and given.max() <= 1):
            raise ValueError("floating point outside [0, 1]")
        given = np.rint(given * 255).astype(np.uint8)
    if given.dtype != np.uint8:
        raise TypeError("no bytes")
    return given


def _read(data: bytes) -> NDArray[np.uint8]:
    import numpy as np
    from PIL import Image as Pillow

    with Pillow.open(BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))
