"""The classify and regress calls: tf.Examples in, labels with scores or one number each out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from model_server.errors import Code, ServingError, invalid_argument
from model_server.forms import json_print
from model_server.forms.json_forms import format_error
from model_server.forms.json_parse import JsonObject
from model_server.forms.json_tensor import decode_base64_object, is_base64_object, json_type
from model_server.models.servable import Servable

_KIND_NAMES = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64", None: "UNKNOWN"}


def decode_examples(document: Mapping[str, Any]) -> list[bytes]:
    """Returns the serialized tf.Examples of a request; the context, if any, is part of each.

    Raises:
      ServingError: INVALID_ARGUMENT.
    """
    context = b""
    if "context" in document:
        context = _example(document["context"])
    if "examples" not in document:
        raise format_error(document, "When method is classify, key 'examples' is expected and was not found")
    examples = document["examples"]
    if not isinstance(examples, list):
        raise format_error(document, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise format_error(document, "'examples' value is an empty array")
    # Joined messages are merged when they are parsed, and what comes later wins.
    return [context + _example(example) for example in examples]


def regress(servable: Servable, signature_name: str, examples: Sequence[bytes]) -> list[float]:
    """Returns one number for each serialized tf.Example.

    Args:
      servable: the model.
      signature_name: a signature with input "inputs" and output "outputs", [batch] or [batch, 1]
        float32.
      examples: serialized tf.Examples, [batch].

    Raises:
      ServingError: where the signature or its output is not of that form, or the model fails.
    """
    signature = _signature(servable, signature_name)
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    _require(signature, "inputs" in signature.inputs, "regression", "inputs")
    _require(signature, "outputs" in signature.outputs, "regression", "outputs")
    values = servable.predict(signature_name, {"inputs": _as_strings(examples)})["outputs"]
    if not (values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got " + _shape_text(values)
        )
    if len(values) != len(examples):
        raise invalid_argument(f"Input batch size did not match output batch size: {len(examples)} vs. {len(values)}")
    if values.dtype != np.float32:
        raise invalid_argument(f"Expected output Tensor of DT_FLOAT.  Got: {_enum_name(values)}")
    return values.reshape(-1).tolist()


def classify(servable: Servable, signature_name: str, examples: Sequence[bytes]) -> list[list[tuple[bytes, float]]]:
    """Returns the classes of each serialized tf.Example, as (label, score).

    Args:
      servable: the model.
      signature_name: a signature with input "inputs" and outputs "classes" (strings), "scores"
        (float32) or both, [batch, classes]; what is not there is b"" or 0.
      examples: serialized tf.Examples, [batch].

    Raises:
      ServingError: where the signature or an output is not of that form, or the model fails.
    """
    signature = _signature(servable, signature_name)
    if len(signature.outputs) not in (1, 2):
        raise invalid_argument(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    _require(signature, "inputs" in signature.inputs, "classification", "inputs")
    if not {"classes", "scores"} & set(signature.outputs):
        raise ServingError(
            Code.FAILED_PRECONDITION,
            "Expected classification signature outputs to contain at least one of "
            f'"classes" or "scores". Signature was: {text_format.MessageToString(signature)}',
        )
    outputs = servable.predict(signature_name, {"inputs": _as_strings(examples)})
    classes = _class_output(outputs, "classes", np.dtype(object), "DT_STRING", len(examples))
    scores = _class_output(outputs, "scores", np.dtype(np.float32), "DT_FLOAT", len(examples))
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid_argument(
            f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    if classes is None:
        classes = np.full(scores.shape, b"", object)
    if scores is None:
        scores = np.zeros(classes.shape, np.float32)
    return [
        list(zip(labels, numbers, strict=True))
        for labels, numbers in zip(classes.tolist(), scores.tolist(), strict=True)
    ]


def encode_regressions(values: Sequence[float]) -> str:
    """Returns the JSON answer to a regress request."""
    texts = json_print.decimals(np.array(values, np.float32))
    return json_print.members([("results", f"[{', '.join(texts)}]")], 0)


def encode_classifications(results: Sequence[Sequence[tuple[bytes, float]]]) -> str:
    """Returns the JSON answer to a classify request."""
    items = []
    for classes in results:
        scores = json_print.decimals(np.array([score for _, score in classes], np.float32))
        labels = [json_print.quote(json_print.to_text(label)) for label, _ in classes]
        pairs = [f"[{label}, {score}]" for label, score in zip(labels, scores, strict=True)]
        items.append(f"[{', '.join(pairs)}]")
    return json_print.members([("results", f"[{', '.join(items)}\n{json_print.INDENT}]")], 0)


def _example(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise invalid_argument(f"Example must be JSON object but got JSON {json_type(value)}")
    example = tf.train.Example()
    for name, content in value.pairs if isinstance(value, JsonObject) else value.items():
        feature = tf.train.Feature()
        for item in content if isinstance(content, list) else [content]:
            _add_to_feature(feature, name, item)
        try:
            example.features.feature[name].CopyFrom(feature)
        except ValueError:
            raise invalid_argument("Feature names must be valid UTF-8") from None
    return example.SerializeToString()


def _add_to_feature(feature: tf.train.Feature, name: str, value: Any) -> None:
    kind, item = _feature_value(name, value)
    present = feature.WhichOneof("kind")
    if present not in (None, kind):
        raise invalid_argument(f"Unexpected element type in feature: {name} expecting type: {_KIND_NAMES[present]}")
    getattr(feature, kind).value.append(item)


def _feature_value(name: str, value: Any) -> tuple[str, Any]:
    """Returns the feature's kind and the value to add to it."""
    if isinstance(value, bool):
        return "int64_list", int(value)
    if isinstance(value, str):
        return "bytes_list", json_print.to_bytes(value)
    if is_base64_object(value):
        return "bytes_list", decode_base64_object(value)
    if isinstance(value, float):
        with np.errstate(over="ignore"):
            return "float_list", float(np.float32(value))
    if not isinstance(value, int):
        raise invalid_argument(f"Feature: {name} has element with unexpected JSON type: {json_type(value)}")
    if not -(2**63) <= value < 2**63:
        raise invalid_argument(f"Feature: {name} has uint64 element. Only int64 is supported.")
    return "int64_list", value


