"""Work beside the service: told how far it is, one piece after the other, ended with the service."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from zehn.errors import InputError
from zehn.progress import Progress
from zehn.serve.background import FAILED, RUNNING, Background, Stop, Stopped, Task


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.005)


def test_work_is_told_of_while_it_goes_on_and_forgotten_when_it_is_done(background: Background) -> None:
    go_on, reached = threading.Event(), threading.Event()

    def work(progress: Progress, _: Stop) -> None:
        progress("working", 3, 10)
        reached.set()
        go_on.wait(20)

    assert background.task("a") == Task()
    assert background.start("a", work, n=10).state == RUNNING
    reached.wait(20)
    assert background.task("a") == Task(RUNNING, 3, 10)
    assert background.start("a", work).n_done == 3
    assert background.start("b", lambda *_: None).state == RUNNING
    go_on.set()
    until(lambda: background.task("a") == background.task("b") == Task())


def test_what_goes_wrong_is_said_and_can_be_tried_again(background: Background) -> None:
    def refuse(progress: Progress, _: Stop) -> None:
        progress("working", 1, 2)
        raise InputError("there is nothing to draw")

    def break_down(progress: Progress, _: Stop) -> None:
        raise RuntimeError("oh")

    background.start("a", refuse)
    background.start("b", break_down)
    until(lambda: background.task("b").state == FAILED)
    assert background.task("a") == Task(FAILED, 1, 2, "there is nothing to draw")
    assert background.task("b").error == "a mistake in Zehn: RuntimeError: oh"
    background.start("a", lambda *_: None)
    until(lambda: background.task("a") == Task())


def test_a_mistake_leaves_its_trace_in_the_log(
    background: Background, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(progress: Progress, _: Stop) -> None:
        raise RuntimeError("oh")

    monkeypatch.setattr(logging.getLogger("zehn.serve"), "propagate", True)
    background.start(("maps", "mine"), break_down)
    until(lambda: background.task(("maps", "mine")).state == FAILED)
    (line,) = caplog.records
    assert line.exc_info is not None
    assert isinstance(line.exc_info[1], RuntimeError)
    assert line.__dict__["fields"] == {"task": "('maps', 'mine')"}


def test_closing_ends_what_is_under_way_and_what_waits() -> None:
    background, begun = Background(), threading.Event()
    ended: list[str] = []

    def work(progress: Progress, stop: Stop) -> None:
        begun.set()
        try:
            while True:
                progress("working", 1, 2)
                time.sleep(0.001)
        except Stopped:
            ended.append("a")
            raise

    background.start("a", work)
    background.start("b", lambda *_: ended.append("b"))
    begun.wait(20)
    background.close()
    background.close()
    assert ended == ["a"]
    with pytest.raises(Stopped):
        background.start("c", work)


def test_closing_kills_a_process_that_is_waited_for() -> None:
    background, processes = Background(), list[subprocess.Popen[bytes]]()

    def work(_: Progress, stop: Stop) -> None:
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        stop.on_stop(process.kill)
        processes.append(process)
        process.wait()
        stop.check()

    background.start("a", work)
    until(lambda: bool(processes))
    background.close()
    assert processes[0].wait(20) != 0
    assert background.task("a") == Task()


def test_a_stop_that_was_given_already_ends_at_once() -> None:
    stop, ended = Stop(), list[str]()
    stop()
    stop.on_stop(lambda: ended.append("ended"))
    assert ended == ["ended"]
