"""One file over HTTP: with progress, resumed where it broke off, retried with growing pauses, verified at the end.

Written on urllib because the library made for this, pooch, neither resumes a broken transfer nor retries in mid-file.
"""

from __future__ import annotations

import http.client
import logging
import queue
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from zehn.datasets import _checksums
from zehn.errors import ChecksumError, DataError, DownloadError
from zehn.progress import Progress

logger = logging.getLogger("zehn")

_HEADERS = {"User-Agent": "zehn"}
_CHUNK_BYTES = 256 * 1024
_LONGEST_PAUSE_S = 30.0
_PASSING = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
)
"""Refusals that another attempt may overcome."""


@dataclass(frozen=True)
class Remote:
    """A published file."""

    url: str
    md5: str
    n_bytes: int


@dataclass(frozen=True)
class Patience:
    """How long to wait, and how often to try."""

    timeout_s: float = 20.0
    """Seconds to connect (name look-up included), and to wait for the next bytes."""
    n_attempts: int = 4
    """Attempts in a row that bring nothing new before it is given up."""
    pause_s: float = 1.0
    """Seconds before the second attempt; every further pause is twice as long."""
    first_answer_s: float = 0.0
    """Seconds in which the server must answer at all, asked once before anything is fetched; 0 does not ask."""


def download(remote: Remote, path: Path, patience: Patience, progress: Progress | None = None) -> None:
    """Fetch a file to ``path``, going on from ``path`` + ``.part`` if an earlier attempt left one.

    Raises:
        DownloadError: the server cannot be reached, refuses, or sends another file than the published one.
        DataError: the file cannot be written.

    """
    part_path = path.with_name(f"{path.name}.part")
    resumed = _size(part_path) > 0
    if patience.first_answer_s and _size(part_path) < remote.n_bytes:
        _reach(remote, patience.first_answer_s)
    _fetch(remote, part_path, patience, progress)
    try:
        _checksums.verify_file(part_path, remote.md5, remote.n_bytes)
    except ChecksumError as error:
        part_path.unlink()
        if not resumed:
            raise DownloadError(f"what {remote.url} sent is not the published file: {error}") from error
        logger.warning("the resumed download of %s does not fit together; it is fetched again from its start", path)
        download(remote, path, patience, progress)
    else:
        part_path.replace(path)


def _reach(remote: Remote, timeout_s: float) -> None:
    """Ask the server once for anything at all: is there a network, and somebody at its other end?

    Raises:
        DownloadError: no answer in time, or no way to the server.

    """
    request = urllib.request.Request(remote.url, method="HEAD", headers=_HEADERS)  # noqa: S310 – see _fetch_once
    try:
        _answer(request, timeout_s).close()
    except (urllib.error.HTTPError, http.client.HTTPException) as error:
        logger.debug("%s answers, if with a refusal: %s", remote.url, error)
    except OSError as error:
        raise DownloadError(_explained(remote, error)) from error


def _fetch(remote: Remote, part_path: Path, patience: Patience, progress: Progress | None) -> None:
    n_failures = 0
    while (n_before := _size(part_path)) < remote.n_bytes:
        try:
            _fetch_once(remote, part_path, patience, progress)
        except (OSError, http.client.HTTPException) as error:
            n_failures = 1 if _size(part_path) > n_before else n_failures + 1
            if _is_beyond_end(error):
                part_path.unlink(missing_ok=True)
            if n_failures >= patience.n_attempts or _is_final(error):
                raise DownloadError(_explained(remote, error)) from error
            pause_s = min(patience.pause_s * 2 ** (n_failures - 1), _LONGEST_PAUSE_S)
            logger.info("download of %s broke off (%s); next attempt in %g s", remote.url, error, pause_s)
            time.sleep(pause_s)


def _fetch_once(remote: Remote, part_path: Path, patience: Patience, progress: Progress | None) -> None:
    n_done = _size(part_path)
    headers = {**_HEADERS, **({"Range": f"bytes={n_done}-"} if n_done else {})}
    request = urllib.request.Request(remote.url, headers=headers)  # noqa: S310 – addresses are this package's constants
    with _answer(request, patience.timeout_s) as response:
        if response.status != HTTPStatus.PARTIAL_CONTENT or not _continues(response, n_done):
            n_done = 0
        _check_length(remote, response, n_done)
        with _opened(part_path, n_done) as file:
            n_done = _copy(remote, response, file, n_done, progress)
    if n_done < remote.n_bytes:
        raise ConnectionError(f"the connection ended after {n_done:,} of {remote.n_bytes:,} bytes")


def _opened(part_path: Path, n_kept: int) -> BinaryIO:
    try:
        part_path.parent.mkdir(parents=True, exist_ok=True)
        file = part_path.open("ab")
        file.truncate(n_kept)
    except OSError as error:
        raise _write_error(part_path, error) from error
    return file


def _copy(
    remote: Remote, response: http.client.HTTPResponse, file: BinaryIO, n_done: int, progress: Progress | None
) -> int:
    while chunk := response.read1(_CHUNK_BYTES):
        n_done += len(chunk)
        if n_done > remote.n_bytes:
            raise DownloadError(
                f"{remote.url} sends more than the published {remote.n_bytes:,} bytes, so another file; is there a "
                "log-in page or a proxy in between?"
            )
        try:
            file.write(chunk)
            file.flush()
        except OSError as error:
            raise _write_error(Path(file.name), error) from error
        if progress:
            what = f"downloading {remote.url.rpartition('/')[2]}"
            progress(what, n_done, remote.n_bytes)
    return n_done


def _answer(request: urllib.request.Request, timeout_s: float) -> http.client.HTTPResponse:
    """Open a URL within so many seconds: in a thread, because no socket time-out bounds the look-up of a name."""
    answers: queue.SimpleQueue[http.client.HTTPResponse | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(request, timeout=timeout_s))  # noqa: S310 – see above
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty:
        raise TimeoutError(f"no answer within {timeout_s:g} s") from None
    if isinstance(answer, TimeoutError):
        raise TimeoutError(f"no answer within {timeout_s:g} s") from answer
    if isinstance(answer, Exception):
        raise answer
    return answer


def _continues(response: http.client.HTTPResponse, n_done: int) -> bool:
    return (response.headers["Content-Range"] or "").startswith(f"bytes {n_done}-")


def _check_length(remote: Remote, response: http.client.HTTPResponse, n_done: int) -> None:
    length = response.headers["Content-Length"]
    if length is not None and length.isdigit() and int(length) + n_done != remote.n_bytes:
        raise DownloadError(
            f"expected {remote.n_bytes:,} bytes from {remote.url}, it offers {int(length) + n_done:,}; "
            "is there a log-in page or a proxy in between?"
        )


def _is_final(error: Exception) -> bool:
    """Whether trying again is pointless: the server understood and refused."""
    return isinstance(error, urllib.error.HTTPError) and 400 <= error.code < 500 and error.code not in _PASSING


def _is_beyond_end(error: Exception) -> bool:
    return isinstance(error, urllib.error.HTTPError) and error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE


def _explained(remote: Remote, error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return f"cannot download {remote.url}: {reason}; check the network, or fetch the file in another way"


def _write_error(path: Path, error: OSError) -> DataError:
    return DataError(
        f"cannot write {path}: {error.strerror or error}; free some space, or name another folder with --data-dir"
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
