"""Addresses such as ``postgresql://me@host/database?collection=photos``, taken apart; passwords are never shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from zehn.engines._postgres import definitions
from zehn.errors import ConfigError

COLLECTION = "collection"
"""The parameter that names the collection."""
DEFAULT = "zehn"
"""The collection of an address that names none."""
_ALLOW_PARTIAL = "allow_partial"
_SECRETS = ("password", "sslpassword")
_NAME = re.compile(r"\w[\w .-]*")
_LONGEST = 63 - len(definitions.PREFIX)
"""Bytes of a name; PostgreSQL's own have 63 at most."""
_HIDDEN = "***"


@dataclass(frozen=True)
class Address:
    """Where a collection is."""

    server: str = field(repr=False)
    """The URL for libpq, which may hold a password."""
    collection: str
    shown: str
    """The whole address as it may be shown and logged."""
    allow_partial: bool = False
    """Whether searches go on without shards that do not answer."""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def schema(self) -> str:
        """What PostgreSQL calls the collection."""
        return definitions.PREFIX + self.collection

    def masked(self, text: str) -> str:
        """Return text without the passwords that are in the address."""
        for secret in self.secrets:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", _HIDDEN, text)
        return text


def parse(address: str) -> Address:
    """Take an address apart.

    Raises:
        ConfigError: no name of a collection, a parameter that is none, or a password that is not as in a URL.

    """
    parts = _split(address)
    if _is_odd(address):
        raise ConfigError(
            f"the address {shown(address)} holds a /, ?, # or @ where it means something else; in a password, write "
            "%2F, %3F, %23 and %40 for them, or leave the password to PGPASSWORD or ~/.pgpass"
        )
    given = parse_qsl(parts.query, keep_blank_values=True)
    own = {name: value for name, value in given if name in (COLLECTION, _ALLOW_PARTIAL)}
    others = [(name, value) for name, value in given if name not in own]
    collection, allowed = own.get(COLLECTION, DEFAULT), own.get(_ALLOW_PARTIAL, "0")
    if not _NAME.fullmatch(collection) or len(collection.encode()) > _LONGEST or collection == "cluster":
        raise ConfigError(
            f"expected the name of a collection of at most {_LONGEST} letters, digits, spaces, dots, hyphens or "
            f"underscores, other than cluster, came {collection!r}; choose one such as photos"
        )
    if allowed not in ("0", "1"):
        raise ConfigError(f"expected {_ALLOW_PARTIAL}=1 or {_ALLOW_PARTIAL}=0 in the address, came {allowed!r}")
    server = _joined(parts, parts.netloc, urlencode(others, quote_via=quote))
    return Address(server, collection, shown(address), allowed == "1", _secrets_of(parts.netloc, others))


def with_collection(address: str, name: str) -> str:
    """Return an address that names a collection: its own where it names one, else the one given."""
    parts = _split(address)
    given = parse_qsl(parts.query, keep_blank_values=True)
    if any(key == COLLECTION for key, _ in given):
        return address
    return _joined(parts, parts.netloc, urlencode([*given, (COLLECTION, name)], quote_via=quote))


def shown(address: str) -> str:
    """Return an address without its passwords, also where it is none as it should be."""
    scheme, _, rest = address.partition("://")
    if _is_odd(address):
        # what a password is cannot be told: all that may be one goes
        head, _, tail = rest.rpartition("@")
        name = re.split(r"[:/?#]", head or rest)[0]
        return f"{scheme}://{name}:{_HIDDEN}" + (f"@{tail.partition('?')[0]}" if head else "")
    parts = _split(address)
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    query = "&".join(f"{_key(one)}={_HIDDEN}" if _key(one) in _SECRETS else one for one in parts.query.split("&"))
    netloc = f"{name}{colon}{_HIDDEN if colon else ''}{at}{host}"
    return _joined(parts, netloc, query)


def without_password(address: str) -> str:
    """Return an address that holds no password."""
    parts = _split(address)
    user, at, host = parts.netloc.rpartition("@")
    kept = "&".join(one for one in parts.query.split("&") if _key(one) not in _SECRETS)
    return _joined(parts, f"{user.partition(':')[0]}{at}{host}", kept)


def _is_odd(address: str) -> bool:
    """Return whether the parts of an address are not where they seem to be, as of a password with a slash in it."""
    before, _, after = address.partition("://")[2].partition("?")
    path = before.partition("/")[2]
    return "#" in address or "@" in path or "@" in after.partition("=")[0]


def _key(parameter: str) -> str:
    return unquote(parameter.partition("=")[0]).lower()


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError as error:  # brackets that do not match
        raise ConfigError(
            f"cannot read the address ({error}); expected one such as postgresql://me@host:5432/database"
        ) from None


def _joined(parts: SplitResult, netloc: str, query: str) -> str:
    # not urlunsplit, which leaves out the slashes where there is no host
    return f"{parts.scheme}://{netloc}{parts.path}{'?' if query else ''}{query}"


def _secrets_of(netloc: str, parameters: list[tuple[str, str]]) -> tuple[str, ...]:
    password = netloc.rpartition("@")[0].partition(":")[2]
    found = [password, unquote(password), *(value for name, value in parameters if name in _SECRETS)]
    return tuple(sorted({one for one in found if one}, key=len, reverse=True))
