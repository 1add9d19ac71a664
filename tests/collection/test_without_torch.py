"""An installation without the extra ``train`` makes collections and searches them; so does a script of four lines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .conftest import Draw

BLOCKED = ("torch", "pytorch_lightning", "kornia", "umap", "sklearn", "matplotlib", "pandas", "onnx", "pyarrow")
SCRIPT = f"""
import sys
sys.modules |= dict.fromkeys({BLOCKED!r})
from zehn import Collection
from zehn.cli import main
with Collection.create("own") as collection:
    collection.n_workers = 2
    print(collection.add(sys.argv[1]).n_added)
assert main(["search", sys.argv[1] + "/00.png", "--explain", "--show", "hits.png"]) == 0
assert main(["index", "create", "other", "--model", "train"]) == 0
assert main(["index", "add", "other", sys.argv[1]]) == 2
"""


def test_a_script_without_torch_indexes_and_searches(tmp_path: Path, draw: Draw) -> None:
    for seed in range(60):
        draw(tmp_path / "photos" / f"{seed:02}.png", seed, (12, 12))
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py", str(tmp_path / "photos")],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("60\n")
    assert "00.png" in done.stdout
    assert "pip install 'zehn[train]'" in done.stderr
    assert (tmp_path / "hits.png").is_file()
