"""Keeps the statistics of data that passed every gate: what the next span is compared with."""

from tfx import v1 as tfx
from tfx.types import standard_artifacts
from tfx.utils import io_utils


@tfx.dsl.components.component
def AcceptStatistics(
    statistics: tfx.dsl.components.InputArtifact[standard_artifacts.ExampleStatistics],
    accepted: tfx.dsl.components.OutputArtifact[standard_artifacts.ExampleStatistics],
) -> None:
    """Copies statistics, once the gates before it have passed: order it behind them by `add_upstream_nodes`.

    It is no part of the gates, so that a run whose data have not changed finds its copy in the cache, and the next
    one compares with the same artifact again.

    Args:
      statistics: as the StatisticsGen writes them.
      accepted: the same files.
    """
    accepted.split_names = statistics.split_names
    accepted.span = statistics.span
    io_utils.copy_dir(statistics.uri, accepted.uri)
