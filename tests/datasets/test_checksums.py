"""A file is compared with its published checksum, and a short one is told from another one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from zehn.datasets import _checksums
from zehn.errors import ChecksumError, DataError

DATA = b"published"
MD5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()


def test_the_published_file_passes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    assert _checksums.read_verified(path, MD5) == DATA
    _checksums.verify_file(path, MD5, len(DATA))


def test_a_short_file_and_another_one_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA[:-1])
    with pytest.raises(ChecksumError, match="is cut short: expected 9 bytes, came 8; delete it and fetch it again"):
        _checksums.verify_file(path, MD5, len(DATA))
    path.write_bytes(DATA.upper())
    with pytest.raises(ChecksumError, match=f"is damaged or is another file: expected MD5 {MD5}, came "):
        _checksums.verify_file(path, MD5, len(DATA))
    with pytest.raises(ChecksumError, match="is damaged or is another file"):
        _checksums.read_verified(path, MD5)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    for check in (lambda p: _checksums.read_verified(p, MD5), lambda p: _checksums.verify_file(p, MD5, 9)):
        with pytest.raises(DataError, match=r"cannot read .*: No such file"):
            check(tmp_path / "nowhere")
