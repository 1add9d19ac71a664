"""What comes and goes over HTTP: bodies that are checked, answers as they are described.

Answers are plain dictionaries, written by orjson as they are: the models say in the OpenAPI document what is in them,
and the tests hold the one against the other.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from dataclasses import asdict
from io import BytesIO
from typing import Annotated, Any

import numpy as np
import orjson
from fastapi import Response, UploadFile
from jaxtyping import UInt8
from pydantic import BaseModel, ConfigDict, Field, model_validator

from zehn import distances
from zehn.collection import Hit as FoundHit
from zehn.collection import defaults
from zehn.engines import Record as StoredRecord
from zehn.serve.background import Task
from zehn.serve.problems import as_text
from zehn.serve.service import Found
from zehn.serve.settings import Settings
from zehn.serve.shelves import Info as ShelfInfo

JSON = "application/json"
LARGEST_ID = 2**53 - 1
"""What JavaScript's numbers hold exactly."""
LARGEST_SEED = 2**32 - 1
_LARGEST_NUMBER = 1e15
_MOST_DIMENSIONS = 4_096
_EXAMPLE_CODE = [0.31, -1.2, 0.07, 2.4, -0.8, 0.5, 1.1, -0.02, 0.9, -1.7]
_EXAMPLE_PNG = "data:image/png;base64,iVBORw0KGgo="

Id = Annotated[int, Field(ge=0, le=LARGEST_ID, description="Of an image; never given again.")]
Number = Annotated[float, Field(ge=-_LARGEST_NUMBER, le=_LARGEST_NUMBER, allow_inf_nan=False)]
Code = Annotated[
    list[Number],
    Field(
        min_length=1,
        max_length=_MOST_DIMENSIONS,
        fail_fast=True,  # of thousands of mistakes, the first tells enough
        description="As many numbers as the model has; see `n_components`.",
    ),
]
K = Annotated[int, Field(ge=1, le=Settings.max_k, description="How many hits.")]
DistanceName = Annotated[
    str, Field(max_length=40, description="By what images are near.", json_schema_extra={"enum": distances.names()})
]
Where = Annotated[
    str | None,
    Field(
        max_length=2_000,
        description="A filter over label, path, id, width, height, size, added and mtime.",
        examples=["label = 'cat' and width >= 640"],
    ),
]
Version = Annotated[
    str,
    Field(
        max_length=40,
        description="`robust` asks the model that was retrained with distorted images; empty the collection's own.",
        json_schema_extra={"enum": ["", "robust"]},
    ),
]


def _either(*examples: dict[str, Any]) -> ConfigDict:
    """Say in the OpenAPI document that a body has an id or a code, and show some."""
    either: list[Any] = [{"required": ["id"]}, {"required": ["code"]}]
    return ConfigDict(json_schema_extra={"oneOf": either, "examples": list(examples)})


class _Body(BaseModel):
    """A body that comes: a name that is not known is a mistake, not nothing."""

    model_config = ConfigDict(extra="forbid", strict=True)


class IdOrCode(_Body):
    """What is asked about: an image that is there, or a code."""

    id: Id | None = None
    code: Code | None = None

    @model_validator(mode="after")
    def _check_one(self) -> IdOrCode:
        if (self.id is None) == (self.code is None):
            raise ValueError("expected either id or code")
        return self


class Search(IdOrCode):
    """A search by the id of an image, or by a code."""

    k: K = 10
    distance: DistanceName = defaults.DISTANCE
    where: Where = None
    approximate: Annotated[bool, Field(description="Answer sooner with what may not be all of the nearest.")] = False
    version: Version = ""
    reconstruct: Annotated[bool, Field(description="Add what the query's code kept, as a picture.")] = False

    model_config = _either({"id": 12, "k": 5}, {"code": _EXAMPLE_CODE})


