"""Every command, its options and its help text."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zehn.cli import clusters, collections, commands, encoding, serving
from zehn.collection import defaults
from zehn.scale.encoding import defaults as bulk

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
    _add_index(subparsers)
    _add_search(subparsers)
    _add_duplicates(subparsers)
    _add_serve(subparsers)
    _add_cluster(subparsers)
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
    _add_processes(parser)
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


def _add_processes(parser: argparse.ArgumentParser) -> None:
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
    _add_processes(parser)
    parser.add_argument(
        "--from", dest="start", metavar="NAME|FILE.h5", help="begin with this model's weights instead of from scratch"
    )
    parser.add_argument(
        "--objective",
        action="append",
        metavar="NAME[=WEIGHT]",
        help="what training minimises, instead of the preset's objectives; may be repeated",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint of this run folder")
    parser.add_argument("--tensorboard", action="store_true", help="open TensorBoard on the run folder meanwhile")


def _add_stages(subparsers: Any) -> None:
    for name, perform, help_text in (
        ("check", commands.check, "The sanity checks of a run: reconstructions, pairplot, statistics and map of codes"),
        ("query", commands.query, "The querying experiment of a run: hits by each distance, and how good they are"),
        ("robust", commands.robust, "Go on training a run's model with distorted images; old against new model"),
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
    parser = _command(
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
    _add_data_dir(parser)
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
        default=bulk.Options.batch,
        metavar="N",
        help="images in a part file, at most (default: %(default)s)",
    )
    group.add_argument(
        "--fit", metavar="crop|stretch|pad", help=f"as in index create (default: that of --into, else {defaults.FIT})"
    )
    group.add_argument("--column", default="", metavar="NAME", help="which column of Parquet files holds the images")
    group.add_argument("--retry-skipped", action="store_true", help="try again what could not be read")
    _add_json(group)


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


def _add_index(subparsers: Any) -> None:
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
            _add_json(action)
    action = _collection_command(
        actions,
        "reencode",
        collections.reencode,
        "Encode all images anew with another model; the old codes serve until it is done, an interruption goes on",
    )
    action.add_argument("--model", metavar="NAME|FILE.h5|train", help="the new model; none goes on with what was begun")
    for name, perform, help_text in (
        ("backup", collections.backup, "Write a consistent copy to a new file, also while the collection is in use"),
        ("export", collections.export, "Write paths, labels, codes and so on to a .parquet or .npz file"),
        ("import", collections.import_codes, "Add what export or zehn encode wrote"),
    ):
        action = _collection_command(actions, name, perform, help_text)
        action.add_argument("file", type=Path, metavar="FILE", help="the file to write or read")
    _add_index_copy(actions)
    _add_index_prepare(actions)
    _command(actions, "list", collections.list_collections, "List the collections that have a name")


def _add_index_prepare(actions: Any) -> None:
    parser = _collection_command(
        actions,
        "prepare",
        collections.prepare,
        "Make the index for approximate searches by a distance, where an engine keeps one; it may take long, once",
    )
    _add_distance(parser)


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
    parser = _command(actions, name, perform, help_text)
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
    _add_json(parser)


def _add_json(parser: Any) -> None:
    parser.add_argument("--json", action="store_true", help="print as JSON")


def _add_search(subparsers: Any) -> None:
    parser = _command(subparsers, "search", collections.search, "Find the images of a collection that look most alike")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="the images asked about")
    parser.add_argument("--collection", metavar="NAME", help="which collection (default: the only one there is)")
    parser.add_argument(
        "--k", type=int, default=defaults.N_HITS, metavar="N", help="how many hits (default: %(default)s)"
    )
    _add_distance(parser)
    _add_where(parser)
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
    _add_json(parser)
    parser.add_argument("--paths-only", action="store_true", help="print the hits' paths and nothing else, one a line")


def _add_duplicates(subparsers: Any) -> None:
    parser = _command(
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
    _add_distance(parser)
    _add_where(parser)
    _add_json(parser)


def _add_serve(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "serve",
        serving.serve,
        "Search by looking: a page in the browser, and a REST service, over collections and runs",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME|RUN",
        help="collections by name or path, and run folders (default: the newest run in runs/ and all collections)",
    )
    parser.add_argument("--host", metavar="HOST", help="address to listen on (default: 127.0.0.1, this machine alone)")
    parser.add_argument("--port", type=int, metavar="N", help="port to listen on (default: 8010; 0: any free one)")
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="who sends the token in it may add and remove images (default: $ZEHN_TOKEN; without one nobody may); "
        "needed with any --host that other machines reach, then for reading too",
    )
    parser.add_argument(
        "--cors-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="another site whose pages may use the service, such as https://example.org; may be given several times",
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open the page in the browser")
    parser.add_argument("--log-level", metavar="LEVEL", help="debug, info (default), warning or error")


def _add_cluster(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "cluster",
        help="Make several PostgreSQL servers one engine, and see how they are",
        description="Clusters: PostgreSQL servers over which collections are spread.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for name, perform, help_text in (
        (
            "init",
            clusters.init,
            "Make a coordinator and shards a cluster, or change which servers its shards are; what is so already stays",
        ),
        ("status", clusters.status, "Health, images, bytes and replicas of every server; exit 1 where one is ill"),
    ):
        action = _command(actions, name, perform, help_text)
        action.add_argument(
            "--coordinator", required=True, metavar="URL", help="such as postgresql://user@host:5432/database"
        )
        if name == "init":
            action.add_argument(
                "--shard", dest="shards", action="append", required=True, metavar="URL", help="given once for each"
            )
        _add_json(action)


def _add_distance(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--distance",
        default=defaults.DISTANCE,
        metavar="NAME",
        help="euclidean, cosine, manhattan, chebyshev, mahalanobis, correlation (default: %(default)s)",
    )


def _add_where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--where", metavar="FILTER", help="such as \"label = 'cat' and width >= 640\"")
