"""Replays every input that a fuzzer once found, and every seed, through the reader that it is for, within limits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import _targets

_HOME = Path(__file__).resolve().parents[2]
_MOST_BYTES, _MOST_BYTES_IN_ALL = 20_000, 1_000_000
_CORPUS = [(name, path) for name in _targets.names() for path in _targets.corpus(name)]
_WITHOUT_CHECKS = """
import itertools
from fuzz import _replay
from zehn.datasets import _idx, _pickle
_pickle._check_memo = lambda data: None
_idx.parse = lambda data, path: all(True for _ in itertools.count())
_replay._MOST_S, _replay._REFUSED_BYTES = 3, 2**31
_replay.main()
"""
"""A replay whose reader of pickles takes gigabytes for a number, and whose reader of arrays goes round for ever."""
_on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limits of memory are Linux's")


def replayed(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=_HOME, env=environment, capture_output=True, text=True, check=False
    )


@_on_linux
@pytest.mark.parametrize("name", _targets.names())
def test_all_is_read_or_refused(name: str) -> None:
    answer = replayed("-m", "fuzz._replay", name)
    tried = answer.stdout.split()
    assert answer.returncode == 0, f"{name}/{tried[-1:]} ended with {answer.returncode}: {answer.stderr}"
    assert tried == [path.name for path in _targets.corpus(name)]


@_on_linux
@pytest.mark.parametrize(
    ("name", "file", "code", "said"),
    [
        ("pickles", "memo-of-gigabytes", 1, "it asked for more memory than"),
        ("idx", "nothing-in-a-huge-shape", -signal.SIGXCPU, ""),
    ],
)
def test_a_reader_without_its_checks_is_found_out(name: str, file: str, code: int, said: str) -> None:
    answer = replayed("-c", _WITHOUT_CHECKS, name)
    assert (answer.stdout.split()[-1:], answer.returncode) == ([file], code), answer.stderr
    assert said in answer.stderr


@pytest.mark.parametrize("name", _targets.names())
def test_every_target_has_seeds(name: str) -> None:
    assert any(path.name.startswith(_targets.SEED) for path in _targets.corpus(name))


def test_corpus_stays_small() -> None:
    sizes = {str(path): path.stat().st_size for _, path in _CORPUS}
    assert max(sizes.values()) <= _MOST_BYTES, max(sizes, key=lambda path: sizes[path])
    assert sum(sizes.values()) <= _MOST_BYTES_IN_ALL


def test_corpus_is_of_targets() -> None:
    assert {path.name for path in _targets.CORPUS.iterdir()} == set(_targets.names())
