"""Progress on a terminal: one line that is overwritten; in a log file: a line now and then."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zehn.pipeline.workshop import Say
    from zehn.progress import Progress

_REDRAW_SECONDS = 0.2
_LOG_SECONDS = 15.0
_WIDTH = 110
_LEAST_SHARE = 1e-6


class _Line:
    """Draws what is being done, the share of it that is done, and the time left."""

    def __init__(self) -> None:
        self.stream = sys.stderr
        self.what, self.share, self.began, self.begun, self.drawn = "", 0.0, 0.0, 0.0, 0.0

    def advance(self, what: str, n_done: int, n_all: int, detail: str = "") -> None:
        now, share = time.monotonic(), n_done / max(n_all, 1)
        if what != self.what or share < self.share:
            self.what, self.began, self.begun, self.drawn = what, now, share, now
        self.share = share
        if share >= 1 and self.stream.isatty():
            self._clear()
        if share >= 1 or not self._is_due(now):
            return
        self.drawn = now
        left = (now - self.began) * (1 - share) / max(share - self.begun, _LEAST_SHARE)
        self._draw(f"  {what}: {share:4.0%}, {_clock(left)} left{f' ({detail})' if detail else ''}")

    def line(self, text: str) -> None:
        if self.stream.isatty():
            self._clear()
        print(text, file=self.stream, flush=True)

    def _clear(self) -> None:
        print(f"\r{'':<{_WIDTH}}\r", end="", file=self.stream, flush=True)

    def _is_due(self, now: float) -> bool:
        return now - self.drawn > (_REDRAW_SECONDS if self.stream.isatty() else _LOG_SECONDS)

    def _draw(self, text: str) -> None:
        if self.stream.isatty():
            print(f"\r{text[:_WIDTH]:<{_WIDTH}}", end="", file=self.stream, flush=True)
        else:
            print(text, file=self.stream, flush=True)


def progress_line() -> Progress:
    """Return a callback that draws on standard error how far something is."""
    return _Line().advance


def counting_line() -> Progress:
    """Return a progress line that says how many are done a second."""
    draw = _Line().advance
    began: dict[str, tuple[float, int]] = {}

    def tell(what: str, n_done: int, n_all: int) -> None:
        now = time.monotonic()
        start, n_before = began.setdefault(what, (now, n_done))
        pace = (n_done - n_before) / max(now - start, 1e-9)
        draw(what, n_done, n_all, f"{n_done:,} of {n_all:,}, {pace:,.0f} images/s" if "images" in what else "")

    return tell


def say() -> Say:
    """Return where a run's progress goes: to standard error."""
    from zehn.pipeline.workshop import Say

    drawn = _Line()
    return Say(line=drawn.line, advance=drawn.advance)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min" if minutes else f"{rest} s"
