"""What StatisticsGen counted, a row a feature and split."""

import os

import tensorflow as tf
from tensorflow_metadata.proto.v0 import statistics_pb2

from tfx_pipeline.report.contents import FeatureStatistics

_TOP_VALUES = 3


def read_statistics(uri: str) -> tuple[dict[str, int], list[FeatureStatistics]]:
    """Reads an ExampleStatistics artifact.

    Args:
      uri: the artifact's folder.

    Returns:
      (split -> number of examples, statistics of every feature of every split).
    """
    examples, features = {}, []
    for path in sorted(tf.io.gfile.glob(os.path.join(uri, "Split-*", "FeatureStats.pb"))):
        split = os.path.basename(os.path.dirname(path)).removeprefix("Split-")
        statistics = statistics_pb2.DatasetFeatureStatisticsList()
        with tf.io.gfile.GFile(path, "rb") as file:
            statistics.ParseFromString(file.read())
        for dataset in statistics.datasets:
            examples[split] = dataset.num_examples
            features += [_feature(split, feature) for feature in dataset.features]
    return examples, features


def _feature(split: str, feature: statistics_pb2.FeatureNameStatistics) -> FeatureStatistics:
    kind = feature.WhichOneof("stats")
    stats = getattr(feature, kind) if kind else statistics_pb2.NumericStatistics()
    common = getattr(stats, "common_stats", statistics_pb2.CommonStatistics())
    unique, summary = None, ""
    if kind == "num_stats":
        summary = f"{stats.min:g} to {stats.max:g}, mean {stats.mean:g}"
    elif kind == "string_stats":
        unique = stats.unique
        top = list(stats.top_values)[:_TOP_VALUES]
        summary = ", ".join(f"{value.value} ({value.frequency:,.0f})" for value in top)
    return FeatureStatistics(
        split=split,
        name=feature.name or ".".join(feature.path.step),
        kind=statistics_pb2.FeatureNameStatistics.Type.Name(feature.type).lower(),
        present=common.num_non_missing,
        missing=common.num_missing,
        values=common.tot_num_values,
        unique=unique,
        summary=summary,
    )
