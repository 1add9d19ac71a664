"""Processes of our own that answer messages, started as a plain ``python -c``.

Not ``multiprocessing``: that would run the user's script again, which a script of five lines does not survive, and
would outlive a parent that was killed. A child ends with its standard input.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

DYING = (OSError, EOFError, pickle.UnpicklingError)
"""What a child's death looks like from outside, and its parent's from inside."""
_READY = "ready"


class Child:
    """A process that runs a program which calls :func:`serve`; one thread of its own, what it prints goes to stderr."""

    def __init__(self, program: str, *, is_silent: bool = False) -> None:
        """Start it; a silent one's stderr is thrown away.

        Raises:
            OSError: no process can be started.

        """
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        # -P: or a hashlib.py in the folder that we were started in would run
        command = [sys.executable, "-P", "-c", program]
        stderr = subprocess.DEVNULL if is_silent else None
        self._process = subprocess.Popen(  # noqa: S603 – our own program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=environment
        )

    def begin(self, first: object) -> None:
        """Send what the child makes its answers with, and wait until it can.

        Raises:
            EOFError: it is no child of ours; or another of :data:`DYING`.

        """
        if self.ask(first) != _READY:
            raise EOFError

    def ask(self, message: object) -> Any:
        """Return the answer to a message; where the child dies over it, one of :data:`DYING` is raised."""
        if self._process.stdin is None or self._process.stdout is None:
            raise EOFError
        pickle.dump(message, self._process.stdin, pickle.HIGHEST_PROTOCOL)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)  # noqa: S301 – from our own child

    def close(self) -> None:
        """End the child, from any thread; a second call does nothing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe:
                    pipe.close()


def serve(make: Callable[[Any], Callable[[Any], Any]]) -> None:
    """Answer messages from standard input until it ends, by what is made of the first: what a child does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    messages, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints does not go among the answers
    with suppress(*DYING):
        perform, answer = make(pickle.load(messages)), _READY  # noqa: S301 – from our own parent
        while True:
            pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()
            answer = perform(pickle.load(messages))  # noqa: S301 – from our own parent
