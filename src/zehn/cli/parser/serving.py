"""The commands about servers: ``zehn serve`` and ``zehn cluster``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zehn.cli import clusters, serving
from zehn.cli.parser.arguments import add_json, command


def add_serve(subparsers: Any) -> None:
    """Add ``zehn serve``."""
    parser = command(
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


def add_cluster(subparsers: Any) -> None:
    """Add ``zehn cluster``."""
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
        action = command(actions, name, perform, help_text)
        action.add_argument(
            "--coordinator", required=True, metavar="URL", help="such as postgresql://user@host:5432/database"
        )
        if name == "init":
            action.add_argument(
                "--shard", dest="shards", action="append", required=True, metavar="URL", help="given once for each"
            )
        add_json(action)
