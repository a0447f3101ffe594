"""A request that fits a signature, to try a model with."""

import json
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2


def sample_request(signature: meta_graph_pb2.SignatureDef) -> str:
    """Returns the body of a predict request with one made-up example."""
    shapes = {name: _shape(info) for name, info in signature.inputs.items()}
    values = {name: _value(tf.as_dtype(info.dtype), shapes[name]) for name, info in sorted(signature.inputs.items())}
    if any(not shape for shape in shapes.values()):
        return json.dumps({"inputs": values})
    rows = {name: value[0] for name, value in values.items()}
    return json.dumps({"instances": [rows if len(rows) > 1 else next(iter(rows.values()))]})


def _shape(info: meta_graph_pb2.TensorInfo) -> list[int]:
    if info.tensor_shape.unknown_rank:
        return [1]
    return [max(dim.size, 1) for dim in info.tensor_shape.dim]


def _value(dtype: tf.DType, shape: list[int]) -> Any:
    value = "a" if dtype == tf.string else True if dtype.is_bool else 1 if dtype.is_integer else 1.0
    for size in reversed(shape):
        value = [value] * size  # type: ignore[assignment]  # a row of values, of a signature with an inner size
    return value
