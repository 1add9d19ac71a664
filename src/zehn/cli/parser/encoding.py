"""The command ``zehn encode``."""

from __future__ import annotations

from typing import Any

from zehn.cli import encoding
from zehn.cli.parser.arguments import add_data_dir, add_json, command
from zehn.collection import defaults
from zehn.scale.encoding import defaults as bulk


def add_encode(subparsers: Any) -> None:
    """Add ``zehn encode``."""
    parser = command(
        subparsers,
        "encode",
        encoding.encode,
        "Write the codes of a data set or a folder of images to a file; or, with a folder as --out, of any number of "
        "images to part files, on this machine or on a Ray cluster: what is done is skipped, so that the same command "
        "goes on after any interruption",
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="data set, folder:PATH, or the path of a folder; with a folder as --out a folder, a pattern, tar shards, "
        "Parquet files, or a URL of these such as s3://bucket/photos/",
    )
    parser.add_argument(
        "--model",
        metavar="NAME|FILE.h5",
        help=f"a model that ships, or the path of a model file (default: the one of --into, else {defaults.MODEL})",
    )
    parser.add_argument(
        "--out", required=True, metavar="FILE|FOLDER/", help="a .npz, .h5 or .parquet file; or a folder"
    )
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|mps", help="where to compute")
    add_data_dir(parser)
    _add_encode_in_bulk(parser.add_argument_group("with a folder as --out"))


def _add_encode_in_bulk(group: Any) -> None:
    group.add_argument(
        "--ray", metavar="ADDRESS", help="encode on a Ray cluster: auto, host:port, or local to start Ray here"
    )
    group.add_argument(
        "--workers", type=int, metavar="N", help="processes here, or actors there (default: one per processor)"
    )
    group.add_argument("--into", metavar="COLLECTION", help="then load the codes into this collection")
    group.add_argument(
        "--batch",
        type=int,
        default=bulk.BATCH,
        metavar="N",
        help="images in a part file, at most (default: %(default)s)",
    )
    group.add_argument(
        "--fit", metavar="crop|stretch|pad", help=f"as in index create (default: that of --into, else {defaults.FIT})"
    )
    group.add_argument("--column", default="", metavar="NAME", help="which column of Parquet files holds the images")
    group.add_argument("--retry-skipped", action="store_true", help="try again what could not be read")
    add_json(group)
