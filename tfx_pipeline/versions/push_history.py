"""What ML Metadata knows of the models a pipeline has pushed, and the withdrawal of their blessings."""

import dataclasses
import os
from collections.abc import Iterable, Mapping

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.components.evaluator import constants as evaluator_constants

_BLESSED = evaluator_constants.ARTIFACT_PROPERTY_BLESSED_KEY
_MODEL_ID = evaluator_constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
_WITHDRAWN = "withdrawn"
"""Custom property of a ModelBlessing: 1 where the blessing was taken back, so that only such a one is ever restored."""


@dataclasses.dataclass(frozen=True)
class Push:
    """A version that a run has pushed.

    Attributes:
      version: its number.
      run: id of the run's context in ML Metadata; later runs have higher ones.
      run_name: the run's name, the time it was started.
      model_id: id of the Model artifact that was pushed.
      blessed: whether the model is blessed still.
    """

    version: int
    run: int
    run_name: str
    model_id: int
    blessed: bool


class PushHistory:
    """The pushes and blessings of a pipeline.

    TFX's LatestBlessedModelStrategy takes the newest model of which a ModelBlessing says `blessed` = 1: a warm start
    begins from it, and the next model is judged against it. So a blessing that is taken back changes both.

    Args:
      metadata_path: MLMD's SQLite file.
      pipeline_name: as in the pipeline's definition.

    Raises:
      ValueError: there is no such file.
    """

    def __init__(self, metadata_path: str, pipeline_name: str) -> None:
        if not os.path.exists(metadata_path):
            raise ValueError(f"`root` must be that of a pipeline that has run: there is no {metadata_path}.")
        config = mlmd.ConnectionConfig(sqlite=mlmd.SqliteMetadataSourceConfig(filename_uri=metadata_path))
        self._store = metadata_store.MetadataStore(config)
        self._pipeline = pipeline_name

    def pushes(self, export: str) -> list[Push]:
        """Returns what was pushed as `export`, the name it is served under, in the order of the runs."""
        blessed = {
            blessing.custom_properties[_MODEL_ID].int_value
            for _, blessing in self._blessings(export)
            if blessing.custom_properties[_BLESSED].int_value == 1
        }
        executions = self._executions(f"Pusher.{export}")
        found = []
        for event, artifact in self._artifacts(executions.values(), mlmd.Event.OUTPUT):
            properties = artifact.custom_properties
            if properties["pushed"].int_value != 1:
                continue
            run = self._run(executions[event.execution_id])
            model_id = self._model_of(executions[event.execution_id])
            version = int(properties["pushed_version"].string_value)
            found.append(Push(version, run.id, run.name, model_id, model_id in blessed))
        return sorted(found, key=lambda push: (push.run, push.version))

    def withdraw_after(self, run: int, restored: Mapping[str, int | None]) -> None:
        """Takes back every blessing given after a run, and gives back those of the restored models, all or none.

        Args:
          run: id of the run's context.
          restored: each export's name -> id of the Model artifact that is served again; None where there is none.
        """
        changed = []
        for export, model_id in restored.items():
            for given_in, blessing in self._blessings(export):
                properties = blessing.custom_properties
                if model_id is not None and properties[_MODEL_ID].int_value == model_id:
                    blessed = bool(properties[_WITHDRAWN].int_value or properties[_BLESSED].int_value)
                    withdrawn = False
                elif given_in > run and properties[_BLESSED].int_value == 1:
                    blessed, withdrawn = False, True
                else:
                    continue
                properties[_BLESSED].int_value = int(blessed)
                properties[_WITHDRAWN].int_value = int(withdrawn)
                changed.append(blessing)
        if changed:
            # One call is one transaction.
            self._store.put_artifacts(changed)

    def _blessings(self, export: str) -> list[tuple[int, mlmd.Artifact]]:
        """Returns each ModelBlessing of an export with the run that gave it; later runs may have reused it."""
        executions = self._executions(f"Evaluator.{export}")
        first: dict[int, tuple[int, mlmd.Artifact]] = {}
        for event, artifact in self._artifacts(executions.values(), mlmd.Event.OUTPUT):
            if artifact.type == "ModelBlessing":
                run = self._run(executions[event.execution_id]).id
                first[artifact.id] = min(
                    (run, artifact), first.get(artifact.id, (run, artifact)), key=lambda pair: pair[0]
                )
        return list(first.values())

    def _executions(self, node: str) -> dict[int, mlmd.Execution]:
        context = self._store.get_context_by_type_and_name("node", f"{self._pipeline}.{node}")
        found = self._store.get_executions_by_context(context.id) if context else []
        return {execution.id: execution for execution in found}

    def _artifacts(
        self, executions: Iterable[mlmd.Execution], event_type: int
    ) -> list[tuple[mlmd.Event, mlmd.Artifact]]:
        ids = [execution.id for execution in executions]
        events = (
            [event for event in self._store.get_events_by_execution_ids(ids) if event.type == event_type] if ids else []
        )
        artifacts = {a.id: a for a in self._store.get_artifacts_by_id({event.artifact_id for event in events})}
        return [(event, artifacts[event.artifact_id]) for event in events]

    def _model_of(self, execution: mlmd.Execution) -> int:
        (model,) = (a for _, a in self._artifacts([execution], mlmd.Event.INPUT) if a.type == "Model")
        return model.id

    def _run(self, execution: mlmd.Execution) -> mlmd.Context:
        (run,) = (c for c in self._store.get_contexts_by_execution(execution.id) if c.type == "pipeline_run")
        return run
