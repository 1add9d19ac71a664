"""What was found, as it is answered."""

from __future__ import annotations

import numpy as np

from zehn.collection import Hit
from zehn.serve import schemas
from zehn.serve.service import Found


def test_an_answer_says_what_was_not_searched() -> None:
    hit = Hit(7, "/photos/7.jpg", 1, 0.5, "euclidean", float("nan"), None, missing=("shard 2 does not answer",))
    found = Found(np.zeros(2, np.float32), [hit], 30)
    answer = schemas.answer_of(found, distance="euclidean", k=1)
    assert answer["missing"] == ["shard 2 does not answer"]
    assert answer["hits"][0]["percentile"] is None
    assert schemas.answer_of(Found(found.code, [], 0), distance="euclidean", k=1)["missing"] == []
