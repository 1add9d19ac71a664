"""How long a query takes is measured in one way for all distances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zehn import distances
from zehn.engines import Index
from zehn.evaluate import scores


@pytest.mark.parametrize("name", ["euclidean", "manhattan"])
def test_even_a_few_queries_are_timed_in_a_tree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    search, had_tree = Index.search, []

    def watched(index: Index, *given: Any, **named: Any) -> Any:
        had_tree.append(index._tree is not None)
        return search(index, *given, **named)

    monkeypatch.setattr(Index, "search", watched)
    trial = scores.make_trial(codes, None, np.arange(3), None, 0)
    assert scores.time_codes(trial, codes, distances.get(name)) > 0
    assert had_tree == [False, True, True, True]
