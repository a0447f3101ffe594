"""What TFMA wrote, read back as metrics with standard errors, slices and gates."""

import json
import math
import os

import tensorflow as tf
import tensorflow_model_analysis as tfma
from google.protobuf import json_format

from modules.metrics.user_mean import STANDARD_ERROR, USERS
from tfx_pipeline.report.contents import Evaluation, Gate, Metric, Slice


def read_evaluation(uri: str) -> Evaluation:
    """Reads a ModelEvaluation artifact.

    Args:
      uri: the artifact's folder.

    Returns:
      The candidate's metrics; of the baseline only the differences from it.
    """
    overall, changes, slices = {}, {}, []
    for record in tfma.load_metrics(uri):
        metrics = _metrics(record, is_diff=False)
        keys = record.slice_key.single_slice_keys
        if keys:
            value = " & ".join(_slice_value(key) for key in keys)
            slices.append(Slice(" & ".join(key.column for key in keys), value, metrics))
        else:
            overall = metrics
            changes = {name: metric.value for name, metric in _metrics(record, is_diff=True).items()}
    return Evaluation(overall, slices, changes, _gates(uri, overall, changes))


def _metrics(record: tfma.proto.metrics_for_slice_pb2.MetricsForSlice, is_diff: bool) -> dict[str, Metric]:
    values = {
        pair.key.name: pair.value.double_value.value
        for pair in record.metric_keys_and_values
        if pair.key.model_name != tfma.constants.BASELINE_KEY and pair.key.is_diff == is_diff
    }
    companions = (f"/{STANDARD_ERROR}", f"/{USERS}")
    return {
        name: Metric(
            value,
            error=math.nan if is_diff else values.get(f"{name}/{STANDARD_ERROR}", math.nan),
            users=0 if is_diff else int(values.get(f"{name}/{USERS}", 0)),
        )
        for name, value in values.items()
        if not name.endswith(companions)
    }


def _slice_value(key: tfma.proto.metrics_for_slice_pb2.SingleSliceKey) -> str:
    kind = key.WhichOneof("kind")
    value = getattr(key, kind)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _gates(uri: str, overall: dict[str, Metric], changes: dict[str, float]) -> list[Gate]:
    failures = {
        (failure.metric_key.name, failure.metric_key.is_diff)
        for of_slice in tfma.load_validation_result(uri).metric_validations_per_slice
        for failure in of_slice.failures
    }
    gates = []
    for name, threshold in _thresholds(uri):
        if threshold.HasField("value_threshold"):
            value = overall[name].value if name in overall else math.nan
            bound = threshold.value_threshold.lower_bound.value
            gates.append(Gate(name, "bound", bound, value, passed=(name, False) not in failures))
        if threshold.HasField("change_threshold"):
            allowed = threshold.change_threshold.absolute.value
            change = changes.get(name, math.nan)
            gates.append(Gate(name, "change", allowed, change, passed=(name, True) not in failures))
    return gates


def _thresholds(uri: str) -> list[tuple[str, tfma.MetricThreshold]]:
    with tf.io.gfile.GFile(os.path.join(uri, "eval_config.json")) as file:
        config = json_format.ParseDict(json.load(file)["evalConfig"], tfma.EvalConfig(), ignore_unknown_fields=True)
    return [
        (json.loads(metric.config)["name"], per_slice.threshold)
        for spec in config.metrics_specs
        for metric in spec.metrics
        for per_slice in metric.per_slice_thresholds
    ]
