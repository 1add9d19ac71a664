"""Configuration: a TOML file, the assignments of a command line, and the copy that a run keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fuzz._folder import placed
from zehn import config
from zehn.errors import ConfigError

TOKENS = (
    b"[train]\n", b"[data]\n", b"[[train]]\n", b"preset = ", b"seed = ", b"epochs = ", b"objectives = ", b"nan",
    b"-inf", b"1e999", b"9" * 400, b"-" + b"9" * 400, b"0x" + b"f" * 300, b"true", b"{", b"}", b"[" * 50,
    b'"\\ud800"', b"1979-05-27T07:32:00Z", b"reconstruction = ", b"query_ids = ", b"distances = ", b".", b"=", b"'''",
    b'"""', b"severities = [", b"options = ",
)  # fmt: skip


def seeds() -> Mapping[str, bytes]:
    """Return the configurations of the presets, some settings of a file, and assignments."""
    whole = {f"{name}.toml": config.to_toml(config.resolve(name)).encode() for name in ("quick", "smoke")}
    return {
        **whole,
        "some.toml": b'preset = "full"\nseed = 3\n[train]\nepochs = 2\n[data]\nname = "digits"\nn_train = 10\n',
        "nested.toml": b"[train]\nobjectives = {reconstruction = 1.0}\n[query]\ndistances = ['euclidean']\n",
        "assignments": b"train.epochs=12\ndata.name=digits\nseed=-1\ntrain.objectives={reconstruction=1.0}\n",
    }


def check(data: bytes) -> None:
    """Read a file as one that a user names, as the one that a run keeps, and its lines as assignments."""
    path = placed("config.toml", data)
    lines = data.decode("utf-8", "surrogateescape").splitlines()
    reading: tuple[Callable[[], config.Config], ...] = (
        lambda: config.resolve(path=path),
        lambda: config.read(path),
        lambda: config.resolve(assignments=lines),
        lambda: config.changed(config.Config(), lines),
    )
    for read in reading:
        try:
            came = read()
        except ConfigError:
            continue
        path.write_text(config.to_toml(came), encoding="utf-8")
        if repr(config.read(path)) != repr(came):
            raise AssertionError("expected the same configuration from what was written")
        path.write_bytes(data)
