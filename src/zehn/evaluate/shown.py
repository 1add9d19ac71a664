"""The distorted queries that a reader looks at, with the hits of both models.

Each is distorted by a seed that is its own id, so that the same image can be made again from the data set and the
figures alone. Their clean originals are in the database and may be among the hits: that they are found is the aim.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Int64, UInt8

from zehn import codes as coding
from zehn.datasets import Dataset
from zehn.errors import InputError
from zehn.evaluate.answers import SIDES, Side
from zehn.evaluate.distortions import GENERATORS, NOISE, PERSPECTIVE, SHOWN_STRENGTHS, Questions
from zehn.evaluate.scores import hits

Bytes = UInt8[np.ndarray, "n h w 3"]
Shown = Sequence[tuple[int, str, float]]
"""The id of each query, what is done to it, and how strongly."""


def shown_queries(dataset: Dataset, robust: dict[str, Any]) -> Bytes:
    """Return the distorted images (n, H, W, 3) that the hits under "queries" were found with, in their order.

    Args:
        dataset: The one that was compared on.
        robust: What :func:`compare_robustness` returned.

    Raises:
        InputError: another data set, which has no such test image, or no queries to show.

    """
    rows = robust["queries"]
    wrong = [row["id"] for row in rows if not dataset.n_train <= row["id"] < dataset.n_train + dataset.n_test]
    if wrong or not rows:
        raise InputError(
            f"expected queries that are test images of {dataset.name}, came {f'id {wrong[0]}' if wrong else 'none'}; "
            "give the data set that the models were compared on"
        )
    return _distort_shown(dataset, [(row["id"], row["kind"], row["strength"]) for row in rows])


def choose_shown(ids: Int64[np.ndarray, " q"], asked: Questions) -> Shown:
    """Return ids from all over the queries, each with what is done to it: the first half noise, then perspective."""
    n_all = min(asked.n_shown, len(ids))
    ways = [
        (kind, _nearest(strengths, SHOWN_STRENGTHS[kind]))
        for kind, strengths in ((NOISE, asked.noise), (PERSPECTIVE, asked.perspective))
        if len(strengths)
    ]
    spread = ids[np.linspace(0, len(ids) - 1, n_all).astype(np.int64)]
    in_turn = np.concatenate([spread[first :: len(ways)] for first in range(len(ways))]) if ways else spread[:0]
    return [(int(query), *ways[place * len(ways) // n_all]) for place, query in enumerate(in_turn)]


def _nearest(strengths: Sequence[float], wanted: float) -> float:
    return float(min(strengths, key=lambda strength: abs(strength - wanted)))


def _distort_shown(dataset: Dataset, shown: Sequence[tuple[int, str, float]]) -> Bytes:
    images = (dataset.x_test[query - dataset.n_train] for query, _, _ in shown)
    return np.stack(
        [
            next(GENERATORS[kind](image[None], strength, seed=query))[0]
            for image, (query, kind, strength) in zip(images, shown, strict=True)
        ]
    )


def show(
    sides: dict[str, Side],
    dataset: Dataset,
    shown: Shown,
    n_hits: int,
    device: str,
) -> list[dict[str, Any]]:
    """Return "queries" of a comparison; the schema is in :mod:`zehn.evaluate`."""
    if not shown:
        return []
    views, labels = _distort_shown(dataset, shown), dataset.labels
    found = {
        name: _list_hits(side, coding.encode(side.model, views, device=device), labels, shown, n_hits)
        for name, side in sides.items()
    }
    return [
        {
            "id": query,
            "label": None if labels is None else int(labels[query]),
            "class_name": None if labels is None else _name_class(dataset, int(labels[query])),
            "kind": kind,
            "strength": strength,
            **{name: found[name][place] for name in SIDES},
        }
        for place, (query, kind, strength) in enumerate(shown)
    ]


def _list_hits(
    side: Side,
    codes: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " _"] | None,
    shown: Shown,
    n_hits: int,
) -> list[list[dict[str, Any]]]:
    """Ask with the shown queries as if they were images that came later, so that their originals can be hits."""
    n_all, ids = len(side.codes), np.array([query for query, _, _ in shown])
    return hits(
        np.concatenate([side.codes, codes.astype(side.codes.dtype)]),
        None if labels is None else np.concatenate([labels, labels[ids]]),
        n_all + np.arange(len(ids)),
        np.arange(n_all),
        distance=side.distance.name,
        n_hits=n_hits,
        model=side.model,
    )


def _name_class(dataset: Dataset, label: int) -> str:
    return dataset.class_names[label] if label < len(dataset.class_names) else str(label)
