"""Where data sets are looked for, and where what Zehn fetches or makes is kept."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zehn.errors import ConfigError

DATA_VARIABLE = "ZEHN_DATA"
"""Environment variable: folders with data sets, separated as in PATH."""
CACHE_VARIABLE = "ZEHN_CACHE"
"""Environment variable: the folder for downloads and decoded images, instead of the user's cache folder."""

_STAGING_PREFIX = ".unfinished-"
_STALE_AFTER_S = 24 * 60 * 60


def expanded(path: Path | str, named_by: str) -> Path:
    """Return a path with the home of a user in the place of ``~`` or ``~NAME`` at its beginning.

    Raises:
        ConfigError: there is no such user.

    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"expected a folder as {named_by}, came {str(path)!r}, and there is no such user; put ./ before it where "
            "that is a folder's name, or name another folder"
        ) from error


def cache_path() -> Path:
    """Return the folder that Zehn may fill and the user may delete at any time; it need not exist.

    Raises:
        ConfigError: the variable names the home of a user who is not there.

    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return expanded(named, f"${CACHE_VARIABLE}")
    import platformdirs

    return platformdirs.user_cache_path("zehn", appauthor=False)


def download_path(data_dir: Path | str | None) -> Path:
    """Return the folder that downloads go to: the one that was named, else one in the cache.

    Raises:
        ConfigError: the folder that was named is the home of a user who is not there.

    """
    return expanded(data_dir, "the folder of data sets") if data_dir else cache_path() / "data"


def search_paths(data_dir: Path | str | None) -> list[Path]:
    """Return the folders to look in, in order: the one that was named, those of ``$ZEHN_DATA``, the cache.

    Raises:
        ConfigError: one of them is the home of a user who is not there.

    """
    parts = os.environ.get(DATA_VARIABLE, "").split(os.pathsep)
    from_variable = [expanded(part, f"${DATA_VARIABLE}") for part in parts if part]
    return list(dict.fromkeys([*([download_path(data_dir)] if data_dir else []), *from_variable, download_path(None)]))


@contextmanager
def staging(home: Path) -> Iterator[Path]:
    """Give a new folder in ``home`` to fill and then rename; what was not renamed is gone afterwards.

    What a process that was killed left behind here is removed once nothing has been written to it for a day.

    Raises:
        OSError: ``home`` cannot be made or written to.

    """
    home.mkdir(parents=True, exist_ok=True)
    for left_path in home.glob(f"{_STAGING_PREFIX}*"):
        if _last_written(left_path) < time.time() - _STALE_AFTER_S:
            shutil.rmtree(left_path, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=home))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _last_written(folder: Path) -> float:
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:  # another process has just finished with it
        return time.time()
