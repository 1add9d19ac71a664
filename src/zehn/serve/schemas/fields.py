"""Fields that several bodies and answers have, with their bounds and how they are described."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zehn import distances
from zehn.serve.settings import Settings

LARGEST_ID = 2**53 - 1
"""What JavaScript's numbers hold exactly."""
LARGEST_SEED = 2**32 - 1
_LARGEST_NUMBER = 1e15
MOST_DIMENSIONS = 4_096
EXAMPLE_CODE = [0.31, -1.2, 0.07, 2.4, -0.8, 0.5, 1.1, -0.02, 0.9, -1.7]
EXAMPLE_PNG = "data:image/png;base64,iVBORw0KGgo="

Id = Annotated[int, Field(ge=0, le=LARGEST_ID, description="Of an image; never given again.")]
Number = Annotated[float, Field(ge=-_LARGEST_NUMBER, le=_LARGEST_NUMBER, allow_inf_nan=False)]
Code = Annotated[
    list[Number],
    Field(
        min_length=1,
        max_length=MOST_DIMENSIONS,
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
