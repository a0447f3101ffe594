"""Stops the run before training where the newest span of the data is too far from what went before."""

import logging

from tfx import v1 as tfx

from tfx_pipeline.anomalies import Anomaly, read_distances

_LOG = logging.getLogger(__name__)


class DriftError(ValueError):
    """The newest span is too far from the last accepted one, or from what is trained on."""


@tfx.dsl.components.component
def DriftGate(
    drift: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleAnomalies],
    skew: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleAnomalies],
    statistics: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleStatistics],
    accept_span: tfx.dsl.components.Parameter[int] = -1,
    schema_path: tfx.dsl.components.Parameter[str] = "schemas/",
) -> None:
    """Fails the run where a distribution of the newest span is farther away than is let through.

    The component outputs nothing: order the rest behind it by `add_upstream_node(gate)`.

    Args:
      drift: what was found against the last accepted span.
      skew: what was found against the train split.
      statistics: they know the newest span's number.
      accept_span: the number of a span that passes nevertheless.
      schema_path: the curated schema, named in the advice of the error message.

    Raises:
      DriftError: with each feature, its distance and what was allowed, and what to do about it.
    """
    verify(drift.uri, skew.uri, statistics.span, accept_span, schema_path)


def verify(drift_uri: str, skew_uri: str, span: int, accept_span: int, schema_path: str) -> None:
    """Raises DriftError where a SpanValidator found a distance too large in `drift_uri` or `skew_uri`.

    Args:
      drift_uri: the comparison with the last accepted span; one that had nothing to compare with passes.
      skew_uri: the comparison with the train split.
      span: the newest one.
      accept_span: the number of a span that passes nevertheless.
      schema_path: the curated schema.
    """
    drift, skew = read_distances(drift_uri), read_distances(skew_uri)
    if drift is None:
        _LOG.info("Span %d is the first to be accepted: there is none to compare it with.", span)
    if skew is None:
        raise DriftError(f"`skew` must hold a comparison with the train split. Received: none in {skew_uri}.")
    lines = _lines("the last accepted span", drift or {}) + _lines("the train split", skew)
    if not lines:
        return
    if span == accept_span:
        _LOG.warning("Span %d is accepted by `drift.accept_span`, though:\n%s", span, "\n".join(lines))
        return
    raise DriftError(explain(span, lines, schema_path))


def explain(span: int, lines: list[str], schema_path: str) -> str:
    """Returns the error message: what is too far from what, and the ways to go on."""
    return (
        f"Span {span} must be like the data before it before a model is trained on it. Received: "
        f"{len(lines)} distance{'' if len(lines) == 1 else 's'} too large.\n" + "\n".join(lines) + "\n"
        "Nothing was trained or pushed; the last model goes on serving. Mend the span and write it as a new version, "
        f"or leave it out by `data.spans.exclude`: [{span}]. Where the change is real, accept it by "
        f"PIPELINE_ACCEPT_DRIFT={span} (or `drift.accept_span`), or allow more by `drift.features` and "
        f"`drift.skew_features`, or by the comparators of the schema ({schema_path}), and run again."
    )


def _lines(against: str, found: dict[str, list[Anomaly]]) -> list[str]:
    anomalies = [anomaly for of_pair in found.values() for anomaly in of_pair]
    return [
        f"  {anomaly.feature}, against {against}: {anomaly.summary}. {anomaly.description}" for anomaly in anomalies
    ]
