"""TensorBoard on a run's curves, while it trains and after."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from zehn import plugins


def open_tensorboard(logs_path: Path) -> str:
    """Start TensorBoard on 127.0.0.1 at a free port, open it in the browser, and return its address.

    It runs in a thread and ends with this process.

    Raises:
        MissingExtraError: TensorBoard is not installed.

    """
    program = plugins.require("tensorboard.program", "train")
    board = program.TensorBoard()
    board.configure(argv=[None, "--logdir", str(logs_path), "--host", "127.0.0.1", "--port", "0"])
    address = str(board.launch())
    webbrowser.open(address)
    return address
