"""Every command, its options and its help text."""

from __future__ import annotations

import argparse
from typing import Any

from zehn.cli.parser.collections import add_duplicates, add_index, add_search
from zehn.cli.parser.encoding import add_encode
from zehn.cli.parser.pipeline import add_bundle, add_compare, add_data, add_evaluate, add_run, add_stages, add_train
from zehn.cli.parser.serving import add_cluster, add_serve

__all__ = ["build_parser"]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the ``zehn`` command with all its sub-commands."""
    parser = argparse.ArgumentParser(
        prog="zehn",
        description="Ten numbers for every image, learnt without labels: see what they mean, and find look-alikes.",
        epilog="Start with: zehn run --preset quick. Every command explains itself with --help.",
    )
    parser.add_argument("--version", action=_Version, help="print the version and leave")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    add_run(subparsers)
    add_data(subparsers)
    add_train(subparsers)
    add_stages(subparsers)
    add_evaluate(subparsers)
    add_encode(subparsers)
    add_compare(subparsers)
    add_bundle(subparsers)
    add_index(subparsers)
    add_search(subparsers)
    add_duplicates(subparsers)
    add_serve(subparsers)
    add_cluster(subparsers)
    return parser


class _Version(argparse.Action):
    """Prints the version; looked up only when asked for, because that takes time."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(nargs=0, **keywords)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"zehn {version('zehn')}")
        parser.exit()
