from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest

from zehn.errors import InputError
from zehn.serve.batching import Batches
from zehn.serve.metrics import Metrics
from zehn.serve.problems import Problem
from zehn.serve.service import Service
from zehn.serve.settings import Settings
from zehn.serve.shelves import Shelves

Work = Callable[[str, Sequence[int]], Sequence[int]]


@asynccontextmanager
async def working(work: Work, *, queue_size: int = 8, batch_size: int = 4, **options: Any) -> AsyncIterator[Any]:
    batches: Batches[str, int, int] = Batches(
        "work", work, Metrics(), queue_size=queue_size, batch_size=batch_size, **options
    )
    batches.start()
    try:
        yield batches
    finally:
        batches.stop()


class Held:
    """Work that waits until it may go on, and notes what it was given."""

    def __init__(self) -> None:
        self.may_go = threading.Event()
        self.batches: list[tuple[str, list[int]]] = []

    def __call__(self, key: str, items: Sequence[int]) -> Sequence[int]:
        self.batches.append((key, list(items)))
        self.may_go.wait(10)
        return [10 * item for item in items]


async def all_in(tasks: Sequence[asyncio.Task[int]]) -> None:
    for _ in tasks:
        await asyncio.sleep(0)


def test_what_waits_meanwhile_is_done_together_key_by_key() -> None:
    async def run() -> None:
        held = Held()
        async with working(held) as batches:
            first = asyncio.create_task(batches.ask("a", 0))
            while not held.batches:
                await asyncio.sleep(0.001)
            tasks = [asyncio.create_task(batches.ask("ab"[place % 2], place)) for place in range(1, 8)]
            await all_in(tasks)
            held.may_go.set()
            assert await asyncio.gather(first, *tasks) == [10 * place for place in range(8)]
            assert batches.n_waiting == 0
        assert held.batches == [("a", [0]), ("b", [1, 3, 5, 7]), ("a", [2, 4, 6])]

    asyncio.run(run())


def test_no_batch_is_larger_than_it_may_be() -> None:
    async def run() -> None:
        held = Held()
        async with working(held, queue_size=100) as batches:
            tasks = [asyncio.create_task(batches.ask("a", place, 2)) for place in range(10)]
            await all_in(tasks)
            held.may_go.set()
            await asyncio.gather(*tasks)
        assert max(len(items) for _, items in held.batches[1:]) == 2

    asyncio.run(run())


def test_a_full_queue_refuses_at_once_and_says_when_to_come_again() -> None:
    async def run() -> None:
        held = Held()
        async with working(held) as batches:
            tasks = [asyncio.create_task(batches.ask("a", place)) for place in range(8)]
            await all_in(tasks)
            with pytest.raises(Problem, match="too many requests wait for work") as caught:
                await batches.ask("a", 9)
            assert (caught.value.status_code, caught.value.headers) == (503, {"Retry-After": "1"})
            held.may_go.set()
            await asyncio.gather(*tasks)
            assert await batches.ask("a", 9) == 90

    asyncio.run(run())


def test_an_item_that_is_wrong_fails_alone() -> None:
    def work(_: str, items: Sequence[int]) -> Sequence[int]:
        if 3 in items:
            raise InputError("three")
        return items

    async def run() -> None:
        async with working(work, seconds_to_gather=0.05) as batches:
            answers = await asyncio.gather(*(batches.ask("a", place) for place in range(5)), return_exceptions=True)
        assert [str(answer) for answer in answers] == ["0", "1", "2", "three", "4"]

    asyncio.run(run())


def test_who_goes_away_leaves_the_queue_as_it_was() -> None:
    async def run() -> None:
        held = Held()
        async with working(held) as batches:
            task = asyncio.create_task(batches.ask("a", 1))
            while not held.batches:
                await asyncio.sleep(0.001)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert batches.n_waiting == 1
            held.may_go.set()
            while batches.n_waiting:
                await asyncio.sleep(0.001)
            assert await batches.ask("a", 2) == 20

    asyncio.run(run())


def test_what_was_asked_before_the_end_is_answered() -> None:
    async def run() -> None:
        held = Held()
        async with working(held) as batches:
            tasks = [asyncio.create_task(batches.ask("a", place)) for place in range(8)]
            await all_in(tasks)
            threading.Timer(0.05, held.may_go.set).start()
            batches.stop()
            assert await asyncio.gather(*tasks) == [10 * place for place in range(8)]

    asyncio.run(run())


def test_one_that_is_wrong_among_many_costs_little() -> None:
    n_done: list[int] = []

    def work(_: str, items: Sequence[int]) -> Sequence[int]:
        n_done.append(len(items))
        if 37 in items:
            raise InputError("thirty-seven")
        return items

    async def run() -> None:
        async with working(work, queue_size=64, batch_size=64, seconds_to_gather=0.2) as batches:
            answers = await asyncio.gather(*(batches.ask("a", place) for place in range(64)), return_exceptions=True)
        assert [str(answer) for answer in answers if isinstance(answer, InputError)] == ["thirty-seven"]
        assert sum(n_done) < 64 * 4  # one after the other would be 128 of the same kind, but in 65 batches
        assert len(n_done) <= 2 * 6 + 2

    asyncio.run(run())


def test_what_is_called_is_called_once_whatever_goes_wrong_beside_it() -> None:
    called: list[int] = []

    def call(place: int) -> int:
        called.append(place)
        if place == 2:
            raise InputError("two")
        return place

    async def run() -> None:
        service = Service(Shelves(Settings()), Settings(seconds_to_gather=0.1))
        service.start()
        try:
            tasks = [service.call(partial(call, place)) for place in range(5)]
            answers = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            service.stop()
        assert [str(answer) for answer in answers] == ["0", "1", "two", "3", "4"]
        assert sorted(called) == list(range(5))

    asyncio.run(run())
