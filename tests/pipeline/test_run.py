from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.settings import STAGES
from zehn import codes, config, evaluate, pipeline, store
from zehn.cli import main
from zehn.errors import RunError, UnknownNameError
from zehn.pipeline.workshop import Say

SMALL = (
    "data.name=digits",
    "data.n_train=300",
    "data.n_test=60",
    "model.architecture=dense",
    "model.options={}",
    "model.n_components=4",
    "train.epochs=2",
    "train.precision=float32",
    "evolve.architectures=['dense', 'conv']",
    *STAGES,
)


def small(*more: str, seed: int = 0) -> config.Config:
    return config.resolve("smoke", assignments=[*SMALL, *more], seed=seed)


def listening() -> tuple[Say, list[str]]:
    said: list[str] = []
    return Say(line=said.append, advance=lambda *_: None), said


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run, made once; tests that change it take a copy."""
    out = tmp_path_factory.mktemp("runs") / "digits"
    pipeline.run(small(), out, command="zehn run --dataset digits")
    return out


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def numbers(run: Path) -> dict[str, Any]:
    history = json.loads((run / "train/history.json").read_text())
    return {
        "train": [[epoch[split] for split in ("train", "validation", "test")] for epoch in history["epochs"]],
        "fingerprint": store.load_model(run / "train/model.h5").fingerprint,
    }


def figures(run: Path) -> list[float]:
    return [value for epoch in numbers(run)["train"] for split in epoch for value in split.values()]


def test_a_run_leaves_everything_that_the_report_is_drawn_from(finished: Path) -> None:
    expected = [
        "config.toml",
        "run.json",
        "stages.json",
        "data/data.json",
        "data/samples.png",
        "evolve/evolve.json",
        "evolve/evolution.pdf",
        "train/model.h5",
        "train/history.json",
        "train/architecture.pdf",
        "train/architecture.png",
        "train/curves.pdf",
        "check/check.json",
        "check/codes.npz",
        "check/umap.npz",
        "check/reconstructions.png",
        "check/pairplot.png",
        "check/umap.png",
        "query/query.json",
        "query/hits_mahalanobis.png",
        "query/precision.pdf",
        "query/overlap.pdf",
        "robust/robust.json",
        "robust/model.h5",
        "robust/train/history.json",
        "robust/distortions.png",
        "robust/training.png",
        "robust/curves.png",
        "robust/corruptions.png",
        "robust/queries_gaussian_noise.png",
        "robust/queries_perspective.png",
        "report.pdf",
        "report.json",
    ]
    assert [name for name in expected if not (finished / name).is_file()] == []
    assert (finished / "report.pdf").read_bytes().startswith(b"%PDF")
    assert list((finished / "train/logs").glob("events*"))


def test_the_codes_are_those_of_all_images_by_the_runs_own_model(finished: Path) -> None:
    kept = codes.read(finished / "check/codes.npz")
    assert kept.codes.shape == (360, 4)
    assert kept.fingerprint == store.load_model(finished / "train/model.h5").fingerprint
    np.testing.assert_array_equal(kept.ids, np.arange(360))


def test_the_query_itself_is_no_hit_and_hits_are_sorted(finished: Path) -> None:
    asked = json.loads((finished / "query/query.json").read_text())
    assert len(asked["queries"]) == 4
    assert sorted(asked["hits"]) == ["euclidean", "mahalanobis"]
    for hits in asked["hits"].values():
        for query, found in zip(asked["queries"], hits, strict=True):
            assert query["id"] >= 300
            assert query["id"] not in {hit["id"] for hit in found}
            assert [hit["rank"] for hit in found] == list(range(1, 11))
            distances = [hit["distance"] for hit in found]
            assert distances == sorted(distances)


def test_the_ladder_has_every_rung_and_leaves_no_checkpoints_behind(finished: Path) -> None:
    evolution = json.loads((finished / "evolve/evolve.json").read_text())
    assert [rung["architecture"] for rung in evolution["rungs"]] == ["dense", "conv"]
    assert evolution["budget"] == {"n_train": 100, "epochs": 1, "n_queries": 30}
    assert not [path for path in (finished / "evolve").iterdir() if path.is_dir()]


def test_nothing_is_done_twice(copied: Path) -> None:
    say, said = listening()
    pipeline.run(small(), copied, say=say)
    assert [line for line in said if "begun" in line] == []
    assert len([line for line in said if "nothing has changed" in line]) == len(pipeline.STAGE_NAMES)


@pytest.mark.parametrize(
    ("change", "redone"),
    [
        ("check.n_pairplot=20", ["check", "query", "robust", "report"]),
        ("query.n_queries=2", ["query", "report"]),
        ("train.device=cpu", []),
    ],
)
def test_a_changed_setting_redoes_what_depends_on_it_and_no_more(change: str, redone: list[str], copied: Path) -> None:
    say, said = listening()
    pipeline.run(small(change), copied, say=say)
    assert [line.removesuffix(": begun") for line in said if line.endswith(": begun")] == redone


def test_a_stage_whose_result_was_deleted_is_done_again(copied: Path) -> None:
    (copied / "query/query.json").unlink()
    say, said = listening()
    pipeline.run(small(), copied, until=("query",), say=say)
    assert "query: begun" in said
    assert (copied / "query/query.json").is_file()


def test_query_asks_the_images_that_are_named(copied: Path) -> None:
    pipeline.run_again(copied, ("query",), changes=["query.query_ids=[5, 3]"])
    asked = json.loads((copied / "query/query.json").read_text())
    assert [query["id"] for query in asked["queries"]] == [305, 303]


def test_a_query_id_beyond_the_test_images_is_refused(copied: Path) -> None:
    with pytest.raises(RunError, match=r"query_ids.*60 test images.*came 60"):
        pipeline.run_again(copied, ("query",), changes=["query.query_ids=[60]"])


def test_a_run_of_another_data_set_is_not_overwritten(finished: Path, copied: Path) -> None:
    with pytest.raises(RunError, match=r"holds a run of digits, and this one is of folder:.*name another folder"):
        pipeline.run(small(f"data.name='folder:{finished / 'check'}'"), copied)
    assert numbers(copied) == numbers(finished)


def test_an_unknown_stage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'query'"):
        pipeline.run(small(), tmp_path / "run", until=("qeury",))


def test_a_run_without_labels_goes_through(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(40):
        shade = generator.integers(0, 256, (1, 1, 3), dtype=np.uint8)
        noise = generator.integers(0, 40, (40, 30, 3), dtype=np.uint8)
        Image.fromarray((shade // 2 + noise).astype(np.uint8)).save(folder / f"{number}.png")
    (folder / "notes.png").write_text("not an image")
    out = tmp_path / "run"
    pipeline.run(small(f"data.name='folder:{folder}'", "data.n_train=0", "data.n_test=0"), out)
    data = json.loads((out / "data/data.json").read_text())
    assert [Path(skipped["path"]).name for skipped in data["skipped"]] == ["notes.png"]
    assert (out / "report.pdf").is_file()
    query = json.loads((out / "query/query.json").read_text())
    assert query["scores"]["euclidean"]["P@10"] is None


def test_a_given_model_is_used_instead_of_training(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    pipeline.run(small(f"model.source='{finished / 'train/model.h5'}'"), out, until=("train",))
    used, given = store.load_model(out / "train/model.h5"), store.load_model(finished / "train/model.h5")
    assert used.fingerprint == given.fingerprint
    assert not (out / "train/checkpoints").exists()


@pytest.mark.parametrize("seconds", [0.3, 1.5])
def test_a_training_killed_and_resumed_ends_as_one_that_was_not(seconds: float, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = [sys.executable, "-m", "zehn", "train", "--preset", "smoke", "--out", str(out)]
    words += [word for setting in SMALL for word in ("--set", setting)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (out / "train/history.json").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    pipeline.run(small(), out, until=("train",))
    assert figures(out) == pytest.approx(figures(finished), rel=1e-4)  # another process may round another way


def test_train_refuses_to_lose_or_to_invent_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    with pytest.raises(RunError, match="no checkpoint of these settings to go on from"):
        pipeline.run(small(), out, until=("train",), resume=True)
    monkeypatch.setattr("zehn.pipeline.training.codes.from_network", _killed)
    with pytest.raises(RuntimeError, match="killed"):
        pipeline.run(small(), out, until=("train",), resume=False)
    with pytest.raises(RunError, match="unfinished training; go on with --resume"):
        pipeline.run(small(), out, until=("train",), resume=False)


def _killed(*_: object, **__: object) -> None:
    raise RuntimeError("killed")


def test_two_processes_on_one_run_are_told_so(copied: Path) -> None:
    with store.Run.open(copied, for_writing=True), pytest.raises(RunError, match="another process"):
        pipeline.run(small(), copied)


def test_a_bundle_holds_what_a_reader_needs(finished: Path, tmp_path: Path) -> None:
    path = pipeline.bundle(finished, tmp_path / "bundle.zip")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        with archive.open("run/train/model.h5") as file, h5py.File(file, "r") as model:
            assert "weights" in model
    assert {"run/report.pdf", "run/report.json", "run/config.toml", "source/zehn/__init__.py"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.startswith("/") or ".." in name]
    again = pipeline.bundle(finished, tmp_path / "again.zip")
    assert again.read_bytes() == path.read_bytes()


def test_an_unfinished_run_is_not_bundled(copied: Path) -> None:
    (copied / "report.pdf").unlink()
    with pytest.raises(RunError, match=r"lacks report.pdf; finish it first"):
        pipeline.bundle(copied)


def test_two_runs_are_compared(finished: Path, copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.run_again(copied, ("query",), changes=["query.n_resamples=30"])
    comparison = pipeline.compare(finished, copied)
    figures = {row["name"]: row for row in comparison["figures"]}
    assert figures["main: P@10"]["difference"] == 0
    assert {"name": "query.n_resamples", "first": 20, "second": 30} in comparison["settings"]
    assert [row["measure"] for row in comparison["paired"]] == ["P@10", "mAP@1000", "MAP@R"]
    assert {(row["difference"]["mean"], row["p_value"]) for row in comparison["paired"]} == {(0.0, 1.0)}
    assert comparison["overlap"] == 1.0
    assert main(["compare", str(finished), str(copied)]) == 0
    printed = capsys.readouterr().out
    assert "reconstruction: mse" in printed
    assert "p = 1.0000" in printed
    assert "100.0 % of a query's ten hits are the same" in printed


def test_paired_differences_are_those_of_the_figures(finished: Path, copied: Path) -> None:
    kept = codes.read(finished / "check/codes.npz")
    worse = kept.codes + np.random.default_rng(0).normal(0, kept.codes.std(), kept.codes.shape)
    codes.write(copied / "check/codes.npz", worse, kept.ids, kept.labels, kept.fingerprint)
    comparison = pipeline.compare(copied, finished)
    precision = comparison["paired"][0]
    scored = evaluate.score(worse.astype(np.float32), kept.labels, np.arange(300, 360), n_train=300)
    figures = {row["name"]: row for row in comparison["figures"]}
    difference = figures["main: P@10"]["second"]["mean"] - scored["P@10"]["mean"]
    assert precision["difference"]["mean"] == pytest.approx(difference, abs=1e-9)
    assert difference > 0
    assert 0 < comparison["overlap"] < 1


def test_runs_of_different_data_are_not_compared(finished: Path, copied: Path) -> None:
    kept = codes.read(finished / "check/codes.npz")
    assert kept.labels is not None
    for labels in (kept.labels[::-1], None):
        codes.write(copied / "check/codes.npz", kept.codes, kept.ids, labels, kept.fingerprint)
        with pytest.raises(RunError, match=r"the runs are of different data: .*digits, 300 \+ 60 images"):
            pipeline.compare(finished, copied)
    (copied / "check/codes.npz").unlink()
    with pytest.raises(RunError, match="has not been checked yet; do so with: zehn check"):
        pipeline.compare(finished, copied)


@pytest.mark.parametrize("ending", [".npz", ".h5", ".parquet"])
def test_encode_writes_the_codes_of_a_data_set(
    ending: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"codes{ending}"
    assert main(["encode", "digits", "--model", str(finished / "train/model.h5"), "--out", str(out)]) == 0
    written = codes.read(out)
    assert written.codes.shape == (1_797, 4)
    assert "1797 codes" in capsys.readouterr().out


def test_encode_takes_the_path_of_a_folder(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (50, 40), (number * 80, 20, 90)).save(folder / f"{number}.jpg")
    assert pipeline.encode(str(folder), finished / "train/model.h5", tmp_path / "codes.npz") == 3
    paths = codes.read(tmp_path / "codes.npz").paths or ()
    assert sorted(paths) == [str(folder / f"{number}.jpg") for number in range(3)]


def test_stage_commands_work_on_a_run(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(copied)]) == 0
    assert "umap.png" in capsys.readouterr().out
    assert main(["query", str(copied), "--ids", "1,2", "--distances", "cosine,euclidean"]) == 0
    assert "P@10" in capsys.readouterr().out
    assert main(["report", str(copied)]) == 0
    assert "report.pdf" in capsys.readouterr().out


def test_evaluate_prints_the_protocol(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "--model", str(finished / "train/model.h5"), "--dataset", "digits", "--no-baselines"]
    assert main([*words, "--json"]) == 0
    evaluation = json.loads(capsys.readouterr().out)
    assert 0 < evaluation["protocols"]["main"]["P@10"]["mean"] <= 1
    assert main(words) == 0
    assert "mAP@1000" in capsys.readouterr().out


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_said_to_be_full_and_the_run_goes_on_later(finished: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    try:
        with pytest.raises(RunError, match="the disk is full"):
            pipeline.run(small(), disk / "run")
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        pipeline.run(small(), disk / "run", until=("train",))
        assert numbers(disk / "run")["fingerprint"] == numbers(finished)["fingerprint"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
