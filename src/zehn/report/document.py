"""What a report is made of: sections of blocks. Plain data, which the template sets and nothing else interprets.

A text is a sequence of spans: plain strings (never read as markup), :func:`strong`, :func:`code`, and :func:`ref`,
which becomes "Figure 3" or "Table 2".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Span = str | dict[str, str]
Text = Sequence[Span]


def strong(text: str) -> Span:
    """Set a text in bold."""
    return {"strong": text}


def code(text: str) -> Span:
    """Set a text in a typewriter face."""
    return {"code": text}


def ref(label: str) -> Span:
    """Refer to a figure or a table by its label."""
    return {"ref": label}


@dataclass(frozen=True)
class Heading:
    """The title of a part of a section."""

    text: str
    kind: str = field(default="heading", init=False)


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    spans: Text
    kind: str = field(default="text", init=False)


@dataclass(frozen=True)
class Note:
    """A text that must not be overlooked."""

    spans: Text
    tone: Literal["warning", "missing", "good"] = "warning"
    title: str = ""
    kind: str = field(default="note", init=False)


@dataclass(frozen=True)
class Items:
    """A list of texts, each with a term in front."""

    items: Sequence[tuple[str, Text]]
    kind: str = field(default="items", init=False)


@dataclass(frozen=True)
class Cell:
    """A table's cell: a text, and a smaller one below it."""

    text: str
    small: str = ""
    strong: bool = False
    code: bool = False


Rows = list[list[Cell | str]]


@dataclass(frozen=True)
class Table:
    """A table with a numbered caption. Columns after the first are numbers unless ``words`` names them."""

    label: str
    caption: Text
    head: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    words: Sequence[int] = (0,)
    """Columns that hold words: set flush left."""
    marked: Sequence[int] = ()
    """Rows that stand out."""
    ruled: Sequence[int] = ()
    """Rows above which a rule is drawn."""
    widths: Sequence[float] = ()
    """Shares of the page's width; without them a column is as wide as what it holds."""
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Picture:
    """A figure with a numbered caption."""

    label: str
    path: Path
    caption: Text
    alt: str
    """What it shows, for who cannot see it."""
    width: float = 1.0
    """Share of the page's width."""
    turned: bool = False
    """Whether it has a page of its own, turned on its side."""
    kind: str = field(default="picture", init=False)


@dataclass(frozen=True)
class Listing:
    """Text as it is in a file, in a typewriter face."""

    columns: Sequence[str]
    """The text, cut into columns."""
    kind: str = field(default="listing", init=False)


Block = Heading | Paragraph | Note | Items | Table | Picture | Listing


@dataclass(frozen=True)
class Section:
    """A numbered section, or an appendix."""

    title: str
    blocks: Sequence[Block]
    appendix: bool = False

    @property
    def fresh(self) -> bool:
        """Whether it begins on a new page: those that show something do."""
        return self.appendix or any(isinstance(block, Picture | Table) for block in self.blocks)


@dataclass(frozen=True)
class Title:
    """The first page."""

    kicker: str
    title: str
    subtitle: str
    meta: Sequence[str]
    alarm: Text
    """What has to be said loudly, or nothing."""
    picture: Picture | None
    verdict: Text
    table: Table | None
    facts: Sequence[tuple[str, str]]
    """Names and values of what else belongs there."""
    definitions: Sequence[tuple[str, str]]
    """Terms and what they mean, for the second page."""


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: Title
    sections: Sequence[Section]
    running: str
    """What stands at the head of every page."""


def pictures(document: Document) -> list[Picture]:
    """Return every picture of a document in order."""
    own = [document.title.picture] if document.title.picture else []
    return own + [block for section in document.sections for block in section.blocks if isinstance(block, Picture)]


def to_plain(document: Document, names: dict[Path, str]) -> dict[str, Any]:
    """Return a document as JSON data; ``names`` says what each picture's file is called for the template.

    References to what the document does not hold are left out.
    """
    blocks = [block for section in document.sections for block in section.blocks]
    labels = {block.label for block in blocks if isinstance(block, Picture | Table)}
    plain = dataclasses.asdict(document)
    for section, own in zip(plain["sections"], document.sections, strict=True):
        section["fresh"] = own.fresh
    return _plain(plain, names, labels)


def _plain(value: Any, names: dict[Path, str], labels: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item, names, labels) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, names, labels) for item in value if not _dangles(item, labels)]
    return names[value] if isinstance(value, Path) else value


def _dangles(item: Any, labels: set[str]) -> bool:
    return isinstance(item, dict) and set(item) == {"ref"} and item["ref"] not in labels
