"""What stands where a stage of the run is missing."""

from __future__ import annotations

import shlex

from zehn.report.document import Listing, Note, code
from zehn.report.facts import Facts

_LADDER = "evolve"
"""No other stage needs this one, so that only the whole run performs it."""
_OWN_COMMAND = ("query", "robust")
"""Stages that a command of their name performs."""


def note_missing(facts: Facts, stage: str, what: str) -> list[Note | Listing]:
    """Say that a stage was not performed, what is therefore not here, and how to come by it."""
    return [
        Note(
            [
                "The stage ",
                code(stage),
                f" of this run was not performed, so {what}. To perform it and what it needs, with the run's own "
                "settings, and to draw this report again:",
            ],
            tone="missing",
            title="Missing",
        ),
        Listing([remedy(facts, stage)]),
    ]


def remedy(facts: Facts, stage: str) -> str:
    """Return the command line that performs a stage with the run's own settings and draws the report again.

    ``zehn check``, ``zehn query`` and ``zehn robust`` perform what they need before them. The folder's path is
    absolute, so that the command holds wherever the report is read on this machine.
    """
    folder = facts.run.path.resolve()
    path = shlex.quote(str(folder))
    if stage != _LADDER:
        return f"zehn {stage if stage in _OWN_COMMAND else 'check'} {path} && zehn report {path}"
    data_dir = facts.identity.get("data_dir")
    place = f" --data-dir {shlex.quote(str(data_dir))}" if data_dir else ""
    return f"zehn run --config {shlex.quote(str(folder / 'config.toml'))} --out {path}{place}"
