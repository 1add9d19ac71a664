"""The runner's side: peers as processes, and a case played by turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench import _protocol
from benchmarks.bench._protocol import Case, Comparison, Peer

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = {_protocol.ZEHN: Path(sys.executable), _protocol.PEERS: ROOT / ".venv-peers/bin/python"}
_LEAST_TURNS = 3
_PAUSE = 0.05
"""Between two turns, so that threads that spin for a while after their work are asleep."""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")

Say = Callable[[str], None]


class PeerError(Exception):
    """A peer could not do what it was asked for."""


class Player:
    """A peer in its own process."""

    def __init__(self, comparison: Comparison, peer: Peer, n_threads: int) -> None:
        self.peer = peer
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it lives as long as the process
        environment = os.environ | dict.fromkeys(_THREADS, str(n_threads))
        environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "PYTHONHASHSEED": "0"}
        environment["PYTHONPATH"] = str(ROOT)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # modules are compiled once and kept, as pip keeps them
        command = [str(PYTHONS[peer.environment]), "-m", "benchmarks.bench._worker", comparison.name, peer.name]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the peer answers to an order.

        Raises:
            PeerError: it died, or says that something went wrong.

        """
        assert self._process.stdin  # noqa: S101 - it was asked for
        assert self._process.stdout  # noqa: S101
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            code, words = self._process.wait(), self._last_words()
            raise PeerError(f"died with exit code {code}: {(words.splitlines() or ['no word'])[-1]}\n{words}")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(f"{answer['error']}\n{answer['traceback']}")
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._errors.close()

    def _last_words(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-2_000:]


def play(comparison: Comparison, case: Case, n_threads: int, n_turns: int, seconds: float, say: Say) -> dict[str, Any]:
    """Let all peers of a comparison work on a case by turns, and return what came."""
    chosen = [one for one in comparison.peers if one.takes(case)]
    results: dict[str, dict[str, Any]] = {}
    players: list[Player] = []
    try:
        for one in chosen:
            _get_ready(comparison, one, case, n_threads, players, results)
        players = _checked(comparison, case, players, results)
        _take_turns(players, results, n_turns, seconds)
    finally:
        for player in players:
            player.close()
    for name, result in results.items():
        if "failed" in result:
            say(f"  {name} left: {result['failed'].splitlines()[0]}")
    return results


def order_of(n: int, turn: int) -> list[int]:
    """Return who goes when in a turn: everyone is first, second … equally often."""
    return [(place + turn) % n for place in range(n)]


def _get_ready(
    comparison: Comparison,
    one: Peer,
    case: Case,
    n_threads: int,
    players: list[Player],
    results: dict[str, dict[str, Any]],
) -> None:
    results[one.name] = {"title": one.title, "is_beside": one.is_beside, "turns": [], "processor_s": []}
    if not PYTHONS[one.environment].is_file():
        results[one.name]["failed"] = f"no environment {PYTHONS[one.environment]}; make it: benchmarks/bench/peers.sh"
        return
    player = Player(comparison, one, n_threads)
    try:
        results[one.name] |= player.ask({"get_ready": dict(case)})
        players.append(player)
    except PeerError as error:
        results[one.name]["failed"] = str(error)
        player.close()


def _checked(
    comparison: Comparison, case: Case, players: Sequence[Player], results: dict[str, dict[str, Any]]
) -> list[Player]:
    """Let each do the work once; who does other work than Zehn does not take part."""
    reference: Any = None
    stay: list[Player] = []
    with tempfile.TemporaryDirectory() as folder:
        for player in sorted(players, key=lambda one: not one.peer.is_zehn):
            wrong, path = "", Path(folder) / f"{player.peer.name}.npz"
            try:
                if player.ask({"answer": str(path)})["has_answer"]:
                    with np.load(path) as kept:
                        answer = dict(kept)
                    wrong = comparison.compare(reference, answer, case) if reference is not None else ""
                    reference = answer if reference is None else reference
                    results[player.peer.name]["checked"] = True
            except PeerError as error:
                wrong = str(error)
            if wrong:
                results[player.peer.name]["failed"] = wrong
                player.close()
            else:
                stay.append(player)
    return sorted(stay, key=players.index)


def _take_turns(players: list[Player], results: dict[str, dict[str, Any]], n_turns: int, seconds: float) -> None:
    began = time.perf_counter()
    for turn in range(n_turns):
        if turn >= min(n_turns, _LEAST_TURNS) and time.perf_counter() - began > seconds:
            return None
        for place in order_of(len(players), turn):
            player = players[place]
            result = results[player.peer.name]
            time.sleep(_PAUSE)
            try:
                came = player.ask({"turn": turn})
            except PeerError as error:
                result["failed"] = str(error)
                players = [one for one in players if one is not player]
                player.close()
                return _take_turns(players, results, n_turns - turn, seconds)
            result["turns"].append(came["seconds"])
            result["processor_s"].append(came["processor_s"])
            result["peak_mb"] = came["peak_mb"]
    return None
