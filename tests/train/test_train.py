"""Training learns, measures, saves, and goes on after a kill or Ctrl-C as if nothing had happened."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zehn import models, store
from zehn.config import TrainConfig
from zehn.errors import ConfigError, InputError, RunError, TrainingError
from zehn.train import checkpoints, count_epochs, read_scalars, train
from zehn.train.boards import Board

CONFIG = TrainConfig(
    epochs=3,
    batch_size=32,
    objectives={"reconstruction": 1.0},
    decoder_seen=0,
    optimizer="adamw",
    gradient_clip=1.0,
    learning_rate=5e-3,
    warmup_share=0.2,
    device="cpu",
    precision="float32",
    patience=0,
)
N_TRAIN = 136  # four batches and a rest


def draw(n_images: int, seed: int) -> np.ndarray:
    """Images of one random colour each, with a lighter upper half: a few numbers say all there is to say."""
    rng = np.random.default_rng(seed)
    images = np.broadcast_to(rng.integers(0, 200, (n_images, 1, 1, 3)), (n_images, 32, 32, 3)).copy()
    images[:, :16] += 50
    return images.astype(np.uint8)


def build() -> models.Network:
    options = {"widths": (8, 16), "encoder_depths": (1, 1), "decoder_depths": (0, 1), "n_hidden": 32}
    return models.build("residual", n_components=4, options=options, seed=1)


def run(folder: Path, config: TrainConfig = CONFIG, **others: Any) -> dict[str, Any]:
    return train(build(), draw(N_TRAIN, 1), draw(40, 2), draw(24, 3), config, folder, seed=7, **others)


def figures(history: dict[str, Any]) -> list[Any]:
    """What of a history does not depend on the time it took."""
    return [[row["epoch"], row["train"], row["validation"], row["test"]] for row in history["epochs"]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("finished")
    return folder, run(folder)


def test_it_learns(tmp_path: Path) -> None:
    network = build()
    x_train, x_test = draw(N_TRAIN, 1), draw(24, 3)
    config = replace(CONFIG, epochs=20, batch_size=17, learning_rate=1e-2)
    history = train(network, x_train, draw(40, 2), x_test, config, tmp_path)
    with torch.no_grad():
        images = torch.from_numpy(x_test).permute(0, 3, 1, 2) / 255
        error = (network(images) - images).square().mean().item()
    mean_image = x_train.mean(axis=0) / 255
    assert error < 0.5 * np.mean((x_test / 255 - mean_image) ** 2)
    assert error == pytest.approx(history["epochs"][history["best_epoch"] - 1]["test"]["mse"], rel=1e-3)
    assert history["epochs"][-1]["train"]["loss"] < history["epochs"][0]["train"]["loss"]
    assert not network.training


def test_history_holds_every_epoch(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, history = finished
    assert [row["epoch"] for row in history["epochs"]] == [1, 2, 3]
    for row in history["epochs"]:
        for split in ("train", "validation", "test"):
            assert sorted(row[split]) == ["channel_accuracy", "loss", "mse", "psnr"]
            assert row[split]["mse"] == pytest.approx(row[split]["loss"], rel=1e-5)
            assert 0 <= row[split]["channel_accuracy"] <= 1
        assert row["images_per_second"] > 0
        assert row["seconds"] > 0
    assert history["best_epoch"] == 1 + int(np.argmin([row["validation"]["loss"] for row in history["epochs"]]))
    assert history["interrupted"] is False
    assert (history["precision"], history["device"], history["start"]) == ("float32", "cpu", "scratch")
    assert json.loads((folder / "history.json").read_text(encoding="utf-8")) == history


def test_the_logs_hold_the_history(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, history = finished
    scalars = read_scalars(folder / "logs")
    splits = [f"{name}/{split}" for name in ("loss", "mse", "psnr", "channel_accuracy") for split in ("train", "test")]
    assert {*splits, "loss/validation", "learning_rate", "images_per_second"} <= set(scalars)
    epochs, losses = scalars["loss/validation"]
    assert epochs == [1, 2, 3]
    np.testing.assert_allclose(losses, [row["validation"]["loss"] for row in history["epochs"]], rtol=1e-5)


def test_the_logs_show_reconstructions(finished: tuple[Path, dict[str, Any]]) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulators.EventAccumulator(str(finished[0] / "logs"), size_guidance={"images": 0}).Reload()
    shown = events.Images("reconstructions")
    assert [event.step for event in shown] == [1, 2, 3]
    assert (shown[0].width, shown[0].height) == (10 * 32, 2 * 32)


def test_no_logs_no_scalars(tmp_path: Path) -> None:
    assert read_scalars(tmp_path / "logs") == {}


def test_the_schedule_ends_at_nothing(finished: tuple[Path, dict[str, Any]]) -> None:
    rates = [row["learning_rate"] for row in finished[1]["epochs"]]
    assert max(rates) <= CONFIG.learning_rate
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1 * CONFIG.learning_rate


def test_the_seed_decides(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    assert figures(run(tmp_path / "same")) == figures(finished[1])
    other = train(build(), draw(N_TRAIN, 1), draw(40, 2), None, replace(CONFIG, epochs=1), tmp_path / "other", seed=8)
    assert other["epochs"][0]["train"] != finished[1]["epochs"][0]["train"]


def test_it_leaves_the_random_state_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    run(tmp_path, replace(CONFIG, epochs=1))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_it_ends_with_the_best_weights(tmp_path: Path) -> None:
    network = build()
    history = train(network, draw(8, 1), draw(40, 2), None, replace(CONFIG, epochs=5, learning_rate=0.2), tmp_path)
    best = checkpoints.load(checkpoints.best_path(tmp_path))
    assert best["epoch"] + 0 == history["best_epoch"]
    for name, values in network.state_dict().items():
        torch.testing.assert_close(values, best["network"][name])


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_train

def kill(told):
    if told["epoch"] == 2 and told["share"] == 1.0:  # all but the end of the second epoch is done
        os.kill(os.getpid(), signal.SIGKILL)

test_train.run(Path(sys.argv[1]), progress=kill)
"""


