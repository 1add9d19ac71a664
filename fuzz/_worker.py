"""``python -m fuzz._worker TARGET OUT SECONDS``: fuzz one target, in ``.venv-fuzz``, until time is up or it crashes.

What a reader raises is noted once for each place it comes from, and the fuzzing goes on. A crash of the process, a hang
or a gigabyte of memory ends it: libFuzzer or this file keeps the input first, and the runner starts it again.
"""

from __future__ import annotations

import mmap
import os
import random
import resource
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import atheris

_INSTRUMENTED = [
    "zehn", "PIL", "zipfile", "tarfile", "tomllib", "gzip", "numpy.lib._format_impl", "numpy.lib._npyio_impl",
    "h5py._hl", "sqlglot", "json", "starlette", "python_multipart",
]  # fmt: skip
"""Packages, for atheris goes by what stands before the first dot."""
_INSTRUMENTED_LATER = ("torch.serialization", "torch._weights_only_unpickler")
"""Modules of a package that would take minutes as a whole."""
_SLOW_S = 5.0
_MOST_KB = 1024**2
_HANG_S = 60
"""Of wall clock, on a core that is shared."""
_LONGEST = 60_000
_SHARE_MENDED = 0.8
_SHARE_OF_LIBFUZZER = 0.3


class _Session:
    """One process: counts inputs and notes what is found."""

    def __init__(self, target: ModuleType, out: Path, seeds: list[bytes]) -> None:
        self._target, self._out, self._seeds = target, out, seeds
        self._findings = out / "findings"
        self._findings.mkdir(parents=True, exist_ok=True)
        self._tokens = list(getattr(target, "TOKENS", ()))
        counter = out / "executions"
        if not counter.exists():
            counter.write_bytes(bytes(8))
        with counter.open("r+b") as file:
            self._counter = mmap.mmap(file.fileno(), 8)  # is there even after a crash
        self._base_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def try_one(self, data: bytes) -> None:
        from fuzz import _targets

        self._counter[:8] = (int.from_bytes(self._counter[:8], "little") + 1).to_bytes(8, "little")
        started = time.process_time()
        try:
            _targets.attempt(self._target, data)
        except BaseException as error:
            self._note(f"{type(error).__name__}-{_place_of(error)}", data, traceback.format_exc())
        seconds = time.process_time() - started
        if seconds > _SLOW_S:
            self._note("slow", data, f"{seconds:.1f} s of processor time")
        n_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self._base_kb
        if n_kb > _MOST_KB:
            self._note("memory", data, f"{n_kb / 1024:,.0f} MB")
            os._exit(78)  # the mark stays high: only a new process can tell the next one

    def change(self, data: bytes, max_size: int, seed: int) -> bytes:
        from fuzz import _mutation

        rng = random.Random(seed)
        if rng.random() < _SHARE_OF_LIBFUZZER:
            came: bytes = atheris.Mutate(data, max_size)
        else:
            came = _mutation.changed(data, self._seeds, self._tokens, rng)
        mend = getattr(self._target, "mend", None)
        if mend is not None and rng.random() < _SHARE_MENDED:
            came = mend(came)
        return came[:max_size]

    def _note(self, what: str, data: bytes, details: str) -> None:
        name = "".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in what)[:150]
        path = self._findings / name
        if not path.exists() or path.stat().st_size > len(data):
            path.write_bytes(data)
            path.with_name(f"{name}.txt").write_text(f"{details}\n")
            print(f"finding: {what} ({len(data)} bytes)", flush=True)


def _place_of(error: BaseException) -> str:
    """Return the innermost line of Zehn or of a target that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/zehn/" in frame.filename or "/fuzz/" in frame.filename]
    last = (ours or frames)[-1]
    return f"{Path(last.filename).parent.name}.{Path(last.filename).stem}.{last.lineno}"


def _functions_of(module: ModuleType) -> Iterator[FunctionType]:
    """Yield what a module defines: its functions, and the methods of its classes."""
    for value in vars(module).values():
        for one in vars(value).values() if isinstance(value, type) else (value,):
            if isinstance(one, FunctionType) and one.__module__ == module.__name__:
                yield one


def main() -> None:
    """Fuzz."""
    name, out, seconds = sys.argv[1], Path(sys.argv[2]), int(float(sys.argv[3]))
    with atheris.instrument_imports(include=_INSTRUMENTED, enable_loader_override=False):
        from fuzz import _targets

        target: Any = _targets.load(name)
    for module in filter(None, map(sys.modules.get, _INSTRUMENTED_LATER)):
        for function in _functions_of(module):
            atheris.instrument_func(function)
    files = [path.read_bytes() for path in _targets.corpus(name)]
    for data in files:
        try:
            _targets.attempt(target, data)
        except BaseException as error:
            print(f"seed: {type(error).__name__}: {error}"[:200])
    session = _Session(target, out, files)
    queue = out / "queue"
    queue.mkdir(exist_ok=True)
    longest = max([_LONGEST, *(2 * len(data) for data in files)])
    options = [
        f"-max_total_time={seconds}", f"-timeout={_HANG_S}", "-rss_limit_mb=3000", f"-max_len={longest}",
        f"-artifact_prefix={out}/findings/", "-verbosity=0", "-len_control=0", "-detect_leaks=0",
    ]  # fmt: skip
    words = [sys.argv[0], *options, str(queue), str(_targets.CORPUS / name)]
    atheris.Setup(words, session.try_one, custom_mutator=session.change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