class Explain(IdOrCode):
    """A query and one of its hits."""

    hit: Id
    distance: DistanceName = defaults.DISTANCE

    model_config = _either({"id": 12, "hit": 7})


class Distances(IdOrCode):
    """What all images are to be compared with."""

    distance: DistanceName = defaults.DISTANCE

    model_config = _either({"id": 12, "distance": "cosine"})


class Decode(_Body):
    """Codes that pictures are wanted of."""

    codes: Annotated[list[Code], Field(min_length=1, max_length=Settings.max_codes, fail_fast=True)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"codes": [[*_EXAMPLE_CODE]]}]})


class Create(_Body):
    """A collection that is to be made."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_ .-]{0,62}$", examples=["holidays"])]
    model: Annotated[str, Field(max_length=64, description="One that ships with Zehn.")] = "cifar10"


class Token(_Body):
    """What is known to who may read."""

    token: Annotated[str, Field(max_length=1_000)]


Files = Annotated[list[UploadFile], Field(min_length=1, description="Image files; JPEG, PNG, WebP, BMP, TIFF or GIF.")]


class _Form(BaseModel):
    """A form that comes; its fields are text."""

    model_config = ConfigDict(extra="forbid")


class UploadSearch(_Form):
    """Images that look-alikes are wanted of."""

    files: Files
    k: K = 10
    distance: DistanceName = defaults.DISTANCE
    where: Where = None
    approximate: bool = False
    version: Version = ""
    reconstruct: bool = False


class UploadEncode(_Form):
    """Images that codes are wanted of."""

    files: Files


class UploadAdd(_Form):
    """Images that are to be added."""

    files: Files
    label: Annotated[str | None, Field(max_length=200)] = None


class UploadDistort(_Form):
    """An image, uploaded or one that is there, and how much it is to suffer."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"oneOf": [{"required": ["file"]}, {"required": ["id"]}]}
    )
    file: UploadFile | None = None
    id: Id | None = None
    noise: Annotated[float, Field(ge=0, le=0.5, description="Standard deviation, on pixels from 0 to 1.")] = 0.0
    perspective: Annotated[
        float, Field(ge=0, le=1, description="How far the corners move inwards, of half a side.")
    ] = 0.0
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    k: K = 10
    distance: DistanceName = defaults.DISTANCE
    robust: Annotated[bool, Field(description="Ask the robust model too, where there is one.")] = True

    @model_validator(mode="after")
    def _check_one(self) -> UploadDistort:
        if (self.id is None) == (self.file is None):
            raise ValueError("expected either file or id")
        return self


class ProblemDetails(BaseModel):
    """Why a request could not be done (RFC 9457)."""

    type: str = Field(examples=["urn:zehn:InputError"])
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    detail: str = Field(description="What was expected, what came, and what to do.")
    instance: str = Field(description="The request; the log has its id too.", examples=["urn:zehn:request:5f2c0d"])
    errors: list[Mistake] | None = Field(None, description="The fields that are wrong.")


class Mistake(BaseModel):
    """A field that is wrong."""

    where: str
    what: str


class Health(BaseModel):
    """Whether the service lives."""

    status: str = Field(examples=["ok"])


class Info(BaseModel):
    """What there is to know of a collection or a run."""

    name: str
    kind: str = Field(description="`collection` or `run`.", json_schema_extra={"enum": ["collection", "run"]})
    n_images: int
    n_components: int = Field(description="How many numbers a code has.")
    image_size: int = Field(description="Side of the squares that the model sees, in pixels.")
    model: str
    fingerprint: str = Field(description="Of the model; codes of two models must never meet.")
    labels: dict[str, int] = Field(description="How many images have each label; those without one are left out.")
    distances: list[str]
    writable: bool
    has_versions: bool = Field(description="Whether there is a version of the model that was retrained.")
    code_low: list[float] = Field(description="Of each number of the codes, what 1 % lie below.")
    code_high: list[float]
    code_mean: list[float]
    state: str = Field(description="Changes whenever anything else does.")


