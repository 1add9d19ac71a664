"""Where collections are kept: by name in the user's data folder, or wherever a path or a URL says."""

from __future__ import annotations

import os
from pathlib import Path

from zehn.errors import ConfigError

HOME_VARIABLE = "ZEHN_HOME"
"""Environment variable: the folder that holds ``collections/``, instead of the user's data folder."""
SUFFIX = ".zehn"


def home_path() -> Path:
    """Return the folder of the collections that have a name; it need not exist."""
    named = os.environ.get(HOME_VARIABLE)
    if named:
        return Path(os.path.expanduser(named)) / "collections"  # noqa: PTH111 – see address_of
    import platformdirs

    return platformdirs.user_data_path("zehn", appauthor=False) / "collections"


def address_of(name_or_path: str | Path) -> str:
    """Return where a collection is: a name is looked up at home; a path, what ends in .zehn and a URL stay as they are.

    Raises:
        ConfigError: an empty name, or one that begins with a dot.

    """
    given = str(name_or_path)
    if "://" in given:
        return given
    if isinstance(name_or_path, Path) or "/" in given or os.sep in given or given.endswith(SUFFIX):
        # not Path.expanduser, which raises where no user has that name
        return str(Path(os.path.expanduser(given)).absolute())  # noqa: PTH111
    if not given or given.startswith("."):
        raise ConfigError(f"expected the name of a collection such as photos, or a path, came {given!r}")
    return str(home_path() / f"{given}{SUFFIX}")


def name_of(address: str) -> str:
    """Return what a user calls the collection at an address: its name where it is at home, else the address."""
    path = Path(address)
    return path.name.removesuffix(SUFFIX) if path.parent == home_path() else address


def collections() -> list[str]:
    """Return the names of the collections at home, sorted."""
    return sorted(path.name.removesuffix(SUFFIX) for path in home_path().glob(f"*{SUFFIX}"))


def exists(name_or_path: str | Path) -> bool:
    """Return whether there is a collection of that name or at that path.

    Raises:
        ConfigError: a name that is none.

    """
    from zehn import engines

    return engines.exists(address_of(name_or_path))
