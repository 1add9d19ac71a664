"""The commands of collections."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zehn.cli import collections
from zehn.cli.parser.arguments import add_distance, add_json, add_where, command
from zehn.collection import defaults


def add_index(subparsers: Any) -> None:
    """Add ``zehn index``."""
    parser = subparsers.add_parser(
        "index",
        help="Make and keep a collection of your own images, to search by image",
        description="Collections: your own images, their codes and what is known of them, in one file each.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _add_index_create(actions)
    _add_index_changes(actions)
    for name, perform, help_text in (
        ("info", collections.info, "Print what there is to know of a collection"),
        ("verify", collections.verify, "Check a collection from end to end; exit 1 where something is wrong"),
        ("compact", collections.compact, "Give back the room on disk that removed images took"),
    ):
        action = _collection_command(actions, name, perform, help_text)
        if name == "info":
            add_json(action)
    action = _collection_command(
        actions,
        "reencode",
        collections.reencode,
        "Encode all images anew with another model; the old codes serve until it is done, an interruption goes on",
    )
    either = action.add_mutually_exclusive_group()
    either.add_argument("--model", metavar="NAME|FILE.h5|train", help="the new model; none goes on with what was begun")
    either.add_argument("--abandon", action="store_true", help="forget what was begun; the old codes stay")
    for name, perform, help_text in (
        ("backup", collections.backup, "Write a consistent copy to a new file, also while the collection is in use"),
        ("export", collections.export, "Write paths, labels, codes and so on to a .parquet or .npz file"),
        ("import", collections.import_codes, "Add what export or zehn encode wrote"),
    ):
        action = _collection_command(actions, name, perform, help_text)
        action.add_argument("file", type=Path, metavar="FILE", help="the file to write or read")
    _add_index_copy(actions)
    _add_index_prepare(actions)
    command(actions, "list", collections.list_collections, "List the collections that have a name")


def _add_index_prepare(actions: Any) -> None:
    parser = _collection_command(
        actions,
        "prepare",
        collections.prepare,
        "Make the index for approximate searches by a distance, where an engine keeps one; it may take long, once",
    )
    add_distance(parser)


def _add_index_copy(actions: Any) -> None:
    parser = _collection_command(
        actions,
        "copy",
        collections.copy,
        "Copy a collection to another place or engine, and check the copy by count and checksum; the same command goes "
        "on after any interruption, and brings a copy up to date",
    )
    parser.add_argument(
        "target", metavar="TO", help="a name, a path, or postgresql://user@host/database?collection=NAME"
    )


def _collection_command(
    actions: Any, name: str, perform: Callable[..., int], help_text: str
) -> argparse.ArgumentParser:
    parser = command(actions, name, perform, help_text)
    parser.add_argument("name", metavar="NAME", help="a collection's name, the path of its .zehn file, or its URL")
    return parser


def _add_index_create(actions: Any) -> None:
    parser = _collection_command(
        actions, "create", collections.create, "Make an empty collection; zehn index add fills it"
    )
    parser.add_argument(
        "--model",
        default=defaults.MODEL,
        metavar="NAME|FILE.h5|train",
        help="a model that ships (default: %(default)s), a model file, or train: train one on the first images added",
    )
    parser.add_argument(
        "--fit",
        default=defaults.FIT,
        metavar="crop|stretch|pad",
        help="how oblong images become squares (default: %(default)s)",
    )
    parser.add_argument(
        "--thumbnail-size",
        type=int,
        default=defaults.THUMBNAIL_SIZE,
        metavar="N",
        help="longest side in pixels (default: %(default)s; 0: none)",
    )
    parser.add_argument(
        "--engine", metavar="URL", help="keep it in a database, such as postgresql://me@host/images; NAME leads there"
    )
    # these two are a run's, whose home takes long to load
    parser.add_argument(
        "--n-components", type=int, metavar="N", help="with --model train: latent neurons (default: as a run, 10)"
    )
    parser.add_argument(
        "--preset", metavar="NAME", help="with --model train: smoke, quick (default), standard, full, as for a run"
    )


def _add_index_changes(actions: Any) -> None:
    parser = _collection_command(
        actions,
        "add",
        collections.add,
        "Add images, and folders with all below them; what is there and unchanged is passed over, so the same command "
        "goes on after any interruption",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="an image, or a folder with all below it")
    parser.add_argument(
        "--labels", metavar="folder", help="folder: the first folder below the one that is added is an image's label"
    )
    _add_thorough(parser)
    parser = _collection_command(
        actions, "update", collections.update, "Bring a collection up to date with its folders: new, changed, gone"
    )
    _add_thorough(parser)
    parser = _collection_command(
        actions,
        "remove",
        collections.remove,
        "Forget images (the files stay); update brings back those that lie in a folder that was added",
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="an image, or a folder with all below it")
    parser.add_argument("--ids", metavar="I,J,…", help="images by their ids")


def _add_thorough(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--thorough", action="store_true", help="read every file, whatever its size and time say")
    add_json(parser)


def add_search(subparsers: Any) -> None:
    """Add ``zehn search``."""
    parser = command(subparsers, "search", collections.search, "Find the images of a collection that look most alike")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="the images asked about")
    parser.add_argument("--collection", metavar="NAME", help="which collection (default: the only one there is)")
    parser.add_argument(
        "--k", type=int, default=defaults.N_HITS, metavar="N", help="how many hits (default: %(default)s)"
    )
    add_distance(parser)
    add_where(parser)
    parser.add_argument(
        "--approximate", action="store_true", help="answer sooner with what may not be all; the recall is stated"
    )
    parser.add_argument(
        "--allow-partial",
        action="store_true",
        help="where the collection lies on several servers and some do not answer, search the others and say so",
    )
    parser.add_argument(
        "--explain", action="store_true", help="say which dimensions set query and hit apart, show what codes kept"
    )
    parser.add_argument(
        "--show", nargs="?", const="", metavar="FILE.png", help="draw the hits into a PNG, or in the terminal"
    )
    add_json(parser)
    parser.add_argument("--paths-only", action="store_true", help="print the hits' paths and nothing else, one a line")


def add_duplicates(subparsers: Any) -> None:
    """Add ``zehn duplicates``."""
    parser = command(
        subparsers, "duplicates", collections.duplicates, "Find copies and near-duplicates in a collection, or in two"
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a collection (default: the only one there is)")
    parser.add_argument("other", nargs="?", metavar="OTHER", help="find what of NAME is in this collection too")
    parser.add_argument(
        "--threshold", type=float, metavar="D", help="greatest distance of two codes (default: the thumbnails decide)"
    )
    parser.add_argument(
        "--max-difference",
        type=float,
        default=defaults.MAX_DIFFERENCE,
        metavar="X",
        help="greatest difference of two thumbnails, 0 to 1 (default: %(default)s; 1 does not look at them)",
    )
    add_distance(parser)
    add_where(parser)
    add_json(parser)
