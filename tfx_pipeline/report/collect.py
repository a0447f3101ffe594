"""Gathers everything the report tells about the latest run of a pipeline."""

import datetime
import json
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from modules import names
from tfx_pipeline.anomalies import read_anomalies
from tfx_pipeline.components.infra_blessing import read_refusal
from tfx_pipeline.report.contents import Model, RunFacts, Step
from tfx_pipeline.report.evaluation_results import read_evaluation
from tfx_pipeline.report.lineage import Artifact, Execution, Run, latest_run
from tfx_pipeline.report.statistics import read_statistics
from tfx_pipeline.report.trials import read_trials
from tfx_pipeline.report.user_examples import user_examples

_STATES: dict[str, Any] = {"COMPLETE": "run", "CACHED": "cached", "FAILED": "failed", "CANCELED": "failed"}
_HISTORY_FILE = "history.json"


def collect(metadata_path: str, pipeline_name: str, num_users: int = 5) -> RunFacts:
    """Gathers the facts of the latest run, however far it came.

    Args:
      metadata_path: MLMD's SQLite file.
      pipeline_name: as in the pipeline's definition.
      num_users: how many test users to show recommendations for.

    Returns:
      The facts. Where a file is missing or a model does not load, that part is empty and a note
      tells why: a report of a run that went wrong is wanted most.

    Raises:
      ValueError: no run of such a pipeline is recorded.
    """
    run = latest_run(metadata_path, pipeline_name)
    notes: list[str] = []

    def part(what: str, read: Callable[..., Any], *arguments: Any, empty: Any) -> Any:
        try:
            return read(*arguments)
        except Exception as error:
            notes.append(f"{what}: {type(error).__name__}: {error}")
            return empty

    models = part("models", _models, run, empty=[])
    data = run.raw_examples()
    statistics = _first(run, "ExampleStatistics")
    anomalies = _first(run, "ExampleAnomalies")
    tuned = _first(run, "TunerResults")
    examples, features = {}, []
    if statistics:
        examples, features = part("statistics", read_statistics, statistics.uri, empty=({}, []))
    users = []
    if data and models:
        path = models[0].pushed_to or os.path.join(models[0].uri, "Format-Serving")
        users = part("recommendations", user_examples, path, data.uri, num_users, empty=[])
    return RunFacts(
        pipeline=pipeline_name,
        run=run.id,
        started=datetime.datetime.fromtimestamp(run.started_ms / 1000),
        steps=[_step(execution) for execution in run.executions],
        models=models,
        trials=part("trials of the tuner", read_trials, tuned.uri, empty=[]) if tuned else [],
        history=part("training history", _history, run, empty=[]),
        data_report=part("data report", _data_report, data, empty={}) if data else {},
        statistics=features,
        examples=examples,
        anomalies=part("anomalies", read_anomalies, anomalies.uri, empty={}) if anomalies else {},
        users=users,
        notes=notes,
    )


def _step(execution: Execution) -> Step:
    seconds = (execution.ended_ms - execution.started_ms) / 1000
    return Step(execution.node, _STATES.get(execution.state, "unfinished"), seconds)


def _first(run: Run, artifact_type: str) -> Artifact | None:
    return next((artifact for _, artifact in run.producing(artifact_type)), None)


def _data_report(data: Artifact) -> dict[str, Any]:
    path = os.path.join(data.uri, names.REPORT_FILE)
    return _read_json(path) if tf.io.gfile.exists(path) else {}


def _history(run: Run) -> list[dict[str, float]]:
    model_run = _first(run, "ModelRun")
    path = os.path.join(model_run.uri, _HISTORY_FILE) if model_run else ""
    return _read_json(path) if path and tf.io.gfile.exists(path) else []


def _read_json(path: str) -> Any:
    with tf.io.gfile.GFile(path) as file:
        return json.load(file)


def _models(run: Run) -> list[Model]:
    """The evaluated models; the one that loads everywhere, without ScaNN, has the shortest name."""
    evaluated = [_model(run, execution, artifact) for execution, artifact in run.producing("ModelEvaluation")]
    return sorted(evaluated, key=lambda model: (len(model.name), model.name))


def _model(run: Run, execution: Execution, evaluation: Artifact) -> Model:
    (exported,) = execution.inputs["model"]
    blessing = next(iter(execution.outputs.get("blessing", [])), None)
    # Each check passes on the refusals of those before it.
    infra = run.consuming(exported, "InfraBlessing")
    pushed = run.consuming(blessing, "PushedModel") if blessing else None
    refused = infra is not None and infra.properties.get("blessed") != 1
    return Model(
        name=_model_name(run, blessing) or execution.node.rpartition(".")[2],
        uri=exported.uri,
        evaluation=read_evaluation(evaluation.uri),
        blessed=blessing is not None and blessing.properties.get("blessed") == 1,
        servable=None if infra is None else not refused,
        refusal=read_refusal(infra.uri) if refused else "",
        pushed_to=pushed.properties.get("pushed_destination") if pushed and pushed.properties.get("pushed") else None,
    )


def _model_name(run: Run, blessing: Artifact | None) -> str | None:
    """The name the model is served under: the last part of where its Pusher puts versions."""
    for execution in run.executions:
        if blessing in execution.inputs.get("model_blessing", []):
            destination = json.loads(execution.properties.get("push_destination", "{}"))
            folder = destination.get("filesystem", {}).get("base_directory")
            return os.path.basename(folder.rstrip("/")) if folder else None
    return None
