"""What the Beam components have written, in a form that is equal where the content is."""

import collections
import glob
import os
from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_metadata.proto.v0 import statistics_pb2

from tfx_pipeline.components.batch_recommender import FOLDER

_DIGITS = 9
"""To which metrics are compared: sums of floats depend on the order that workers deliver them in."""


def read_outputs(pipeline_root: str) -> dict[str, Any]:
    """Returns the artifacts of one run of `benchmarks.engines.pipeline` by kind.

    Records and recommendations are multisets: which file of a split holds which, and where, is the engine's business.
    """
    return {
        "examples": _records(pipeline_root, "InteractionExampleGen/examples"),
        "statistics": dict(_statistics(pipeline_root)),
        "vocabularies": dict(_vocabularies(pipeline_root)),
        "transformed examples": _records(pipeline_root, "Transform/transformed_examples"),
        "metrics": dict(_metrics(pipeline_root)),
        "recommendations": _recommendations(pipeline_root),
    }


def _folder(pipeline_root: str, output: str) -> str:
    (found,) = glob.glob(os.path.join(pipeline_root, output, "*"))
    return found


def _records(pipeline_root: str, output: str) -> dict[str, collections.Counter[bytes]]:
    folder = _folder(pipeline_root, output)
    splits = sorted(name for name in os.listdir(folder) if name.startswith("Split-"))
    return {split: collections.Counter(_examples(os.path.join(folder, split, "*"))) for split in splits}


def _examples(pattern: str) -> Iterator[bytes]:
    """Yields the examples serialized anew: the order of a map's entries on the wire is anybody's."""
    records = tf.data.TFRecordDataset(sorted(glob.glob(pattern)), compression_type="GZIP")
    for record in records.as_numpy_iterator():
        yield tf.train.Example.FromString(record).SerializeToString(deterministic=True)


def _statistics(pipeline_root: str) -> Iterator[tuple[str, bytes]]:
    folder = _folder(pipeline_root, "StatisticsGen/statistics")
    for path in sorted(glob.glob(os.path.join(folder, "Split-*", "*.pb"))):
        with open(path, "rb") as file:
            statistics = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read())
        for dataset in statistics.datasets:
            # Features come in the order in which workers are done with them.
            dataset.features.sort(key=lambda feature: feature.path.step[:])
        yield os.path.basename(os.path.dirname(path)), statistics.SerializeToString(deterministic=True)


def _vocabularies(pipeline_root: str) -> Iterator[tuple[str, bytes]]:
    folder = _folder(pipeline_root, "Transform/transform_graph")
    for path in sorted(glob.glob(os.path.join(folder, "transform_fn", "assets", "*"))):
        with open(path, "rb") as file:
            yield os.path.basename(path), file.read()


def _metrics(pipeline_root: str) -> Iterator[tuple[tuple[str, str], float]]:
    for record in tfma.load_metrics(_folder(pipeline_root, "Evaluator/evaluation")):
        of_slice = str(record.slice_key)
        for pair in record.metric_keys_and_values:
            yield (of_slice, pair.key.name), round(pair.value.double_value.value, _DIGITS)


def _recommendations(pipeline_root: str) -> collections.Counter[tuple]:
    folder = _folder(pipeline_root, "BatchRecommender/recommendations")
    rows = pq.read_table(os.path.join(folder, FOLDER, "parquet")).to_pylist()
    return collections.Counter((row["user_id"], tuple(row["item_id"]), tuple(row["score"])) for row in rows)
