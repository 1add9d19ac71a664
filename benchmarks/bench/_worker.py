"""A peer's process: ``python -m benchmarks.bench._worker COMPARISON PEER``, orders on standard input.

One line of JSON an order and an answer: ``{"get_ready": CASE}``, ``{"answer": PATH}``, ``{"turn": NUMBER}``.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import re
import resource
import sys
import time
import traceback
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench import _protocol

_WATCHED = (
    "faiss-cpu", "usearch", "hnswlib", "scikit-learn", "scipy", "numpy", "tensorflow-cpu", "keras", "openvino",
    "onnxruntime", "torch", "umap-learn", "zehn", "pillow",
)  # fmt: skip


def main() -> None:
    """Serve one peer of one comparison until standard input ends."""
    name, who = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints does not go among the answers
    peer = next(one for one in _protocol.load(name).peers if one.name == who)
    work: _protocol.Work | None = None
    for line in sys.stdin:
        try:
            answer, work = _obey(json.loads(line), peer, work)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in a peer is told to the runner
            answer = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


def _obey(
    order: dict[str, Any], peer: _protocol.Peer, work: _protocol.Work | None
) -> tuple[dict[str, Any], _protocol.Work | None]:
    if "get_ready" in order:
        before, began = _peak_mb(), time.perf_counter()
        work = peer.ready(order["get_ready"])
        gc.collect()
        gc.freeze()  # so that nobody pays for looking through what it made ready
        seconds = time.perf_counter() - began
        facts = {"ready_s": seconds, "before_mb": before, "ready_mb": _peak_mb(), **work.facts}
        return {"facts": facts, "versions": _versions()}, work
    if work is None:
        raise RuntimeError("nothing is ready; send get_ready first")
    if "answer" in order:
        if work.answer is None:
            return {"has_answer": False}, work
        np.savez(order["answer"], **dict(work.answer()))
        return {"has_answer": True}, work
    return _turn(work.turn), work


def _turn(turn: Callable[[], Any]) -> dict[str, Any]:
    began = _processor_seconds()
    seconds = [float(one) for one in turn()]
    return {"seconds": seconds, "processor_s": _processor_seconds() - began, "peak_mb": _peak_mb()}


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peak_mb() -> float:
    """Return this process's own peak: ``ru_maxrss`` of a child begins with its parent's."""
    known = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(known[1]) / 1e3 if known else 0.0


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _WATCHED:
        top = {"scikit-learn": "sklearn", "tensorflow-cpu": "tensorflow", "faiss-cpu": "faiss", "pillow": "PIL"}
        if top.get(name, name.removesuffix("-learn")) in sys.modules:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
    return found


if __name__ == "__main__":
    main()
