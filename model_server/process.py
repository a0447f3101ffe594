"""The process of the server: its port, and its work until a signal ends it."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Iterator, Sequence

import uvicorn
from starlette.routing import BaseRoute

from model_server.errors import ServingError
from model_server.forms.json_forms import DEFAULT_SIGNATURE
from model_server.grpc.server import GrpcServer
from model_server.limits import Limits
from model_server.models.manager import ModelManager
from model_server.rest.app import Endpoint, create_app
from model_server.rest.connections import connections_within
from model_server.sample_request import sample_request

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Longer than clients keep idle connections, so that none is closed just as a request is sent.
_KEEP_ALIVE_SECONDS = 75
_logger = logging.getLogger(__name__)


def bind(host: str, port: int) -> socket.socket:
    """Returns a socket that has the port but does not listen yet.

    Raises:
      ValueError: where the port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise ValueError(f"`port` must be free. Received: host={host!r}, port={port}: {error}.") from None
    return listener


def serve(
    manager: ModelManager,
    endpoint: Endpoint,
    limits: Limits,
    rest: socket.socket,
    grpc: GrpcServer | None,
    pages: Sequence[BaseRoute] = (),
) -> None:
    """Loads the models and serves them until SIGTERM or SIGINT, then ends the calls under way.

    Args:
      manager: the models, not started.
      endpoint: answers REST.
      limits: what is taken on.
      rest: where to serve REST; listens once the models that are there are loaded.
      grpc: the gRPC server, not started, if any.
      pages: what REST's port serves beside the API.
    """
    # What the imports left is there for good; the collection after each unload need not visit it.
    gc.collect()
    gc.freeze()
    for number in _SIGNALS:
        # Until there are calls to wait for.
        signal.signal(number, lambda *_: sys.exit(0))
    manager.start()
    # Both the body and the model may take as long as the limit says.
    grace_seconds = int(2 * limits.timeout_seconds) + 5
    config = uvicorn.Config(
        create_app(endpoint, pages),
        http=connections_within(limits.timeout_seconds),
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=grace_seconds,
    )
    if grpc:
        grpc.start()
    _Server(config, manager, grpc, grace_seconds).run(sockets=[rest])
    if grpc:
        grpc.close()
    endpoint.close()
    manager.close()


class _Server(uvicorn.Server):
    """Returns after a signal once the calls under way are answered; a second SIGINT hurries."""

    def __init__(
        self, config: uvicorn.Config, manager: ModelManager, grpc: GrpcServer | None, grace_seconds: float
    ) -> None:
        super().__init__(config)
        self._manager = manager
        self._grpc = grpc
        self._grace_seconds = grace_seconds

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The original sends the signal again at the end, and so ends with another code than 0.
        for number in _SIGNALS:
            signal.signal(number, self.handle_exit)
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        stopped = self._grpc.stop(self._grace_seconds) if self._grpc else None
        await super().shutdown(sockets)
        if stopped:
            await asyncio.to_thread(stopped.wait)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = sockets[0].getsockname()[:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        if self._grpc:
            _logger.info("Serving gRPC on %s", self._grpc.place)
        _logger.info("Serving at %s - %s", url, self._hint(url))

    def _hint(self, url: str) -> str:
        name = min(self._manager.names(), default="")
        try:
            with self._manager.use(name) as servable:
                signature = servable.signatures.get(DEFAULT_SIGNATURE)
        except ServingError:
            return "no model yet"
        target = f"{url}/v1/models/{name}"
        if signature is None:
            return f"try: curl {target}/metadata"
        return f"try: curl -d '{sample_request(signature)}' {target}:predict"
