"""Work that takes minutes, done by one thread beside the service, one piece after the other."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue

from zehn.errors import ZehnError
from zehn.progress import Progress

ABSENT, RUNNING, DONE, FAILED = "absent", "running", "done", "failed"
_logger = logging.getLogger(__name__)
_SECONDS_TO_STOP = 10.0
_NICE = 10


@dataclass(frozen=True)
class Task:
    """Where a piece of work stands."""

    state: str = ABSENT
    """``absent`` (nobody asked for it), ``running`` (or waiting for its turn), ``done`` or ``failed``."""
    n_done: int = 0
    n: int = 0
    """Of how many; 0 where that is not known yet."""
    error: str = ""
    """Why it failed."""


class Stopped(Exception):  # noqa: N818 – it is no mistake
    """Raised within a piece of work when the service ends."""


class Stop:
    """Tells a piece of work that it is to end, and ends what it waits for."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._enders: list[Callable[[], object]] = []

    def __call__(self) -> None:
        """End the work: what it waits for is ended too."""
        self._event.set()
        with self._lock:
            enders, self._enders = self._enders, []
        for end in enders:
            with suppress(OSError):
                end()

    def check(self) -> None:
        """Raise where the work is to end.

        Raises:
            Stopped: it is.

        """
        if self._event.is_set():
            raise Stopped

    def on_stop(self, end: Callable[[], object]) -> None:
        """Have something called when the work is to end, such as the killing of a process."""
        with self._lock:
            self._enders.append(end)
        if self._event.is_set():
            self()


Work = Callable[[Progress, Stop], None]
"""Tells how far it is, asks now and then whether it is to end, and keeps its result by itself."""


class Background:
    """One thread, started when something is first asked of it."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, Task] = {}
        self._lock = threading.Lock()
        self._stop = Stop()
        self._waiting: SimpleQueue[tuple[Hashable, Work] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def task(self, key: Hashable) -> Task:
        """Return where a piece of work stands; what is done is forgotten, whoever keeps its result knows."""
        return self._tasks.get(key, Task())

    def start(self, key: Hashable, work: Work, *, n: int = 0) -> Task:
        """Begin a piece of work, or put it behind what is under way; what is under way or waiting goes on."""
        with self._lock:
            known = self.task(key)
            if known.state == RUNNING:
                return known
            self._stop.check()
            self._tasks[key] = Task(RUNNING, 0, n)
            if self._thread is None:
                # a daemon: whatever hangs in it does not keep the process
                self._thread = threading.Thread(target=self._work, name="zehn-background", daemon=True)
                self._thread.start()
        self._waiting.put((key, work))
        return self.task(key)

    def close(self) -> None:
        """End what is under way, and forget what waits; a second call does nothing."""
        self._stop()
        self._waiting.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_SECONDS_TO_STOP)

    def _work(self) -> None:
        _give_way()
        while (given := self._waiting.get()) is not None:
            key, work = given
            try:
                self._stop.check()
                work(self._teller(key), self._stop)
            except Stopped:
                self._tasks.pop(key, None)
                return
            except ZehnError as error:
                self._fail(key, str(error))
            except Exception as error:  # the thread goes on, and whoever asked is told
                _logger.exception("a mistake in Zehn", extra={"fields": {"task": str(key)}})
                self._fail(key, f"a mistake in Zehn: {type(error).__name__}: {error}")
            else:
                self._tasks.pop(key, None)

    def _fail(self, key: Hashable, why: str) -> None:
        known = self.task(key)
        self._tasks[key] = Task(FAILED, known.n_done, known.n, why)

    def _teller(self, key: Hashable) -> Progress:
        def tell(_: str, n_done: int, n: int) -> None:
            self._stop.check()
            self._tasks[key] = Task(RUNNING, n_done, n)

        return tell


def _give_way() -> None:
    """Let this thread, and those that it starts, run when no other wants to, where the system knows such a thing."""
    # elsewhere than on Linux the number of a thread would be taken for that of a process
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
