"""One command begins several processes, tells of them as of one, and takes its place among those that others began."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from zehn import store
from zehn.cli import main, processes
from zehn.errors import ConfigError, TrainingError

SETTINGS = {
    "data.n_train": 300, "data.n_test": 60, "model.architecture": "dense", "model.n_components": 4, "train.epochs": 2,
    "train.precision": "float32", "train.batch_size": 32, "train.decoder_seen": 300,
}  # fmt: skip


def words(out: Path, *more: str, **changes: Any) -> list[str]:
    settings = SETTINGS | {f"train.{name}": value for name, value in changes.items()}
    sets = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    common = ("--dataset", "digits", "--preset", "smoke", "--device", "cpu", "--objective", "reconstruction")
    return ["train", *common, *sets, "--out", str(out), *more]


def begin(*given: str) -> subprocess.Popen[str]:
    environ = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "zehn", *given]
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def process_of(index: int, out: Path) -> int:
    """Return the process that has a number, among those that train into a folder."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            is_ours = str(out).encode() in (path / "cmdline").read_bytes()
            if is_ours and f"RANK={index}".encode() in (path / "environ").read_bytes().split(b"\0"):
                return int(path.name)
        except OSError:
            continue
    raise AssertionError(f"no process {index} trains into {out}")


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


@pytest.fixture
def given() -> Namespace:
    return Namespace(nodes=None, devices=None, node_rank=None, master=None)


def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    together = begin(*words(tmp_path / "two", "--devices", "2"))
    printed, _ = together.communicate(timeout=900)
    assert together.returncode == 0, printed
    lines = printed.splitlines()
    assert [line.partition(":")[0] for line in lines if ":" in line] == [
        *["data"] * 2,
        *["train"] * 2,
        "model",
        "curves",
    ]
    assert "Warning" not in printed
    assert main(words(tmp_path / "one")) == 0
    histories = [json.loads((tmp_path / name / "train/history.json").read_text()) for name in ("one", "two")]
    losses = [[row["validation"]["loss"] for row in history["epochs"]] for history in histories]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert histories[1]["decoder"]["epochs"] == 1
    assert store.load_model(tmp_path / "two/train/model.h5").n_components == 4
    assert "--devices 2" in json.loads((tmp_path / "two/run.json").read_text())["command"]
    assert main(words(tmp_path / "two")) == 0  # it is the same training: nothing is left to do


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_one_that_dies_ends_all_with_one_line_and_ctrl_c_saves(tmp_path: Path) -> None:
    endless, out = words(tmp_path, "--devices", "2", epochs=10_000), tmp_path / "train"
    died = begin(*endless)
    wait_for(out / "checkpoints/best.ckpt", died)
    os.kill(process_of(1, tmp_path), signal.SIGKILL)
    printed, _ = died.communicate(timeout=900)
    assert died.returncode == 2
    assert [line for line in printed.splitlines() if line.startswith("zehn: ")] == [
        "zehn: process 1 of 2 was ended by SIGKILL, and all others with it; add --resume to go on from the last "
        "checkpoint"
    ]
    assert "Traceback" not in printed
    n_before = len(json.loads((out / "history.json").read_text())["epochs"])
    resumed = begin(*endless, "--resume")
    while len(json.loads((out / "history.json").read_text())["epochs"]) == n_before:
        assert resumed.poll() is None, resumed.communicate()[0]
        time.sleep(0.05)
    resumed.send_signal(signal.SIGINT)
    printed, _ = resumed.communicate(timeout=900)
    assert resumed.returncode == 130
    assert printed.splitlines()[-1] == "zehn: interrupted; add --resume to go on where this one stopped"
    assert "interrupted in epoch" in printed
    with pytest.raises(AssertionError, match="no process 0 trains into"):
        process_of(0, tmp_path)


def test_processes_that_were_begun_here_leave_it_to_the_one_that_began_them_to_complain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "note.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(path))
    assert not processes.note("torchrun's own reads it on the screen", is_loss=False)
    monkeypatch.setenv("ZEHN_LAUNCHED", str(os.getppid()))
    assert processes.note("a batch of 31 images", is_loss=False)
    told = json.loads(path.read_text())
    assert (told["message"], told["is_loss"]) == ("a batch of 31 images", False)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--devices", "0"), "--nodes and --devices count from 1, came 1 and 0"),
        (("--nodes", "2"), "2 nodes need --master HOST:PORT, .* came None and None"),
        (("--nodes", "2", "--master", "here", "--node-rank", "0"), "2 nodes need --master HOST:PORT"),
        (("--nodes", "2", "--master", "here:1", "--node-rank", "2"), "--node-rank from 0 to 1, another one on each"),
        (("--master", "here:1"), "--master and --node-rank are for several nodes"),
    ],
)
def test_places_that_make_no_sense(
    tmp_path: Path, more: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path, *more)) == 2
    assert re.search(message, capsys.readouterr().err)


def test_torchruns_processes_are_recognised(given: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not processes.must_launch(given)
    given.devices = 2
    assert processes.must_launch(given)
    for name, value in {"RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert not processes.must_launch(given)
    given.nodes = 2
    with pytest.raises(ConfigError, match="are 4 processes, and torchrun or Slurm began 2; leave both out"):
        processes.must_launch(given)


def test_slurms_tasks_are_recognised() -> None:
    step = {
        "SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "5", "SLURM_LOCALID": "1",
        "SLURM_NODEID": "1", "SLURM_STEP_NODELIST": "gpu[07-08]", "SLURM_JOB_ID": "1234567",
    }  # fmt: skip
    environ = dict(step)
    assert processes.is_one_of_several(environ)
    found = {name: value for name, value in environ.items() if name not in step}
    assert found == {
        "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "GROUP_RANK": "1",
        "MASTER_ADDR": "gpu07", "MASTER_PORT": "19567",
    }  # fmt: skip
    assert not processes.is_one_of_several({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"})  # of sbatch, without srun


def failure(exitcode: int, told: dict[str, Any] | None = None, timestamp: int = 0) -> Any:
    name = signal.Signals(-exitcode).name if exitcode < 0 else "<N/A>"
    found = {"error_file_data": told or {"message": "<NONE>"}, "exitcode": exitcode, "timestamp": timestamp}
    return SimpleNamespace(**found, signal_name=lambda: name)


LOSS = {"message": "process 0 lost another one", "is_loss": True}
NAN = {"message": "the loss became nan", "is_loss": False}


@pytest.mark.parametrize(
    ("failures", "message"),
    [
        ({0: failure(2, LOSS), 1: failure(-9, timestamp=5)}, "process 1 of 2 was ended by SIGKILL"),
        ({0: failure(-15), 1: failure(1, timestamp=5)}, "process 1 of 2 failed, as told above"),
        ({0: failure(2, NAN, timestamp=5), 1: failure(-15)}, "^the loss became nan$"),
        ({0: failure(2, LOSS)}, "^process 0 lost another one$"),
    ],
)
def test_the_cause_is_told_and_not_what_followed(failures: dict[int, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        raise processes._cause(failures, 2, "the same command goes on")


def test_an_interruption_is_no_failure() -> None:
    assert isinstance(processes._cause({0: failure(130), 1: failure(-15)}, 2, ""), KeyboardInterrupt)
