"""Stops the run before training where the data does not fit the schema."""

from tfx import v1 as tfx

from tfx_pipeline.anomalies import Anomaly, read_anomalies


class SchemaError(ValueError):
    """The data does not fit the schema."""


@tfx.dsl.components.component
def SchemaGate(
    anomalies: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleAnomalies],
    schema_path: tfx.dsl.components.Parameter[str] = "schemas/",
) -> None:
    """Fails the run where the ExampleValidator found an anomaly in any split.

    TFX's ExampleValidator succeeds whatever it finds. The component outputs nothing: order the rest
    behind it by `transform.add_upstream_node(gate)`. What was found stays recorded as the
    validator's output.

    Args:
      anomalies: what the ExampleValidator found.
      schema_path: the curated schema, named in the advice of the error message.

    Raises:
      SchemaError: with each anomaly's split, feature and description, and what to do about it.
    """
    verify(anomalies.uri, schema_path)


def verify(uri: str, schema_path: str) -> None:
    """Raises SchemaError where the ExampleAnomalies in `uri` hold an anomaly, or no split."""
    found = read_anomalies(uri)
    if not found:
        raise SchemaError(f"`anomalies` must hold at least one validated split. Received: none in {uri}.")
    listed = [anomaly for of_split in found.values() for anomaly in of_split]
    if listed:
        raise SchemaError(explain(listed, schema_path, uri))


def explain(anomalies: list[Anomaly], schema_path: str, uri: str) -> str:
    """Returns the error message: what is wrong where, and the two ways to put it right."""
    lines = [f"  {a.split} / {a.feature}: {a.summary}. {a.description}" for a in anomalies]
    return (
        f"The data must fit the schema before a model is trained on it. Received: {len(anomalies)} "
        f"anomal{'y' if len(anomalies) == 1 else 'ies'}.\n" + "\n".join(lines) + "\n"
        f"Mend the data; or, where the data is right and the schema is not, change the schema "
        f"({schema_path}) and run again.\nThe full record is in {uri}."
    )