def test_killed_and_resumed_it_ends_the_same(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)]
    killed = subprocess.run(command, check=False, capture_output=True, timeout=300)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    left = json.loads((tmp_path / "history.json").read_text(encoding="utf-8"))
    assert len(left["epochs"]) == 1
    assert left["interrupted"] is True
    assert figures(run(tmp_path, resume=True)) == figures(finished[1])
    assert read_scalars(tmp_path / "logs")["loss/train"][0] == [1, 2, 3]


def interrupt_once(at_epoch: int) -> Any:
    sent: list[dict[str, Any]] = []

    def progress(told: dict[str, Any]) -> None:
        if told["epoch"] == at_epoch and not sent:
            sent.append(told)
            signal.raise_signal(signal.SIGINT)

    return progress


def test_interrupted_in_mid_epoch_it_goes_on_from_that_batch(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zehn.train.diary._PROGRESS_SECONDS", 0.0)
    handler = signal.getsignal(signal.SIGINT)
    history = run(tmp_path, progress=interrupt_once(at_epoch=2))
    assert signal.getsignal(signal.SIGINT) is handler
    assert history["interrupted"] is True
    assert len(history["epochs"]) == 1
    assert checkpoints.load(checkpoints.last_path(tmp_path))["batch"] == 1
    told: list[dict[str, Any]] = []
    resumed = run(tmp_path, resume=True, progress=told.append)
    assert (told[0]["epoch"], told[0]["share"]) == (2, 0.5)
    assert resumed["interrupted"] is False
    assert figures(resumed) == figures(finished[1])
    assert resumed["seconds"] >= history["seconds"]


def test_an_interrupt_raised_by_the_callback_saves_too(tmp_path: Path) -> None:
    def progress(told: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    history = run(tmp_path, progress=progress)
    assert history["interrupted"] is True
    assert checkpoints.load(checkpoints.last_path(tmp_path))["batch"] == 1


def test_a_second_interrupt_leaves_at_once(tmp_path: Path) -> None:
    def progress(told: dict[str, Any]) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second one should have left")

    handler = signal.default_int_handler
    before = signal.signal(signal.SIGINT, handler)  # a job in the background is begun with interrupts ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)  # what Python does by itself
        history = run(tmp_path, progress=progress)  # the callback's own KeyboardInterrupt is a wish to stop
        assert history["interrupted"] is True
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_resuming_what_is_finished_changes_nothing(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, history = finished
    before = checkpoints.last_path(folder).read_bytes()
    network = build()
    again = train(network, draw(N_TRAIN, 1), draw(40, 2), draw(24, 3), CONFIG, folder, seed=7, resume=True)
    assert again == history
    assert checkpoints.last_path(folder).read_bytes() == before
    best = checkpoints.load(checkpoints.best_path(folder))["network"]
    assert torch.equal(network.encoder.head.weight, best["encoder.head.weight"])


def test_resuming_nothing_starts(tmp_path: Path) -> None:
    assert len(run(tmp_path, replace(CONFIG, epochs=1), resume=True)["epochs"]) == 1


def test_not_resuming_clears_the_folder(tmp_path: Path) -> None:
    run(tmp_path)
    run(tmp_path, replace(CONFIG, epochs=1))
    assert read_scalars(tmp_path / "logs")["loss/train"][0] == [1]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("logs/events.out.tfevents.1.host", b"x" * 200, "logs"),
        ("logs/server.log", b"", "logs"),
        ("checkpoints/last.ckpt", b"of something else", "checkpoints"),
        ("checkpoints/epoch=3.ckpt", b"", "checkpoints"),
        ("history.json", b'{"loss": [1, 2]}', "history.json"),
    ],
)
def test_what_others_left_is_not_cleared(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(RunError, match=f"holds {told} of something else, .*; name another folder"):
        run(tmp_path)
    assert path.read_bytes() == content
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [path]


@pytest.mark.parametrize("kept", ["history.json", "checkpoints/last.ckpt"])
def test_what_zehn_left_is_cleared(finished: tuple[Path, dict[str, Any]], tmp_path: Path, kept: str) -> None:
    checkpoints.last_path(tmp_path).parent.mkdir()
    (tmp_path / kept).write_bytes((finished[0] / kept).read_bytes())
    for rest in ("logs/old", "checkpoints/best.ckpt"):
        (tmp_path / rest).parent.mkdir(exist_ok=True)
        (tmp_path / rest).touch()
    checkpoints.clear(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_training_left_that_was_killed_at_once_is_cleared(tmp_path: Path) -> None:
    Board(tmp_path / "logs").close()
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "notes.txt").touch()
    checkpoints.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    checkpoints.clear(tmp_path / "nowhere")


def test_resuming_under_other_settings_is_refused(finished: tuple[Path, dict[str, Any]]) -> None:
    with pytest.raises(TrainingError, match=r"other settings \(epochs was 3, is 4\); start afresh"):
        run(finished[0], replace(CONFIG, epochs=4), resume=True)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda _: b"no checkpoint", lambda _: b""])
