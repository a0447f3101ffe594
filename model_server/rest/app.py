"""The HTTP side: reads bodies, and runs model calls off the event loop, all within bounds."""

import asyncio
import concurrent.futures
import logging
import threading
import time
import zlib
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from model_server.errors import Code, ServingError, internal_error
from model_server.limits import Limits
from model_server.rest.handlers import Answer, Call, RestApi, error_answer

_logger = logging.getLogger(__name__)
# The model's own time-out goes first, since it frees the thread as well.
_GRACE_SECONDS = 1.0


class TooLarge(Exception):
    """A request body beyond a limit; the text says which."""


class Endpoint:
    """An ASGI application that answers every path through a `RestApi`.

    Args:
      api: what answers.
      limits: what is taken on.
    """

    def __init__(self, api: RestApi, limits: Limits) -> None:
        self._api = api
        self._limits = limits
        self._places = threading.BoundedSemaphore(limits.pending)
        self._pool = concurrent.futures.ThreadPoolExecutor(limits.threads, "call")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        request = Request(scope, receive)
        headers = {}
        try:
            answer = await self._answer(request)
        except TooLarge as error:
            answer = error_answer(ServingError(Code.RESOURCE_EXHAUSTED, str(error)))._replace(status=413)
            headers["connection"] = "close"
        except ServingError as error:
            answer = error_answer(error)
        except ClientDisconnect:
            return
        except Exception:
            _logger.exception("%s %s failed", request.method, request.url.path)
            answer = error_answer(internal_error())
        headers["content-type"] = answer.content_type
        await Response(answer.body, answer.status, headers)(scope, receive, send)

    def close(self) -> None:
        """Waits for the calls that are running, and drops those that wait."""
        self._pool.shutdown(cancel_futures=True)

    async def _answer(self, request: Request) -> Answer:
        call = self._api.parse(request.method, _target(request.scope), request.headers.get("origin", ""))
        if isinstance(call, Answer):
            return call
        if not self._places.acquire(blocking=False):
            raise self._refusal(
                call,
                Code.UNAVAILABLE,
                f"{self._limits.pending} calls are being served; try again later",
            )
        future = None
        try:
            body = await self._body(request, call)
            future = self._pool.submit(self._run, request, call, body, time.monotonic())
            # A thread cannot be stopped: its place is taken until it is done, whoever still waits.
            future.add_done_callback(lambda _: self._places.release())
        finally:
            if future is None:
                self._places.release()
        try:
            return await asyncio.wait_for(
                asyncio.shield(asyncio.wrap_future(future)),
                self._limits.timeout_seconds + _GRACE_SECONDS,
            )
        except asyncio.TimeoutError:
            raise ServingError(Code.DEADLINE_EXCEEDED, "Timed out waiting for the model") from None

    async def _body(self, request: Request, call: Call) -> bytes:
        try:
            return await asyncio.wait_for(self._read(request), self._limits.timeout_seconds)
        except asyncio.TimeoutError:
            raise self._refusal(call, Code.DEADLINE_EXCEEDED, "Timed out reading the request") from None

    async def _read(self, request: Request) -> bytes:
        limit = self._limits.body_bytes
        declared = int(request.headers.get("content-length", 0))
        if declared > limit and "expect" in request.headers:
            # The client waits to be told to go on, and then need not send it at all.
            raise _too_long(limit)
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size <= limit:
                parts.append(part)
            elif size > 2 * limit:
                break
            # A little too much is read to its end: most clients only then look at the answer.
        if size > limit:
            raise _too_long(limit)
        return b"".join(parts)

    def _run(self, request: Request, call: Call, body: bytes, arrived: float) -> Answer:
        if time.monotonic() - arrived > self._limits.timeout_seconds:
            raise self._refusal(call, Code.DEADLINE_EXCEEDED, "Timed out waiting for a thread")
        if request.headers.get("content-encoding", "").lower() == "gzip":
            body = _gunzip(body, self._limits.body_bytes)
        # The parser does not let other threads run. Each value but the first has a comma before it.
        if body.count(b",") >= self._limits.json_values:
            raise TooLarge(f"Request body must have fewer than {self._limits.json_values} commas")
        return self._api.run(call, body)

    def _refusal(self, call: Call, code: Code, message: str) -> ServingError:
        self._api.count(call, code)
        return ServingError(code, message)


def create_app(endpoint: Endpoint, pages: Sequence[BaseRoute] = ()) -> Starlette:
    """Returns the application: every path and method that are not of `pages` go to `endpoint`."""
    return Starlette(routes=[*pages, Route("/{path:path}", endpoint)])


def _target(scope: Scope) -> str:
    """Returns path and query as the client sent them."""
    path, query = scope["raw_path"], scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")


def _too_long(limit: int) -> TooLarge:
    return TooLarge(f"Request body must be at most {limit} bytes")


def _gunzip(body: bytes, limit: int) -> bytes:
    """Returns the body unpacked; nothing where it is not gzip or cut off, which TF Serving reads as an empty one."""
    # 16 asks zlib for gzip's header; one byte more than allowed tells that there is more.
    decompressor = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        text = decompressor.decompress(body, limit + 1)
    except zlib.error:
        return b""
    if len(text) > limit:
        raise _too_long(limit)
    return text if decompressor.eof else b""
