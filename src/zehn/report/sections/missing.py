"""What stands where a stage of the run is missing."""

from __future__ import annotations

from zehn.report.document import Note, code
from zehn.report.facts import Facts

_COMMANDS = {"train": "zehn train --out", "check": "zehn check", "query": "zehn query"}


def note_missing(facts: Facts, stage: str, what: str) -> Note:
    """Say that a stage was not run, what is therefore not here, and how to come by it."""
    command = f"{_COMMANDS.get(stage, 'zehn run --out')} {facts.run.path.name}"
    return Note(
        [
            "The stage ",
            code(stage),
            f" of this run was not performed, so {what}. To perform it: ",
            code(command),
        ],
        tone="missing",
        title="Missing",
    )
