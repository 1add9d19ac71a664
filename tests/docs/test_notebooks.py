"""The notebooks run from top to bottom, at small size, and are kept without what they print."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
SECONDS = 900
SMALL = {
    "ZEHN_NOTEBOOK_DATA": "digits",
    "ZEHN_NOTEBOOK_IMAGES": "300",
    "ZEHN_NOTEBOOK_TRAINS": "no",
    "MPLBACKEND": "agg",
}


def test_what_there_is() -> None:
    assert [notebook.stem for notebook in NOTEBOOKS] == ["course", "own_folder"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not [cell for cell in code if cell.outputs or cell.execution_count]


@pytest.mark.filterwarnings("default")  # of Jupyter's own
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SMALL, "ZEHN_NOTEBOOK_FOLDER": str(scratch / "pictures")}.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(scratch)}}).execute()
