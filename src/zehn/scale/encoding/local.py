"""Units of work encoded on this machine: a process per worker, each with the model and one thread.

A worker is a child (:mod:`zehn.children`). One that dies is replaced, and its unit is left for the next round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from threading import Thread

from zehn import children
from zehn.children import Child
from zehn.errors import RunError
from zehn.scale.encoding.worker import Done, Job, Task, Worker

_PROGRAM = "from zehn.scale.encoding.local import serve; serve()"
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
    """Encode units for a parent: what a worker does."""
    children.serve(Worker)


class _Process:
    """A process that encodes; it is started when it is first asked, and again after it died."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._child: Child | None = None
        self._is_closed = False
        self._n_failed = 0

    def ask(self, task: Task) -> Done | None:
        """Return what came of a task, or None where the process died over it.

        Raises:
            RunError: the process died as it started, again and again.

        """
        try:
            done: Done = (self._child or self._start()).ask(task)
        except children.DYING as error:
            self._end()
            if self._n_failed >= _MOST_STARTS:
                raise RunError(
                    "workers die as they start, see what they say above; the same command goes on, with --workers 0 in "
                    "one process"
                ) from error
            return None
        return done

    def close(self) -> None:
        self._is_closed = True
        self._end()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def _start(self) -> Child:
        if self._is_closed:
            raise EOFError
        child = self._child = Child(_PROGRAM)
        self._n_failed += 1
        if self._is_closed:  # in the meantime
            raise EOFError
        child.begin(self._job)
        self._n_failed = 0
        return child


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
