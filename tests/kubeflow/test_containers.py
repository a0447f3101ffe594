"""Every container of a compiled pipeline runs by its own command, from rows to a pushed model."""

import copy
import json
from pathlib import Path
from typing import NamedTuple

import pytest
import tensorflow as tf

from kubeflow import environment
from kubeflow.artifacts import ABSENT
from kubeflow.dag_runner import compile_pipeline
from kubeflow.dry_run import DryRun, TaskError, TaskRun, ordered, read_package
from tests.kubeflow.cluster_config import write_cluster_config
from tests.tfx_pipeline.small_table import NUM_ITEMS, NUM_USERS, item_name
from tfx_pipeline.config import load_config


class Walk(NamedTuple):
    """What a walk through all containers has left."""

    volume: Path
    folder: Path
    spec: dict
    tasks: dict[str, TaskRun]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    folder = tmp_path_factory.mktemp("containers")
    write_cluster_config(
        folder / "volume",
        folder / "config.yaml",
        serving={"scann": False},
        training={"epochs": 1},
        batch_recommendations={"enabled": True, "shards": 1},
    )
    package = folder / "pipeline.yaml"
    compile_pipeline(load_config(folder / "config.yaml"), str(package))
    spec = read_package(package)
    done = {task.name: task for task in DryRun(spec, folder / "run", "first").run()}
    return Walk(folder / "volume", folder / "run", spec, done)


def _metadata(walk: Walk, task: str, key: str) -> dict:
    return walk.tasks[task].outputs[key]["metadata"]


def test_every_task_ran(walk: Walk) -> None:
    assert walk.tasks.keys() == walk.spec["root"]["dag"]["tasks"].keys()
    assert {"schemagate", "indexgate-small", "servingcheck-small", "batchrecommender", "pusher-small"} <= (
        walk.tasks.keys()
    )
    assert all(task.seconds > 0 and task.cpu_seconds > 0 for task in walk.tasks.values())


def test_metadata_travels(walk: Walk) -> None:
    examples = _metadata(walk, "interactionexamplegen", "examples")
    assert json.loads(examples["split_names"]) == ["train", "valid", "test", "catalog"]
    assert examples["input_fingerprint"].startswith("split:interactions")
    assert _metadata(walk, "evaluator-small", "blessing")["blessed"] == 1
    assert _metadata(walk, "servingcheck-small", "blessing")["blessed"] == 1
    assert _metadata(walk, "pusher-small", "pushed_model")["pushed"] == 1
    assert _metadata(walk, "batchrecommender", "recommendations")["written"] == 1


def test_a_blessing_names_the_model_it_is_of(walk: Walk) -> None:
    model = walk.tasks["trainer"].outputs["model"]
    assert _metadata(walk, "evaluator-small", "blessing")["current_model_id"] == model["uri"]


def test_the_first_run_has_no_baseline(walk: Walk) -> None:
    assert _metadata(walk, "latestblessed-small", "model") == {ABSENT: 1}
    assert "none yet" in walk.tasks["latestblessed-small"].summary()


def test_the_pushed_model_recommends(walk: Walk) -> None:
    (version,) = (walk.volume / "root" / "serving_model" / "small").iterdir()
    assert _metadata(walk, "pusher-small", "pushed_model")["pushed_destination"] == str(version)
    assert (version / "assets.extra" / "tf_serving_warmup_requests").stat().st_size > 0
    model = tf.saved_model.load(str(version))
    history = [item_name(3), item_name(4)]
    answer = model.signatures["serving_default"](user_id=tf.constant(["user 0"]), history=tf.constant([history]))
    items = {item.decode() for item in answer["item_id"].numpy()[0]}
    assert len(items) == 10
    assert items <= {item_name(item) for item in range(NUM_ITEMS)} - set(history)


def test_every_user_has_recommendations(walk: Walk) -> None:
    (shard,) = (walk.volume / "root").rglob("recommendations/tfrecord/*")
    assert sum(1 for _ in tf.data.TFRecordDataset(str(shard), "GZIP")) == NUM_USERS


