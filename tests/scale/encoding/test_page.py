"""The commands of docs/bulk_encoding.md, followed: those that need no cluster, one after the other."""

from __future__ import annotations

import re
import shlex
import tarfile
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from zehn.cli import main

PAGE = Path(__file__).resolve().parents[3] / "docs" / "bulk_encoding.md"
ELSEWHERE = ("--ray", "://")


def commands() -> list[list[str]]:
    console = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.removeprefix("$ ").partition("  #")[0] for block in console for line in block.splitlines()]
    split = [shlex.split(line) for line in lines]
    return [
        words[1:] for words in split if words[0] == "zehn" and not any(mark in " ".join(words) for mark in ELSEWHERE)
    ]


def test_the_commands_of_the_page_do_what_it_says(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(photos.parent)
    files = sorted(photos.rglob("*.png"))
    Path("shards").mkdir()
    with tarfile.open("shards/000.tar", "w") as archive:
        for file in files:
            archive.add(file, file.name)
    pyarrow.parquet.write_table(pyarrow.table({"image": [file.read_bytes() for file in files]}), "pictures.parquet")
    printed = []
    for words in commands():
        assert main([*words, "--workers", "1"] if words[0] == "encode" else words) == 0
        printed.append(capsys.readouterr().out)
    assert len(printed) == 6
    assert "12 of them new" in printed[0]
    assert "0 of them new" in printed[1]
    assert "12 of them new" in printed[2]
    assert "12 of them new" in printed[3]
    assert "12 images loaded into mine" in printed[5]
