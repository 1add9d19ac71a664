"""An installation without extras: what works, and that everything else is one line that names the extra."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SERVER = "postgresql://nobody@127.0.0.1:1/nothing"
WORK = (
    "index create photos", "index add photos photos --labels folder", "index info photos", "index update photos",
    "search photos/07.png --k 3 --distance cosine --explain --show hits.png",
    "search photos/07.png --where width>=10 --approximate --json", "duplicates photos",
    "index verify photos", "index list", "index compact photos", "index backup photos copy.zehn",
    "index copy photos other", "index export photos codes.npz", "index import other codes.npz",
    "index reencode other --model cifar10-robust", "index remove other --ids 1",
    "encode photos --out all.npz", "data info folder:photos", "index create own --model train",
)  # fmt: skip
"""Commands that need no extra, in the order in which they are given."""
NEED: Mapping[str, str] = {
    "run --dataset folder:photos --preset smoke": "train",
    "run --dataset folder:photos --preset smoke --model cifar10": "train",
    "train --dataset folder:photos --preset smoke": "train",
    "train --dataset folder:photos --preset smoke --devices 2": "train",
    "train --dataset folder:photos --from cifar10": "train",
    "data info digits": "train",
    "index add own photos": "train",
    "index reencode photos --model train": "train",
    "encode photos --out slow.npz --device cuda": "train",
    "report runs/a": "report",
    "encode photos --out codes.parquet": "parquet",
    "encode photos --out codes/": "parquet",
    "index export photos codes.parquet": "parquet",
    "index import other codes.parquet": "parquet",
    "serve photos --no-browser": "serve",
    f"index create far --engine {SERVER}": "scale",
    f"index copy photos {SERVER}?collection=photos": "scale",
    f"cluster init --coordinator {SERVER} --shard {SERVER}": "scale",
    f"cluster status --coordinator {SERVER}": "scale",
}
"""Commands that need an extra, and which."""
PROGRAM = """
import contextlib, io, json, shlex, sys
commands, blocked = json.load(sys.stdin)
sys.modules |= dict.fromkeys(blocked)
from zehn.cli import main
for command in commands:
    told, complained = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(complained):
        code = main(shlex.split(command))
    print(json.dumps([command, code, complained.getvalue()]))
"""


@dataclass(frozen=True)
class Answer:
    """What a command came to."""

    code: int
    complaint: str


def modules(*extras: str) -> list[str]:
    """The modules that extras bring, by their names for ``import``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [text for extra in extras for text in project["optional-dependencies"][extra]]
    wanted = {re.split(r"[\[<>=!~; ]", text)[0].lower() for text in asked}
    return [
        module for module, packages in packages_distributions().items() if wanted & {name.lower() for name in packages}
    ]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Answer]:
    """What each command answers where no extra is installed; one process for all of them."""
    import numpy as np
    from PIL import Image

    from zehn import store

    place = tmp_path_factory.mktemp("bare")
    (place / "photos").mkdir()
    for number in range(20):
        noise = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(noise).save(place / "photos" / f"{number:02}.png")
    store.Run.create(place / "runs" / "a").close()
    (place / "codes.parquet").write_bytes(b"PAR1")
    blocked = modules("train", "report", "parquet", "serve", "scale")
    assert {"torch", "matplotlib", "pyarrow", "fastapi", "psycopg"} <= set(blocked)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([[*WORK, *NEED], blocked]),
        cwd=place,
        env={**os.environ, "ZEHN_HOME": str(place / "home"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {command: Answer(code, told) for command, code, told in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("command", WORK)
def test_it_works_without_any_extra(answers: Mapping[str, Answer], command: str) -> None:
    assert answers[command].code == 0, answers[command].complaint


@pytest.mark.parametrize(("command", "extra"), NEED.items())
def test_a_missing_extra_is_one_line_that_names_it(answers: Mapping[str, Answer], command: str, extra: str) -> None:
    answer = answers[command]
    assert answer.code == 2
    assert re.fullmatch(
        rf"zehn: this needs '[\w.]+', which is not installed; install it with: pip install 'zehn\[{extra}\]'\n",
        answer.complaint,
    )


def test_every_extra_for_users_is_tried() -> None:
    assert {*NEED.values()} == {"train", "report", "parquet", "serve", "scale"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with two pictures below ``photos``."""
    from PIL import Image

    (tmp_path / "photos").mkdir()
    for shade in (0, 200):
        Image.new("RGB", (20, 20), (shade, 9, 9)).save(tmp_path / "photos" / f"{shade}.png")
    return tmp_path


@pytest.mark.parametrize(("source", "module"), [("photos --ray local", "ray"), ("s3://bucket/shards/", "fsspec")])
def test_bulk_encoding_names_scale_where_parquet_alone_is_there(place: Path, source: str, module: str) -> None:
    program = f"import sys\nsys.modules[{module!r}] = None\nfrom zehn.cli import main\nsys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", program, "encode", *source.split(), "--out", "codes/"]
    done = subprocess.run(words, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.search(rf"'{module}', which is not installed; .*'zehn\[scale\]'\n$", done.stderr)
