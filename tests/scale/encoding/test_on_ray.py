"""Bulk encoding on a real Ray cluster of two nodes on this machine: the same codes, whatever of it is killed."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zehn import store
from zehn.scale import encoding
from zehn.scale.encoding import parts
from zehn.scale.encoding.parts import Part
from zehn.scale.encoding.storage import Folder

from .conftest import check_codes

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install zehn[scale]"),
]
N, BATCH = 40, 4
SIDE = 800
"""Of images that take long enough to decode that a job can be killed in the midst of it."""
SECONDS_TO_START, SECONDS_TO_END = 180.0, 400.0
FIRST_PORT = 20_000
"""Below it are the ports that Ray gives to its workers."""
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled"}
"""With a token in the home folder, where ray.init() leaves one, a head asks for it, and a second node has none."""
TOGETHER = {"RAY_DATA_DEFAULT_WAIT_FOR_MIN_ACTORS_S": "300"}
"""Ray Data begins once both actors are there, or one might be done before the other has started."""
COUNT_NODES = """
import ray, sys, time
ray.init(address=sys.argv[1], log_to_driver=False)
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[2]):
    time.sleep(0.2)
"""


class Node:
    """A node of a Ray cluster, with all its processes in a group of their own."""

    def __init__(self, *options: str) -> None:
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats"]
        command += ["--num-cpus=2", "--object-store-memory=80000000", "--node-ip-address=127.0.0.1", *options]
        self.process = subprocess.Popen(
            command,
            env=os.environ | QUIET,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Cluster:
    """A head and a second node."""

    def __init__(self, folder: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.head = Node(
            "--head",
            f"--port={self.address.rpartition(':')[2]}",
            f"--ray-client-server-port={free_port()}",
            "--include-dashboard=false",
            f"--temp-dir={folder}",
        )
        self.second: Node | None = None

    def start_second(self) -> None:
        self.second = Node(f"--address={self.address}")
        self.await_nodes(2)

    def await_nodes(self, n: int) -> None:
        command = [sys.executable, "-c", COUNT_NODES, self.address, str(n)]
        deadline = time.monotonic() + SECONDS_TO_START
        while True:  # it does not wait for a head that is about to start
            left = deadline - time.monotonic()
            tried = subprocess.run(command, check=False, env=os.environ | QUIET, capture_output=True, timeout=left)
            if tried.returncode == 0:
                return
            time.sleep(0.5)

    def stop(self) -> None:
        for node in (self.second, self.head):
            if node is not None:
                node.kill()


def free_port() -> int:
    while True:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port: int = found.getsockname()[1]
        if port >= FIRST_PORT:
            return port


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="zehn-ray-", dir="/tmp"))
    made = Cluster(folder)
    try:
        made.await_nodes(1)
        made.start_second()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A folder of images that take long to decode."""
    (tmp_path / "slow").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "slow" / "000.png")
    for number in range(1, N):
        os.link(tmp_path / "slow" / "000.png", tmp_path / "slow" / f"{number:03}.png")
    return tmp_path / "slow"


def command_of(source: Path, out: Path, cluster: Cluster) -> list[str]:
    options = ["--ray", cluster.address, "--workers", "2", "--batch", str(BATCH), "--json"]
    return [sys.executable, "-m", "zehn", "encode", str(source), "--out", f"{out}/", *options]


def parts_in(out: Path) -> list[Part]:
    names = [path.name for path in out.glob("part-*.parquet")]
    return list(parts.read_all(Folder(str(out)), names).values())


def encode_and_disturb(
    source: Path, out: Path, cluster: Cluster, is_time: Callable[[list[Part]], bool], disturb: Callable[[], None]
) -> dict[str, Any]:
    """Encode, do something to the cluster once it is time, and return what was printed in the end."""
    deadline = time.monotonic() + SECONDS_TO_END
    with subprocess.Popen(
        command_of(source, out, cluster),
        env=os.environ | QUIET | TOGETHER,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        while not is_time(parts_in(out)):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        disturb()
        assert len(parts_in(out)) * BATCH < N, "it was over too soon to be disturbed"
        printed, said = process.communicate(timeout=max(1.0, deadline - time.monotonic()))
    assert process.returncode == 0, said.decode()
    answer: dict[str, Any] = json.loads(printed)
    return answer


def test_two_nodes_make_the_codes_of_one_machine(
    slow: Path, tmp_path: Path, cluster: Cluster, model: store.Model
) -> None:
    out = tmp_path / "codes"
    (slow / "bad.png").write_bytes(b"no image")
    with tarfile.open(slow / "shard.tar", "w") as archive:
        data = (slow / "000.png").read_bytes()
        for number in range(3):
            about = tarfile.TarInfo(f"{number}.png")
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    printed = subprocess.run(
        command_of(slow, out, cluster),
        check=False,
        env=os.environ | QUIET | TOGETHER,
        capture_output=True,
        timeout=SECONDS_TO_END,
    )
    assert printed.returncode == 0, printed.stderr.decode()
    about = json.loads(printed.stdout)
    assert (about["images"], about["skipped"]) == (N + 3, 1)
    assert len(about["nodes"]) == 2
    assert min(about["nodes"].values()) > 0
    # the same command without Ray: nothing is left to do, and what one machine would make is what is there
    again = encoding.encode(slow, out, n_workers=0, options=encoding.Options(batch=BATCH))
    assert (again.n_new, again.n_images, len(again.skipped)) == (0, N + 3, 1)
    alone = encoding.encode(slow, tmp_path / "alone", n_workers=0, options=encoding.Options(batch=BATCH))
    assert alone.n_images == again.n_images
    check_equal(out, tmp_path / "alone")


def check_equal(one: Path, other: Path) -> None:
    for path in one.glob("part-*.parquet"):
        (rows, codes), (expected_rows, expected) = (parts.read_rows(Folder(str(at)), path.name) for at in (one, other))
        assert rows == expected_rows
        np.testing.assert_allclose(codes, expected, atol=1e-4)


def test_killed_actors_and_a_killed_node_cost_nothing(
    slow: Path, tmp_path: Path, cluster: Cluster, model: store.Model
) -> None:
    out, second = tmp_path / "codes", cluster.second
    assert second is not None

    def kill() -> None:
        second.kill()
        for pid in {part.pid for part in parts_in(out)}:  # of the node that is left too
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    about = encode_and_disturb(slow, out, cluster, lambda made: len({part.node for part in made}) == 2, kill)
    assert (about["images"], about["new"], about["skipped"]) == (N, N, 0)
    assert len(about["nodes"]) == 2
    check_codes(out, model, sorted(slow.iterdir()))
