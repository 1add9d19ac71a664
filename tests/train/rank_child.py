"""What the tests begin several of: processes that train together, or hold together what one process would have.

Begun by ``begin`` as ``rank_child.py TASK FOLDER …``; each writes what it found to FOLDER, under its number.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from zehn import models, objectives, plugins
from zehn.config import TrainConfig
from zehn.errors import TrainingError
from zehn.models import Network
from zehn.shares import Share
from zehn.train import diary, ranks, statistics, train
from zehn.train.ranks import ALONE, Ranks

NAMES = plugins.names("objectives")
N_PROCESSES, N_IMAGES = 2, 8
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "distillation": {"teacher": "any"},
    "distillation relational": {"teacher": "any", "form": "relational", "source": "features", "view": "augmented"},
    "code_neighbours": {"queue_size": 12, "begin": 0.0},
    "code_neighbours taught": {"queue_size": 12, "begin": 0.0, "teacher": "any"},
    "neighbour_consistency": {"queue_size": 12, "begin": 0.0},
    "reconstruction": {"ssim_weight": 0.5},
    "reconstruction augmented": {"view": "augmented"},
    "perceptual": {"view": "augmented"},
    "self_labelling features": {"source": "features", "widths": (16, 8)},
    "vicreg codes": {"source": "codes", "widths": ()},
}
CASES = (*NAMES, *(case for case in OPTIONS if " " in case))
NORMALISED = ("byol", "code_contrastive", "reconstruction")
"""Cases that are looked at with a network that has batch statistics too."""
VIEWS = {"noise_share": 0.7, "blur_share": 0.5, "perspective": 0.2, "n_weak": 1}
CONFIG = TrainConfig(
    epochs=3,
    batch_size=16,
    objectives={"code_contrastive": 1.0, "denoising": 5.0, "code_neighbours": 0.5, "coding_rate": 0.02},
    objective_options={"code_neighbours": {"queue_size": 40, "begin": 0.3}},
    augment={"side": 0.75, "noise_share": 0.5},
    optimizer="muon",
    decoder_seen=0,
    device="cpu",
    precision="float32",
)


def draw(n_images: int, seed: int) -> np.ndarray:
    """Images of coarse random patches."""
    patches = np.random.default_rng(seed).integers(0, 256, (n_images, 4, 4, 3), np.uint8)
    return patches.repeat(8, axis=1).repeat(8, axis=2)


def network(architecture: str = "conv", seed: int = 0) -> Network:
    """Build a small network: ``conv`` has no batch statistics, ``compact`` has."""
    small = {"widths": (4, 8)} if architecture == "conv" else {"widths": (8, 8), "depths": (1, 1), "n_read": 16}
    return models.build(architecture, n_components=4, options=small, seed=seed)


class Together(nn.Module):
    """An objective and its network as DistributedDataParallel wants them: one module that gives a loss."""

    def __init__(self, case: str, net: Network) -> None:
        super().__init__()
        name, self.net = case.split(" ", maxsplit=1)[0], net
        options = {name: OPTIONS[case]} if case in OPTIONS else {}
        taught = network(seed=9)
        self.mixture = objectives.build(
            {name: 1.0}, options, self.net, augmentation=VIEWS, load_network=lambda _: taught
        ).train()

    def forward(self, images: Tensor, batch: int, share: Share) -> Tensor:
        """Return the loss of a share of a batch."""
        draws = torch.Generator().manual_seed(batch)
        loss: Tensor = self.mixture(objectives.Step(self.net, images, draws, 0.5, share=share))
        return loss


def look(case: str, together: Ranks = ALONE, architecture: str = "conv") -> dict[str, Tensor]:
    """Return the loss of a second batch, all its gradients, and all that the objective remembers after it."""
    net = network(architecture)
    if together.n > 1:
        net = statistics.across_processes(net, "cpu")
    module = Together(case, net.train())
    called: Any = module
    if together.n > 1:
        called = DistributedDataParallel(module, broadcast_buffers=False, find_unused_parameters=True)
    share = together.share
    for batch in range(2):
        module.zero_grad()
        images = torch.from_numpy(draw(N_IMAGES, batch)).permute(0, 3, 1, 2) / 255
        loss = called(images[share.rows(N_IMAGES)], batch, share)
        loss.backward()
    found = {f"gradient {name}": p.grad for name, p in module.named_parameters() if p.grad is not None}
    kept = {f"buffer {name}": values for name, values in module.named_buffers()}
    return {**found, **kept, **together.mean({"loss": loss.detach()})}


def fit(folder: Path, together: Ranks = ALONE, architecture: str = "conv", order: str = "") -> dict[str, Any]:
    """Train, from the folder's last checkpoint if there is one; ``order`` is a signal for the last process."""
    net, resume = network(architecture), (folder / "checkpoints" / "last.ckpt").is_file()
    x_train = draw(72, 1)
    (folder / f"process-{together.index}").write_text(str(os.getpid()))
    sends = order.isdecimal() and together.is_first
    tell = send_once(folder / f"process-{together.n - 1}", int(order)) if sends else None
    history = train(
        net, x_train, draw(22, 2), draw(9, 3), CONFIG, folder, seed=3, resume=resume, progress=tell, ranks=together
    )
    return {"history": history, "weights": net.state_dict()}


def refusal(together: Ranks) -> str:
    """Return what a process is told when one of them was given other images."""
    try:
        together.check_alike({}, {"test": draw(4, 0), "train": draw(4, together.index)})
    except TrainingError as error:
        return str(error)
    return ""


def send_once(path: Path, number: int) -> Any:
    """Return a callback that sends a signal, in the midst of the second epoch, to a process that noted its number."""
    diary._PROGRESS_SECONDS = 0.0

    def tell(told: dict[str, Any]) -> None:
        if told["epoch"] == 2 and told["share"] == 0.5:
            os.kill(int(path.read_text()), number)

    return tell


def begin(task: str, folder: Path, *more: str, n_processes: int = N_PROCESSES) -> list[subprocess.Popen[str]]:
    """Begin the processes of a task as torchrun would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__, task, str(folder), *more]
    processes = []
    for index in range(n_processes):
        place: dict[str, Any] = {
            "RANK": index,
            "LOCAL_RANK": index,
            "WORLD_SIZE": n_processes,
            "LOCAL_WORLD_SIZE": n_processes,
        }
        place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
        environ = os.environ | {name: str(value) for name, value in place.items()}
        processes.append(
            subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    return processes


def ended(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Wait for all processes; return what they printed."""
    try:
        return [process.communicate(timeout=900)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()


def main(task: str, folder: Path, *more: str) -> None:
    """Perform a task as one of several processes."""
    torch.set_num_threads(1)
    with ranks.joined("cpu") as together:
        if task == "objectives":
            found: dict[str, Any] = {case: look(case, together) for case in CASES}
            found |= {f"{case} of compact": look(case, together, "compact") for case in NORMALISED}
            found["refusal"] = refusal(together)
        else:
            found = fit(folder, together, *more)
    torch.save(found, folder / f"found-{together.index}.pt")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
