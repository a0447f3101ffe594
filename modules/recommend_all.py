"""Every user's recommendations, from the exported graph itself, on Beam."""

from collections.abc import Iterable, Mapping
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2
from tfx_bsl.public.beam import RunInference
from tfx_bsl.public.proto import model_spec_pb2

from modules import names
from modules.data.examples.encoding import encode, make_example

SIGNATURE = "serve_tf_examples"
PARQUET, TFRECORD = "parquet", "tfrecord"
SCHEMA = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("item_id", pa.list_(pa.string()), nullable=False),
        pa.field("score", pa.list_(pa.float32()), nullable=False),
    ]
)

# A model that searches its whole corpus holds a score for each pair of a user and an item.
_MAX_BATCH_SIZE = 256


KnownUser = tuple[str, list[str]]
"""(user, all items known of them, oldest first)."""


def recommend_all(
    pipeline: beam.Pipeline,
    patterns: Mapping[str, str],
    model_path: str,
    folder: str,
    top_k: int,
    shards: int = 0,
) -> None:
    """Writes one row a user, of the best items the user does not know yet.

    A split's record knows what the user did before it (`history`) and in it (`target`), so that the longest record of a
    user knows everything; users too short for a test split have theirs in an earlier one. TFX's BulkInferrer would
    read one split as it stands, and recommend the targets that the user already has.

    Args:
      pipeline: to build in.
      patterns: split -> pattern of its TFRecord files of tf.Examples.
      model_path: folder of a SavedModel with the signature `serve_tf_examples`: examples `[B]` -> item_id and
        score `[B, K]`.
      folder: where `parquet/` and `tfrecord/` are written: `user_id`, and the lists `item_id` and `score`, best first,
        shorter than `top_k` where the corpus is exhausted. The TFRecords are gzipped tf.Examples of the same names.
      top_k: length of the lists.
      shards: files of each format; 0 leaves it to Beam.
    """
    rows = (
        [pipeline | f"Read.{split}" >> beam.io.ReadFromTFRecord(pattern) for split, pattern in patterns.items()]
        | beam.Flatten()
        | "Known" >> beam.Map(known_user)
        | "Everything" >> beam.CombinePerKey(_longest)
        | "Request" >> beam.MapTuple(_request)
        | "Recommend" >> RunInference(_inference(model_path))
        | "Row" >> beam.Map(_row, top_k)
    )
    _ = rows | "Parquet" >> beam.io.WriteToParquet(
        f"{folder}/{PARQUET}/recommendations", SCHEMA, file_name_suffix=".parquet", num_shards=shards
    )
    _ = (
        rows
        | "Example" >> beam.Map(_row_example)
        | "TFRecord"
        >> beam.io.WriteToTFRecord(
            f"{folder}/{TFRECORD}/recommendations", file_name_suffix=".tfrecord.gz", num_shards=shards
        )
    )


def known_user(record: bytes) -> KnownUser:
    """Returns the user of a serialized example, and the items of its history and target."""
    features = tf.train.Example.FromString(record).features.feature
    (user,) = features[names.USER_ID].bytes_list.value
    items = [*features[names.HISTORY].bytes_list.value, *features[names.TARGET].bytes_list.value]
    return user.decode(), [item.decode() for item in items]


def _longest(records: Iterable[list[str]]) -> list[str]:
    # Beam combines partial results in any order: among equally long ones the choice must not depend on it.
    return max(records, key=lambda items: (len(items), items), default=[])


def _request(user: str, items: list[str]) -> tuple[str, bytes]:
    return user, make_example({names.USER_ID: encode([user]), names.HISTORY: encode(items)})


def _inference(model_path: str) -> model_spec_pb2.InferenceSpecType:
    return model_spec_pb2.InferenceSpecType(
        saved_model_spec=model_spec_pb2.SavedModelSpec(
            model_path=model_path, tag=[tf.saved_model.SERVING], signature_name=[SIGNATURE]
        ),
        batch_parameters=model_spec_pb2.BatchParameters(max_batch_size=_MAX_BATCH_SIZE),
    )


def _row(answer: tuple[str, prediction_log_pb2.PredictionLog], top_k: int) -> dict[str, Any]:
    user, log = answer
    outputs = log.predict_log.response.outputs
    items, scores = (tf.make_ndarray(outputs[name]).reshape(-1)[:top_k] for name in ("item_id", "score"))
    answered = [(item.decode(), float(score)) for item, score in zip(items, scores, strict=True) if item]
    return {
        "user_id": user,
        "item_id": [item for item, _ in answered],
        "score": [score for _, score in answered],
    }


def _row_example(row: dict[str, Any]) -> bytes:
    return make_example({"user_id": encode([row["user_id"]]), "item_id": encode(row["item_id"]), "score": row["score"]})
