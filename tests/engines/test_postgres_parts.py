"""The parts of the engine on PostgreSQL that need no server: text, addresses, errors, what is loaded when."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors

from zehn import engines
from zehn.engines._postgres import addresses, faults, texts
from zehn.errors import BusyError, CollectionError, ConfigError, MissingExtraError, UnknownNameError

SECRET = "postgresql://me:geh%20eim@host:5432/images?collection=photos&sslpassword=other&application_name=x"  # noqa: S105


@given(
    st.binary(max_size=60)
    | st.text(alphabet="a\0é\U0010ff00\U0010ffff%\\\udc80").map(lambda text: text.encode("utf-8", "surrogateescape"))
)
def test_any_bytes_are_text_and_come_back(data: bytes) -> None:
    text = texts.written(data)
    assert "\0" not in text
    assert text.encode().decode() == text
    assert texts.read(text) == data


def test_text_stays_as_it_is() -> None:
    assert texts.written("café/b c.jpg".encode()) == "café/b c.jpg"
    assert texts.written_text("\udce9") == "\U0010ffe9"
    assert texts.read_text("\U0010ffe9") == "\udce9"


def test_an_address_is_taken_apart_and_its_passwords_are_not_shown() -> None:
    address = addresses.parse(SECRET)
    assert address.server == "postgresql://me:geh%20eim@host:5432/images?sslpassword=other&application_name=x"
    assert (address.collection, address.schema, address.allow_partial) == ("photos", "zehn_photos", False)
    shown = "postgresql://me:***@host:5432/images?collection=photos&sslpassword=***&application_name=x"
    assert address.shown == engines.masked(SECRET) == shown
    assert address.masked("no: geh eim, geh%20eim, other, another") == "no: ***, ***, ***, another"
    assert "eim" not in repr(address)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql:///images", "postgresql:///images"),
        ("postgresql://me@a:1,b:2/images", "postgresql://me@a:1,b:2/images"),
        ("postgres://me:x@%2Ftmp%2Fplace/images", "postgres://me:***@%2Ftmp%2Fplace/images"),
        ("postgresql://host/images?user=me&password=x", "postgresql://host/images?user=me&password=***"),
        ("postgresql://me:p@ss@host/images", "postgresql://me:***@host/images"),
        # a password that is not as it should be in a URL is not shown either
        ("postgresql://me:pa#ss@host/images", "postgresql://me:***@host/images"),
        ("postgresql://me:pa/ss@host/images", "postgresql://me:***@host/images"),
        ("postgresql://me:pa?ss@host/images?collection=a", "postgresql://me:***@host/images"),
        ("postgresql://me:p@ss/word@host/images", "postgresql://me:***@host/images"),
        ("postgresql://me:pa#ss", "postgresql://me:***"),
        ("postgresql://host/images?PASSWORD=x&p%61ssword=y", "postgresql://host/images?password=***&password=***"),
        ("/a/path", "/a/path"),
    ],
)
def test_what_is_shown_of_an_address(address: str, shown: str) -> None:
    assert engines.masked(address) == shown


@pytest.mark.parametrize("password", ["pa#ss", "pa/ss", "pa?ss", "p@ss/word", "12/34"])
def test_a_password_that_is_not_as_in_a_url(password: str) -> None:
    with pytest.raises(ConfigError, match="write %2F, %3F, %23 and %40") as refused:
        addresses.parse(f"postgresql://me:{password}@host/images")
    assert all(part not in str(refused.value) for part in ("pa#", "pa/", "pa?", "word@", "p@", "12", "34"))


def test_an_address_without_its_password() -> None:
    without = addresses.without_password
    assert without(SECRET) == "postgresql://me@host:5432/images?collection=photos&application_name=x"
    assert without("postgresql:///images?host=/run/a") == "postgresql:///images?host=/run/a"


def test_the_collection_and_whether_shards_may_be_missing() -> None:
    assert addresses.parse("postgresql://host/images").schema == "zehn_zehn"
    assert addresses.parse("postgresql://host/images?allow_partial=1").allow_partial
    named = engines.with_collection("postgresql://host/images?application_name=x", "my photos")
    assert named == "postgresql://host/images?application_name=x&collection=my%20photos"
    assert addresses.parse(named).collection == "my photos"
    assert engines.with_collection(SECRET, "other") == SECRET


@pytest.mark.parametrize("name", ["", "a/b", "-a", "cluster", 'a"b', "é" * 30, "a" * 59])
def test_a_name_that_a_collection_cannot_have(name: str) -> None:
    with pytest.raises(ConfigError, match="expected the name of a collection of at most 58"):
        engines.with_collection("postgresql://host/images", name)


def test_addresses_that_are_none() -> None:
    with pytest.raises(ConfigError, match="expected allow_partial=1 or allow_partial=0 in the address, came 'yes'"):
        addresses.parse("postgresql://host/images?allow_partial=yes")
    with pytest.raises(ConfigError, match="expected the address of a database such as postgresql"):
        engines.with_collection("/a/path", "photos")
    with pytest.raises(ConfigError, match="cannot read the address"):
        addresses.parse("postgresql://[host/images")
    with pytest.raises(UnknownNameError, match="unknown kind of address 'mysql'"):
        engines.with_collection("mysql://host/images", "photos")


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("53100", CollectionError, "the disk of the server is full"),
        ("55P03", BusyError, "being written to by another process, which did not finish within 3 s"),
        ("57014", CollectionError, "statement_timeout"),
        ("25006", CollectionError, "the server is a replica or read-only"),
        ("42501", CollectionError, "this user may not"),
        ("08001", CollectionError, "a shard does not answer"),
        ("HV00N", CollectionError, "zehn cluster status"),
        ("XX001", CollectionError, "look into the server's log"),
        ("22003", CollectionError, "run zehn index verify"),
        ("57P01", CollectionError, "cannot reach"),
        ("28P01", CollectionError, "cannot reach"),
    ],
)
def test_what_the_server_says_in_our_words(code: str, kind: type[Exception], said: str) -> None:
    address = addresses.parse(SECRET)
    told = faults.told(errors.lookup(code)("it said geh eim\nand more"), address, 3.0)
    assert type(told) is kind
    assert said in str(told)
    assert "postgresql://me:***@host" in str(told)
    assert "eim" not in str(told)
    assert "\n" not in str(told)


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ('FATAL: password authentication failed for user "me"', "PGPASSWORD or in ~/.pgpass"),
        ("fe_sendauth: no password supplied", "PGPASSWORD or in ~/.pgpass"),
        ('FATAL: database "images" does not exist', "create it, or name another in the address"),
        ("FATAL: sorry, too many clients already", "raise max_connections"),
        ("Connection refused", "check that the server runs"),
    ],
)
def test_a_server_that_cannot_be_reached(said: str, advice: str) -> None:
    told = faults.told(errors.OperationalError(said), addresses.parse(SECRET), 3.0)
    assert str(told).startswith("cannot reach postgresql://me:***@host:5432/images")
    assert advice in str(told)


def test_what_may_pass_is_tried_again_and_nothing_else() -> None:
    for passing in (
        errors.SerializationFailure(), errors.DeadlockDetected(), errors.OperationalError("closed"),
        errors.ConnectionFailure(),
    ):  # fmt: skip
        assert faults.may_pass(passing)
    for staying in (
        errors.DiskFull(), errors.QueryCanceled(), errors.OperationalError("password authentication failed"),
        errors.UniqueViolation(),
    ):  # fmt: skip
        assert not faults.may_pass(staying)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    asked: tuple[Any, ...] = (engines.connect, engines.exists, lambda address: engines.create(address, 3))
    for ask in asked:
        with pytest.raises(MissingExtraError, match=r"needs 'psycopg'.*pip install 'zehn\[scale\]'"):
            ask("postgresql://host/images")


def test_a_collection_in_a_file_loads_nothing_of_it() -> None:
    script = (
        "import sys; from zehn import engines; engines.exists('absent.zehn'); "
        "print([name for name in sys.modules if 'psycopg' in name or name.endswith('_postgres.engine')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
