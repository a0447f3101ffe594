"""Turns a JSON value, nested lists or a scalar, into an array of a given type."""

import base64
import binascii
import itertools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from model_server.errors import Code, ServingError, invalid_argument
from model_server.forms import json_print

# What numpy can hold; TF Serving would go on to 254.
MAX_RANK = 32

_BASE64 = re.compile(r"([A-Za-z0-9+/]*)(={0,2})")
_WHITESPACE = re.compile(r"\s+", re.ASCII)
_TYPE_NAMES = {tf.float32: "float", tf.float64: "double", tf.float16: "half"}


class _Kind(NamedTuple):
    """Which JSON values a tensor type takes."""

    python_types: frozenset[type]
    # The inclusive range of integers, where there is one.
    low: int | None = None
    high: int | None = None
    # The array type the values are read into first.
    read_as: Any = None


_NUMBER = _Kind(frozenset({int, float}), read_as=np.float64)
# TF Serving checks the narrow integers as 32-bit ones, and then lets them wrap around.
_INT32 = _Kind(frozenset({int}), -(2**31), 2**31 - 1, np.int32)
_KINDS = {
    tf.float32: _NUMBER,
    tf.float64: _NUMBER,
    tf.int8: _INT32,
    tf.int16: _INT32,
    tf.int32: _INT32,
    tf.uint8: _INT32,
    tf.int64: _Kind(frozenset({int}), -(2**63), 2**63 - 1, np.int64),
    tf.uint32: _Kind(frozenset({int}), 0, 2**32 - 1, np.uint32),
    tf.uint64: _Kind(frozenset({int}), 0, 2**64 - 1, np.uint64),
    tf.bool: _Kind(frozenset({bool}), read_as=np.bool_),
    tf.string: _Kind(frozenset({str})),
}
_JSON_TYPES = {list: "Array", str: "String", int: "Number", float: "Number", type(None): "Null"}


def type_name(dtype: tf.DType) -> str:
    """Returns the name TF Serving's messages give a tensor type."""
    return _TYPE_NAMES.get(dtype, dtype.name)


def json_type(value: Any) -> str:
    """Returns the name TF Serving's messages give the type of a JSON value."""
    if isinstance(value, bool):
        return str(value)
    return "Object" if isinstance(value, dict) else _JSON_TYPES[type(value)]


def dense_shape(value: Any) -> list[int]:
    """Returns the shape a value has if all of it is as its first elements are; a scalar has []."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return shape


def is_base64_object(value: Any) -> bool:
    """Tells whether a value is {"b64": "<text>"}, the form of bytes."""
    # An object that repeats a key is not of type dict itself.
    return type(value) is dict and len(value) == 1 and isinstance(value.get("b64"), str)


def decode_base64_object(value: dict[str, Any]) -> bytes:
    """Returns the bytes of {"b64": "<text>"}; padding may be missing and whitespace be present.

    Raises:
      ServingError: INVALID_ARGUMENT.
    """
    if not is_base64_object(value):
        raise invalid_argument(f"JSON Value: {json_print.pretty(value)} not formatted correctly for base64 data")
    parts = _BASE64.fullmatch(_WHITESPACE.sub("", value["b64"]))
    missing = -len(parts[1]) % 4 if parts else 3
    if missing == 3 or (parts[2] and len(parts[2]) != missing):
        raise invalid_argument("Unable to base64 decode")
    try:
        return base64.b64decode(parts[1] + "=" * missing, validate=True)
    except binascii.Error:
        raise invalid_argument("Unable to base64 decode") from None


def tensor(value: Any, dtype: tf.DType) -> np.ndarray:
    """Returns the array of a JSON value.

    Args:
      value: a scalar, or lists nested to any depth, all of one size at each depth.
      dtype: the type to read it as; strings become an object array of bytes.

    Returns:
      The array, of the shape the lists have.

    Raises:
      ServingError: INVALID_ARGUMENT where a list or a value is not as it must be, UNIMPLEMENTED
        where the type has no JSON form.
    """
    shape = dense_shape(value)
    if len(shape) > MAX_RANK:
        raise invalid_argument(f"Lists must be nested at most {MAX_RANK} deep. Received: {len(shape)} levels")
    values = _flatten(value, shape)
    array = None if values is None else _from_leaves(values, dtype)
    if array is None:
        # Something is amiss, or rare: go value by value, to name the first one that is wrong.
        leaves: list[Any] = []
        _collect(value, 0, shape, dtype, leaves.append)
        array = _from_leaves(leaves, dtype)
    return array.reshape(shape)


def _flatten(value: Any, shape: list[int]) -> list[Any] | None:
    """Returns the elements in row-major order, or None where a list is not of its due size."""
    if not shape:
        return [value]
    values = value
    for size in shape[1:]:
        if any(type(row) is not list or len(row) != size for row in values):
            return None
        values = list(itertools.chain.from_iterable(values))
    return values


def _from_leaves(values: list[Any], dtype: tf.DType) -> np.ndarray | None:
    """Returns the flat array, or None where a value does not suit the type."""
    kind = _KINDS.get(dtype)
    types = set(map(type, values))
    if kind is None:
        return None if values else np.empty(0, dtype.as_numpy_dtype)
    if dtype == tf.string:
        return _strings(values, types)
    if not types <= kind.python_types:
        return None
    if kind.low is not None and values and not kind.low <= min(values) <= max(values) <= kind.high:
        return None
    with np.errstate(over="ignore"):
        return np.array(values, kind.read_as).astype(dtype.as_numpy_dtype)


def _strings(values: list[Any], types: set[type]) -> np.ndarray | None:
    array = np.empty(len(values), object)
    if types <= {str}:
        array[:] = [json_print.to_bytes(value) for value in values]
    elif types <= {str, bytes}:
        array[:] = [value if isinstance(value, bytes) else json_print.to_bytes(value) for value in values]
    else:
        return None
    return array


def _collect(value: Any, level: int, shape: list[int], dtype: tf.DType, add: Callable[[Any], None]) -> None:
    """Adds the checked elements of `value` in row-major order; bytes objects are added decoded."""
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            raise invalid_argument(
                f"JSON Value: {json_print.pretty(value)} found at incorrect level: {level + 1} "
                f"in the JSON DOM. Expected at level: {rank}"
            )
        if isinstance(value, dict) and dtype == tf.string:
            value = decode_base64_object(value)
        else:
            _check_leaf(value, dtype)
        add(value)
        return
    if level >= rank:
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {rank}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for item in value:
        _collect(item, level + 1, shape, dtype, add)


def _check_leaf(value: Any, dtype: tf.DType) -> None:
    kind = _KINDS.get(dtype)
    if kind is None and not isinstance(value, dict):
        raise ServingError(
            Code.UNIMPLEMENTED,
            f"Conversion of JSON Value: {json_print.pretty(value)} to type: {type_name(dtype)}",
        )
    suits = kind is not None and type(value) in kind.python_types
    if suits and kind.low is not None:
        suits = kind.low <= value <= kind.high
    if not suits:
        raise invalid_argument(
            f"JSON Value: {json_print.pretty(value)} Type: {json_type(value)} "
            f"is not of expected type: {type_name(dtype)}"
        )
