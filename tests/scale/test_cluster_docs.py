"""Every command of docs/cluster.md, run in its order on real servers; and what is in deploy/, read."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers import Replica, Server
from zehn.cli import build_parser, main

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "cluster.md"
DEPLOY = ROOT / "deploy"


class Stage:
    """The machines of the page, and how far the story is told."""

    def __init__(self, folder: Path, draw: Callable[..., Path]) -> None:
        self.servers = {name: Server(is_durable=True) for name in ("coordinator", "shard-0", "shard-1")}
        for seed in range(6):
            draw(folder / "Pictures" / f"{seed}.png", seed)
        self.words = {"~/Pictures": str(folder / "Pictures"), "holiday.jpg": str(draw(folder / "holiday.png", 3))}

    def stop(self) -> None:
        for server in self.servers.values():
            server.stop()

    def perform(self, command: str) -> None:
        """Run a command of the page as it would be run there."""
        for name, server in self.servers.items():
            command = command.replace(f"@{name}/", f"@127.0.0.1:{server.port}/")
        words = [self.words.get(word, word) for word in shlex.split(command, comments=True)]
        assert "shard-" not in " ".join(words)
        if words[0] == "zehn":
            assert main(words[1:]) == self.expected(words), command
        elif words[0] == "pg_basebackup":
            self.servers["replica-1"] = self.copied(words)
        elif words[0] == "pg_ctl":
            self.servers["replica-1"].start()
        else:
            assert words[0] == "psql"
            program = self.servers["coordinator"].programs / "psql"
            done = subprocess.run([program, *words[1:]], check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr

    def expected(self, words: list[str]) -> int:
        is_gone = not self.servers["shard-1"].is_running and "replica-1" not in self.servers
        return 1 if words[1:3] == ["cluster", "status"] and is_gone else 0

    def copied(self, words: list[str]) -> Server:
        replica = Replica.__new__(Replica)
        replica.begin(is_durable=True)
        replica.run(*[str(replica.data) if word == "/srv/replica-1" else word for word in words])
        return replica


@pytest.fixture
def stage(
    tmp_path: Path, draw: Callable[..., Path], postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    del postgres  # where that one cannot be had, nor can these
    monkeypatch.setenv("ZEHN_HOME", str(tmp_path / "home"))
    made = Stage(tmp_path, draw)
    yield made
    made.stop()


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for line in "\n".join(blocks).replace("\\\n", " ").splitlines() if line]
    assert all(line.startswith("$ ") for line in lines)
    return [line.removeprefix("$ ") for line in lines]


def test_the_page_can_be_followed(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    shard = stage.servers["shard-1"]
    n_done = 0
    for command in commands():
        if "cluster status" in command and n_done > 10:
            shard.kill()  # "When a shard is gone"
        if command.startswith("pg_basebackup"):
            shard.start()
        if "pg_promote" in command:
            shard.kill()
        stage.perform(command)
        n_done += 1
        said = capsys.readouterr()
        if "--allow-partial" in command:
            assert "zehn: shard 1 (" in said.err
            assert "does not answer" in said.err
            assert "images were not searched" in said.err
            assert "by euclidean distance" in said.out
        if command.startswith("zehn search"):
            assert "holiday.png, by euclidean distance" in said.out
    assert n_done == len(commands())


def documents(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]


def test_the_compose_file_is_one() -> None:
    (compose,) = documents(DEPLOY / "compose.yaml")
    services, volumes = compose["services"], compose["volumes"]
    for name, service in services.items():
        assert {*service} & {"image", "build"}, name
        for mounted in service.get("volumes", ()):
            source = mounted.partition(":")[0]
            assert source in volumes or (DEPLOY / source).exists(), f"{name}: {mounted}"
        assert set(service.get("depends_on", ())) <= set(services)
        assert "PASSWORD" in str(service["environment"])
    assert (DEPLOY / services["zehn"]["build"]["context"] / services["zehn"]["build"]["dockerfile"]).is_file()
    check_commands((DEPLOY / "compose.yaml").read_text().replace("\\\n#", ""), set(services))


def check_commands(text: str, hosts: set[str]) -> None:
    """Every ``zehn`` command in a comment is one, and speaks of servers that there are."""
    found = re.findall(r"zehn (cluster init\s+(?:--\w+ \S+\s+)+|index create \S+\s+--engine \S+)", text)
    assert len(found) == 2
    for words in found:
        build_parser().parse_args(shlex.split(words))
        named = set(re.findall(r"@([\w-]+)/", words))
        assert named
        assert named <= hosts


def test_the_sketch_for_kubernetes_is_whole() -> None:
    parts = documents(DEPLOY / "kubernetes.yaml")
    by_kind: dict[str, dict[str, Any]] = {}
    for part in parts:
        assert part["apiVersion"]
        by_kind.setdefault(part["kind"], {})[part["metadata"]["name"]] = part
    for name, part in by_kind["StatefulSet"].items():
        assert part["spec"]["serviceName"] in by_kind["Service"]
        assert (
            part["spec"]["selector"]["matchLabels"] == part["spec"]["template"]["metadata"]["labels"] == {"app": name}
        )
        claims = {claim["metadata"]["name"] for claim in part["spec"]["volumeClaimTemplates"]}
        volumes = {volume["name"] for volume in part["spec"]["template"]["spec"].get("volumes", ())}
        (container,) = part["spec"]["template"]["spec"]["containers"]
        assert {mounted["name"] for mounted in container["volumeMounts"]} == claims | volumes
    secrets = set(by_kind["Secret"]["zehn-postgres"]["stringData"])
    named = re.findall(r"secretKeyRef: {name: zehn-postgres, key: (\w+)}", (DEPLOY / "kubernetes.yaml").read_text())
    assert set(named) <= secrets
    for workload in (by_kind["Job"]["cluster-init"], by_kind["Deployment"]["serve"]):
        (container,) = workload["spec"]["template"]["spec"]["containers"]
        build_parser().parse_args(container["args"])
    (init,) = by_kind["Job"]["cluster-init"]["spec"]["template"]["spec"]["containers"]
    n_shards = sum(word.startswith("--shard") for word in init["args"])
    assert n_shards == by_kind["StatefulSet"]["shard"]["spec"]["replicas"]
