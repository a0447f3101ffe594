"""The TFDV schema of the examples: a curated base, and what the configuration adds to it."""

import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from modules import names
from modules.data.config import DataConfig, SideFeature
from modules.data.spans import windows

SERVING = "SERVING"
_DRIFT, _SKEW = 0.1, 0.2
_FORMATS = {
    names.ITEM_FORMAT: "Newest span only: forms of the items' ids, as 9-a for 12-shirt.",
    names.USER_FORMAT: "Newest span only: form of the user's id.",
}


def read_schema(path: str) -> schema_pb2.Schema:
    """Returns the schema of a text proto; raises ValueError where it is none."""
    with tf.io.gfile.GFile(path) as file:
        try:
            return text_format.Parse(file.read(), schema_pb2.Schema())
        except text_format.ParseError as error:
            raise ValueError(f"{path} must be a text proto of a schema: {error}.") from error


def write_schema(schema: schema_pb2.Schema, path: str) -> None:
    """Writes the schema as a text proto."""
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(text_format.MessageToString(schema))


def schema_for(data: DataConfig, base: schema_pb2.Schema) -> schema_pb2.Schema:
    """Returns `base` with what it does not describe yet: side features, and what is counted of the newest span.

    What the base says of a feature stands: a curated schema may be stricter than this. None of the
    features has to be there, since any cell of a table may be empty.

    Args:
      data: the settings.
      base: one of the schemas under `schemas/`.

    Raises:
      ValueError: the base describes a side feature by another type.
    """
    schema = schema_pb2.Schema()
    schema.CopyFrom(base)
    known = {feature.name: feature for feature in schema.feature}
    if windows.in_spans(data):
        for name in sorted(_FORMATS.keys() - known.keys()):
            _add(schema, _format_feature(name))
    if data.ties == "basket" and names.BASKET_START not in known:
        starts = schema_pb2.Feature(name=names.BASKET_START, type=schema_pb2.INT, not_in_environment=[SERVING])
        starts.annotation.comment.append("Of each train target the place of its basket's first item.")
        _add(schema, starts)
    for name, side in _features(data).items():
        feature = _feature(name, side)
        if name not in known:
            _add(schema, feature)
        elif known[name].type != feature.type:
            raise ValueError(
                f"Feature {name!r} must be of type {_type_name(feature)} in the schema, as it is "
                f"{side.kind} in the configuration. Received: {_type_name(known[name])}."
            )
    return schema


def _add(schema: schema_pb2.Schema, feature: schema_pb2.Feature) -> None:
    schema.feature.append(feature)
    # TFX infers no representation for any feature once one is given, as the user's is.
    tensors = schema.tensor_representation_group[""].tensor_representation
    tensors[feature.name].varlen_sparse_tensor.column_name = feature.name


def _format_feature(name: str) -> schema_pb2.Feature:
    feature = schema_pb2.Feature(name=name, type=schema_pb2.BYTES, not_in_environment=[SERVING])
    feature.value_count.min = 1
    feature.drift_comparator.jensen_shannon_divergence.threshold = _DRIFT
    feature.skew_comparator.jensen_shannon_divergence.threshold = _SKEW
    feature.annotation.comment.append(_FORMATS[name])
    return feature


def _features(data: DataConfig) -> dict[str, SideFeature]:
    targets = {
        names.target_feature(name): feature
        for name, feature in data.item_features.items()
        if feature.kind == "categorical"
    }
    return {**data.item_features, **data.user_features, **targets}


def _feature(name: str, side: SideFeature) -> schema_pb2.Feature:
    feature = schema_pb2.Feature(name=name, not_in_environment=[SERVING])
    feature.value_count.min = 1
    if side.kind == "numeric":
        feature.type = schema_pb2.FLOAT
        feature.value_count.max = 1
        return feature
    feature.type = schema_pb2.BYTES
    if name.startswith("target_"):
        feature.drift_comparator.jensen_shannon_divergence.threshold = _DRIFT
        feature.skew_comparator.jensen_shannon_divergence.threshold = _SKEW
    return feature


def _type_name(feature: schema_pb2.Feature) -> str:
    return schema_pb2.FeatureType.Name(feature.type)
