"""From a run folder to ``report.pdf`` and ``report.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from zehn.plugins import require
from zehn.report.document import Document, Note, Paragraph, Section
from zehn.report.facts import Facts, gather
from zehn.store import Run, write_atomically

PDF_NAME, JSON_NAME = "report.pdf", "report.json"
_KINDS = {"fig": "Figure", "tab": "Table"}
"""What a label is of, by its beginning."""


def write_report(run: Run) -> Path:
    """Write ``report.pdf`` and ``report.json`` into a run folder and return the path of the PDF.

    Everything in them comes from the run folder; a stage that is missing is said to be missing. ``report.json`` holds
    every number of the run, the headline figures and the sentences of the report. The same run folder gives the same
    bytes.

    Raises:
        MissingExtraError: typst or matplotlib is not installed.
        RunError: a file of the run is damaged, or the folder cannot be written to.

    """
    require("typst", "report")
    require("matplotlib", "report")
    from zehn.report import sections
    from zehn.report.gallery import Gallery
    from zehn.report.typesetting import typeset

    facts = gather(run)
    with TemporaryDirectory(prefix="zehn-report-") as scratch:
        drawings, page = Path(scratch) / "drawings", Path(scratch) / "page"
        drawings.mkdir()
        page.mkdir()
        gallery = Gallery(facts, drawings)
        running = f"Zehn · {facts.dataset} · {facts.identity.get('preset', '')}".rstrip(" ·")
        document = Document(sections.build_title(facts, gallery), sections.build_sections(facts, gallery), running)
        pdf = typeset(document, page, facts.started)
    run.write_json(JSON_NAME, _collect(facts, document, sections.headline(facts)))
    return write_atomically(run.path / PDF_NAME, pdf)


def _collect(facts: Facts, document: Document, headline: list[dict[str, Any]]) -> dict[str, Any]:
    """Return everything that ``report.json`` holds."""
    return {
        "title": document.title.title,
        "dataset": facts.dataset,
        "stands_in": facts.stands_in,
        "headline": headline,
        "verdict": _plain_text(document.title.verdict),
        "findings": {section.title: _findings(section) for section in document.sections if not section.appendix},
        "missing": list(facts.missing),
        "run": facts.identity,
        "stages": facts.stages,
        "config": facts.config,
        "data": facts.data,
        "evolve": facts.evolve,
        "train": {"history": facts.history, "layers": facts.layers},
        "check": facts.check,
        "query": facts.query,
        "robust": {"comparison": facts.robust, "history": facts.retraining},
    }


def _findings(section: Section) -> list[str]:
    texts = [_plain_text(block.spans) for block in section.blocks if isinstance(block, Paragraph | Note)]
    return [text for text in texts if text]


def _plain_text(spans: Any) -> str:
    text = "".join(span if isinstance(span, str) else _plain(span) for span in spans)
    return text.replace("\u200b", "").replace("\u00a0", " ").strip()


def _plain(span: Mapping[str, str]) -> str:
    """Return a span as text; a figure or a table, which has no number outside the PDF, goes by its label."""
    if "ref" in span:
        kind, name = span["ref"].split(":", 1)
        return f"{_KINDS[kind]} “{name}”"
    return span.get("strong") or span.get("code") or ""
