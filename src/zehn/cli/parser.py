"""Every command, its options and its help text."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zehn.cli import commands

_DATASET_HELP = "cifar10, digits, fashion_mnist, folder:PATH, or auto (CIFAR-10 if it can be had, else digits)"
_SET_HELP = "change one setting, such as train.epochs=12 or model.architecture=conv; may be repeated"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the ``zehn`` command with all its sub-commands."""
    parser = argparse.ArgumentParser(
        prog="zehn",
        description="Ten numbers for every image, learnt without labels: see what they mean, and find look-alikes.",
        epilog="Start with: zehn run --preset quick. Every command explains itself with --help.",
    )
    parser.add_argument("--version", action=_Version, help="print the version and leave")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_run(subparsers)
    _add_data(subparsers)
    _add_train(subparsers)
    _add_stages(subparsers)
    _add_evaluate(subparsers)
    _add_encode(subparsers)
    _add_compare(subparsers)
    _add_bundle(subparsers)
    return parser


class _Version(argparse.Action):
    """Prints the version; looked up only when asked for, because that takes time."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(nargs=0, **keywords)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"zehn {version('zehn')}")
        parser.exit()


def _command(subparsers: Any, name: str, perform: Callable[..., int], help_text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=help_text, description=f"{help_text}.")
    parser.set_defaults(perform=perform)
    return parser


def _add_run(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "run",
        commands.run,
        "Data, evolution of the model, training, sanity checks, querying and the PDF report, in one run folder; "
        "what is already done is skipped, so the same command goes on after any interruption",
    )
    _add_settings(parser)
    parser.add_argument("--model", metavar="NAME|FILE.h5", help="use this model instead of training one")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", metavar="NAME", help=_DATASET_HELP)
    parser.add_argument(
        "--preset", metavar="NAME", help="smoke (minutes), quick (default), standard (an hour), full (as what ships)"
    )
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="settings from a TOML file, over the preset")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=_SET_HELP)
    parser.add_argument("--seed", type=int, help="seed of everything that is random (default: 0)")
    parser.add_argument("--device", metavar="auto|cpu|cuda|mps", help="where to compute (default: auto)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/DATASET-PRESET)")
    _add_data_dir(parser)


def _add_data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="look for data sets here first, then in $ZEHN_DATA"
    )


def _add_data(subparsers: Any) -> None:
    parser = subparsers.add_parser("data", help="Get, verify or describe a data set", description="Data sets.")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for name, perform, help_text in (
        ("get", commands.get_data, "Find a data set, or download and check it, and print where it is"),
        ("verify", commands.verify_data, "Check files, shapes, types, range and class counts; exit 1 where one is off"),
        ("info", commands.describe_data, "Print shapes, types, value range and class counts"),
    ):
        action = _command(actions, name, perform, help_text)
        action.add_argument("name", metavar="NAME", help=_DATASET_HELP)
        _add_data_dir(action)


def _add_train(subparsers: Any) -> None:
    parser = _command(
        subparsers, "train", commands.train, "Train a model: curves in TensorBoard, checkpoints, the model as HDF5"
    )
    _add_settings(parser)
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint of this run folder")
    parser.add_argument("--tensorboard", action="store_true", help="open TensorBoard on the run folder meanwhile")


def _add_stages(subparsers: Any) -> None:
    for name, perform, help_text in (
        ("check", commands.check, "The sanity checks of a run: reconstructions, pairplot, statistics and map of codes"),
        ("query", commands.query, "The querying experiment of a run: hits by each distance, and how good they are"),
        ("report", commands.report, "Draw the PDF report of a run, from its folder alone"),
    ):
        parser = _command(subparsers, name, perform, help_text)
        parser.add_argument(
            "run", nargs="?", type=Path, metavar="RUN", help="run folder (default: the newest in runs/)"
        )
        if name != "report":
            parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=_SET_HELP)
        if name == "query":
            parser.add_argument("--ids", metavar="I,J,…", help="positions of the query images in the test set")
            parser.add_argument("--distances", metavar="NAME,…", help="distances to compare (default: all six)")


def _add_evaluate(subparsers: Any) -> None:
    parser = _command(subparsers, "evaluate", commands.evaluate, "Score a model by the measures of the protocol")
    _add_model(parser)
    parser.add_argument("--dataset", default="auto", metavar="NAME", help=_DATASET_HELP)
    parser.add_argument("--distance", default="euclidean", help="distance of two codes (default: euclidean)")
    parser.add_argument("--seed", type=int, default=0, help="seed of intervals and random baselines (default: 0)")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|mps", help="where to encode (default: auto)")
    parser.add_argument("--no-baselines", action="store_true", help="leave out the five baselines")
    parser.add_argument("--json", action="store_true", help="print every figure as JSON")
    _add_data_dir(parser)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", required=True, metavar="NAME|FILE.h5", help="a model that ships, or the path of a model file"
    )


def _add_encode(subparsers: Any) -> None:
    parser = _command(subparsers, "encode", commands.encode, "Write the codes of a data set or of a folder of images")
    parser.add_argument("source", metavar="SOURCE", help="data set, folder:PATH, or the path of a folder")
    _add_model(parser)
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="a .npz, .h5 or .parquet file")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|mps", help="where to compute")
    _add_data_dir(parser)


def _add_compare(subparsers: Any) -> None:
    parser = _command(subparsers, "compare", commands.compare, "Set the figures of two runs side by side")
    parser.add_argument("first", type=Path, metavar="RUN")
    parser.add_argument("second", type=Path, metavar="RUN")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def _add_bundle(subparsers: Any) -> None:
    parser = _command(
        subparsers, "bundle", commands.bundle, "One ZIP of what a reader needs to check a run: model, report, source"
    )
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="run folder (default: the newest in runs/)")
    parser.add_argument("--out", type=Path, metavar="FILE.zip", help="where to write it (default: RUN/bundle.zip)")
