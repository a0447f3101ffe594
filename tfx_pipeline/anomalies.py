"""The anomalies the ExampleValidator recorded, read back as plain values."""

import dataclasses
import os

import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2

_DATASET = "(whole split)"


@dataclasses.dataclass(frozen=True)
class Anomaly:
    """One way in which one split of the data does not fit the schema."""

    split: str
    feature: str
    summary: str
    """What is wrong, in a few words ("Out-of-range values")."""
    description: str
    """TFDV's full account, with the values it saw."""


def read_anomalies(uri: str) -> dict[str, list[Anomaly]]:
    """Reads an ExampleAnomalies artifact.

    Args:
      uri: the artifact's folder.

    Returns:
      Split name -> its anomalies, ordered by feature; empty lists for clean splits.
    """
    found = {}
    for path in sorted(tf.io.gfile.glob(os.path.join(uri, "Split-*", "SchemaDiff.pb"))):
        split = os.path.basename(os.path.dirname(path)).removeprefix("Split-")
        anomalies = anomalies_pb2.Anomalies()
        with tf.io.gfile.GFile(path, "rb") as file:
            anomalies.ParseFromString(file.read())
        infos = sorted(anomalies.anomaly_info.items())
        if anomalies.HasField("dataset_anomaly_info"):
            infos.append((_DATASET, anomalies.dataset_anomaly_info))
        found[split] = [Anomaly(split, feature, info.short_description, info.description) for feature, info in infos]
    return found


def read_distances(uri: str) -> dict[str, list[Anomaly]] | None:
    """Reads what a SpanValidator found.

    Args:
      uri: the artifact's folder.

    Returns:
      "<split>_<baseline split>" -> features that are too far away, with the measured distances; None where there was
      nothing to compare with.
    """
    paths = sorted(tf.io.gfile.glob(os.path.join(uri, "SplitPair-*", "SchemaDiff.pb")))
    found = {}
    for path in paths:
        pair = os.path.basename(os.path.dirname(path)).removeprefix("SplitPair-")
        anomalies = anomalies_pb2.Anomalies()
        with tf.io.gfile.GFile(path, "rb") as file:
            anomalies.ParseFromString(file.read())
        infos = [(".".join(info.path.step) or name, info) for name, info in sorted(anomalies.anomaly_info.items())]
        if anomalies.HasField("dataset_anomaly_info"):
            infos.append((_DATASET, anomalies.dataset_anomaly_info))
        # The validator keeps the reasons alone, since the summaries are of the whole schema.
        found[pair] = [
            Anomaly(pair, feature, reason.short_description, reason.description)
            for feature, info in infos
            for reason in info.reason
        ]
    return found if paths else None
