"""Clean data passes the gate; anomalies stop the run there, and stay on record."""

import json

import pytest
from tfx import v1 as tfx

from tests.tfx_pipeline.tiny_runs import imported, tiny_runs
from tfx_pipeline.components.schema_gate import SchemaError, SchemaGate, verify
from tfx_pipeline.components.serving_check import ServingCheck
from tfx_pipeline.report.collect import collect


def test_clean_data_passes():
    states = {step.name: step.state for step in collect(tiny_runs().metadata("good"), "tiny", num_users=0).steps}
    assert states["SchemaGate"] == "run"
    assert states["Pusher"] == "run"


def test_the_error_names_split_feature_and_value_and_what_to_do():
    error = tiny_runs().schema_error
    assert isinstance(error, SchemaError)
    assert "test / user_activity: Unexpected string values." in str(error)
    assert "frantic" in str(error)
    assert "change the schema (schemas/) and run again" in str(error)


def test_anomalies_stop_the_run_and_stay_on_record():
    facts = collect(tiny_runs().metadata("bad_data"), "tiny", num_users=0)
    assert facts.failed == ["SchemaGate"]
    assert not {"Evaluator", "ServingCheck", "Pusher"} & {step.name for step in facts.steps}
    assert [(a.split, a.feature) for a in facts.all_anomalies] == [("test", "user_activity")]


def test_an_artifact_without_validated_splits_does_not_pass(tmp_path):
    with pytest.raises(SchemaError, match="at least one validated split"):
        verify(str(tmp_path), "schemas/")


def test_gate_and_check_compile_for_kubeflow(tmp_path):
    artifacts = tfx.types.standard_artifacts
    found = imported(tmp_path, artifacts.ExampleAnomalies)
    data = imported(tmp_path, artifacts.Examples, split_names='["test"]')
    model = imported(tmp_path, artifacts.Model)
    gate = SchemaGate(anomalies=found.outputs["result"])
    check = ServingCheck(model=model.outputs["result"], examples=data.outputs["result"], allow_scann=True)
    check.add_upstream_node(gate)
    runner = tfx.orchestration.experimental.KubeflowV2DagRunner(
        config=tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(default_image="image"),
        output_dir=str(tmp_path),
        output_filename="pipeline.json",
    )
    components = [found, data, model, gate, check]
    runner.run(tfx.dsl.Pipeline("compiled", str(tmp_path), components=components), write_out=True)
    tasks = json.loads((tmp_path / "pipeline.json").read_text())["pipelineSpec"]["root"]["dag"]["tasks"]
    assert "SchemaGate" in tasks["ServingCheck"]["dependentTasks"]
