"""Units of work encoded on this machine: a process per worker, each with the model and one thread.

A worker is a plain ``python -c`` that reads tasks and answers them, as those that decode for a collection are, and for
the same reasons: no script is run again, none outlives its parent. One that dies is replaced, and its unit is left
for the next round.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any

from zehn.errors import RunError
from zehn.scale.encoding.worker import Done, Job, Task, Worker

_PROGRAM = "from zehn.scale.encoding.local import serve; serve()"
_READY: Any = "ready"
_DYING = (OSError, EOFError, pickle.UnpicklingError)
_MOST_STARTS = 3
"""Starts in a row that fail before a worker is given up, and all with it: it would fail for each of a million units."""


def run(tasks: Sequence[Task], job: Job, n_workers: int) -> Iterator[Done]:
    """Yield what came of tasks, as they are done; those over which a worker died are left out.

    Without workers, all is done in this process.
    """
    if n_workers < 1:
        worker = Worker(job)
        yield from map(worker, tasks)
        return
    waiting: SimpleQueue[Task | None] = SimpleQueue()
    for task in [*tasks, *[None] * n_workers]:
        waiting.put(task)
    answers: SimpleQueue[Done | BaseException | None] = SimpleQueue()
    processes = [_Process(job) for _ in range(min(n_workers, len(tasks)))]
    threads = [Thread(target=_feed, args=(process, waiting, answers), daemon=True) for process in processes]
    try:
        for thread in threads:
            thread.start()
        n_left = len(threads)
        while n_left:
            answer = answers.get()
            if answer is None:
                n_left -= 1
            elif isinstance(answer, BaseException):
                raise answer
            else:
                yield answer
    finally:
        for process in processes:
            process.close()


def serve() -> None:
    """Answer tasks from standard input until it ends: what a worker does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    tasks, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints does not go among the answers
    with suppress(*_DYING):
        worker, answer = Worker(pickle.load(tasks)), _READY  # noqa: S301 – from our own parent
        while True:
            pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()
            answer = worker(pickle.load(tasks))  # noqa: S301 – from our own parent


class _Process:
    """A process that encodes; it is started when it is first asked, and again after it died."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = False
        self._n_failed = 0

    def ask(self, task: Task) -> Done | None:
        """Return what came of a task, or None where the process died over it.

        Raises:
            RunError: the process died as it started, again and again.

        """
        try:
            return _exchange(self._process or self._start(), task)
        except _DYING as error:
            self._end()
            if self._n_failed >= _MOST_STARTS:
                raise RunError(
                    "workers die as they start, see what they say above; the same command goes on, with --workers 0 in "
                    "one process"
                ) from error
            return None

    def close(self) -> None:
        self._is_closed = True
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe:
                    pipe.close()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._is_closed:
            raise EOFError
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        # -P: or a hashlib.py in the folder that we were started in would run
        command = [sys.executable, "-P", "-c", _PROGRAM]
        self._process = subprocess.Popen(  # noqa: S603 – our own program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        self._n_failed += 1
        if self._is_closed or _exchange(self._process, self._job) != _READY:  # closed in the meantime
            raise EOFError
        self._n_failed = 0
        return self._process


def _feed(
    process: _Process, waiting: SimpleQueue[Task | None], answers: SimpleQueue[Done | BaseException | None]
) -> None:
    """Let a process do tasks until there are none."""
    try:
        while (task := waiting.get()) is not None:
            done = process.ask(task)
            if done is not None:
                answers.put(done)
    except BaseException as error:  # noqa: BLE001 – told in the thread that waits
        answers.put(error)
    finally:
        answers.put(None)


def _exchange(process: subprocess.Popen[bytes], message: object) -> Any:
    if process.stdin is None or process.stdout is None:
        raise EOFError
    pickle.dump(message, process.stdin, pickle.HIGHEST_PROTOCOL)
    process.stdin.flush()
    return pickle.load(process.stdout)  # noqa: S301 – from our own child
