"""Several processes for one training: begun from here by torchrun, or by whoever began this one."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zehn.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from zehn.config import Config
    from zehn.train.ranks import Ranks

_LAUNCHED = "ZEHN_LAUNCHED"
"""The process that began this one, if this module did: it is left to that one to complain."""
_NOTE_PATH = "TORCHELASTIC_ERROR_FILE"
"""Where torchrun wants a process to write down what went wrong."""
_FIRST_PORT, _N_PORTS = 15_000, 10_000
"""Where processes meet that Slurm began, if it says nothing: a port that follows from the number of the job."""
_INTERRUPTED = 130
_LOOK_SECONDS = 1.0


def must_launch(given: Namespace) -> bool:
    """Say whether the command asks for processes that nobody has begun yet.

    Raises:
        ConfigError: numbers of nodes and devices that make no sense.

    """
    n_nodes, n_devices = _numbers(given)
    if min(n_nodes, n_devices) < 1:
        raise ConfigError(f"--nodes and --devices count from 1, came {n_nodes} and {n_devices}")
    if is_one_of_several(os.environ):
        n_begun = int(os.environ["WORLD_SIZE"])
        if (given.nodes, given.devices) != (None, None) and n_nodes * n_devices != n_begun:
            raise ConfigError(
                f"--nodes {n_nodes} --devices {n_devices} are {n_nodes * n_devices} processes, and torchrun or Slurm "
                f"began {n_begun}; leave both out"
            )
        return False
    _check_place(given, n_nodes)
    return n_nodes * n_devices > 1


def is_one_of_several(environ: MutableMapping[str, str]) -> bool:
    """Say whether torchrun or Slurm's srun began this process as one of several; srun's words become torchrun's."""
    if int(environ.get("WORLD_SIZE") or 1) > 1 and "RANK" in environ:
        return True
    n_tasks = int(environ.get("SLURM_STEP_NUM_TASKS") or 1)
    if n_tasks < 2:
        return False
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    first_node = SLURMEnvironment.resolve_root_node_address(environ["SLURM_STEP_NODELIST"])
    environ.update(
        RANK=environ["SLURM_PROCID"],
        WORLD_SIZE=str(n_tasks),
        LOCAL_RANK=environ["SLURM_LOCALID"],
        LOCAL_WORLD_SIZE=str(n_tasks // int(environ.get("SLURM_STEP_NUM_NODES") or 1)),
        GROUP_RANK=environ["SLURM_NODEID"],
    )
    environ.setdefault("MASTER_ADDR", first_node)
    environ.setdefault("MASTER_PORT", str(_FIRST_PORT + int(environ.get("SLURM_JOB_ID") or 0) % _N_PORTS))
    return True


@contextmanager
def joined(config: Config) -> Iterator[Ranks | None]:
    """Join the other processes, if this one was begun as one of several."""
    if not is_one_of_several(os.environ):
        yield None
        return
    _require_torch()
    if _LAUNCHED in os.environ:
        _end_with_parent()
    from zehn.train import choose_device, ranks

    with ranks.joined(choose_device(config.train.device)) as together:
        yield together


def launch(given: Namespace) -> None:
    """Begin this machine's processes with the command that was given to this one, and wait until all have ended.

    Raises:
        TrainingError: one of them failed or died; the others are ended then.
        KeyboardInterrupt: it was interrupted; the processes have saved what they had.

    """
    _require_torch()
    from torch.distributed import DistError
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    n_nodes, n_devices = _numbers(given)
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, n_cores // n_devices)))
    os.environ[_LAUNCHED] = str(os.getpid())
    goes_on = "add --resume to go on" if hasattr(given, "resume") else "the same command goes on"
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="zehn-") as folder, _quiet():
        try:
            elastic_launch(_launch_config(given, folder), sys.executable)("-P", "-m", "zehn", *sys.argv[1:])
        except ChildFailedError as error:
            raise _cause(error.failures, n_nodes * n_devices, f"{goes_on} from the last checkpoint") from None
        except SignalException:
            raise KeyboardInterrupt from None
        except (DistError, TimeoutError) as error:
            raise TrainingError(
                f"no contact to the other nodes by way of {given.master}: {error}; check that address, and that the "
                "first node runs"
            ) from error


def note(message: str, *, is_loss: bool) -> bool:
    """Leave a complaint to the process that began this one; return False where there is none such."""
    path = os.environ.get(_NOTE_PATH)
    if not path or _LAUNCHED not in os.environ:
        return False
    content = {"message": message, "timestamp": str(int(time.time())), "is_loss": is_loss}
    Path(path).write_text(json.dumps(content), encoding="utf-8")
    return True


def _numbers(given: Namespace) -> tuple[int, int]:
    """Return how many nodes, and how many processes on each, were asked for."""
    return tuple(1 if number is None else number for number in (given.nodes, given.devices))  # type: ignore[return-value]


def _check_place(given: Namespace, n_nodes: int) -> None:
    if n_nodes == 1:
        if given.master or given.node_rank:
            raise ConfigError("--master and --node-rank are for several nodes; add --nodes or leave them out")
        return
    host, _, port = (given.master or "").rpartition(":")
    if not host or not port.isdecimal() or given.node_rank is None or not 0 <= given.node_rank < n_nodes:
        raise ConfigError(
            f"{n_nodes} nodes need --master HOST:PORT, an address of the first node that all reach, and --node-rank "
            f"from 0 to {n_nodes - 1}, another one on each node; came {given.master} and {given.node_rank}"
        )


def _launch_config(given: Namespace, folder: str) -> Any:
    """Return what torchrun is to do: as many processes as were asked for, none of them begun again by itself."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.launcher.api import LaunchConfig

    n_nodes, n_devices = _numbers(given)
    backend, endpoint = ("static", given.master) if n_nodes > 1 else ("c10d", "localhost:0")
    return LaunchConfig(
        min_nodes=n_nodes,
        max_nodes=n_nodes,
        nproc_per_node=n_devices,
        run_id="zehn",
        rdzv_backend=backend,
        rdzv_endpoint=endpoint,
        rdzv_configs={"rank": given.node_rank or 0},
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(log_dir=folder),
    )


def _cause(failures: dict[int, Any], n_processes: int, goes_on: str) -> BaseException:
    """Return what to raise for the failure that brought about the others."""
    index, failure = min(failures.items(), key=lambda found: _rank(found[1]))
    told = failure.error_file_data
    if failure.exitcode == _INTERRUPTED:
        return KeyboardInterrupt()
    if "is_loss" in told:
        return TrainingError(told["message"])
    how = f"was ended by {failure.signal_name()}" if failure.exitcode < 0 else "failed, as told above"
    return TrainingError(f"process {index} of {n_processes} {how}, and all others with it; {goes_on}")


def _rank(failure: Any) -> tuple[int, int]:
    """Tell causes from consequences: whoever only misses another process, or was ended with it, comes last."""
    told = failure.error_file_data.get("is_loss")
    if failure.exitcode == _INTERRUPTED:
        order = 1
    elif told is not None:
        order = 4 if told else 0
    else:
        order = 3 if failure.signal_name() == "SIGTERM" else 2
    return order, failure.timestamp


def _require_torch() -> None:
    from zehn import plugins

    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # it warns of what it was told to expect; read when imported
    plugins.require("torch", "train")


def _end_with_parent() -> None:
    """Stop as for SIGTERM, and save, when the process that began this one dies without a word."""
    parent = int(os.environ[_LAUNCHED])  # it may be gone already

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torchrun's own words about its processes to itself."""
    import logging

    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
