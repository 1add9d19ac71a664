"""Write docs/reference/commands.md: what ``--help`` of every command says.

    python scripts/commands.py

A test fails where the page is not what this would write.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from zehn.cli import build_parser

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "commands.md"
WIDTH = "96"


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """Return the page as markdown."""
    os.environ["COLUMNS"] = WIDTH  # argparse's help is as wide as the terminal
    parts = [
        "# Commands",
        "",
        "What `--help` says, written by `make docs-commands` and checked by a test. Exit codes: 0 all is well; 1 a",
        "check (`verify`, `status`) found something; 2 a mistake, told in one line; 130 interrupted.",
        "",
    ]
    for parser in parsers(build_parser()):
        depth = "#" * min(len(parser.prog.split()) + 1, 4)
        parts += [f"{depth} {parser.prog}", "", "```text", parser.format_help().rstrip(), "```", ""]
    return "\n".join(parts)


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of its sub-commands, in the order of the help."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from parsers(child)


if __name__ == "__main__":
    main()