def test_a_broken_checkpoint(finished: tuple[Path, dict[str, Any]], tmp_path: Path, damage: Any) -> None:
    path = checkpoints.last_path(tmp_path)
    path.parent.mkdir()
    path.write_bytes(damage(checkpoints.last_path(finished[0]).read_bytes()))
    with pytest.raises(TrainingError, match="no whole checkpoint of Zehn; start afresh"):
        run(tmp_path, resume=True)


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    path = checkpoints.last_path(tmp_path)
    path.parent.mkdir()
    torch.save({"format": 1, "settings": Path}, path)
    with pytest.raises(TrainingError, match="no whole checkpoint"):
        run(tmp_path, resume=True)


def test_a_foreign_checkpoint(tmp_path: Path) -> None:
    path = checkpoints.last_path(tmp_path)
    path.parent.mkdir()
    torch.save({"state_dict": {}}, path)
    with pytest.raises(TrainingError, match=r"no checkpoint of this version of Zehn \(format 1\)"):
        run(tmp_path, resume=True)


@pytest.mark.parametrize("n_images", [1, 5])
def test_fewer_images_than_a_batch(tmp_path: Path, n_images: int) -> None:
    history = train(build(), draw(n_images, 1), draw(3, 2), draw(2, 3), CONFIG, tmp_path)
    assert len(history["epochs"]) == 3


