"""Two processes train as one does with the whole batch, and lose nothing when one of them dies."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.train import rank_child as child
from zehn.config import DistortConfig
from zehn.errors import ConfigError
from zehn.shares import WHOLE, Share
from zehn.train import batches, checkpoints, distortion, ranks
from zehn.train.ranks import ALONE, Ranks

RELATIVE = 1e-5
"""Sums over a batch in two parts round otherwise than in one."""
CASES = [*child.CASES, *(f"{case} of compact" for case in child.NORMALISED)]


def figures(history: dict[str, Any]) -> list[float]:
    """What of a history does not depend on the time it took."""
    splits = ("train", "validation", "test")
    return [value for row in history["epochs"] for split in splits for value in row[split].values()]


def found_by(task: str, folder: Path, *more: str) -> list[dict[str, Any]]:
    """What each process found that performed a task."""
    processes = child.begin(task, folder, *more)
    printed = child.ended(processes)
    assert [process.returncode for process in processes] == [0, 0], "\n".join(printed)
    return [torch.load(folder / f"found-{index}.pt") for index in range(len(processes))]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Tensor]]]:
    return found_by("objectives", tmp_path_factory.mktemp("objectives"))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, found_by("fit", folder)


@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradients_are_those_of_one_process(seen: list[Any], case: str) -> None:
    alone = child.look(case.removesuffix(" of compact"), architecture="compact" if "of compact" in case else "conv")
    together = seen[0][case]
    assert together.keys() == alone.keys()
    # some gradients, such as that of a bias under a loss of distances, are nothing but rounding
    scale = max(value.abs().max().item() for name, value in alone.items() if name.startswith("gradient"))
    for name, value in alone.items():
        atol = RELATIVE * scale if name.startswith("gradient") else RELATIVE
        torch.testing.assert_close(together[name], value, rtol=RELATIVE, atol=atol, msg=f"{name} differs")


@pytest.mark.parametrize("case", CASES)
def test_both_processes_have_the_same_to_the_bit(seen: list[Any], case: str) -> None:
    first, second = (found[case] for found in seen)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_a_training_is_that_of_one_process(unbroken: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> None:
    alone, together = child.fit(tmp_path), unbroken[1][0]
    assert figures(together["history"]) == pytest.approx(figures(alone["history"]), rel=1e-4)
    assert together["history"]["best_epoch"] == alone["history"]["best_epoch"]
    for name, value in alone["weights"].items():
        torch.testing.assert_close(together["weights"][name], value, rtol=1e-3, atol=1e-4)


def test_all_processes_end_with_the_same_weights_and_figures(unbroken: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, (first, second) = unbroken
    last = checkpoints.load(checkpoints.last_path(folder))["network"]
    assert all(torch.equal(value, last[name]) for name, value in second["weights"].items())
    assert figures(first["history"]) == figures(second["history"])


def test_the_first_process_alone_writes(unbroken: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, _ = unbroken
    written = sorted(path.name for path in folder.iterdir() if not path.name.startswith(("found", "process")))
    assert written == ["checkpoints", "history.json", "logs"]
    assert len(list((folder / "logs").iterdir())) == 1


def test_killed_and_resumed_it_ends_the_same(unbroken: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> None:
    processes = child.begin("fit", tmp_path, "conv", str(int(signal.SIGKILL)))
    printed = child.ended(processes)
    assert processes[1].returncode == -signal.SIGKILL
    assert processes[0].returncode == 1
    assert "LostError: process 0 of 2 lost another process of this training" in printed[0]
    assert checkpoints.load(checkpoints.last_path(tmp_path))["epoch"] == 1
    resumed = found_by("fit", tmp_path)[0]
    assert figures(resumed["history"]) == figures(unbroken[1][0]["history"])
    assert all(torch.equal(value, unbroken[1][0]["weights"][name]) for name, value in resumed["weights"].items())


def test_one_process_that_is_to_stop_stops_all_and_any_number_goes_on(
    unbroken: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    stopped = found_by("fit", tmp_path, "conv", str(int(signal.SIGTERM)))
    assert [found["history"]["interrupted"] for found in stopped] == [True, True]
    state = checkpoints.load(checkpoints.last_path(tmp_path))
    assert state["epoch"] == 1
    assert 1 <= state["batch"] <= 3
    alone = child.fit(tmp_path)
    assert figures(alone["history"]) == pytest.approx(figures(unbroken[1][0]["history"]), rel=1e-4)


def test_processes_that_were_given_different_images_refuse(seen: list[Any]) -> None:
    for found in seen:
        assert found["refusal"].startswith("process 1 of 2 was given other train than the first one")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "MASTER_ADDR, MASTER_PORT in the environment, .* but LOCAL_RANK is not there; begin the processes with"),
        ({"LOCAL_RANK": "one"}, "but LOCAL_RANK is no number"),
    ],
)
def test_what_torchrun_would_have_said_is_missed(
    changes: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "here", "MASTER_PORT": "1"}
    for name, value in {**given, **changes}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message), ranks.joined("cpu"):
        pass


def test_a_process_by_itself_talks_to_nobody() -> None:
    assert (ALONE.is_first, ALONE.share) == (True, WHOLE)
    assert ALONE.tell(b"x") == b"x"
    assert ALONE.agree(lambda: "bfloat16") == "bfloat16"
    assert ALONE.any(asked=True)
    loss = {"loss": torch.tensor(1.0)}
    assert ALONE.mean(loss) is loss
    assert ALONE.trainer_options() == {"devices": 1}


def test_batches_that_cannot_be_divided() -> None:
    Ranks(1, 4).check_batch(8)
    with pytest.raises(ConfigError, match="a batch of 9 images cannot be divided evenly among 4 processes; set train"):
        Ranks(1, 4).check_batch(9)


def pixels(loader: batches.Batches) -> list[list[int]]:
    return [batch.images[:, 0, 0, 0].tolist() for batch in loader]


def test_shares_are_dealt_from_the_same_batches() -> None:
    images = torch.arange(11, dtype=torch.uint8)[:, None, None, None].expand(11, 2, 2, 3)
    order = batches.shuffled(11, 1, 2)
    for stack in (images, images.numpy()):
        whole = pixels(batches.Batches(stack, 4, order))
        parts = [pixels(batches.Batches(stack, 4, order, share=Share(index, 2))) for index in range(2)]
        assert [one + other for one, other in zip(*parts, strict=True)] == whole
        loaders = [batches.Batches(stack, 4, share=share) for share in (Share(0, 2), Share(1, 2))]
        assert [pixels(loader) for loader in loaders] == [[[0, 1], [4, 5], [8, 9, 10]], [[2, 3], [6, 7], [8, 9, 10]]]
        assert [batch.share for batch in loaders[1]] == [Share(1, 2), Share(1, 2), WHOLE]


def test_what_is_drawn_for_shares_is_what_the_batch_draws() -> None:
    images = torch.from_numpy(child.draw(6, 1))
    clean = batches.as_input(images)
    config = DistortConfig(share=(0.7, 0.7), strength=(1.0, 1.0))
    level = distortion.level(config, 1.0)

    def draws() -> torch.Generator:
        return torch.Generator().manual_seed(4)

    flipped, distorted = batches.flip(images, draws()), distortion.distorted(clean, config, level, draws())
    for share in (Share(0, 3), Share(1, 3), Share(2, 3)):
        own = share.rows(6)
        assert torch.equal(batches.flip(images[own], draws(), share), flipped[own])
        assert torch.equal(distortion.distorted(clean[own], config, level, draws(), share), distorted[own])