class Collections(BaseModel):
    """Everything that is served."""

    collections: list[Info]


class Hit(BaseModel):
    """One answer to a query."""

    id: int
    rank: int = Field(description="From 1.")
    distance: float
    percentile: float | None = Field(
        description="Per cent of the collection's pairs of images that are farther apart; null below two images."
    )
    path: str = Field(description="As text; what is no UTF-8 is replaced.")
    label: str | None


class Query(BaseModel):
    """What was asked about."""

    id: int | None
    code: list[float]
    label: str | None
    path: str | None
    reconstruction: str | None = Field(description="What the code kept, as a data URI.")


class Answer(BaseModel):
    """The nearest images of one query, nearest first."""

    query: Query
    distance: str
    k: int
    n_images: int
    recall: float = Field(description="Share of the true hits that such a search finds; 1 where it is exact.")
    hits: list[Hit]


class Answers(BaseModel):
    """One answer for each file, in their order."""

    answers: list[Answer]


class Codes(BaseModel):
    """Codes, and of which model."""

    codes: list[list[float]]
    fingerprint: str


class Pictures(BaseModel):
    """Pictures as data URIs, in the order of the codes."""

    pictures: list[str] = Field(examples=[[_EXAMPLE_PNG]])


class Explanation(BaseModel):
    """Why an image is as near to a query as it is."""

    query_code: list[float]
    hit_code: list[float]
    contributions: list[float] = Field(description="Each number's share of the distance; they sum to 1, or are all 0.")
    query_reconstruction: str = Field(examples=[_EXAMPLE_PNG])
    hit_reconstruction: str = Field(examples=[_EXAMPLE_PNG])


class Versions(BaseModel):
    """The answers of two models."""

    main: Answer
    robust: Answer | None = Field(description="Null where there is no such model, or it was not asked.")


class Distorted(BaseModel):
    """A picture, what became of it, and what is found with it now."""

    picture: str = Field(description="Distorted, as a data URI.", examples=[_EXAMPLE_PNG])
    clean: str = Field(examples=[_EXAMPLE_PNG])
    answers: Versions


class TaskState(BaseModel):
    """How far a piece of work is that takes minutes."""

    state: str = Field(json_schema_extra={"enum": ["absent", "running", "done", "failed"]})
    n_done: int
    n: int = Field(description="Of how many; 0 where that is not known yet.")
    error: str | None = Field(description="Why it failed.")


class MapState(TaskState):
    """How far the map is; an older one may be there meanwhile."""

    has: bool = Field(description="Whether there are points to read.")
    is_current: bool = Field(description="Whether they are of the collection as it is now.")
    labels: list[str] = Field(description="What the points' labels stand for.")


class Record(BaseModel):
    """What is known of an image."""

    id: int
    path: str = Field(description="As text; what is no UTF-8 is replaced.")
    label: str | None
    width: int
    height: int
    size: int = Field(description="Bytes of its file.")
    sha256: str = Field(description="Of its file, in hexadecimal; empty where there was none to read.")
    mtime: float = Field(description="When the file was last changed, in seconds since 1970.")
    added: str = Field(description="UTC.", examples=["2026-01-31T12:00:00Z"])


class RecordWithCode(Record):
    """What is known of an image, its code too."""

    code: list[float]


class Images(BaseModel):
    """A page of images, by ascending id."""

    images: list[Record]
    next: int | None = Field(description="Ask with this as `after` for the next page; null at the end.")


class Ids(BaseModel):
    """Images by chance."""

    ids: list[int]


class Skipped(BaseModel):
    """A file that cannot be used."""

    name: str
    reason: str


class Added(BaseModel):
    """What came of files that were to be added."""

    ids: list[int] = Field(description="Of the images that are there now.")
    n_added: int
    n_unchanged: int
    skipped: list[Skipped]


class Named(BaseModel):
    """A figure and what it is called."""

    name: str
    value: str


