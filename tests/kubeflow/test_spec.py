"""The compiled package is what Kubeflow Pipelines accepts, with the configuration's resources and mounts in it."""

import re
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp import components
from kfp.pipeline_spec import pipeline_spec_pb2 as protos
from tfx import v1 as tfx

from kubeflow.cluster import on_cluster
from kubeflow.compile import main
from kubeflow.dag_runner import KubeflowRunner, compile_pipeline
from tests.kubeflow.cluster_config import IMAGE, write_cluster_config
from tfx_pipeline.config import ConfigError, PipelineConfig, load_config
from tfx_pipeline.kubeflow_config import KubeflowConfig

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
RESOURCES = {
    "resources": {"cpu": 1, "memory": 2.5},
    "components": {
        "Trainer": {"cpu": 8, "memory": 16, "accelerator": {"count": 2}},
        "Evaluator.small_scann": {"memory": 4},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spec")


@pytest.fixture(scope="module")
def config(folder: Path) -> PipelineConfig:
    write_cluster_config(folder / "volume", folder / "config.yaml", RESOURCES, batch_recommendations={"enabled": True})
    return load_config(folder / "config.yaml")


@pytest.fixture(scope="module")
def package(folder: Path, config: PipelineConfig) -> Path:
    path = folder / "package" / "pipeline.yaml"
    compile_pipeline(config, str(path))
    return path


@pytest.fixture(scope="module")
def spec(package: Path) -> protos.PipelineSpec:
    document, _ = yaml.safe_load_all(package.read_text())
    return json_format.ParseDict(document, protos.PipelineSpec())


@pytest.fixture(scope="module")
def containers(spec: protos.PipelineSpec) -> dict[str, protos.PipelineDeploymentConfig.PipelineContainerSpec]:
    deployment = json_format.ParseDict(
        json_format.MessageToDict(spec.deployment_spec), protos.PipelineDeploymentConfig()
    )
    return {label: executor.container for label, executor in deployment.executors.items()}


def test_kubeflows_own_client_reads_it(package: Path) -> None:
    component = components.load_component_from_text(package.read_text())
    assert component.name == "small"


def test_its_schema_is_the_one_kubeflow_accepts(spec: protos.PipelineSpec) -> None:
    assert spec.schema_version == "2.1.0"
    assert spec.default_pipeline_root == ""


def test_every_task_is_a_container(spec: protos.PipelineSpec, containers: dict) -> None:
    labels = {spec.components[task.component_ref.name].executor_label for task in spec.root.dag.tasks.values()}
    assert labels == containers.keys()
    assert {container.image for container in containers.values()} == {IMAGE}
    assert not any(container.HasField("lifecycle") for container in containers.values())


def test_names_are_allowed_and_resolve(spec: protos.PipelineSpec) -> None:
    tasks = spec.root.dag.tasks
    assert {"trainer", "evaluator-small-scann", "latestblessed-small"} <= tasks.keys()
    for name, task in tasks.items():
        assert NAME.fullmatch(name)
        assert NAME.fullmatch(task.component_ref.name)
        assert task.task_info.name == name
        assert set(task.dependent_tasks) <= tasks.keys()
        for artifact in task.inputs.artifacts.values():
            producer = artifact.task_output_artifact.producer_task
            outputs = spec.components[tasks[producer].component_ref.name].output_definitions.artifacts
            assert artifact.task_output_artifact.output_artifact_key in outputs


def test_no_two_containers_are_taken_for_one(containers: dict) -> None:
    assert len({container.SerializeToString(deterministic=True) for container in containers.values()}) == len(
        containers
    )


def test_resources_are_limits_and_requests(containers: dict) -> None:
    trainer = containers["exec-trainer"].resources
    assert (trainer.cpu_limit, trainer.cpu_request, trainer.memory_limit, trainer.memory_request) == (8, 8, 16, 16)
    assert (trainer.accelerator.type, trainer.accelerator.count) == ("nvidia.com/gpu", 2)
    evaluator = containers["exec-evaluator-small-scann"].resources
    assert (evaluator.cpu_limit, evaluator.memory_limit) == (1, 4)
    transform = containers["exec-transform"].resources
    assert (transform.cpu_limit, transform.memory_limit) == (1, 2.5)
    assert not transform.HasField("accelerator")


def test_every_container_mounts_the_volume(package: Path, config: PipelineConfig, containers: dict) -> None:
    _, document = yaml.safe_load_all(package.read_text())
    platform = json_format.ParseDict(document, protos.PlatformSpec())
    mounts = platform.platforms["kubernetes"].deployment_spec.executors
    assert mounts.keys() == containers.keys()
    assert config.kubeflow is not None
    assert config.kubeflow.volume is not None
    expected = {"pvcMount": [{"constant": "corr", "mountPath": config.kubeflow.volume.mount_path}]}
    assert all(json_format.MessageToDict(mount) == expected for mount in mounts.values())


def test_what_looks_outside_of_the_cache_is_not_cached(spec: protos.PipelineSpec) -> None:
    uncached = {name for name, task in spec.root.dag.tasks.items() if not task.caching_options.enable_cache}
    assert uncached == {
        "interactionexamplegen",
        *("latestblessed-small", "latestblessed-small-scann"),
        *("pusher-small", "pusher-small-scann"),
    }


def test_resolvers_look_up_blessed_models(spec: protos.PipelineSpec, containers: dict) -> None:
    arguments = list(containers["exec-latestblessed-small-scann"].args)
    assert arguments[arguments.index("--keys") + 1] == '{"model": "Evaluator.small_scann/model"}'
    assert not spec.components["comp-latestblessed-small-scann"].HasField("input_definitions")


def test_other_resolvers_look_up_what_their_producer_writes_down(folder: Path, config: PipelineConfig) -> None:
    schema = tfx.components.ImportSchemaGen(schema_file="schema.pbtxt")
    last = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestArtifactStrategy,
        schema=tfx.dsl.Channel(
            type=tfx.types.standard_artifacts.Schema, producer_component_id="ImportSchemaGen", output_key="schema"
        ),
    ).with_id("LastSchema")
    pipeline = tfx.dsl.Pipeline("resolved", str(folder), components=[schema, last])
    cluster = on_cluster(config)
    cluster = cluster.model_copy(update={"kubeflow": cluster.kubeflow.model_copy(update={"components": {}})})
    compiled = KubeflowRunner(cluster, str(folder / "resolved.yaml")).run(pipeline, write_out=False)
    executors = json_format.MessageToDict(compiled.pipeline.deployment_spec)["executors"]
    arguments = executors["exec-lastschema"]["container"]["args"]
    assert arguments[arguments.index("--keys") + 1] == '{"schema": "ImportSchemaGen/schema"}'
    variables = {item["name"]: item["value"] for item in executors["exec-importschemagen"]["container"]["env"]}
    assert variables["PIPELINE_REMEMBERED"] == "schema"
    assert not (folder / "resolved.yaml").exists()


@pytest.mark.parametrize(("runner", "carried"), [("direct", True), ("flink", False)])
def test_a_buckets_artifacts_are_carried_by_the_launcher_unless_other_machines_need_them(
    folder: Path, config: PipelineConfig, runner: str, carried: bool
) -> None:
    schema = tfx.components.ImportSchemaGen(schema_file="schema.pbtxt")
    pipeline = tfx.dsl.Pipeline("bucket", "gs://b/corr", components=[schema])
    cluster = config.model_copy(
        update={
            "root": "gs://b/corr",
            "beam": config.beam.model_copy(update={"runner": runner}),
            "kubeflow": KubeflowConfig(image=IMAGE, root="gs://b/corr"),
        }
    )
    compiled = KubeflowRunner(cluster, str(folder / "bucket.yaml")).run(pipeline, write_out=False)
    executors = json_format.MessageToDict(compiled.pipeline.deployment_spec)["executors"]
    variables = {item["name"]: item["value"] for item in executors["exec-importschemagen"]["container"]["env"]}
    root = "gs://b/corr/pipelines/small"
    assert compiled.pipeline.default_pipeline_root == (root if carried else "")
    assert variables.get("PIPELINE_ARTIFACTS") == (None if carried else root)
    assert len(compiled.documents()) == 1


def test_an_unknown_component_is_refused_and_the_known_are_listed(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write_cluster_config(folder / "volume", path, {"components": {"Trainor": {"cpu": 8}}})
    with pytest.raises(ConfigError) as error:
        compile_pipeline(load_config(path), str(tmp_path / "pipeline.yaml"))
    message = str(error.value)
    assert "Received: ['Trainor']" in message
    assert "'Trainer', 'Transform'" in message
    assert not (tmp_path / "pipeline.yaml").exists()


def test_a_bucket_that_tensorflow_cannot_open_is_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write_cluster_config(folder / "volume", path, {"serving_directory": "s3://models/corr"})
    with pytest.raises(
        ConfigError, match=r"`kubeflow.serving_directory` must be .*'s3://models/corr'.*tensorflow-io=="
    ):
        compile_pipeline(load_config(path), str(tmp_path / "pipeline.yaml"))


def test_a_volume_that_is_not_here_is_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    volume = {"claim": "corr", "mount_path": "/nowhere"}
    write_cluster_config(folder / "volume", path, {"root": "/nowhere/corr", "volume": volume})
    with pytest.raises(ConfigError, match="`kubeflow.volume.mount_path` must be a folder .*'/nowhere'"):
        compile_pipeline(load_config(path), str(tmp_path / "pipeline.yaml"))
    assert not Path("/nowhere").exists()


def test_a_root_that_cannot_be_written_is_told(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    in_the_way = folder / "volume" / "file"
    write_cluster_config(folder / "volume", path, {"root": str(in_the_way / "root")})
    in_the_way.write_text("")
    with pytest.raises(ConfigError, match=f"`kubeflow.root` must be a place that can be written.*'{in_the_way}/root'"):
        compile_pipeline(load_config(path), str(tmp_path / "pipeline.yaml"))


@pytest.mark.parametrize(
    ("output", "expected"), [("p.txt", r"file \.yaml or \.json"), ("p.json", r"\.yaml where `kubeflow.volume` is")]
)
def test_an_output_that_cannot_hold_it_is_refused(config: PipelineConfig, output: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        KubeflowRunner(on_cluster(config), output)


def test_the_command_tells_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("name: shop")
    assert main(["--config", str(path)]) == 2
    assert "`kubeflow` must be given" in capsys.readouterr().err
