"""Tensors as protobuf messages, the form gRPC requests and warm-up requests have them in."""

import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from model_server.errors import invalid_argument

# TF Serving fills these fields, and clients in other languages read them without a helper.
_FIELDS = {
    tf.float32: "float_val",
    tf.float64: "double_val",
    tf.int64: "int64_val",
    tf.uint32: "uint32_val",
    tf.uint64: "uint64_val",
    tf.bool: "bool_val",
    tf.string: "string_val",
    **dict.fromkeys((tf.int8, tf.int16, tf.int32, tf.uint8, tf.uint16), "int_val"),
}
_MAX_RANK = 32
_POINTER_BYTES = 8
# A message of some bytes may declare any shape, and have its one value repeated to fill it.
DEFAULT_MAX_BYTES = 2**31


def decode_inputs(
    inputs: Mapping[str, tensor_pb2.TensorProto], max_bytes: int = DEFAULT_MAX_BYTES
) -> dict[str, np.ndarray]:
    """Returns the arrays of a request by name; see `decode`.

    Args:
      inputs: tensors by name.
      max_bytes: the most all arrays together may take.

    Raises:
      ServingError: INVALID_ARGUMENT, naming the first input that is not as it must be.
    """
    arrays: dict[str, np.ndarray] = {}
    for name in sorted(inputs):
        try:
            arrays[name] = decode(inputs[name], max_bytes - sum(array.nbytes for array in arrays.values()))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise invalid_argument(f"Input {name} must be a valid tensor proto. Received: {error}") from None
    return arrays


def decode(proto: tensor_pb2.TensorProto, max_bytes: int = DEFAULT_MAX_BYTES) -> np.ndarray:
    """Returns the array of a tensor; strings become an object array of bytes.

    Args:
      proto: the tensor; fewer values than its shape holds are filled up with the last one, none at all with zeros.
      max_bytes: the most the array may take.

    Raises:
      ValueError, TypeError: where the proto contradicts itself or is too large.
    """
    if proto.tensor_shape.unknown_rank or any(dim.size < 0 for dim in proto.tensor_shape.dim):
        raise ValueError("a shape that is not fully defined")
    if len(proto.tensor_shape.dim) > _MAX_RANK:
        raise ValueError(f"{len(proto.tensor_shape.dim)} dimensions, of at most {_MAX_RANK}")
    shape = [dim.size for dim in proto.tensor_shape.dim]
    dtype = tf.as_dtype(proto.dtype)
    elements = math.prod(shape)
    # The size of a string's type is 0; here each takes at least a pointer.
    if elements * (dtype.size or _POINTER_BYTES) > max_bytes:
        raise ValueError(f"{elements} elements, more than {max_bytes} bytes")
    if dtype == tf.string and not proto.string_val:
        return np.full(shape, b"", object)
    return tf.make_ndarray(proto).reshape(shape)


def encode(array: np.ndarray, proto: tensor_pb2.TensorProto) -> None:
    """Writes an array into an empty tensor proto, value by value as TF Serving does."""
    dtype = tf.as_dtype(array.dtype)
    field = _FIELDS.get(dtype)
    if field is None:
        proto.CopyFrom(tf.make_tensor_proto(array))
        return
    proto.dtype = dtype.as_datatype_enum
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    getattr(proto, field).extend(array.reshape(-1).tolist())
