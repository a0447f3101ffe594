"""The two forms of a predict request and its answer: rows ("instances") and columns ("inputs")."""

import enum
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from model_server.errors import ServingError, invalid_argument
from model_server.forms import json_print
from model_server.forms.json_parse import JsonObject, parse
from model_server.forms.json_tensor import is_base64_object, tensor, type_name

DEFAULT_SIGNATURE = "serving_default"

_BYTES_SUFFIX = "_bytes"


class Form(enum.Enum):
    """How a request lists its examples, and so how the answer does."""

    ROW = "instances"
    COLUMN = "inputs"


class PredictInputs(NamedTuple):
    """A decoded predict request."""

    form: Form
    tensors: dict[str, np.ndarray]


def parse_object(body: bytes) -> dict[str, Any]:
    """Returns the JSON object a request body holds.

    Raises:
      ServingError: INVALID_ARGUMENT.
    """
    document = parse(body)
    if not isinstance(document, dict):
        raise format_error(document, "Is not object")
    return document


def signature_name(document: Mapping[str, Any]) -> str:
    """Returns the signature a request asks for, the default one where it names none.

    Raises:
      ServingError: INVALID_ARGUMENT.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise format_error(document, "not formatted correctly. 'signature_name' key must be a string value.")
    return name or DEFAULT_SIGNATURE


def format_error(document: Any, what: str) -> ServingError:
    """Returns the error that quotes a whole request."""
    return invalid_argument(f"JSON Value: {json_print.pretty(document)} {what}")


def decode_predict(document: Mapping[str, Any], inputs: Mapping[str, tf.DType]) -> PredictInputs:
    """Returns the input tensors of a predict request.

    Args:
      document: the request.
      inputs: name -> type of the signature's inputs; at least one.

    Returns:
      The form of the request and its arrays by name: [number of instances, ...] in row form, any
      shape in column form.

    Raises:
      ServingError: INVALID_ARGUMENT, or UNIMPLEMENTED for a type without a JSON form.
    """
    if "instances" not in document:
        if "inputs" not in document:
            raise invalid_argument("Missing 'inputs' or 'instances' key")
        return PredictInputs(Form.COLUMN, _decode_columns(document["inputs"], inputs))
    if "inputs" in document:
        raise format_error(
            document,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        )
    instances = document["instances"]
    if not isinstance(instances, list):
        raise format_error(document, "Expecting 'instances' to be an list/array")
    if not instances:
        raise format_error(document, "No values in 'instances' array")
    return PredictInputs(Form.ROW, _decode_rows(instances, inputs))


def encode_predict(outputs: Mapping[str, np.ndarray], form: Form) -> str:
    """Returns the answer to a predict request as JSON.

    Args:
      outputs: the output tensors by name; [batch, ...] in row form, any shape in column form.
      form: the form of the request.

    Raises:
      ServingError: INVALID_ARGUMENT where the outputs cannot be said in that form.
    """
    if not outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    if form is Form.COLUMN:
        return json_print.members([("outputs", _columns(outputs))], 0)
    return json_print.members([("predictions", _rows(outputs))], 0)


def _decode_columns(value: Any, inputs: Mapping[str, tf.DType]) -> dict[str, np.ndarray]:
    if not isinstance(value, dict) or is_base64_object(value):
        if len(inputs) > 1:
            raise _needs_names("inputs is a plain value/list, but expecting an object")
        ((name, dtype),) = inputs.items()
        return {name: tensor(value, dtype)}
    for name in inputs:
        if name not in value:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return {name: tensor(value[name], dtype) for name, dtype in inputs.items()}


def _needs_names(what: str) -> ServingError:
    return invalid_argument(f"{what} as multiple input tensors required as per tensorinfo_map")


def _is_named(element: Any) -> bool:
    return isinstance(element, dict) and not is_base64_object(element)


def _decode_rows(instances: list[Any], inputs: Mapping[str, tf.DType]) -> dict[str, np.ndarray]:
    if len(inputs) > 1 and not isinstance(instances[0], dict):
        raise _needs_names("instances is a plain list, but expecting list of objects")
    if _is_named(instances[0]):
        if any(type(element) is not dict or element.keys() != inputs.keys() for element in instances):
            _check_named_rows(instances, inputs)
        columns = {name: [element[name] for element in instances] for name in inputs}
    else:
        if any(map(_is_named, instances)):
            _check_plain_rows(instances, inputs)
        columns = {min(inputs): instances}
    try:
        return {name: tensor(column, inputs[name]) for name, column in columns.items()}
    except ServingError:
        # Say it as TF Serving does, which reads one instance after the other.
        if _is_named(instances[0]):
            _check_named_rows(instances, inputs)
        else:
            _check_plain_rows(instances, inputs)
        raise


def _check_named_rows(instances: list[Any], inputs: Mapping[str, tf.DType]) -> None:
    """Raises the error of the first instance, an object each, that is not as it must be."""
    seen: dict[str, np.ndarray] = {}
    for index, element in enumerate(instances):
        if not _is_named(element):
            raise invalid_argument(f"Expecting object but got list at item {index} of input list")
        pairs = element.pairs if isinstance(element, JsonObject) else element.items()
        for name, value in pairs:
            try:
                _check_row(name, value, inputs, seen)
            except ServingError as error:
                raise invalid_argument(
                    f"Failed to process element: {index} key: {name} of 'instances' list. Error: {error}"
                ) from None
        if element.keys() != inputs.keys():
            raise invalid_argument(
                f"Failed to process element: {index} of 'instances' list. JSON object: "
                f"{json_print.pretty(element)} keys must be equal to: {','.join(sorted(inputs))}"
            )


def _check_plain_rows(instances: list[Any], inputs: Mapping[str, tf.DType]) -> None:
    """Raises the error of the first instance, a value each, that is not as it must be."""
    seen: dict[str, np.ndarray] = {}
    for index, element in enumerate(instances):
        if _is_named(element):
            raise invalid_argument(f"Expecting value/list but got object at item {index} of input list")
        try:
            _check_row(min(inputs), element, inputs, seen)
        except ServingError as error:
            raise invalid_argument(f"Failed to process element: {index} of 'instances' list. Error: {error}") from None


def _check_row(name: str, value: Any, inputs: Mapping[str, tf.DType], seen: dict[str, np.ndarray]) -> None:
    """Raises an error unless `value` is an input of the declared type and of the shape `seen`."""
    if name not in inputs:
        raise invalid_argument(f"JSON object: does not have named input: {name}")
    got = tensor(value, inputs[name])
    first = seen.setdefault(name, got)
    if got.size != first.size:
        raise invalid_argument(f"Expecting tensor size: {first.size} but got: {got.size}")
    if got.shape != first.shape:
        raise invalid_argument(f"Expecting shape {_shape_text(first.shape)} but got: {_shape_text(got.shape)}")


def _shape_text(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _leaves(name: str, array: np.ndarray, level: int) -> list[str]:
    as_bytes = array.dtype == object and name.endswith(_BYTES_SUFFIX)
    texts = json_print.leaves(array.reshape(-1), as_bytes, level)
    if texts is None:
        raise invalid_argument(f"Failed to write JSON value for tensor type: {type_name(tf.as_dtype(array.dtype))}")
    return texts


def _columns(outputs: Mapping[str, np.ndarray]) -> str:
    level = 1 if len(outputs) == 1 else 2
    pairs = [
        (name, json_print.many_lines(_leaves(name, array, level + array.ndim), array.shape, level))
        for name, array in sorted(outputs.items())
    ]
    return pairs[0][1] if len(pairs) == 1 else json_print.members(pairs, 1)


def _rows(outputs: Mapping[str, np.ndarray]) -> str:
    """The list of predictions; a tensor's own arrays are on one line."""
    batch = None
    for name, array in sorted(outputs.items()):
        if not array.ndim:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if batch not in (None, len(array)):
            raise invalid_argument(f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {batch}")
        batch = len(array)
    # A value is inside the answer, its list and, with several outputs, the prediction's object.
    level = 2 if len(outputs) == 1 else 3
    columns = {
        name: json_print.one_line(_leaves(name, array, level + array.ndim - 1), array.shape)
        for name, array in sorted(outputs.items())
    }
    if len(columns) == 1:
        (items,) = columns.values()
        return f"[{', '.join(items)}\n{json_print.INDENT}]" if items else "[]"
    rows = zip(*columns.values(), strict=True)
    return json_print.array([json_print.members(zip(columns, row, strict=True), 2) for row in rows], 1)