def _signature(servable: Servable, name: str) -> meta_graph_pb2.SignatureDef:
    signature = servable.signatures.get(name)
    if signature is None:
        raise invalid_argument(f"No signature was found with the name: {name}")
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    return signature


def _require(signature: meta_graph_pb2.SignatureDef, found: bool, what: str, key: str) -> None:
    if not found:
        raise ServingError(
            Code.FAILED_PRECONDITION,
            f"No {what} {key} found in SignatureDef: {text_format.MessageToString(signature)}",
        )


def _as_strings(examples: Sequence[bytes]) -> np.ndarray:
    array = np.empty(len(examples), object)
    array[:] = examples
    return array


def _class_output(
    outputs: Mapping[str, np.ndarray], name: str, dtype: np.dtype, type_name: str, batch: int
) -> np.ndarray | None:
    values = outputs.get(name)
    if values is None:
        return None
    if values.ndim != 2:
        raise invalid_argument(f"Expected Tensor shape: [batch_size num_classes] but got {_shape_text(values)}")
    if values.dtype != dtype:
        raise invalid_argument(f"Expected {name} Tensor of {type_name}. Got: {_enum_name(values)}")
    if len(values) != batch:
        raise invalid_argument(f"Expected {name} output batch size of {batch}. Got: {len(values)}")
    return values


def _shape_text(array: np.ndarray) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def _enum_name(array: np.ndarray) -> str:
    return types_pb2.DataType.Name(tf.as_dtype(array.dtype).as_datatype_enum)
