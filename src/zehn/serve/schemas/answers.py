"""Answers as the OpenAPI document describes them; the tests hold what is written against it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from zehn.serve.schemas.fields import EXAMPLE_PNG


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
    missing: list[str] = Field(description="Parts of a cluster that did not answer, where partial answers are allowed.")
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

    pictures: list[str] = Field(examples=[[EXAMPLE_PNG]])


class Explanation(BaseModel):
    """Why an image is as near to a query as it is."""

    query_code: list[float]
    hit_code: list[float]
    contributions: list[float] = Field(description="Each number's share of the distance; they sum to 1, or are all 0.")
    query_reconstruction: str = Field(examples=[EXAMPLE_PNG])
    hit_reconstruction: str = Field(examples=[EXAMPLE_PNG])


class Versions(BaseModel):
    """The answers of two models."""

    main: Answer
    robust: Answer | None = Field(description="Null where there is no such model, or it was not asked.")


class Distorted(BaseModel):
    """A picture, what became of it, and what is found with it now."""

    picture: str = Field(description="Distorted, as a data URI.", examples=[EXAMPLE_PNG])
    clean: str = Field(examples=[EXAMPLE_PNG])
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
