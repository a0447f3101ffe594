"""Clients for `load_model`: they keep their connection, as production's do, and check what they are answered."""

import contextlib
import http.client
import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

# Sends a request and returns the version that answered; raises where the answer is not as it must be.
Ask = Callable[[], int]
_HISTORY = [str(number) for number in range(20)]
_TIMEOUT_SECONDS = 60.0
_AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE


class WrongAnswer(Exception):
    """An answer that is an error, or not the one it must be."""


class Target(NamedTuple):
    """A model on a server of this machine.

    Args:
      model: its name.
      rest: the port of REST.
      grpc: the port of gRPC.
    """

    model: str
    rest: int
    grpc: int

    def version(self) -> int:
        """Returns the newest version that answers."""
        with grpc.insecure_channel(f"127.0.0.1:{self.grpc}") as channel:
            request = get_model_status_pb2.GetModelStatusRequest()
            request.model_spec.name = self.model
            states = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=_TIMEOUT_SECONDS)
        return max(item.version for item in states.model_version_status if item.state == _AVAILABLE)


@contextlib.contextmanager
def clients(target: Target, transport: str, count: int) -> Iterator[list[Ask]]:
    """Yields so many clients, each with a connection of its own.

    Args:
      target: what they ask.
      transport: "rest" or "grpc".
      count: how many.
    """
    with contextlib.ExitStack() as stack:
        connect = {"rest": _rest, "grpc": _grpc}[transport]
        yield [stack.enter_context(connect(target)) for _ in range(count)]


class _Checked:
    """Compares every answer with the first one: all versions find the same."""

    def __init__(self) -> None:
        self._first: list[str] | None = None

    def __call__(self, items: list[str], version: int) -> int:
        if self._first is None:
            self._first = items
        if items != self._first:
            raise WrongAnswer(f"Answers must be {self._first}. Received: {items}")
        return version


@contextlib.contextmanager
def _rest(target: Target) -> Iterator[Ask]:
    checked = _Checked()
    body = json.dumps({"instances": [{"history": _HISTORY}]})
    connection = http.client.HTTPConnection("127.0.0.1", target.rest, timeout=_TIMEOUT_SECONDS)

    def ask() -> int:
        connection.request("POST", f"/v1/models/{target.model}:predict", body)
        response = connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise WrongAnswer(f"{response.status}: {text.decode(errors='replace')}")
        (answer,) = json.loads(text)["predictions"]
        return checked(answer["item_id"], answer["version"])

    with contextlib.closing(connection):
        yield ask


@contextlib.contextmanager
def _grpc(target: Target) -> Iterator[Ask]:
    checked = _Checked()
    request = predict_pb2.PredictRequest()
    request.model_spec.name = target.model
    request.inputs["history"].CopyFrom(tf.make_tensor_proto([_HISTORY]))
    # Else all clients of this process would share one connection.
    options = [("grpc.use_local_subchannel_pool", 1)]

    with grpc.insecure_channel(f"127.0.0.1:{target.grpc}", options) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

        def ask() -> int:
            outputs = stub.Predict(request, timeout=_TIMEOUT_SECONDS).outputs
            return checked([item.decode() for item in outputs["item_id"].string_val], outputs["version"].int_val[0])

        yield ask
