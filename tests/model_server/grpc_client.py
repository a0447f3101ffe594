"""Requests to TF Serving's gRPC services, and what comes back."""

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_service_pb2_grpc

from tests.model_server.server_process import DEADLINE_SECONDS

Status = tuple[str, str]


def spec(name: str, version: int | None = None, label: str = "", signature: str = "") -> model_pb2.ModelSpec:
    """Returns what names a version and a signature; the latest version unless a number or a label is given."""
    result = model_pb2.ModelSpec(name=name, signature_name=signature)
    if version is not None:
        result.version.value = version
    if label:
        result.version_label = label
    return result


def predict_request(name: str, inputs: dict[str, Any], **which: Any) -> predict_pb2.PredictRequest:
    """Returns a predict request; inputs are arrays, or tensor protos as they are."""
    request = predict_pb2.PredictRequest(model_spec=spec(name, **which))
    for key, value in inputs.items():
        proto = value if isinstance(value, tensor_pb2.TensorProto) else tf.make_tensor_proto(value)
        request.inputs[key].CopyFrom(proto)
    return request


def predict(channel: grpc.Channel, name: str, inputs: dict[str, Any], **which: Any) -> dict[str, np.ndarray]:
    """Returns the outputs of a predict call."""
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    response = stub.Predict(predict_request(name, inputs, **which), timeout=DEADLINE_SECONDS)
    return {key: tf.make_ndarray(value) for key, value in response.outputs.items()}


def status_of(call: Callable[..., Any], request: Any, timeout: float = DEADLINE_SECONDS) -> Status:
    """Returns the name of the code and the text of the error a call ends with; "OK" where it does not."""
    try:
        call(request, timeout=timeout)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""