def test_artifacts_are_on_the_volume_and_nothing_is_left_in_containers(walk: Walk) -> None:
    model = walk.tasks["trainer"].outputs["model"]["uri"].removeprefix("minio://")
    assert (walk.volume / "root" / "pipelines" / "small" / model / "Format-Serving" / "saved_model.pb").exists()
    assert not (walk.folder / "buckets").exists()
    assert not list((walk.volume / "root" / "checkpoints").rglob("*.index"))


def test_summaries_tell_the_verdicts(walk: Walk) -> None:
    assert walk.tasks["pusher-small"].summary().endswith("s CPU  pushed_model (pushed=1)")
    assert walk.tasks["schemagate"].summary().endswith("s CPU  -")


def test_the_next_run_finds_the_blessed_model(walk: Walk) -> None:
    (second,) = DryRun(walk.spec, walk.folder, "second").run(only=["latestblessed-small"])
    assert second.outputs["model"]["uri"] == walk.tasks["trainer"].outputs["model"]["uri"]
    assert ABSENT not in second.outputs["model"]["metadata"]


def test_without_a_volume_files_go_through_the_launchers_folders(walk: Walk, tmp_path: Path) -> None:
    spec = copy.deepcopy(walk.spec)
    container = spec["deploymentSpec"]["executors"]["exec-importschemagen"]["container"]
    container["env"] = [item for item in container["env"] if item["name"] != environment.ARTIFACTS]
    (task,) = DryRun(spec, tmp_path, "first").run(only=["importschemagen"])
    key = task.outputs["schema"]["uri"].removeprefix("minio://")
    assert (tmp_path / "pods" / "importschemagen" / "minio" / key / "schema.pbtxt").exists()
    assert (tmp_path / "buckets" / "minio" / key / "schema.pbtxt").exists()


def _container(*command: str) -> dict:
    return {
        "pipelineInfo": {"name": "one"},
        "root": {"dag": {"tasks": {"one": {"componentRef": {"name": "comp-one"}}}}},
        "components": {"comp-one": {"executorLabel": "exec-one"}},
        "deploymentSpec": {"executors": {"exec-one": {"container": {"command": list(command)}}}},
    }


def test_a_failing_container_is_told_with_its_log(tmp_path: Path) -> None:
    run = DryRun(_container("python", "-c", "import sys; sys.exit('out of luck')"), tmp_path, "first")
    with pytest.raises(TaskError, match="one failed with status 1; its log is .*log.txt:\nout of luck"):
        list(run.run())


def test_what_kubeflow_does_not_run_is_refused(tmp_path: Path) -> None:
    spec = _container()
    spec["deploymentSpec"]["executors"]["exec-one"] = {"resolver": {}}
    with pytest.raises(TaskError, match=r"containers and importers. Received: \['resolver'\]"):
        list(DryRun(spec, tmp_path, "first").run())


def test_an_importer_hands_its_uri_on(tmp_path: Path) -> None:
    spec = _container()
    spec["components"]["comp-one"]["outputDefinitions"] = {"artifacts": {"model": {"artifactType": {}}}}
    importer = {"artifactUri": {"constant": "gs://b/model"}, "metadata": {"stage": 2}}
    spec["deploymentSpec"]["executors"]["exec-one"] = {"importer": importer}
    (task,) = DryRun(spec, tmp_path, "first").run()
    assert task.outputs["model"] == {"name": "one-model", "uri": "gs://b/model", "metadata": {"stage": 2.0}}


def test_tasks_in_a_circle_are_refused() -> None:
    with pytest.raises(ValueError, match="in a circle"):
        ordered({"a": {"dependentTasks": ["b"]}, "b": {"dependentTasks": ["a"]}})


def test_a_file_without_a_pipeline_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text("kind: Deployment")
    with pytest.raises(ValueError, match="Received: no pipeline in it"):
        read_package(path)
