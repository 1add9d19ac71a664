"""The parts of training by themselves: batches, schedule, meters, what is noticed, precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zehn import models, objectives
from zehn.errors import ConfigError
from zehn.train import batches, meters, precision, watch
from zehn.train.learner import one_cycle
from zehn.train.meters import Meter, measure

FLAGS = "processor : 0\nflags : fpu sse2 avx512f {}\n"


def stack(n_images: int) -> np.ndarray:
    """Images that can be told apart by their first pixel."""
    images = np.zeros((n_images, 4, 4, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(n_images)
    return images


def seen(loader: batches.Batches) -> list[int]:
    return [int(image[0, 0, 0]) for batch in loader for image in batch.images]


@given(st.integers(1, 60), st.integers(1, 70))
def test_an_epoch_shows_every_image_at_most_once(n_images: int, batch_size: int) -> None:
    order = batches.shuffled(n_images, 3, 1)
    loader = batches.Batches(stack(n_images), batch_size, order)
    size = min(batch_size, n_images)
    assert len(loader) == n_images // size
    assert [len(batch.images) for batch in loader] == [size] * len(loader)
    assert seen(loader) == order[: size * len(loader)].tolist()


@given(st.integers(1, 60), st.integers(1, 70))
def test_evaluation_shows_every_image_in_order(n_images: int, batch_size: int) -> None:
    loader = batches.Batches(stack(n_images), batch_size)
    assert seen(loader) == list(range(n_images))
    assert len(list(loader)) == len(loader)


def test_a_later_start_shows_the_rest() -> None:
    order = batches.shuffled(20, 0, 0)
    whole, rest = (batches.Batches(stack(20), 6, order, start) for start in (0, 2))
    assert seen(rest) == seen(whole)[12:]
    assert [batch.index for batch in rest] == [2]
    assert len(rest) == 1


def test_batches_come_from_a_file_on_disk_too(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", stack(9))
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert seen(batches.Batches(images, 4)) == list(range(9))
    assert seen(batches.Batches(images, 4, np.arange(9)[::-1].copy())) == [8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("kind", [np.array, torch.from_numpy])
@pytest.mark.parametrize("order", [None, np.arange(4)])
def test_a_batch_can_be_changed_without_changing_the_images(kind: Any, order: Any) -> None:
    images = kind(stack(4))
    for batch in batches.Batches(images, 4, order):
        batch.images.zero_()
    assert images[3, 0, 0, 0] == 3


@given(st.integers(1, 40), st.integers(1, 50), st.booleans())
def test_batches_from_a_tensor_are_those_from_an_array(n_images: int, batch_size: int, in_order: bool) -> None:
    order = None if in_order else batches.shuffled(n_images, 1, 2)
    images = stack(n_images)
    assert seen(batches.Batches(torch.from_numpy(images), batch_size, order)) == seen(
        batches.Batches(images, batch_size, order)
    )


def test_images_are_put_on_a_device_that_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    images, device = stack(5), torch.device("meta")
    assert batches.place(images, torch.device("cpu")) is images
    placed = batches.place(images, device)
    assert isinstance(placed, torch.Tensor)
    assert (placed.device, placed.shape, placed.dtype) == (device, images.shape, torch.uint8)
    monkeypatch.setattr(batches, "_MOST_BYTES_PLACED", images.nbytes - 1)
    assert batches.place(images, device) is images


def test_the_order_follows_from_seed_and_epoch() -> None:
    orders = {name: batches.shuffled(50, *name).tolist() for name in [(0, 0), (0, 1), (1, 0)]}
    assert orders[0, 0] == batches.shuffled(50, 0, 0).tolist()
    assert len({tuple(order) for order in orders.values()}) == 3
    assert all(sorted(order) == list(range(50)) for order in orders.values())


def test_draws_follow_from_seed_epoch_and_batch() -> None:
    names = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    drawn = [torch.rand(1, generator=batches.generator(*name)).item() for name in names]
    assert len(set(drawn)) == 4
    assert drawn[0] == torch.rand(1, generator=batches.generator(0, 0, 0)).item()


def test_flip_mirrors_about_half() -> None:
    images = torch.randint(0, 256, (200, 4, 4, 3), dtype=torch.uint8)
    flipped = batches.flip(images, torch.Generator().manual_seed(0))
    mirrored = [torch.equal(new, old.flip(1)) for new, old in zip(flipped, images, strict=True)]
    same = [torch.equal(new, old) for new, old in zip(flipped, images, strict=True)]
    assert all(one or other for one, other in zip(mirrored, same, strict=True))
    assert 70 < sum(mirrored) < 130


def test_as_input_is_channels_last_in_memory() -> None:
    images = torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8)
    given_to_network = batches.as_input(images)
    assert given_to_network.shape == (2, 3, 8, 8)
    assert given_to_network.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(given_to_network[1, 2], images[1, :, :, 2] / 255)


def test_one_cycle_rises_and_falls() -> None:
    shape = [one_cycle(share, 0.25) for share in np.linspace(0, 1, 101)]
    assert (shape[0], shape[25], shape[-1]) == (0, 1, 0)
    assert shape[:26] == sorted(shape[:26])
    assert shape[25:] == sorted(shape[25:], reverse=True)
    assert one_cycle(0.0, 0.0) == 1


def test_measure_is_what_numpy_says() -> None:
    network = models.build("dense")
    step = objectives.Step(network, torch.rand(5, 3, 32, 32), torch.Generator())
    loss = torch.tensor(2.5)
    came = {name: value.item() for name, value in measure(step, loss, {"reconstruction": loss}).items()}
    images, again = step.images.numpy(), step.reconstructions.detach().numpy()
    errors = ((images - again) ** 2).mean(axis=(1, 2, 3))
    assert sorted(came) == ["channel_accuracy", "loss", "mse", "psnr"]
    assert came["loss"] == 2.5
    assert came["mse"] == pytest.approx(errors.mean(), rel=1e-5)
    assert came["psnr"] == pytest.approx(np.mean(10 * np.log10(1 / errors)), rel=1e-5)
    assert came["channel_accuracy"] == pytest.approx(np.mean(images.argmax(1) == again.argmax(1)), rel=1e-5)


def test_measure_names_several_objectives() -> None:
    step = objectives.Step(models.build("dense"), torch.rand(2, 3, 32, 32), torch.Generator())
    came = measure(step, torch.tensor(3.0), {"reconstruction": torch.tensor(1.0), "other": torch.tensor(2.0)})
    assert [came[f"objective/{name}"].item() for name in ("reconstruction", "other")] == [1, 2]


def test_a_perfect_reconstruction_has_a_finite_psnr() -> None:
    step = objectives.Step(models.build("dense"), torch.rand(2, 3, 32, 32), torch.Generator())
    step.__dict__["reconstructions"] = step.images
    assert measure(step, torch.tensor(0.0), {})["psnr"] == pytest.approx(100)


def test_a_meter_weighs_batches_by_their_images() -> None:
    meter = Meter()
    assert meter.means() is None
    meter.add({"loss": torch.tensor(1.0)}, 3)
    resumed = Meter(meter.sums)
    resumed.add({"loss": torch.tensor(5.0)}, 1)
    assert resumed.means() == {"loss": 2.0}
    assert meter.means() == {"loss": 1.0}


def test_figures_on_a_device_wait_and_are_summed_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [{"loss": torch.rand(()), **({"mse": torch.rand(())} if i % 2 else {})} for i in range(120)]
    here = Meter()
    for quantities in given:
        here.add(quantities, 7)
    fetched: list[int] = []
    fetch = meters._fetched

    def fetch_and_count(vectors: list[torch.Tensor]) -> list[list[float]]:
        fetched.append(len(vectors))
        return fetch(vectors)

    monkeypatch.setattr(meters, "_fetched", fetch_and_count)
    monkeypatch.setattr(batches, "is_processor", lambda _: False)
    there = Meter()
    for quantities in given:
        there.add(quantities, 7)
    assert fetched == [50, 50]
    assert there.sums == here.sums
    assert fetched == [50, 50, 20]


@pytest.mark.parametrize("is_processor", [True, False])
def test_a_meter_tells_where_the_loss_was_lost(is_processor: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "is_processor", lambda _: is_processor)
    meter = Meter()
    for number, loss in enumerate([1.0, float("inf"), float("nan"), 1.0]):
        meter.add({"loss": torch.tensor(loss), "mse": torch.tensor(0.0)}, 1, f"step {number}")
    meter.read()
    assert meter.lost == ("step 1", float("inf"))


def test_dead_dimensions() -> None:
    codes = torch.randn(100, 4) * torch.tensor([1.0, 0.005, 0.5, 0.0])
    assert watch.find_dead(codes) == [1, 3]
    assert watch.find_dead(torch.ones(100, 2)) == [0, 1]
    assert watch.find_dead(torch.randn(100, 3) * 1e-2) == []


def test_dead_dimensions_are_told_once() -> None:
    history: dict[str, Any] = {"warnings": []}
    codes = torch.randn(50, 3) * torch.tensor([1.0, 1.0, 0.0])
    assert "latent dimensions 2 of 3" in str(watch.note_dead(history, 1, codes))
    assert watch.note_dead(history, 2, codes) is None
    assert "latent dimensions 1 of 3" in str(watch.note_dead(history, 3, codes * torch.tensor([1.0, 0.0, 1.0])))
    assert [warning["epoch"] for warning in history["warnings"]] == [1, 3]


def rows(train: list[float], validation: list[float]) -> list[dict[str, Any]]:
    return [{"train": {"loss": t}, "validation": {"loss": v}} for t, v in zip(train, validation, strict=True)]


FALLING = [9.0, 8, 7, 6, 5, 4, 3]


@pytest.mark.parametrize(
    ("train", "validation", "expected"),
    [
        (FALLING, [5.0, 4, 4.1, 4.2, 4.3, 4.4, 4.5], True),
        (FALLING, [5.0, 4, 4.1, 4.2, 3.9, 4.4, 4.5], False),  # a new best within the window
        (FALLING, [5.0, 4, 4.5, 4.4, 4.3, 4.2, 4.1], False),  # worse, but getting better
        (FALLING[::-1], [5.0, 4, 4.1, 4.2, 4.3, 4.4, 4.5], False),  # both worsen
        (FALLING[:5], [4.0, 4.1, 4.2, 4.3, 4.4], False),  # too early to say
    ],
)
def test_overfitting(train: list[float], validation: list[float], expected: bool) -> None:
    assert watch.is_overfitting(rows(train, validation)) is expected


def test_overfitting_is_told_once() -> None:
    epochs = rows(FALLING, [5.0, 4, 4.1, 4.2, 4.3, 4.4, 4.5])
    history: dict[str, Any] = {"warnings": [], "epochs": epochs, "best_epoch": 2}
    assert "over-fitting: in the last 5 epochs" in str(watch.note_overfitting(history, 7))
    assert watch.note_overfitting(history, 8) is None
    assert [warning["kind"] for warning in history["warnings"]] == ["over-fitting"]


def test_no_overfitting_without_validation() -> None:
    epochs = [{"train": {"loss": 1.0}, "validation": None}] * 9
    assert not watch.is_overfitting(epochs)


@pytest.mark.parametrize(("flags", "expected"), [("avx512_bf16", True), ("amx_bf16", True), ("avx512_vnni", False)])
def test_bfloat16_counts_where_the_processor_has_it(
    flags: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(FLAGS.format(flags), encoding="utf-8")
    monkeypatch.setattr(precision, "_CPU_INFO", path)
    assert precision.has_bfloat16("cpu") is expected
    assert precision.has_bfloat16("mps") is False


def test_no_cpuinfo_no_bfloat16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_CPU_INFO", tmp_path / "none")
    assert precision.has_bfloat16("cpu") is False


@pytest.mark.parametrize(("in_hardware", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_takes_bfloat16_where_the_hardware_has_it(
    in_hardware: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda _: in_hardware)
    assert precision.choose_precision("auto", "cpu") == expected
    assert precision.choose_precision("float32", "cpu") == "float32"


def test_an_unknown_precision() -> None:
    with pytest.raises(ConfigError, match="precision must be one of auto, float32, bfloat16, came 'float16'"):
        precision.choose_precision("float16", "cpu")


def test_devices() -> None:
    assert precision.choose_device("cpu") == "cpu"
    assert precision.choose_device("auto") in ("cpu", "cuda", "mps")
    with pytest.raises(ConfigError, match="device must be one of auto, cpu, cuda, mps, came 'gpu'"):
        precision.choose_device("gpu")


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"device 'cuda' is not there: torch .* finds .*cpu; use auto"):
        precision.choose_device("cuda")
