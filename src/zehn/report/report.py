"""From a run folder to ``report.pdf`` and ``report.json``."""

from __future__ import annotations

from pathlib import Path

from zehn.store import Run


def write_report(run: Run) -> Path:
    """Write ``report.pdf`` and ``report.json`` into a run folder and return the path of the PDF.

    Raises:
        MissingExtraError: typst or matplotlib is not installed.
        RunError: the folder is no run, or cannot be written to.

    """
    raise NotImplementedError
