"""Replays every input that a fuzzer once found, and every seed, through the reader that it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz import _targets

_MOST_BYTES, _MOST_BYTES_IN_ALL = 20_000, 1_000_000
_CORPUS = [(name, path) for name in _targets.names() for path in _targets.corpus(name)]


@pytest.mark.parametrize(("name", "path"), _CORPUS, ids=[f"{name}-{path.name}" for name, path in _CORPUS])
def test_is_read_or_refused(name: str, path: Path) -> None:
    _targets.attempt(_targets.load(name), path.read_bytes())


@pytest.mark.parametrize("name", _targets.names())
def test_every_target_has_seeds(name: str) -> None:
    assert any(path.name.startswith(_targets.SEED) for path in _targets.corpus(name))


def test_corpus_stays_small() -> None:
    sizes = {str(path): path.stat().st_size for _, path in _CORPUS}
    assert max(sizes.values()) <= _MOST_BYTES, max(sizes, key=lambda path: sizes[path])
    assert sum(sizes.values()) <= _MOST_BYTES_IN_ALL


def test_corpus_is_of_targets() -> None:
    assert {path.name for path in _targets.CORPUS.iterdir()} == set(_targets.names())