@pytest.mark.parametrize("architecture", ["conv", "dense"])
def test_every_architecture_trains(tmp_path: Path, architecture: str) -> None:
    network = models.build(architecture)
    history = train(network, draw(64, 1), draw(8, 2), None, replace(CONFIG, epochs=5, learning_rate=1e-3), tmp_path)
    assert history["epochs"][-1]["train"]["loss"] < history["epochs"][0]["train"]["loss"]


def test_without_validation_and_test(tmp_path: Path) -> None:
    none = draw(0, 0)
    history = train(build(), draw(N_TRAIN, 1), none, None, CONFIG, tmp_path)
    assert {row["validation"] for row in history["epochs"]} == {None}
    assert {row["test"] for row in history["epochs"]} == {None}
    assert history["best_epoch"] == 1 + int(np.argmin([row["train"]["loss"] for row in history["epochs"]]))
    assert "loss/test" not in read_scalars(tmp_path / "logs")


def test_patience_stops_early(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=50, patience=2, learning_rate=0.0)  # no learning, no better epoch
    history = run(tmp_path, config)
    assert len(history["epochs"]) == 3
    assert history["interrupted"] is False
    assert len(run(tmp_path, config, resume=True)["epochs"]) == 3


def test_a_loss_that_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"the loss became nan in epoch 1, step \d+; lower train.learning_rate"
    ) as told:
        run(tmp_path, replace(CONFIG, learning_rate=1e38))
    state = checkpoints.load(checkpoints.last_path(tmp_path))
    assert state["epoch"] == 0
    assert all(values.isfinite().all() for values in state["network"].values())
    history = json.loads((tmp_path / "history.json").read_text(encoding="utf-8"))
    assert history["warnings"] == [{"kind": "nan", "epoch": 1, "message": str(told.value)}]
    assert (history["epochs"], history["interrupted"]) == ([], True)


