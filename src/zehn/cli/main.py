"""From the command line's words to an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from zehn.cli import processes
from zehn.cli.parser import build_parser
from zehn.cli.texts import shown
from zehn.errors import LostError, ZehnError

_USERS_MISTAKE = 2
_INTERRUPTED = 130
_RUNS_ON = "the same command goes on where this one stopped"
_HOW_TO_GO_ON = {
    "run": _RUNS_ON, "check": _RUNS_ON, "query": _RUNS_ON, "report": _RUNS_ON, "get_data": _RUNS_ON,
    "robust": _RUNS_ON, "add": _RUNS_ON, "update": _RUNS_ON, "reencode": _RUNS_ON, "copy": _RUNS_ON,
    "encode_in_bulk": _RUNS_ON,
    "train": "add --resume to go on where this one stopped",
}  # fmt: skip
_OUTSIDE_CAUSES = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR)
"""Failures of the operating system that a user can cause and mend: they get one line, not a traceback."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: The words after ``zehn``; those of the process when None.

    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait starve a shared machine
    parsed = build_parser().parse_args(arguments)
    try:
        return int(parsed.perform(parsed))
    except ZehnError as error:
        return _complain(str(error), is_loss=isinstance(error, LostError))
    except BrokenPipeError:  # the reader, such as `head`, has gone: that is no mistake
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in _OUTSIDE_CAUSES:
            raise
        return _complain(f"{error.strerror}: {error.filename}" if error.filename else str(error))
    except KeyboardInterrupt:
        _complain(f"interrupted; {_HOW_TO_GO_ON.get(parsed.perform.__name__, 'nothing was half-written')}")
        return _INTERRUPTED


def _complain(message: str, *, is_loss: bool = False) -> int:
    line = shown(" ".join(message.split()))
    if not processes.note(line, is_loss=is_loss):
        print(f"zehn: {line}", file=sys.stderr)
    return _USERS_MISTAKE
