"""The figures of each class for itself, in the main protocol."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Int64

from zehn.evaluate.ranking import Values
from zehn.measures import Resamples
from zehn.measures.names import OF_CLASSES


def score_classes(
    values: Values, classes: Int64[np.ndarray, " q"], names: Sequence[str], resamples: Resamples
) -> list[dict[str, Any]]:
    """Return "classes" of an evaluation: the means over the queries of each class that has any, by label.

    The schema is in :mod:`zehn.evaluate`. A class without a name goes by its number.

    Args:
        values: Each query's values by measure.
        classes: The queries' classes.
        names: Names by class.
        resamples: How many resamples to draw of each class's queries, and their seed.

    """
    resamples_of = cache(resamples.resized)  # classes are often of one size
    measured = [name for name in OF_CLASSES if name in values]
    rows = []
    for label in np.unique(classes).tolist():
        own = classes == label
        intervals = resamples_of(int(own.sum())).intervals({name: values[name][own] for name in measured})
        scores = {name: intervals[name].as_dict() if name in intervals else None for name in OF_CLASSES}
        name = names[label] if label < len(names) else str(label)
        rows.append({"label": label, "name": name, "n_queries": int(own.sum()), **scores})
    return rows
