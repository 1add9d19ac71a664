"""The code blocks of a page, and what stands before them in comments that a reader does not see.

``<!-- not run: REASON -->``
    right before a block: it is not run.
``<!-- before: COMMAND -->``
    right before a block: what a reader is taken to have done already.
``<!-- aside -->``
    right before a block: it starts from an empty home, and what it makes is not seen by the blocks that follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?P<comments>(?:^<!--- *[^\n]*-->\n+|^<!-- *[^\n]*-->\n+)*)^```(?P<info>[^\n]*)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_COMMENT = re.compile(r"<!---? *(?P<text>.*?) *-->")
_OPTION = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    """Of its first line of code, from 1."""
    language: str
    options: dict[str, str]
    code: str
    comments: tuple[str, ...]

    @property
    def is_run(self) -> bool:
        """Whether it can be run, and no comment says otherwise."""
        kept_out = any(text.startswith(("not run:", "skip:")) for text in self.comments)
        return self.language in ("python", "console") and "title" not in self.options and not kept_out

    @property
    def before(self) -> list[str]:
        """What is to be run first."""
        return [text.removeprefix("before: ") for text in self.comments if text.startswith("before: ")]

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The commands of a console block, each with what it is shown to print, "" where that is not shown."""
        found: list[tuple[str, str]] = []
        for line in self.code.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                found.append((re.sub(r"  +# .*", "", line[2:]).strip(), ""))
            elif found:
                found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
        return found


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        language, _, options = match["info"].partition(" ")
        line = text.count("\n", 0, match.start("code")) + 1
        comments = tuple(comment["text"] for comment in _COMMENT.finditer(match["comments"]))
        yield Block(page, line, language, dict(_OPTION.findall(options)), match["code"], comments)
