"""Where collections are kept: by name in the user's data folder, or wherever a path or a URL says."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from zehn.errors import CollectionError, ConfigError

HOME_VARIABLE = "ZEHN_HOME"
"""Environment variable: the folder that holds ``collections/``, instead of the user's data folder."""
SUFFIX = ".zehn"
POINTER = ".zehn-url"
"""Of a file at home that holds the URL of a collection that lies elsewhere; nobody else may read it."""


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
        CollectionError: the file that holds its URL cannot be read.

    """
    given = str(name_or_path)
    if "://" in given:
        return given
    if isinstance(name_or_path, Path) or "/" in given or os.sep in given or given.endswith(SUFFIX):
        # not Path.expanduser, which raises where no user has that name
        return str(Path(os.path.expanduser(given)).absolute())  # noqa: PTH111
    path = home_path() / f"{_checked(given)}{SUFFIX}"
    pointer = path.with_suffix(POINTER)
    return _url_in(pointer) if pointer.exists() and not path.exists() else str(path)


def name_of(address: str) -> str:
    """Return what a user calls the collection at an address: its name where it is at home, else the address.

    Of a URL the password is not shown.
    """
    if "://" in address:
        pointers = (path for path in sorted(home_path().glob(f"*{POINTER}")) if _leads_to(path, address))
        return next((path.name.removesuffix(POINTER) for path in pointers), _masked(address))
    path = Path(address)
    return path.name.removesuffix(SUFFIX) if path.parent == home_path() else address


def short_name_of(address: str) -> str:
    """Return a name without a path: that of the file, or of the collection in a database."""
    name = name_of(address)
    if "://" not in name:
        return Path(name).name.removesuffix(SUFFIX)
    parts = urlsplit(name)
    return dict(parse_qsl(parts.query)).get("collection") or parts.path.strip("/") or "collection"


def collections() -> list[str]:
    """Return the names of the collections at home, sorted."""
    found = {path.name.removesuffix(suffix) for suffix in (SUFFIX, POINTER) for path in home_path().glob(f"*{suffix}")}
    return sorted(found)


def check_free(name: str) -> None:
    """Refuse a name that cannot be given to a collection that lies elsewhere.

    Raises:
        ConfigError: what is a path, or no name.
        CollectionError: there is a collection of that name.

    """
    if "/" in name or os.sep in name or name.endswith(SUFFIX):
        came = repr(_masked(name))
        raise ConfigError(f"expected a name such as photos for a collection that an engine keeps, came {came}")
    for suffix in (SUFFIX, POINTER):
        path = home_path() / f"{_checked(name)}{suffix}"
        if path.exists():
            raise CollectionError(f"there is a collection at {path} already; open it, or choose another name")


def point(name: str, url: str) -> None:
    """Let a name stand for the collection at a URL.

    Raises:
        CollectionError: the name is taken, or the file cannot be written.

    """
    path = home_path() / f"{name}{POINTER}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # it may hold a password
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(f"{url}\n")
                file.flush()
                os.fsync(number)
        except BaseException:
            # half of an address leads nowhere, and would keep its name
            path.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CollectionError(
            f"cannot write {path}: {error.strerror or error}; the collection is made: name it by its URL"
        ) from error


def exists(name_or_path: str | Path) -> bool:
    """Return whether there is a collection of that name or at that path.

    Raises:
        ConfigError: a name that is none.

    """
    from zehn import engines

    return engines.exists(address_of(name_or_path))


def _checked(name: str) -> str:
    if not name or name.startswith("."):
        raise ConfigError(f"expected the name of a collection such as photos, or a path, came {name!r}")
    return name


def _leads_to(pointer: Path, url: str) -> bool:
    try:
        return _url_in(pointer) == url
    except CollectionError:  # that of another collection, which is told when that one is opened
        return False


def _url_in(pointer: Path) -> str:
    try:
        url = pointer.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CollectionError(f"cannot read {pointer}: {error}; it should hold the URL of a collection") from error
    if "://" not in url or "\n" in url:
        raise CollectionError(f"{pointer} holds no URL; write one such as postgresql://me@host/photos into it")
    return url


def _masked(address: str) -> str:
    from zehn import engines

    return engines.masked(address)
