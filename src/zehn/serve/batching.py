"""Queues with a bound, each before one thread that does what waits in batches."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Generic, TypeVar

from zehn.serve import problems
from zehn.serve.metrics import Metrics

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")

_SECONDS_TO_STOP = 10.0


@dataclass(frozen=True, eq=False)
class _Asked(Generic[Key, Item, Result]):
    key: Key
    item: Item
    n: int
    future: asyncio.Future[Result]


class Batches(Generic[Key, Item, Result]):
    """A queue, and the thread that does what is in it: items of one key that wait together are done together.

    Nothing waits for company unless told to: what comes while a batch is under way makes the next one.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Key, Sequence[Item]], Sequence[Result]],
        metrics: Metrics,
        *,
        queue_size: int,
        batch_size: int,
        seconds_to_gather: float = 0.0,
    ) -> None:
        """Make a queue; ``work`` gets a key and its items, and returns a result for each."""
        self.name, self._work = name, work
        self._queue_size, self._batch_size, self._seconds = queue_size, batch_size, seconds_to_gather
        self._sizes, self._waiting = metrics.batch_sizes.labels(name), metrics.waiting.labels(name)
        self._queue: SimpleQueue[_Asked[Key, Item, Result] | None] = SimpleQueue()
        self._left: list[_Asked[Key, Item, Result]] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.n_waiting = 0
        """Items that wait or are being done; only the event loop changes it."""

    def start(self) -> None:
        """Begin; called within the event loop that will ask."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=f"zehn-{self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after what waits now."""
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(_SECONDS_TO_STOP)

    async def ask(self, key: Key, item: Item, n: int = 1) -> Result:
        """Return what the work makes of an item that counts for n.

        Raises:
            Problem: too much waits already.

        """
        # what is larger than the queue itself may pass where nothing waits
        if self.n_waiting and self.n_waiting + n > self._queue_size:
            raise problems.busy(f"too many requests wait for {self.name}; try again in a moment")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.n_waiting += n
        self._waiting.set(self.n_waiting)
        self._queue.put(_Asked(key, item, n, future))
        try:
            return await asyncio.shield(future)
        finally:
            if future.done():
                self._leave(n)
            else:  # whoever asked is gone, the work is not
                future.add_done_callback(lambda _: self._leave(n))

    def _leave(self, n: int) -> None:
        self.n_waiting -= n
        self._waiting.set(self.n_waiting)

    def _run(self) -> None:
        while batch := self._next():
            self._sizes.observe(sum(one.n for one in batch))
            results = self._results(batch)
            if self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(_deliver, batch, results)

    def _next(self) -> list[_Asked[Key, Item, Result]]:
        """Wait for something to do, and return it with all of its key that waits, up to a batch; nothing at the end."""
        if not self._left:
            first = self._queue.get()
            if first is None:
                return []
            self._left = [first]
        self._gather()
        batch, rest, n = [self._left[0]], [], self._left[0].n
        for one in self._left[1:]:
            if one.key == batch[0].key and n + one.n <= self._batch_size:
                batch.append(one)
                n += one.n
            else:
                rest.append(one)
        self._left = rest
        return batch

    def _gather(self) -> None:
        """Take what waits, and wait for more of the first one's key where that may be worth it."""
        until, key = monotonic() + self._seconds, self._left[0].key
        while True:
            is_enough = sum(one.n for one in self._left if one.key == key) >= self._batch_size
            seconds = 0.0 if is_enough else until - monotonic()
            try:
                one = self._queue.get(timeout=seconds) if seconds > 0 else self._queue.get_nowait()
            except Empty:
                return
            if one is None:  # the end, which comes after all that waits
                self._queue.put(None)
                return
            self._left.append(one)

    def _results(self, batch: Sequence[_Asked[Key, Item, Result]]) -> Sequence[Result | BaseException]:
        key = batch[0].key
        try:
            return self._work(key, [one.item for one in batch])
        except Exception as error:  # noqa: BLE001 – the thread goes on, and whoever asked is told
            if len(batch) == 1:
                return [error]
            # one of them is to blame: the others shall not suffer for it, and most of them not be done alone
            middle = len(batch) // 2
            return [*self._results(batch[:middle]), *self._results(batch[middle:])]


def _deliver(batch: Sequence[_Asked[Key, Item, Result]], results: Sequence[Result | BaseException]) -> None:
    for one, result in zip(batch, results, strict=True):
        if one.future.done():
            continue
        if isinstance(result, BaseException):
            one.future.set_exception(result)
        else:
            one.future.set_result(result)
