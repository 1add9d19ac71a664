"""The commands of runs and models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zehn.cli import commands
from zehn.cli.parser.arguments import (
    DATASET_HELP,
    SET_HELP,
    add_data_dir,
    add_model,
    add_processes,
    add_settings,
    command,
)


def add_run(subparsers: Any) -> None:
    """Add ``zehn run``."""
    parser = command(
        subparsers,
        "run",
        commands.run,
        "Data, evolution of the model, training, sanity checks, querying and the PDF report, in one run folder; "
        "what is already done is skipped, so the same command goes on after any interruption",
    )
    add_settings(parser)
    add_processes(parser)
    parser.add_argument("--model", metavar="NAME|FILE.h5", help="use this model instead of training one")


def add_data(subparsers: Any) -> None:
    """Add ``zehn data``."""
    parser = subparsers.add_parser("data", help="Get, verify or describe a data set", description="Data sets.")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for name, perform, help_text in (
        ("get", commands.get_data, "Find a data set, or download and check it, and print where it is"),
        ("verify", commands.verify_data, "Check files, shapes, types, range and class counts; exit 1 where one is off"),
        ("info", commands.describe_data, "Print shapes, types, value range and class counts"),
    ):
        action = command(actions, name, perform, help_text)
        action.add_argument("name", metavar="NAME", help=DATASET_HELP)
        add_data_dir(action)


def add_train(subparsers: Any) -> None:
    """Add ``zehn train``."""
    parser = command(
        subparsers, "train", commands.train, "Train a model: curves in TensorBoard, checkpoints, the model as HDF5"
    )
    add_settings(parser)
    add_processes(parser)
    parser.add_argument(
        "--from", dest="start", metavar="NAME|FILE.h5", help="begin with this model's weights instead of from scratch"
    )
    parser.add_argument(
        "--objective",
        action="append",
        metavar="NAME[=WEIGHT]",
        help="what training minimises, instead of the preset's objectives; may be repeated "
        "(all of them: docs/reference/names.md)",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint of this run folder")
    parser.add_argument("--tensorboard", action="store_true", help="open TensorBoard on the run folder meanwhile")


def add_stages(subparsers: Any) -> None:
    """Add the commands that do one stage of a run."""
    for name, perform, help_text in (
        ("check", commands.check, "The sanity checks of a run: reconstructions, pairplot, statistics and map of codes"),
        ("query", commands.query, "The querying experiment of a run: hits by each distance, and how good they are"),
        ("robust", commands.robust, "Go on training a run's model with distorted images; old against new model"),
        ("report", commands.report, "Draw the PDF report of a run, from its folder alone"),
    ):
        parser = command(subparsers, name, perform, help_text)
        parser.add_argument(
            "run", nargs="?", type=Path, metavar="RUN", help="run folder (default: the newest in runs/)"
        )
        if name != "report":
            parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=SET_HELP)
        if name == "query":
            parser.add_argument("--ids", metavar="I,J,…", help="positions of the query images in the test set")
            parser.add_argument("--distances", metavar="NAME,…", help="distances to compare (default: all six)")


def add_evaluate(subparsers: Any) -> None:
    """Add ``zehn evaluate``."""
    parser = command(subparsers, "evaluate", commands.evaluate, "Score a model by the measures of docs/measures.md")
    add_model(parser)
    parser.add_argument("--dataset", default="auto", metavar="NAME", help=DATASET_HELP)
    parser.add_argument("--distance", default="euclidean", help="distance of two codes (default: euclidean)")
    parser.add_argument("--seed", type=int, default=0, help="seed of intervals and random baselines (default: 0)")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|mps", help="where to encode (default: auto)")
    parser.add_argument("--no-baselines", action="store_true", help="leave out the five baselines")
    parser.add_argument("--json", action="store_true", help="print every figure as JSON")
    add_data_dir(parser)


def add_compare(subparsers: Any) -> None:
    """Add ``zehn compare``."""
    parser = command(subparsers, "compare", commands.compare, "Set the figures of two runs side by side")
    parser.add_argument("first", type=Path, metavar="RUN")
    parser.add_argument("second", type=Path, metavar="RUN")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def add_bundle(subparsers: Any) -> None:
    """Add ``zehn bundle``."""
    parser = command(
        subparsers, "bundle", commands.bundle, "One ZIP of what a reader needs to check a run: model, report, source"
    )
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="run folder (default: the newest in runs/)")
    parser.add_argument("--out", type=Path, metavar="FILE.zip", help="where to write it (default: RUN/bundle.zip)")
