"""The stage ``robust``, and trainings that go on from a model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zehn import config, pipeline, store
from zehn.cli import main
from zehn.errors import ConfigError
from zehn.pipeline.workshop import Say

SMALL = (
    "data.name=digits",
    "data.n_train=300",
    "data.n_test=60",
    "model.architecture=dense",
    "model.n_components=4",
    "train.epochs=2",
    "train.decoder_seen=0",
    "train.batch_size=20",
    "train.precision=float32",
    "query.n_resamples=20",
    "robust.n_train=100",
    "robust.n_seen=300",
    "robust.n_queries=20",
    "robust.noise=[0.1]",
    "robust.perspective=[]",
    "robust.severities=[]",
    "robust.n_shown=2",
)
DONE = ("train", "check", "robust")


def small(*more: str) -> config.Config:
    return config.resolve("smoke", assignments=[*SMALL, *more])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "digits"
    pipeline.run(small(), out, until=DONE)
    return out


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def read(run: Path, name: str = "robust/robust.json") -> dict[str, Any]:
    return dict(json.loads((run / name).read_text()))


def test_the_new_model_goes_on_from_the_old_one(finished: Path) -> None:
    old, new = (store.load_model(finished / name) for name in ("train/model.h5", "robust/model.h5"))
    assert new.card["start"] == old.fingerprint != new.fingerprint
    moved = [
        np.abs(new.weights[name] - values).mean() / (np.abs(values).mean() + 1e-6)
        for name, values in old.weights.items()
    ]
    assert 0 < np.median(moved) < 0.5
    history = read(finished, "robust/train/history.json")
    assert history["start"].endswith("train/model.h5")
    assert [row["distortion"]["share"] for row in history["epochs"]] == sorted(
        row["distortion"]["share"] for row in history["epochs"]
    )
    assert history["epochs"][-1]["distorted"]["loss"] > 0


def test_both_models_are_compared(finished: Path) -> None:
    comparison = read(finished)
    assert comparison["models"]["old"]["fingerprint"] == store.load_model(finished / "train/model.h5").fingerprint
    assert comparison["models"]["new"]["fingerprint"] == store.load_model(finished / "robust/model.h5").fingerprint
    assert [(row["kind"], row["strength"]) for row in comparison["distortions"]] == [("gaussian_noise", 0.1)]
    assert (finished / "robust/queries_gaussian_noise.png").is_file()


def test_a_question_asked_otherwise_does_not_train_again(copied: Path) -> None:
    before = (copied / "robust/model.h5").stat().st_mtime_ns
    pipeline.run_again(copied, ("robust",), changes=["robust.n_queries=10"])
    assert read(copied)["n_queries"] == 10
    assert (copied / "robust/model.h5").stat().st_mtime_ns == before


def test_other_distortions_train_again(copied: Path) -> None:
    before = store.load_model(copied / "robust/model.h5").fingerprint
    pipeline.run_again(copied, ("robust",), changes=["robust.distort.share=[1.0, 1.0]"])
    assert store.load_model(copied / "robust/model.h5").fingerprint != before


def test_an_interrupted_retraining_goes_on(finished: Path, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(copied / "robust")

    def stop(what: str, n_done: int, n_all: int, *_: object) -> None:
        if what.startswith("retraining") and n_done > 0.5 * n_all:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.run_again(copied, ("robust",), say=Say(line=lambda _: None, advance=stop))
    assert (copied / "robust/train/checkpoints/last.ckpt").is_file()
    assert not (copied / "robust/model.h5").exists()
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: pytest.fail("the checkpoint was thrown away"))
    pipeline.run_again(copied, ("robust",))
    one, two = (store.load_model(run / "robust/model.h5").fingerprint for run in (finished, copied))
    assert one == two


def test_the_command_prints_the_comparison(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["robust", str(copied), "--set", "robust.n_queries=15"]) == 0
    said = capsys.readouterr().out
    assert "curves.png" in said
    assert "recall@1" in said


def test_a_training_from_a_model_says_so(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for assignment in SMALL for word in ("--set", assignment)]
    start = str(finished / "train/model.h5")
    out = tmp_path / "again"
    objectives = ["--objective", "distillation", "--objective", "reconstruction=20"]
    assert main(["train", "--preset", "smoke", *words, "--from", start, *objectives, "--out", str(out)]) == 0
    model = store.load_model(out / "train/model.h5")
    assert model.card["start"] == store.load_model(start).fingerprint
    kept = config.read(out / "config.toml").train
    assert kept.objectives == {"distillation": 1.0, "reconstruction": 20.0}
    assert "model.h5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.n_components=5", "model.n_components is 5, and the model's is 4; add --set model.n_components=4"),
        ("data.image_size=28", "data.image_size is 28, and the model's is 32"),
        ("model.architecture=conv", "model.architecture is 'conv', and the model's is 'dense'"),
    ],
)
def test_a_model_of_another_shape_is_no_start(finished: Path, tmp_path: Path, change: str, message: str) -> None:
    settings = small(f"train.start={finished / 'train/model.h5'}", change)
    with pytest.raises(ConfigError, match=message):
        pipeline.run(settings, tmp_path / "run", until=("train",))
    assert not (tmp_path / "run/train").exists()


def test_an_objective_of_the_retraining_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown objective 'denoise'; did you mean 'denoising'"):
        pipeline.run(small("robust.objectives={denoise=1.0}"), tmp_path / "run", until=("train",))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("robust.severities=[9]", "severities must be of 1 to 5, came"),
        ("robust.noise=[-0.1]", "noise must be strengths from 0 to inf"),
        ("robust.noise=[nan]", "noise must be strengths from 0 to inf"),
        ("robust.perspective=[1.5]", "perspective must be strengths from 0 to 1"),
        ("robust.objectives={}", "objectives must name one or more"),
        ("robust.objectives={distillation=-1.0}", "with weights from 0"),
    ],
)
def test_what_could_not_be_measured_is_refused_before_anything_is_trained(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small(setting)
