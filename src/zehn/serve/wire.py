"""HTTP as it comes over the wire: uvicorn's protocol with bounds on what stands before and after a body.

A proxy has such bounds; a service that may stand without one needs its own, as a request's head is held in memory until
it is whole.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
SECONDS_TO_SEND_HEAD = 20.0


class Protocol(HttpToolsProtocol):
    """One connection; it is closed when a head grows too large or does not come to its end."""

    _is_in_head = True
    _n_bytes = 0
    """Since the last that was a head's end, or part of a body."""
    _timer: Any = None
    """The event loop's own kind of handle."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to wait."""
        self._forget_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless that is too much."""
        if self._is_in_head and self._timer is None:
            self._wait()
        self._n_bytes += len(data)
        super().data_received(data)
        if self._n_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The head of a request may have {MAX_HEAD_BYTES} bytes.")

    def on_headers_complete(self) -> None:
        """Go on to the body, which the app bounds."""
        self._is_in_head, self._n_bytes = False, 0
        self._forget_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take part of a body; what comes after it is counted anew."""
        self._n_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Go on to the next request of the connection."""
        self._is_in_head, self._n_bytes = True, 0
        super().on_message_complete()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(SECONDS_TO_SEND_HEAD, self._give_up)

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
