"""What PostgreSQL and libpq say, as errors that say what to do."""

from __future__ import annotations

from psycopg import Error, OperationalError

from zehn.engines._postgres.addresses import Address
from zehn.errors import BusyError, CollectionError

_LOST = ("57P01", "57P02", "57P03")
_PASSWORD = "give the right one in the address, in PGPASSWORD or in ~/.pgpass"  # noqa: S105 – advice
_WHEN_CONNECTING: tuple[tuple[str, str], ...] = (
    ("password authentication failed", _PASSWORD),
    ("no password supplied", _PASSWORD),
    ("no pg_hba.conf entry", "let the server's pg_hba.conf admit this machine and user"),
    ("does not exist", "create it, or name another in the address"),
    ("too many clients", "close some connections, or raise max_connections"),
    ("remaining connection slots", "close some connections, or raise max_connections"),
)
_REFUSALS: dict[str, str] = {
    "53100": "the disk of the server is full: free some space there, then give the same command again",
    "53200": "the server has no memory left: give it more, or lower its work_mem and maintenance_work_mem",
    "53300": "the server has too many connections: close some, or raise max_connections",
    "57014": "the server ended the statement (statement_timeout?): raise the limit, or ask for less",
    "25006": "the server is a replica or read-only: name the primary to write, open it read-only to read",
    "42501": "this user may not: ask the owner of the database for the privilege",
    "42P01": "a table is not there: it was taken away meanwhile, or the collection is damaged; zehn index verify tells",
    "3F000": "the collection was taken away meanwhile: make it anew, or restore a backup",
    "42704": "the server lacks what was asked for: it needs pgvector 0.7 or newer (CREATE EXTENSION vector)",
}
"""By the code that PostgreSQL gives, what it means and what to do."""
_AWAY = ("08001", "08006", "08003", "HV00N")
"""What a coordinator says of a shard that it does not reach."""


def told(error: Error, address: Address, seconds: float) -> CollectionError:
    """Return an error of psycopg in Zehn's words."""
    said = address.masked(" ".join(str(error).split()))
    code, where = error.sqlstate or "", address.shown
    if code == "55P03":
        return BusyError(
            f"{where} is being written to by another process, which did not finish within {seconds:g} s; try again "
            "when it is done"
        )
    if code in _REFUSALS:
        return CollectionError(f"{where}: {said}; {_REFUSALS[code]}")
    if code in _AWAY:
        return CollectionError(
            f"{where}: a shard does not answer: {said}; start it (zehn cluster status names each), or search the "
            "others with --allow-partial"
        )
    if code.startswith(("XX", "58")):
        return CollectionError(f"{where}: {said}; look into the server's log, run zehn index verify")
    if isinstance(error, OperationalError) and (not code or code in _LOST or code.startswith(("08", "28", "3D"))):
        advice = next((advice for words, advice in _WHEN_CONNECTING if words in said), None)
        return CollectionError(
            f"cannot reach {where}: {said}; {advice or 'check that the server runs, and host and port in the address'}"
        )
    return CollectionError(f"{where}: {said}; run zehn index verify")


def unknown(error: Error, address: Address) -> CollectionError:
    """Return the error of a connection that was lost while something was being committed."""
    return CollectionError(
        f"the connection to {address.shown} was lost ({address.masked(' '.join(str(error).split()))}) while a change "
        "was being stored: it is unknown whether it was; give the same command again, it goes on"
    )


def may_pass(error: Error) -> bool:
    """Return whether the same may go well a moment later: a conflict that was rolled back, a server that starts."""
    code = error.sqlstate or ""
    # a shard that was lost in the middle: another try goes well, or says which one does not answer
    if code in ("40001", "40P01", "08006", *_LOST):
        return True
    return (
        isinstance(error, OperationalError)
        and not code
        and all(words not in str(error) for words, _ in _WHEN_CONNECTING)
    )
