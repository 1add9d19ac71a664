"""The process that serves: from a socket to its last answer."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zehn import plugins
from zehn.errors import ConfigError
from zehn.serve.settings import Settings

_EXTRA = "serve"
_NEEDED = ("fastapi", "uvicorn", "orjson", "prometheus_client", "python_multipart")
_BACKLOG = 1_024
_SECONDS_KEPT = 30
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 – what to open instead of them
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

Say = Callable[[str], None]


def serve(
    names_or_paths: Sequence[str | Path] = (),
    settings: Settings | None = None,
    *,
    open_browser: bool = False,
    say: Say = print,
) -> None:
    """Serve collections and runs until the process is told to end (Ctrl-C, SIGTERM); requests under way are finished.

    Args:
        names_or_paths: What to serve; see :meth:`zehn.serve.shelves.Shelves.open`.
        settings: Where to listen, and how much to take.
        open_browser: Show the page in the user's browser, where there is a screen.
        say: Told the address, and what of the collections that are there cannot be served.

    Raises:
        ConfigError: the address cannot be listened on, as when another program does already.
        MissingExtraError: the extra ``serve`` is not installed.
        ZehnError: what is named cannot be opened; see :meth:`zehn.serve.shelves.Shelves.open`.

    """
    for module in _NEEDED:
        plugins.require(module, _EXTRA)
    from zehn.serve.shelves import Shelves

    given = settings or Settings()
    # first: opening a large collection takes longer than to find that the port is taken
    with _listening(given) as listener, Shelves.open(names_or_paths, given) as shelves:
        address = _address(given.host, listener.getsockname()[1])

        def tell() -> None:
            for problem in shelves.problems:
                say(f"not served: {problem}")
            served = ", ".join(shelves.names()) or "nothing yet; the page says how to begin"
            say(f"{address} serves {served}; Ctrl-C ends it")
            if open_browser and _has_screen():
                # it may wait for the browser to end
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

        _run(shelves, listener, tell)


def _run(shelves: Any, listener: socket.socket, tell: Callable[[], None]) -> None:
    import uvicorn

    from zehn.serve import logs, page
    from zehn.serve.app import create_app
    from zehn.serve.wire import protocol_of

    class Server(uvicorn.Server):
        """Tells when it listens."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                gc.collect()
                gc.freeze()  # what is loaded by now stays: looking through it again holds every request up by 65 ms
                tell()

    given: Settings = shelves.settings
    logs.set_up(given.log_level)
    app = create_app(shelves, given)
    page.mount(app)
    config = uvicorn.Config(
        app,
        http=protocol_of(given),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_SECONDS_KEPT,
        timeout_graceful_shutdown=max(1, round(given.seconds_to_close)),
    )
    with _ending_quietly():
        Server(config).run(sockets=[listener])


@contextmanager
def _ending_quietly() -> Iterator[None]:
    """Come back from a server that was told to end: it raises the signal again, which would end us before we close."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """Give a socket that is bound to the address.

    Raises:
        ConfigError: that cannot be, and why.

    """
    where = f"port {settings.port} of {settings.host}"
    try:
        found = socket.getaddrinfo(settings.host.strip("[]"), settings.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"there is no host {settings.host!r}; name an address of this machine") from error
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as listener:
        # so that a service that was killed can be started again at once
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError as error:
            why = error.strerror or error
            raise ConfigError(f"cannot listen on {where}: {why}; choose another --port, or 0 for a free one") from error
        yield listener


def _address(host: str, port: int) -> str:
    shown = _ANY_ADDRESS.get(host.strip("[]"), host.strip("[]"))
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"


def _has_screen() -> bool:
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
