"""The part of the pipeline that holds the newest span of the data against others before anything is trained."""

import dataclasses
from typing import TypeAlias

from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import v1 as tfx
from tfx.dsl.components.base.base_node import BaseNode
from tfx.proto import distribution_validator_pb2

from modules import names
from modules.data.schema import read_schema
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.spans.accepted_statistics import AcceptStatistics
from tfx_pipeline.spans.config import Distance, drift_features, skew_features
from tfx_pipeline.spans.drift_gate import DriftGate
from tfx_pipeline.spans.validator import SpanValidator

Config: TypeAlias = distribution_validator_pb2.DistributionValidatorConfig


@dataclasses.dataclass(frozen=True)
class DriftChecks:
    """Attributes:
    components: in the order they run.
    gate: to go before whatever must not see a bad day's data.
    """

    components: list[BaseNode]
    gate: BaseNode


def drift_checks(
    config: PipelineConfig, statistics: tfx.dsl.Channel, schema_path: str, schema_gate: BaseNode
) -> DriftChecks:
    """Returns the components that compare the newest span with the last accepted one, and with the train split.

    Args:
      config: with the distances that are let through.
      statistics: of the splits, "newest" among them.
      schema_path: of the schema the run is held to; its comparators hold where `config.drift` says nothing.
      schema_gate: a span that it refuses is not accepted either.
    """
    schema = read_schema(schema_path)
    last = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestArtifactStrategy,
        statistics=tfx.dsl.Channel(
            type=tfx.types.standard_artifacts.ExampleStatistics,
            producer_component_id=AcceptStatistics.__name__,
            output_key="accepted",
        ),
    ).with_id("LatestAcceptedStatistics")
    drift = SpanValidator(
        statistics=statistics,
        baseline_statistics=last.outputs["statistics"],
        config=drift_config(config, schema),
        split_pair=(names.NEWEST, names.NEWEST),
    ).with_id("DriftValidator")
    skew = SpanValidator(
        statistics=statistics,
        training_statistics=statistics,
        config=skew_config(config, schema),
        split_pair=(names.NEWEST, names.TRAIN),
    ).with_id("SkewValidator")
    accept = config.drift.accept_span
    gate = DriftGate(
        drift=drift.outputs["anomalies"],
        skew=skew.outputs["anomalies"],
        statistics=statistics,
        accept_span=-1 if accept is None else accept,
        schema_path=config.schema_path,
    )
    accepted = AcceptStatistics(statistics=statistics)
    accepted.add_upstream_nodes([schema_gate, gate])
    return DriftChecks([last, drift, skew, gate, accepted], gate)


def drift_config(config: PipelineConfig, schema: schema_pb2.Schema) -> Config:
    """Returns the distances from the last accepted span, and how many users there may be for each of its own."""
    compared = _compared(drift_features(config.data), "drift_comparator", config.drift.features, schema)
    users = compared.default_slice_config.num_examples_comparator
    users.min_fraction_threshold = config.drift.min_users_ratio
    users.max_fraction_threshold = config.drift.max_users_ratio
    return compared


def skew_config(config: PipelineConfig, schema: schema_pb2.Schema) -> Config:
    """Returns the distances from the train split."""
    return _compared(skew_features(config.data), "skew_comparator", config.drift.skew_features, schema)


def _compared(
    features: list[str], field: str, distances: dict[str, Distance | None], schema: schema_pb2.Schema
) -> Config:
    curated = {feature.name: getattr(feature, field) for feature in schema.feature if feature.HasField(field)}
    config = Config()
    for name in features:
        comparator = _comparator(distances[name]) if name in distances else curated.get(name)
        if comparator is not None:
            feature = config.default_slice_config.feature.add()
            feature.path.step.append(name)
            feature.distribution_comparator.CopyFrom(comparator)
    return config


def _comparator(distance: Distance | None) -> schema_pb2.FeatureComparator | None:
    if distance is None:
        return None
    comparator = schema_pb2.FeatureComparator()
    if distance.infinity_norm is not None:
        comparator.infinity_norm.threshold = distance.infinity_norm
    else:
        comparator.jensen_shannon_divergence.threshold = distance.jensen_shannon
    return comparator
