"""What the runner of the fuzzers makes of processes that die, and of what writes outside its folder."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fuzz import __main__ as fuzzing
from fuzz import _folder


def test_a_target_whose_processes_die_is_given_up_and_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no room\nkill -KILL $$\n")
    python.chmod(0o755)
    monkeypatch.setattr(fuzzing, "PYTHON", python)
    assert fuzzing.main(["idx", "--out", str(tmp_path)]) == 1
    result = json.loads((tmp_path / "idx/result.json").read_text())
    assert (result["executions"], result["processes"], result["findings"]) == (0, 3, ["died--9"])
    assert "no room" in (tmp_path / "idx/findings/died--9.txt").read_text()
    assert "died--9" in capsys.readouterr().out


@pytest.mark.parametrize("move", [os.rename, os.link, os.symlink, shutil.copyfile])
def test_what_would_be_written_outside_the_folder_is_stopped(move: Callable[..., Any], tmp_path: Path) -> None:
    inside, outside = _folder.placed("inside", b""), tmp_path / "outside"
    with pytest.raises(_folder.Escape, match="outside"), _folder.watched():
        move(inside, outside)
    assert not outside.exists()
