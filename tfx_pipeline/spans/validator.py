"""TFX's DistributionValidator, where there may be nothing yet to compare with."""

from typing import Any

from tfx import types
from tfx.components.distribution_validator import executor
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_component
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.proto import distribution_validator_pb2
from tfx.proto.orchestration import execution_result_pb2
from tfx.types import artifact_utils, component_spec, standard_artifacts
from tfx.types import standard_component_specs as specs
from tfx.utils import json_utils

TRAINING_STATISTICS_KEY = "training_statistics"


class Executor(executor.Executor):
    """Compares the features that one of the two sides has; TFX's own takes one that neither has for a fault."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> execution_result_pb2.ExecutorOutput:
        """Runs the component; without a baseline everything passes."""
        baseline = input_dict.get(specs.BASELINE_STATISTICS_KEY) or input_dict.get(TRAINING_STATISTICS_KEY) or []
        inputs = {specs.STATISTICS_KEY: input_dict[specs.STATISTICS_KEY], specs.BASELINE_STATISTICS_KEY: baseline}
        if baseline:
            ((split, baseline_split),) = json_utils.loads(exec_properties[specs.INCLUDE_SPLIT_PAIRS_KEY])
            present = _features(inputs[specs.STATISTICS_KEY], split) | _features(baseline, baseline_split)
            config = distribution_validator_pb2.DistributionValidatorConfig()
            config.CopyFrom(exec_properties[specs.DISTRIBUTION_VALIDATOR_CONFIG_KEY])
            features = [feature for feature in config.default_slice_config.feature if feature.path.step[0] in present]
            del config.default_slice_config.feature[:]
            config.default_slice_config.feature.extend(features)
            exec_properties = {**exec_properties, specs.DISTRIBUTION_VALIDATOR_CONFIG_KEY: config}
        return super().Do(inputs, output_dict, exec_properties)


def _features(statistics: list[types.Artifact], split: str) -> set[str]:
    view = stats_artifact_utils.load_statistics(artifact_utils.get_single_instance(statistics), split)
    (dataset,) = view.proto().datasets
    return {
        feature.path.step[0] for feature in dataset.features if feature.WhichOneof("stats") is None or _count(feature)
    }


def _count(feature: Any) -> int:
    return getattr(feature, feature.WhichOneof("stats")).common_stats.num_non_missing


_OPTIONAL_STATISTICS = component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics, optional=True)


class _Spec(component_spec.ComponentSpec):
    PARAMETERS = {
        specs.INCLUDE_SPLIT_PAIRS_KEY: component_spec.ExecutionParameter(type=str),
        specs.DISTRIBUTION_VALIDATOR_CONFIG_KEY: component_spec.ExecutionParameter(
            type=distribution_validator_pb2.DistributionValidatorConfig, use_proto=True
        ),
    }
    INPUTS = {
        specs.STATISTICS_KEY: component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics),
        specs.BASELINE_STATISTICS_KEY: _OPTIONAL_STATISTICS,
        TRAINING_STATISTICS_KEY: _OPTIONAL_STATISTICS,
    }
    OUTPUTS = {specs.ANOMALIES_KEY: component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies)}


class SpanValidator(base_component.BaseComponent):
    """Compares one split's statistics with those of a split of an earlier run, or with another split of this one.

    TFX's DistributionValidator demands an artifact to compare with, which a first run has not.

    Args:
      statistics: of this run.
      config: the features that are compared, and the distances that are let through.
      split_pair: a split of `statistics`, and the one of the baseline it is compared with.
      baseline_statistics: of the last data that were accepted, if any; where there are none everything passes.
      training_statistics: in place of `baseline_statistics`, of this run.
    """

    SPEC_CLASS = _Spec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        statistics: types.BaseChannel,
        config: distribution_validator_pb2.DistributionValidatorConfig,
        split_pair: tuple[str, str],
        baseline_statistics: types.BaseChannel | None = None,
        training_statistics: types.BaseChannel | None = None,
    ) -> None:
        super().__init__(
            spec=_Spec(
                **{
                    specs.STATISTICS_KEY: statistics,
                    specs.BASELINE_STATISTICS_KEY: baseline_statistics,
                    TRAINING_STATISTICS_KEY: training_statistics,
                    specs.INCLUDE_SPLIT_PAIRS_KEY: json_utils.dumps([split_pair]),
                    specs.DISTRIBUTION_VALIDATOR_CONFIG_KEY: config,
                    specs.ANOMALIES_KEY: types.Channel(type=standard_artifacts.ExampleAnomalies),
                }
            )
        )
