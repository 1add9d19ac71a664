"""The commands about clusters: ``zehn cluster …``."""

from __future__ import annotations

import dataclasses
import json
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from zehn.cli import tables
from zehn.cli.texts import shown

if TYPE_CHECKING:
    from zehn.scale.cluster import ClusterState, ServerState

_UNKNOWN = "–"


def init(given: Namespace) -> int:
    """``zehn cluster init``."""
    from zehn.scale import cluster

    return _print(cluster.init(given.coordinator, given.shards), given)


def status(given: Namespace) -> int:
    """``zehn cluster status``."""
    from zehn.scale import cluster

    return _print(cluster.status(given.coordinator), given)


def _print(state: ClusterState, given: Namespace) -> int:
    print(json.dumps(_as_json(state), indent=2) if given.json else _table(state))
    for server in state.servers:
        if server.problem:
            print(f"zehn: {shown(f'{server.name} ({server.address}): {server.problem}')}", file=sys.stderr)
    return 0 if state.is_healthy else 1


def _as_json(state: ClusterState) -> dict[str, object]:
    return {**dataclasses.asdict(state), "is_healthy": state.is_healthy}


def _table(state: ClusterState) -> str:
    rows: list[tuple[str, ...]] = [("", "health", "images", "MB", "PostgreSQL", "pgvector", "replicas", "address")]
    rows += [_row(server) for server in state.servers]
    parts = [tables.aligned(rows)]
    if state.collections:
        head = ("collection", "images", "shards", "")
        of_each = [
            (shown(one.name), f"{one.n_images:,}", str(one.n_shards or "none"), _unfinished(one.is_unfinished))
            for one in state.collections
        ]
        parts.append(tables.aligned([head, *of_each]))
    return "\n\n".join(parts)


def _row(server: ServerState) -> tuple[str, ...]:
    n_rows = _UNKNOWN if server.n_rows is None else f"{'about ' if server.is_estimate else ''}{server.n_rows:,}"
    n_bytes = _UNKNOWN if server.n_bytes is None else f"{server.n_bytes / 1e6:,.1f}"
    replicas = ", ".join(f"{one.address} {one.state}, {one.lag_bytes:,} B behind" for one in server.followers)
    return (
        server.name, "ill" if server.problem else "well", n_rows, n_bytes, server.version or _UNKNOWN,
        server.vector_version or _UNKNOWN, replicas or "none", shown(server.address),
    )  # fmt: skip


def _unfinished(is_unfinished: bool) -> str:  # noqa: FBT001
    return "a change is being made, or was cut off; the next one mends it" if is_unfinished else ""
