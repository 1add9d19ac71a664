"""Progress on a terminal: one line that is overwritten; in a log file: a line at each tenth."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from zehn.pipeline.workshop import Say

_REDRAW_SECONDS = 0.2
_WIDTH = 100


class _Line:
    """Draws what is being done, the share done, and the time left."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.what = ""
        self.began = self.drawn = 0.0
        self.tenth = -1

    def advance(self, what: str, share: float) -> None:
        now = time.monotonic()
        if what != self.what or share < self.tenth / 10:
            self.what, self.began, self.drawn, self.tenth = what, now, 0.0, -1
        tenth = int(share * 10)
        on_terminal = self.stream.isatty()
        due = now - self.drawn > _REDRAW_SECONDS or share >= 1 if on_terminal else tenth > max(self.tenth, 0)
        if not due:
            return
        self.drawn, self.tenth = now, tenth
        left = (now - self.began) * (1 - share) / share if share > 0 else 0.0
        text = f"  {what}: {share:4.0%}, {_clock(left)} left" if share < 1 else f"  {what}: done"
        print(
            f"\r{text:<{_WIDTH}}" if on_terminal else text,
            end="" if on_terminal else "\n",
            file=self.stream,
            flush=True,
        )

    def line(self, text: str) -> None:
        clear = f"\r{'':<{_WIDTH}}\r" if self.stream.isatty() else ""
        print(f"{clear}{text}", file=self.stream, flush=True)


def progress_line(stream: TextIO = sys.stderr) -> Callable[[str, float], None]:
    """Return a callback that takes what is being done and the share of it that is done, 0 to 1."""
    return _Line(stream).advance


def say(stream: TextIO = sys.stderr) -> Say:
    """Return where a run's progress goes."""
    from zehn.pipeline.workshop import Say

    drawn = _Line(stream)
    return Say(line=drawn.line, advance=drawn.advance)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min" if minutes else f"{rest} s"
