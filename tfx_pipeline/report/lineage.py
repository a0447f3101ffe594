"""The latest run of a pipeline, read from ML Metadata."""

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd


@dataclasses.dataclass(frozen=True)
class Artifact:
    """Something a component made."""

    id: int
    type: str
    uri: str
    properties: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Execution:
    """One component's part in a run."""

    node: str
    type: str
    state: str
    """"COMPLETE", "CACHED", "FAILED", "RUNNING" ..."""
    started_ms: int
    ended_ms: int
    properties: dict[str, Any]
    inputs: dict[str, list[Artifact]]
    outputs: dict[str, list[Artifact]]


@dataclasses.dataclass(frozen=True)
class Run:
    """A run's executions, in the order they were started."""

    id: str
    started_ms: int
    executions: list[Execution]

    def producing(self, artifact_type: str) -> Iterator[tuple[Execution, Artifact]]:
        """Yields each finished artifact of a type with its component; resolvers make none."""
        for execution in self.executions:
            finished = execution.state in ("COMPLETE", "CACHED")
            if not finished or execution.type.endswith(".Resolver"):
                continue
            for artifacts in execution.outputs.values():
                yield from ((execution, a) for a in artifacts if a.type == artifact_type)

    def raw_examples(self) -> Artifact | None:
        """Returns the ExampleGen's examples, or None where it has not finished.

        Transform makes Examples too, but from others: with indices in place of ids, and without titles.
        """
        return next((made for execution, made in self.producing("Examples") if not execution.inputs), None)

    def consuming(self, artifact: Artifact, artifact_type: str) -> Artifact | None:
        """Returns the last artifact of a type made by a component that read `artifact`, or None."""
        last = None
        for execution, made in self.producing(artifact_type):
            if any(artifact.id == read.id for artifacts in execution.inputs.values() for read in artifacts):
                last = made
        return last


def latest_run(metadata_path: str, pipeline_name: str) -> Run:
    """Reads the run of a pipeline that was started last.

    Args:
      metadata_path: MLMD's SQLite file.
      pipeline_name: as in the pipeline's definition.

    Returns:
      The run, with the cached results it reused.

    Raises:
      ValueError: there is no such file, or no run of such a pipeline in it.
    """
    if not os.path.exists(metadata_path):
        raise ValueError(
            f"`metadata_path` must be the SQLite file of a pipeline that has run. Received: {metadata_path}."
        )
    store = metadata_store.MetadataStore(
        mlmd.ConnectionConfig(
            sqlite=mlmd.SqliteMetadataSourceConfig(
                filename_uri=metadata_path, connection_mode=mlmd.SqliteMetadataSourceConfig.READONLY
            )
        )
    )
    pipeline = store.get_context_by_type_and_name("pipeline", pipeline_name)
    executions = store.get_executions_by_context(pipeline.id) if pipeline else []
    if not executions:
        known = [context.name for context in store.get_contexts_by_type("pipeline")]
        raise ValueError(f"`pipeline_name` must be one that has run, of {known}. Received: {pipeline_name!r}.")
    newest = max(executions, key=lambda execution: execution.id)
    (context,) = _contexts(store, newest, "pipeline_run")
    return _read_run(store, context, pipeline_name)


def _read_run(store: metadata_store.MetadataStore, context: mlmd.Context, pipeline_name: str) -> Run:
    # A retried component has several executions in a run; the last one counts.
    by_node = {
        _node(store, execution, pipeline_name): execution
        for execution in sorted(store.get_executions_by_context(context.id), key=lambda e: e.id)
    }
    ids = [execution.id for execution in by_node.values()]
    events = store.get_events_by_execution_ids(ids)
    artifacts = {
        proto.id: Artifact(proto.id, proto.type, proto.uri, _values(proto))
        for proto in store.get_artifacts_by_id(sorted({event.artifact_id for event in events}))
    }

    def of(execution: mlmd.Execution, *types: int) -> dict[str, list[Artifact]]:
        found: dict[str, list[Artifact]] = {}
        for event in events:
            if event.execution_id == execution.id and event.type in types:
                # One event tells all the inputs that an artifact is: the model may be its own baseline.
                for key in [step.key for step in event.path.steps if step.key] or [""]:
                    found.setdefault(key, []).append(artifacts[event.artifact_id])
        return found

    return Run(
        id=context.name,
        started_ms=context.create_time_since_epoch,
        executions=[
            Execution(
                node=node,
                type=execution.type,
                state=mlmd.Execution.State.Name(execution.last_known_state),
                started_ms=execution.create_time_since_epoch,
                ended_ms=execution.last_update_time_since_epoch,
                properties=_values(execution),
                inputs=of(execution, mlmd.Event.INPUT),
                outputs=of(execution, mlmd.Event.OUTPUT, mlmd.Event.INTERNAL_OUTPUT),
            )
            for node, execution in by_node.items()
        ],
    )


def _contexts(store: metadata_store.MetadataStore, execution: mlmd.Execution, context_type: str) -> list[mlmd.Context]:
    return [c for c in store.get_contexts_by_execution(execution.id) if c.type == context_type]


def _node(store: metadata_store.MetadataStore, execution: mlmd.Execution, pipeline_name: str) -> str:
    (context,) = _contexts(store, execution, "node")
    return context.name.removeprefix(f"{pipeline_name}.")


def _values(proto: mlmd.Artifact | mlmd.Execution) -> dict[str, Any]:
    merged = {**proto.properties, **proto.custom_properties}
    return {name: getattr(value, value.WhichOneof("value")) for name, value in merged.items()}
