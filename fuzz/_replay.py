"""``python -m fuzz._replay TARGET``: hand each file of a target's corpus to its reader, within limits, on Linux.

The name of each is printed before it is read, so that the last one is the file to blame where the process does not end
well: by an error that the reader does not document, a crash, 20 s of processor time or ten minutes on the clock, or
because the reader took more than 1 GB, or was refused more than 8 GB, whatever it made of that.
"""

from __future__ import annotations

import linecache
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from fuzz import _targets

_MOST_BYTES, _REFUSED_BYTES = 2**30, 2**33
_NOWHERE_BYTES = 2**40
"""Of an array that is refused on every machine: readers of what is held in memory may ask and say so."""
_SQLITE_IN = "/zehn/engines/"
"""Where SQLite is asked, which says of some damage that there is no memory, without having asked for any."""
_MOST_S, _MOST_S_BY_THE_CLOCK = 20, 600


def main() -> None:
    """Replay."""
    name = sys.argv[1]
    target = _targets.load(name)
    before = _bytes_of("VmHWM")
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_DATA, _bytes_of("VmData") + _REFUSED_BYTES)
    for path in _targets.corpus(name):
        print(path.name, flush=True)
        _limit(resource.RLIMIT_CPU, int(time.process_time()) + _MOST_S)
        signal.alarm(_MOST_S_BY_THE_CLOCK)
        with _noted() as refusals:
            _targets.attempt(target, path.read_bytes())
        if refusals:
            raise SystemExit(f"it asked for more memory than {_REFUSED_BYTES:,} bytes: {refusals[0]}")
        if _bytes_of("VmHWM") - before > _MOST_BYTES:
            raise SystemExit(f"it took more memory than {_MOST_BYTES:,} bytes")


def _limit(what: int, most: int) -> None:
    resource.setrlimit(what, (most, resource.getrlimit(what)[1]))


def _bytes_of(what: str) -> int:
    """Return one of the kernel's figures; not ru_maxrss, which begins with the peak of the process that began this."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(f"{what}:")).split()[1])


@contextmanager
def _noted() -> Iterator[list[str]]:
    """Note where memory was refused in the block: a reader may take that for damage and pass."""
    found: list[str] = []

    def trace(frame: FrameType, event: str, given: Any) -> Any:
        frame.f_trace_lines = False
        is_first = event == "exception" and issubclass(given[0], MemoryError) and given[2].tb_next is None
        if is_first and not _is_excused(given[1], frame):
            found.append("{}, line {}".format(*_place_of(frame)))
        return trace

    sys.settrace(trace)
    try:
        yield found
    finally:
        sys.settrace(None)


def _place_of(frame: FrameType) -> tuple[str, int]:
    return frame.f_code.co_filename, frame.f_lineno


def _is_excused(error: Any, frame: FrameType) -> bool:
    n_bytes = getattr(error, "_total_size", None)  # NumPy says how much it was
    if n_bytes is not None:
        return bool(n_bytes > _NOWHERE_BYTES)
    return _SQLITE_IN in frame.f_code.co_filename and ".execute(" in linecache.getline(*_place_of(frame))


if __name__ == "__main__":
    main()
