"""Arguments that several commands have."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zehn.collection import defaults

DATASET_HELP = "cifar10, digits, fashion_mnist, folder:PATH, or auto (CIFAR-10 if it can be had, else digits)"
SET_HELP = (
    "change one setting, such as train.epochs=12 or model.architecture=conv; may be repeated "
    "(all settings: docs/reference/settings.md)"
)


def command(subparsers: Any, name: str, perform: Callable[..., int], help_text: str) -> argparse.ArgumentParser:
    """Add a command that a function performs, and return its parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=help_text, description=f"{help_text}.")
    parser.set_defaults(perform=perform)
    return parser


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add what says from which images and settings a run is made."""
    parser.add_argument("--dataset", metavar="NAME", help=DATASET_HELP)
    parser.add_argument(
        "--preset", metavar="NAME", help="smoke (minutes), quick (default), standard (an hour), full (as what ships)"
    )
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="settings from a TOML file, over the preset")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=SET_HELP)
    parser.add_argument("--seed", type=int, help="seed of everything that is random (default: 0)")
    parser.add_argument("--device", metavar="auto|cpu|cuda|mps", help="where to compute (default: auto)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/DATASET-PRESET)")
    add_data_dir(parser)


def add_processes(parser: argparse.ArgumentParser) -> None:
    """Add how many processes train."""
    parser.add_argument(
        "--devices", type=int, metavar="M", help="train by so many processes on each node, one a GPU (default: 1)"
    )
    parser.add_argument(
        "--nodes", type=int, metavar="N", help="train on so many nodes; give the same command on each (default: 1)"
    )
    parser.add_argument("--node-rank", type=int, metavar="R", help="with --nodes: which of them this is, from 0")
    parser.add_argument(
        "--master", metavar="HOST:PORT", help="with --nodes: an address of node 0 that all of them reach"
    )


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """Add where data sets lie."""
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="look for data sets here first, then in $ZEHN_DATA"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add which model."""
    parser.add_argument(
        "--model", required=True, metavar="NAME|FILE.h5", help="a model that ships, or the path of a model file"
    )


def add_json(parser: Any) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print as JSON")


def add_distance(parser: argparse.ArgumentParser) -> None:
    """Add by which distance."""
    parser.add_argument(
        "--distance",
        default=defaults.DISTANCE,
        metavar="NAME",
        help="euclidean, cosine, manhattan, chebyshev, mahalanobis, correlation (default: %(default)s)",
    )


def add_where(parser: argparse.ArgumentParser) -> None:
    """Add a filter."""
    parser.add_argument("--where", metavar="FILTER", help="such as \"label = 'cat' and width >= 640\"")
