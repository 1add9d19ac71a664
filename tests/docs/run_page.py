"""Run one page: its blocks, one after the other, in the folder that we are in. A process of its own for each page.

    python tests/docs/run_page.py PAGE [console]

The presets are made tiny and CIFAR-10 is the bundled digits, so that each command does its work in seconds; nothing
else is another than for a user. ``console`` leaves the Python blocks out, where sybil runs them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for tests.docs; behind the package that is tried

from tests.docs.blocks import Block, blocks

_SHELL = re.compile(r"[|<>&;*`$]")
_TINY: dict[str, dict[str, Any]] = {
    "data": {"n_train": 80, "n_test": 40},
    "model": {"architecture": "conv"},
    "train": {
        "n_seen": 80, "decoder_seen": 0, "batch_size": 40, "objectives": {"reconstruction": 1.0}, "optimizer": "adamw",
    },
    "evolve": {"n_train": 80, "n_queries": 20, "architectures": ("dense", "conv")},
    "check": {"n_mapped": 40, "n_neighbors": 5},
    "query": {"n_queries": 4, "n_hits": 4, "n_scored": 40, "n_resamples": 20},
    "robust": {"n_train": 80, "n_seen": 80, "n_queries": 20, "noise": (0.1,), "perspective": (0.5,), "n_shown": 4},
}  # fmt: skip


class WrongError(Exception):
    """What a page shows is not what happens."""


def main() -> int:
    """Run a page and say where it is wrong."""
    page, only_console = Path(sys.argv[1]), "console" in sys.argv[2:]
    make_small()
    namespace: dict[str, Any] = {"__name__": "__page__"}
    for block in blocks(page):
        if not block.is_run or (only_console and block.language == "python"):
            continue
        try:
            with aside() if "aside" in block.comments else contextlib.nullcontext():
                run(block, namespace)
        except BaseException as error:  # noqa: BLE001 - the test reads what went wrong here
            told = str(error) if isinstance(error, WrongError) else traceback.format_exc()
            print(f"{page.name}, line {block.line}: {told}", file=sys.stderr)
            return 1
    return 0


def run(block: Block, namespace: dict[str, Any]) -> None:
    """Run one block."""
    for command in block.before:
        in_shell(command)
    if block.language == "python":
        lines = "\n" * (block.line - 1) + block.code
        exec(compile(lines, str(block.page), "exec"), namespace)  # noqa: S102 - our own pages
        return
    for command, shown in block.commands:
        printed = perform(command)
        if shown and not is_as_shown(printed, shown):
            raise WrongError(f"{command}\nshown:\n{shown}\nprinted:\n{printed}")


def perform(command: str) -> str:
    """Run one command, one of ours in this process, and return what it prints."""
    words = shlex.split(command)
    if words[0] != "zehn" or _SHELL.search(command):
        return in_shell(command)
    from zehn.cli import main

    printed = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)  # paths are written as bytes
    complaints = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaints):
        try:
            code = main([os.path.expanduser(word) for word in words[1:]])  # noqa: PTH111 - a word, as a shell takes it
        except SystemExit as leaving:
            code = int(leaving.code or 0)
    printed.seek(0)
    told = printed.read()
    if code:
        raise WrongError(f"{command}: exit code {code}\n{told}{complaints.getvalue()}")
    return told


def in_shell(command: str) -> str:
    """Run a command by bash and return what it prints."""
    done = subprocess.run(["bash", "-ec", command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise WrongError(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def is_as_shown(printed: str, shown: str) -> bool:
    """Return whether a text is as shown, where ``…`` stands for anything and the width of gaps does not count."""
    parts = [r"\s+".join(re.escape(word) for word in part.split()) for part in shown.split("…")]
    return re.search(r"\s*.*?\s*".join(parts), printed, re.DOTALL) is not None


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Keep what a block makes away from the blocks that follow."""
    before = os.environ["ZEHN_HOME"]
    with tempfile.TemporaryDirectory() as home:
        os.environ["ZEHN_HOME"] = home
        yield
    os.environ["ZEHN_HOME"] = before


def make_small() -> None:
    """Let every preset train for a moment only, and the digits stand in for CIFAR-10."""
    from zehn import config, datasets
    from zehn.datasets import cifar10

    def load(_: Any, *, image_size: int, **__: Any) -> datasets.Dataset:
        digits = datasets.subset(datasets.load("digits", image_size=image_size), 400, 100, 0)
        return dataclasses.replace(digits, name="cifar10")

    config.PRESETS = dict.fromkeys(config.PRESETS, _TINY)
    vars(cifar10)["load"] = load
    vars(cifar10).pop("expected")  # what is published of the real one


if __name__ == "__main__":
    sys.exit(main())
