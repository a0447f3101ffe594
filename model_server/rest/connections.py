"""HTTP connections within bounds; all that this server changes of uvicorn's protocol is here."""

import asyncio
import resource

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def connections_within(header_seconds: float) -> type[asyncio.Protocol]:
    """Returns the protocol of connections that are cut off where a request's headers take too long to arrive.

    That is counted from the opening, or from the first byte after an answer. Of connections there may be half as many
    as the process may have descriptors; more are closed at once.

    Args:
      header_seconds: how long headers may take.
    """
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    bounds = {"header_seconds": header_seconds, "most": max(1, descriptors // 2)}
    return type("Connection", (_Connection,), bounds)


class _Connection(HttpToolsProtocol):
    header_seconds: float
    most: int
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
        else:
            self._start()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._start()
        else:
            self._cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    def _start(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.header_seconds, self.transport.abort)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
