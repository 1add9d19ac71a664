"""Bodies and forms that come, checked before anything is done."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field, model_validator

from zehn.collection import defaults
from zehn.serve.schemas.fields import EXAMPLE_CODE, LARGEST_SEED, Code, DistanceName, Id, K, Version, Where
from zehn.serve.settings import Settings


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

    model_config = _either({"id": 12, "k": 5}, {"code": EXAMPLE_CODE})


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

    model_config = ConfigDict(json_schema_extra={"examples": [{"codes": [[*EXAMPLE_CODE]]}]})


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
