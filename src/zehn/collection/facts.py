"""What a collection says of itself."""

from __future__ import annotations

import os
from typing import Any

from zehn.collection import upkeep
from zehn.engines import Engine

_TOLD = ("model", "fingerprint", "fit", "thumbnail_size", "created")


def info(engine: Engine, name: str) -> dict[str, Any]:
    """Return what there is to know; see :meth:`Collection.info`."""
    facts, state = engine.facts(), engine.reencoding()
    return {
        "name": name,
        **engine.info(),
        "n_components": engine.n_components,
        "labels": engine.count_labels(),
        **{name: facts.get(name, "") for name in _TOLD},
        "folders": [os.fsdecode(source.path) for source in upkeep.folders_of(engine)],
        "reencoding": None
        if state is None
        else {"fingerprint": state.fingerprint, "n_done": state.n_done, "n_left": state.n_left},
    }
