"""The gRPC side: both services on one port, within the same bounds as REST."""

import concurrent.futures
import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Sequence

import grpc
from google.protobuf import message
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from model_server.errors import Code, ServingError, internal_error, invalid_argument
from model_server.grpc.models import ModelService
from model_server.grpc.prediction import PredictionService
from model_server.limits import Limits

_logger = logging.getLogger(__name__)
_STATUS = {code.value[0]: code for code in grpc.StatusCode}
# Error texts travel in a header, and clients refuse headers of more than some kilobytes.
_MAX_ERROR_BYTES = 1024
_CUT_OFF = "...TRUNCATED"
_SOCKET = "unix:"


@dataclasses.dataclass(frozen=True)
class GrpcAddresses:
    """Where gRPC listens.

    Args:
      host: of the port.
      port: 0 picks a free one; None for no port.
      socket_path: the file of a UNIX socket; empty for none.
    """

    host: str
    port: int | None
    socket_path: str = ""

    def texts(self) -> list[str]:
        """Returns the addresses as gRPC wants them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        ports = [] if self.port is None else [f"{host}:{self.port}"]
        return [*ports, _SOCKET + self.socket_path] if self.socket_path else ports


class GrpcServer:
    """Serves TF Serving's gRPC API.

    Args:
      prediction: answers calls to models.
      models: answers about models.
      limits: what is taken on.
      addresses: where to listen.
      options: gRPC's channel arguments, instead of those of the same names that the limits ask for.

    Raises:
      ValueError: where an address cannot be had.
    """

    def __init__(
        self,
        prediction: PredictionService,
        models: ModelService,
        limits: Limits,
        addresses: GrpcAddresses,
        options: Sequence[tuple[str, int | str]] = (),
    ) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(limits.threads, "grpc")
        self._server = grpc.server(
            self._pool,
            interceptors=[_Boundary(limits.timeout_seconds)],
            options=[
                ("grpc.max_receive_message_length", limits.body_bytes),
                ("grpc.max_send_message_length", -1),
                # Else two servers could have one port, and each some of the calls.
                ("grpc.so_reuseport", 0),
                *options,
            ],
            maximum_concurrent_rpcs=limits.pending,
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(prediction, self._server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(models, self._server)
        self.port, places = 0, []
        for address in addresses.texts():
            try:
                port = self._server.add_insecure_port(address)
            except RuntimeError as error:
                raise ValueError(f"gRPC's address must be free. Received: {address!r}: {error}.") from None
            if address.startswith(_SOCKET):
                places.append(address)
            else:
                self.port = port
                places.append(f"port {port}")
        self.place = " and ".join(places)

    def start(self) -> None:
        """Begins to answer."""
        self._server.start()

    def stop(self, grace_seconds: float) -> threading.Event:
        """Takes no more calls; the event is set once those under way are answered, or cut off after the grace."""
        return self._server.stop(grace_seconds)

    def close(self) -> None:
        """Frees the threads; nothing may be under way."""
        self._pool.shutdown()


class _Boundary(grpc.ServerInterceptor):
    """Between gRPC and the services: reads requests, refuses those that waited too long, and sends errors."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """See base class; called when a request begins to arrive."""
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        expires = time.monotonic() + self._timeout_seconds

        def answer(body: bytes, context: grpc.ServicerContext) -> message.Message:
            try:
                if time.monotonic() > expires:
                    raise ServingError(Code.DEADLINE_EXCEEDED, "Timed out waiting for a thread")
                return handler.unary_unary(_parse(handler, body), context)
            except ServingError as error:
                failure = error
            except NotImplementedError:
                failure = ServingError(Code.UNIMPLEMENTED, f"{handler_call_details.method} is not implemented")
            except Exception:
                _logger.exception("%s failed", handler_call_details.method)
                failure = internal_error()
            context.abort(_STATUS[int(failure.code)], error_text(failure.message))

        return grpc.unary_unary_rpc_method_handler(answer, response_serializer=handler.response_serializer)


def error_text(text: str) -> str:
    """Returns a message as gRPC can send it: UTF-8, and of at most 1,024 bytes."""
    data = text.encode("utf-8", "replace")
    if len(data) > _MAX_ERROR_BYTES:
        data = data[: _MAX_ERROR_BYTES - len(_CUT_OFF)].decode("utf-8", "ignore").encode() + _CUT_OFF.encode()
    return data.decode()


def _parse(handler: grpc.RpcMethodHandler, body: bytes) -> message.Message:
    try:
        return handler.request_deserializer(body)
    except message.DecodeError as error:
        raise invalid_argument(f"The request must be a protobuf message of the method's type: {error}") from None
