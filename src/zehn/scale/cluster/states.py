"""What is told of a cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Follower:
    """A streaming replica, as the server that it follows sees it."""

    address: str
    state: str
    """PostgreSQL's word: "streaming" where all is well."""
    lag_bytes: int
    """How much of what was written it has not replayed yet."""


@dataclass(frozen=True)
class ServerState:
    """How a server of a cluster is."""

    name: str
    """"coordinator", or "shard 0" and so on."""
    address: str
    """Without a password."""
    problem: str
    """What is wrong; empty where all is well."""
    version: str = ""
    vector_version: str = ""
    n_rows: int | None = None
    """Images that lie there, of all collections; None where that cannot be told."""
    is_estimate: bool = False
    """Whether the rows are PostgreSQL's estimate, because counting them takes too long."""
    n_bytes: int | None = None
    followers: tuple[Follower, ...] = ()


@dataclass(frozen=True)
class CollectionState:
    """A collection of a cluster."""

    name: str
    n_images: int
    n_shards: int
    """0 where it lies on the coordinator."""
    is_unfinished: bool
    """Whether a change was cut off, or is being made."""


@dataclass(frozen=True)
class ClusterState:
    """How a cluster is."""

    servers: tuple[ServerState, ...]
    """The coordinator, then the shards by number."""
    collections: tuple[CollectionState, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether every server answers."""
        return not any(server.problem for server in self.servers)
