"""The processes that train one model together, and what they have to tell each other.

Every process (a "rank", by number) has the whole data set and the same weights, and passes its share of each batch
through the network. What depends on a whole batch is computed alike by all of them, gradients are averaged, and so all
take the same steps and come to the same decisions; what is drawn, measured, asked for or resumed from is agreed upon
here. The first one alone writes.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, distributed

from zehn.errors import ConfigError, LostError, TrainingError
from zehn.shares import WHOLE, Share

_NUMBERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
_ADDRESS = ("MASTER_ADDR", "MASTER_PORT")
_SILENCE = timedelta(minutes=30)
"""A process that is not heard of for so long is lost; one that dies is missed at once."""
_PATIENCE = timedelta(days=2)
"""How long the others wait for the first one to begin: it may have other things to do before."""


@dataclass(frozen=True)
class Ranks:
    """How many processes train together, and which of them this is.

    Attributes:
        index: of this process, from 0.
        n: how many there are.
        local_index: of this process on its machine, from 0.
        n_local: how many there are on each machine.
        waiting: the group of processes as :mod:`torch.distributed` knows it, for messages that may take long to come.

    """

    index: int = 0
    n: int = 1
    local_index: int = 0
    n_local: int = 1
    waiting: Any = None

    @property
    def is_first(self) -> bool:
        """Say whether this is the process that writes."""
        return self.index == 0

    @property
    def share(self) -> Share:
        """Which part of each batch this process has."""
        return Share(self.index, self.n) if self.n > 1 else WHOLE

    def check_batch(self, n_images: int) -> None:
        """Refuse batches that cannot be divided evenly.

        Raises:
            ConfigError: they cannot.

        """
        if not self.share.fits(n_images):
            raise ConfigError(
                f"a batch of {n_images} images cannot be divided evenly among {self.n} processes; set train.batch_size "
                f"to a multiple of {self.n} (at most the number of training images) or take another number of processes"
            )

    def tell(self, message: bytes = b"", *, patiently: bool = False) -> bytes:
        """Return the message of the first process, in every process."""
        if self.n == 1:
            return message
        group = self.waiting if patiently else None
        length = torch.tensor([len(message)])
        distributed.broadcast(length, 0, group=group)
        content = torch.zeros(int(length), dtype=torch.uint8)
        if self.is_first:
            content = torch.frombuffer(bytearray(message), dtype=torch.uint8) if message else content
        if len(content):
            distributed.broadcast(content, 0)
        return content.numpy().tobytes()

    def agree(self, choose: Callable[[], str]) -> str:
        """Return what the first process chooses."""
        if self.n == 1:
            return choose()
        return self.tell(choose().encode() if self.is_first else b"").decode()

    def any(self, asked: bool) -> bool:  # noqa: FBT001 - the question itself
        """Say whether any process was asked; all have to call it."""
        if self.n == 1:
            return asked
        answer = torch.tensor([int(asked)])
        distributed.all_reduce(answer, distributed.ReduceOp.MAX)
        return bool(answer)

    def mean(self, quantities: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the means of scalars over all processes, the same to the bit in each."""
        if self.n == 1:
            return quantities
        own = torch.stack([value.detach().float() for value in quantities.values()])
        parts = [torch.empty_like(own) for _ in range(self.n)]
        distributed.all_gather(parts, own)
        return dict(zip(quantities, torch.stack(parts).mean(dim=0), strict=True))

    def check_alike(self, settings: Mapping[str, Any], images: Mapping[str, UInt8[np.ndarray, "n h w 3"]]) -> None:
        """Refuse to train with processes that were given something else than the first one.

        Raises:
            TrainingError: settings or images differ; every process raises it.

        """
        if self.n == 1:
            return
        sums = {name: zlib.crc32(np.ascontiguousarray(values).data) for name, values in images.items()}
        own = {"settings": json.dumps(settings, sort_keys=True, default=str), **sums}
        first = json.loads(self.tell(json.dumps(own).encode()))
        found = torch.zeros(self.n, len(own), dtype=torch.int64)
        found[self.index] = torch.tensor([own[name] != first[name] for name in own])
        distributed.all_reduce(found)
        if found.any():
            wrong = int(found.any(dim=1).nonzero()[0])
            names = [name for name, is_other in zip(own, found[wrong].tolist(), strict=True) if is_other]
            raise TrainingError(
                f"process {wrong} of {self.n} was given other {' and '.join(names)} than the first one; give all the "
                "same command, data set and version of Zehn"
            )

    def trainer_options(self) -> dict[str, Any]:
        """Return what lightning's trainer has to know of the processes."""
        if self.n == 1:
            return {"devices": 1}
        from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
        from pytorch_lightning.strategies import DDPStrategy

        # buffers are the same everywhere as they are, and objectives may rest for a while or leave the decoder alone
        strategy = DDPStrategy(
            cluster_environment=TorchElasticEnvironment(), broadcast_buffers=False, find_unused_parameters=True
        )
        ways = {"strategy": strategy, "use_distributed_sampler": False}
        return {"devices": self.n_local, "num_nodes": self.n // self.n_local, **ways}


ALONE = Ranks()
"""One process by itself."""


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Join the other processes that torchrun (or what sets the same variables) began, and leave them at the end.

    Args:
        device: ``cpu``, where processes talk by gloo, or ``cuda``, where gradients go by NCCL.

    Raises:
        ConfigError: a device that several processes cannot train on, or too few of them; a variable of torchrun's that
            is not there.
        LostError: another process has ended, or cannot be reached; also later, from whatever is done together.

    """
    index, n, local_index, n_local = _place()
    _check_places(device, n, local_index, n_local)
    try:
        backend = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
        distributed.init_process_group(backend, timeout=_SILENCE)
        waiting = distributed.new_group(backend="gloo", timeout=_PATIENCE)
        yield Ranks(index, n, local_index, n_local, waiting)
        # whoever has less to do waits here, so that nobody looks lost to the others
        distributed.barrier(waiting)
        distributed.destroy_process_group()
    except RuntimeError as error:
        if not _is_loss(error):
            raise
        raise LostError(
            f"process {index} of {n} lost another process of this training ({_first_words(error)}); see what became of "
            "it, then begin all again, with --resume"
        ) from error


def _place() -> tuple[int, int, int, int]:
    """Return the number of this process, how many there are, and both on this machine."""
    missing = [name for name in (*_NUMBERS, *_ADDRESS) if not os.environ.get(name)]
    wrong = [name for name in _NUMBERS if name not in missing and not os.environ[name].isdecimal()]
    if missing or wrong:
        raise ConfigError(
            f"expected {', '.join((*_NUMBERS, *_ADDRESS))} in the environment, as torchrun sets them, but "
            f"{', '.join(missing or wrong)} {'is not there' if missing else 'is no number'}; begin the processes with "
            "torchrun, or with zehn train --devices"
        )
    index, n, local_index, n_local = (int(os.environ[name]) for name in _NUMBERS)
    return index, n, local_index, n_local


def _check_places(device: str, n: int, local_index: int, n_local: int) -> None:
    if n % n_local:
        raise ConfigError(f"{n} processes, {n_local} of them on this machine; begin equally many on every machine")
    if device == "mps":
        raise ConfigError("several processes train on the processor or on NVIDIA GPUs, not on mps; add --device cpu")
    if device != "cuda":
        return
    n_devices = torch.cuda.device_count()
    if n_devices < n_local:
        raise ConfigError(
            f"{n_local} processes on this machine need as many GPUs, each process sees {n_devices}; start fewer with "
            "--devices, let every process see all GPUs, or add --device cpu"
        )
    torch.cuda.set_device(local_index)


def _is_loss(error: RuntimeError) -> bool:
    """Tell a broken connection from other errors: gloo has no class of its own for it."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error).lower()


def _first_words(error: BaseException) -> str:
    """Return what was wrong without gloo's line of source and advice."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"^\[[^\]]*\] ", "", line).partition(". ")[0]
