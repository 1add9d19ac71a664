"""HTTP as it comes over the wire: uvicorn's protocol with bounds on connections, and on what stands around a body.

A proxy has such bounds; a service that may stand without one needs its own, as a request's head is held in memory until
it is whole, and an answer until it is read.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from zehn.serve.settings import Settings

MAX_HEAD_BYTES = 64 * 1024
SECONDS_TO_SEND_HEAD = 20.0
SECONDS_TO_FINISH = 5.0
"""How long the rest of a body may take that is answered already; to hang up at once might lose the answer."""
SECONDS_TO_READ = 20.0
LEAST_READ = 16_384
"""Bytes of what waits to be read that must be gone after these seconds, where as much waits."""
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 20\r\nretry-after: 1\r\n"
    b"connection: close\r\n\r\ntoo many connections"
)


class Protocol(HttpToolsProtocol):
    """One connection; it is closed when a head grows too large, or when what must come or go does not."""

    max_connections: int | None = None

    _is_in_head = True
    _n_bytes = 0
    """Since the last that was a head's end, or part of a body."""
    _timer: Any = None
    """The event loop's own kind of handle."""
    _reading: Any = None
    """Likewise, while more waits to be read than is good."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head, unless there are too many connections."""
        self._cycles: deque[Any] = deque()
        super().connection_made(transport)
        if self.max_connections is not None and len(self.connections) > self.max_connections:
            transport.write(_FULL)
            transport.close()
            return
        self._wait(SECONDS_TO_SEND_HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to wait."""
        self._forget_timer()
        self._forget_reading()
        # uvicorn tells only the last: what is written for the others would be a mistake
        for cycle in self._cycles:
            cycle.disconnected = True
            cycle.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to watch whether the other side reads what is held for it."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Stop to watch, unless only that it is read keeps the connection open."""
        self._forget_reading()
        if self.transport.is_closing():
            self._watch()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, and close."""
        super().send_400_response(msg)
        self._watch()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that nothing comes from."""
        super().timeout_keep_alive_handler()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Read on, unless that is too much."""
        if self._is_in_head and self._timer is None:
            self._wait(SECONDS_TO_SEND_HEAD)
        self._n_bytes += len(data)
        super().data_received(data)
        if self._n_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The head of a request may have {MAX_HEAD_BYTES} bytes.")

    def on_headers_complete(self) -> None:
        """Go on to the body, which the app bounds."""
        self._is_in_head, self._n_bytes = False, 0
        self._forget_timer()
        super().on_headers_complete()
        self._cycles.append(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Take part of a body; what comes after it is counted anew."""
        self._n_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Go on to the next request of the connection."""
        self._is_in_head, self._n_bytes = True, 0
        self._forget_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request, or wait a little for the rest of a body that nobody reads any more."""
        if self._cycles:
            self._cycles.popleft()
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch()
        elif not self._is_in_head and not self.pipeline:
            self._forget_timer()
            self._wait(SECONDS_TO_FINISH)

    def _wait(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _watch(self) -> None:
        self._forget_reading()
        waiting = self.transport.get_write_buffer_size()
        self._reading = self.loop.call_later(SECONDS_TO_READ, self._check_read, waiting)

    def _check_read(self, before: int) -> None:
        """Hang up where too little was read meanwhile; who reads slowly may go on."""
        if before - self.transport.get_write_buffer_size() < LEAST_READ:
            self.transport.abort()
        else:
            self._watch()

    def _forget_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def protocol_of(settings: Settings) -> type[Protocol]:
    """Return the protocol of a service."""
    return type("Protocol", (Protocol,), {"max_connections": settings.max_connections})