class Stage(BaseModel):
    """A stage of a run."""

    name: str
    done: bool
    seconds: float | None
    finished: str | None


class RunSummary(BaseModel):
    """What a run found, in short."""

    name: str
    dataset: str
    preset: str
    seed: int
    started: str
    verdict: str
    headline: list[Named]
    stages: list[Stage]
    has_report: bool


class Runs(BaseModel):
    """The runs that are there."""

    runs: list[RunSummary]


class Epoch(BaseModel):
    """What was measured in an epoch, by the images that it was measured on."""

    epoch: int
    seconds: float | None
    train: dict[str, float | None] | None
    validation: dict[str, float | None] | None
    test: dict[str, float | None] | None
    distorted: dict[str, Any] | None


class Part(BaseModel):
    """A training, `train` or, with distorted images, `robust`."""

    name: str
    best_epoch: int | None
    epochs: list[Epoch]


class History(BaseModel):
    """The trainings of a run; none where its model was given."""

    parts: list[Part]


class Comparison(BaseModel):
    """How the distances compare; none of them where that was not done."""

    distances: list[str]
    scores: dict[str, Any] = Field(description="Of each distance: measures with their intervals, and its cost.")
    overlap: dict[str, Any] = Field(description="Share of hits that two distances have in common.")
    recommendation: str


class Figures(BaseModel):
    """The pictures of a run."""

    figures: list[Figure]


class Figure(BaseModel):
    """A picture of a run, read as one of its files."""

    name: str
    title: str


def as_json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer, written as JSON; NaN becomes null."""
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), status, headers, JSON)


def answer_of(
    found: Found,
    *,
    distance: str,
    k: int,
    id: int | None = None,  # noqa: A002
    reconstruction: str | None = None,
) -> dict[str, Any]:
    """Return what was found for one query as :class:`Answer` describes it."""
    path, label = found.shown if found.shown is not None else (None, None)
    return {
        "query": {
            "id": id,
            "code": found.code,
            "label": None if label is None else as_text(label),
            "path": None if path is None else as_text(path),
            "reconstruction": reconstruction,
        },
        "distance": distance,
        "k": k,
        "n_images": found.n_images,
        "recall": found.hits[0].recall if found.hits else 1.0,
        "hits": [_hit(hit) for hit in found.hits],
    }


def _hit(hit: FoundHit) -> dict[str, Any]:
    return {
        "id": hit.id,
        "rank": hit.rank,
        "distance": hit.distance,
        "percentile": None if math.isnan(hit.percentile) else hit.percentile,
        "path": as_text(hit.path),
        "label": None if hit.label is None else as_text(hit.label),
    }


def info_of(info: ShelfInfo) -> dict[str, Any]:
    """Return what :class:`Info` describes."""
    return asdict(info) | {"labels": {as_text(label): n_images for label, n_images in info.labels.items()}}


def record_of(record: StoredRecord) -> dict[str, Any]:
    """Return what :class:`Record` describes."""
    return {
        "id": record.id,
        "path": record.path.decode("utf-8", "replace"),
        "label": None if record.label is None else as_text(record.label),
        "width": record.width,
        "height": record.height,
        "size": record.size,
        "sha256": record.sha256.hex(),
        "mtime": record.mtime_ns / 1e9,
        "added": record.added,
    }


def task_of(task: Task) -> dict[str, Any]:
    """Return what :class:`TaskState` describes."""
    return {"state": task.state, "n_done": task.n_done, "n": task.n, "error": as_text(task.error) or None}


def data_uri(picture: UInt8[np.ndarray, "h w 3"]) -> str:
    """Return a picture as a PNG within an address."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def data_uris(pictures: Iterable[UInt8[np.ndarray, "_ _ 3"]]) -> list[str]:
    """Return pictures as :func:`data_uri` does."""
    return [data_uri(picture) for picture in pictures]