def test_a_loss_that_is_no_number_is_told_once_after_each_try(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(TrainingError, match="the loss became nan"):
            run(tmp_path, replace(CONFIG, learning_rate=1e38), resume=True)
        history = json.loads((tmp_path / "history.json").read_text(encoding="utf-8"))
        assert [warning["kind"] for warning in history["warnings"]] == ["nan"]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train as on a device other than the processor: images are put there, figures wait there."""
    monkeypatch.setattr("zehn.train.batches.is_processor", lambda _: False)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("most_waiting", [1, 3, 50])
def test_where_images_and_figures_lie_changes_nothing(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_waiting: int
) -> None:
    monkeypatch.setattr("zehn.train.meters._MOST_WAITING", most_waiting)
    assert figures(run(tmp_path)) == figures(finished[1])


@pytest.mark.usefixtures("elsewhere")
def test_figures_that_wait_are_in_the_checkpoint_of_an_interrupted_epoch(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zehn.train.diary._PROGRESS_SECONDS", 0.0)
    run(tmp_path, progress=interrupt_once(at_epoch=2))
    assert checkpoints.load(checkpoints.last_path(tmp_path))["sums"]["n"] == CONFIG.batch_size
    assert figures(run(tmp_path, resume=True)) == figures(finished[1])


def test_a_loss_that_is_no_number_is_told_alike_from_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = []
    for name in ("here", "there"):
        with pytest.raises(TrainingError, match=r"the loss became nan in epoch 1, step \d+;") as told:
            run(tmp_path / name, replace(CONFIG, learning_rate=1e38))
        messages.append(str(told.value))
        monkeypatch.setattr("zehn.train.batches.is_processor", lambda _: False)
    assert messages[0] == messages[1]
    assert checkpoints.load(checkpoints.last_path(tmp_path / "there"))["epoch"] == 0


def test_dead_dimensions_are_told(tmp_path: Path) -> None:
    network = build()
    with torch.no_grad():
        network.encoder.head.weight[2] = 0
    history = train(network, draw(64, 1), draw(20, 2), None, replace(CONFIG, learning_rate=0.0), tmp_path)
    assert [(warning["kind"], warning["epoch"]) for warning in history["warnings"]] == [("dead-dimension", 1)]
    assert history["warnings"][0]["message"].startswith("latent dimensions 2 of 4 have hardly any spread")


def test_bfloat16_trains(tmp_path: Path) -> None:
    history = run(tmp_path, replace(CONFIG, precision="bfloat16"))
    assert history["precision"] == "bfloat16"
    assert history["epochs"][2]["train"]["loss"] < history["epochs"][0]["train"]["loss"]


def test_the_precision_chosen_is_kept_at_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(CONFIG, precision="auto")
    monkeypatch.setattr("zehn.train.choose_precision", lambda *_: "bfloat16")
    run(tmp_path, config, progress=interrupt_once(at_epoch=1))
    monkeypatch.setattr("zehn.train.choose_precision", lambda *_: "float32")
    assert run(tmp_path, config, resume=True)["precision"] == "bfloat16"


def test_progress_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zehn.train.diary._PROGRESS_SECONDS", 0.0)
    told: list[dict[str, Any]] = []
    run(tmp_path, progress=told.append)
    assert [(row["epoch"], row["share"]) for row in told[:5]] == [(1, 0.25), (1, 0.5), (1, 0.75), (1, 1.0), (2, 0.25)]
    assert len(told) == 12
    assert {row["n_epochs"] for row in told} == {3}
    assert told[-1]["seconds_left"] == 0
    assert told[0]["seconds_left"] > 0


def test_it_starts_from_another_models_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {name: values.numpy() + 1 for name, values in build().state_dict().items()}
    model = store.Model("residual", 4, 32, {}, weights, np.zeros(4), np.eye(4), {}, "", {}, {}, "2026-01-01T00:00:00")
    monkeypatch.setattr("zehn.store.load_model", lambda _: model)
    network = build()
    train(network, draw(32, 1), draw(8, 2), None, replace(CONFIG, learning_rate=0.0, start="other.h5"), tmp_path)
    np.testing.assert_array_equal(network.state_dict()["encoder.head.weight"].numpy(), weights["encoder.head.weight"])
    with pytest.raises(ConfigError, match=r"the weights of other.h5 \(residual, 4 components, 32 pixels\) do not fit"):
        train(models.build("dense"), draw(32, 1), draw(8, 2), None, replace(CONFIG, start="other.h5"), tmp_path / "b")


@pytest.mark.parametrize(
    ("x_train", "message"),
    [
        (draw(4, 1).astype(np.float32) / 255, "x_train must be uint8 of shape"),
        (draw(4, 1)[:, :28], r"x_train must be uint8 .* came uint8 of shape \(4, 28, 32, 3\)"),
        (draw(4, 1)[:0], "x_train holds no images"),
    ],
)
def test_images_of_the_wrong_kind(tmp_path: Path, x_train: Any, message: str) -> None:
    unchecked = getattr(train, "__wrapped__", train)
    with pytest.raises((InputError, TypeError), match=rf"{message}|x_train"):
        unchecked(build(), x_train, draw(4, 2), None, CONFIG, tmp_path)


def test_a_negative_seed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="seed must be at least 0, came -1"):
        train(build(), draw(4, 1), draw(4, 2), None, CONFIG, tmp_path, seed=-1)


def test_a_small_collection_is_seen_more_often() -> None:
    config = TrainConfig(n_seen=1000)
    counts = {n_images: count_epochs(config, n_images) for n_images in (1, 10, 300, 900, 5000)}
    assert counts == {1: 200, 10: 100, 300: 3, 900: 1, 5000: 1}
    assert count_epochs(replace(config, epochs=7), 10) == 7


def test_training_is_in_training_mode(tmp_path: Path) -> None:
    network = models.build("compact", n_components=4, options={"widths": (8, 8), "depths": (1, 1)}, seed=1)
    config = replace(CONFIG, epochs=1, optimizer="muon")
    train(network, draw(40, 1), draw(8, 2), draw(8, 3), config, tmp_path)
    counts = [int(value) for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")]
    assert counts
    assert set(counts) == {1}


def test_measuring_now_and_then(tmp_path: Path) -> None:
    history = run(tmp_path, replace(CONFIG, epochs=5, measure_every=2))
    assert [row["epoch"] for row in history["epochs"] if row["validation"]] == [2, 4, 5]
    assert [row["epoch"] for row in history["epochs"] if row["test"]] == [2, 4, 5]
    assert history["best_epoch"] in (2, 4, 5)


def test_the_last_epoch_is_kept_if_asked(tmp_path: Path) -> None:
    history = run(tmp_path, replace(CONFIG, epochs=2, learning_rate=0.0, keep="last"))
    assert history["best_epoch"] == 2
    with pytest.raises(ConfigError, match="keep must be one of best, last, came 'first'"):
        run(tmp_path, replace(CONFIG, keep="first"))


def test_batch_normalisation_needs_two_images(tmp_path: Path) -> None:
    network = models.build("compact", n_components=4, options={"widths": (8, 8), "depths": (1, 1)})
    with pytest.raises(InputError, match="needs at least 2 images a batch, came 1 images in batches of 32"):
        train(network, draw(1, 1), draw(0, 2), None, CONFIG, tmp_path)


def test_patience_counts_what_was_measured(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=9, measure_every=2, learning_rate=0.0, patience=2)
    history = run(tmp_path, config)
    assert history["best_epoch"] == 2
    assert len(history["epochs"]) == 6
    assert len(run(tmp_path, replace(config, keep="last"))["epochs"]) == 9


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_decoder_is_fitted_at_the_end_and_no_code_changes(tmp_path: Path, precision: str) -> None:
    config = replace(CONFIG, epochs=1, decoder_seen=10 * N_TRAIN, precision=precision)
    plain, fitted = build(), build()
    x_train, x_validation = draw(N_TRAIN, 1), draw(40, 2)
    train(plain, x_train, x_validation, None, replace(config, decoder_seen=0), tmp_path / "plain", seed=7)
    history = train(fitted, x_train, x_validation, None, config, tmp_path / "fitted", seed=7)
    images = torch.from_numpy(x_validation).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        torch.testing.assert_close(fitted.encoder(images), plain.encoder(images), rtol=0, atol=0)
        errors = [(network(images) - images).square().mean().item() for network in (plain, fitted)]
    assert history["decoder"]["epochs"] == len(history["decoder"]["train_mse"]) == 10
    assert history["decoder"]["validation_mse"] == pytest.approx(errors, rel=2e-2)
    assert errors[1] < errors[0]
    again = build()
    resumed = train(again, x_train, x_validation, None, config, tmp_path / "fitted", seed=7, resume=True)
    assert resumed["decoder"] == history["decoder"]
    for name, value in fitted.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0)
