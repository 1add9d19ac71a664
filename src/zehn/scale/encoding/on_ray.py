"""Units of work encoded on a Ray cluster, by Ray Data: actors that hold the model, spread over the nodes.

Every node needs Zehn installed (``pip install 'zehn[scale]'``), the same version, and sees the source and the folder of
codes under the same paths or URLs; the model's file travels through Ray's object store. Ray Data hands out units no
faster than actors take them. A task is not tried again by Ray, which would wait for an actor to come back that has no
place any more: what a node took with it is left for the next round, on the nodes that are there then.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from zehn import plugins
from zehn.errors import ConfigError
from zehn.scale.encoding.defaults import EXTRA
from zehn.scale.encoding.worker import Done, Job, Task, Worker

LOCAL = "local"
"""The address that starts Ray on this machine."""
_PER_ROUND = 10_000
"""Units that Ray Data is given at once; it keeps a block of each."""
_AHEAD = 2
"""Units that lie ready at an actor, the one that it works on among them."""
_SECONDS_TO_ANSWER = 20.0
_SECONDS_WITHOUT_PROGRESS = 4 * 3600.0
"""When Ray Data is stopped for a new round; one large shard may take long."""
_GPU = "cuda"
_SHARES = 10_000
"""A GPU is divided this finely."""


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to a Ray cluster, or start one on this machine, and let go of it in the end.

    Raises:
        ConfigError: there is none at that address.
        MissingExtraError: Ray is not installed.

    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address != LOCAL:  # it writes to standard error what it mends itself
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    ray = plugins.require("ray", EXTRA)
    plugins.require("ray.data", EXTRA)
    if ray.is_initialized():
        yield
        return
    started: dict[str, Any] = {"include_dashboard": False} if address == LOCAL else {}
    try:
        _check_reach(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, **started)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"there is no Ray cluster at {address!r} ({error}); start one with ray start --head, set "
            f"RAY_AUTH_MODE=token if it wants the token in ~/.ray/auth_token, or use --ray {LOCAL}"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def run(tasks: Sequence[Task], job: Job, n_workers: int) -> Iterator[Done]:
    """Yield what came of tasks, as they are done; those that a node or an actor took with it are left out.

    Raises:
        ray.exceptions.RayError: actors do not start, or what came of a task was lost with a node.

    """
    ray, data = plugins.require("ray", EXTRA), plugins.require("ray.data", EXTRA)
    _set_up(data)
    resources = ray.cluster_resources()
    n_actors = n_workers or max(1, int(resources.get("CPU", 1)))
    rows = [{"task": pickle.dumps(task)} for task in tasks[:_PER_ROUND]]
    model = ray.put(job.model_file)
    units = data.from_items(rows, override_num_blocks=len(rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray 2.64 will know no max_task_retries; until then there is no other way
        encoded = units.map_batches(
            _Actor,
            batch_size=1,
            batch_format="numpy",
            fn_constructor_args=(model, replace(job, model_file=b""), version("zehn")),
            compute=data.ActorPoolStrategy(size=min(n_actors, len(rows)), max_tasks_in_flight_per_actor=_AHEAD),
            num_cpus=1,
            num_gpus=_share_of_gpu(resources, n_actors) if job.device == _GPU else None,
            max_task_retries=0,
        )
    for row in encoded.iter_rows():
        yield pickle.loads(row["done"])  # noqa: S301 – from our own actor


def _check_reach(address: str) -> None:
    """Refuse an address at which nobody listens: Ray itself would ask for minutes.

    Raises:
        OSError: nobody listens there.

    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS_TO_ANSWER).close()


def losses() -> tuple[type[Exception], ...]:
    """Return what ends a round without being a reason to stop: the cluster lost something."""
    exceptions, of_data = plugins.require("ray.exceptions", EXTRA), plugins.require("ray.data.exceptions", EXTRA)
    stalled = getattr(of_data, "ExecutionTimeoutError", exceptions.GetTimeoutError)  # Ray 2.5x knows none
    return (exceptions.RayError, stalled)


class _Actor:
    """A worker as Ray Data calls it."""

    def __init__(self, model: Any, job: Job, wanted: str) -> None:
        ray = plugins.require("ray", EXTRA)
        if version("zehn") != wanted:
            raise RuntimeError(f"zehn {wanted} is wanted, this node has {version('zehn')}; install one everywhere")
        node = ray.get_runtime_context().get_node_id()
        self._worker = Worker(replace(job, model_file=ray.get(model)), node)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[bytes]]:
        return {"done": [pickle.dumps(self._worker(pickle.loads(task))) for task in batch["task"]]}  # noqa: S301 – ours


def _share_of_gpu(resources: Mapping[str, float], n_actors: int) -> float:
    """Return the share of a GPU that each actor gets, so that all find room: they decode too, which takes longer.

    Raises:
        ConfigError: the cluster has no GPU.

    """
    n_gpus = int(resources.get("GPU", 0))
    if n_gpus < 1:
        raise ConfigError(f"device {_GPU!r} is asked for, but no node of the Ray cluster has a GPU; use --device cpu")
    per_gpu = -(-n_actors // n_gpus)
    return max(1, _SHARES // per_gpu) / _SHARES


def _set_up(data: Any) -> None:
    """Let Ray Data go on without what was lost, and draw no bars of its own; that it spreads actors is its default."""
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = -1
    context.execution_no_progress_timeout_s = _SECONDS_WITHOUT_PROGRESS
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
