"""Artifacts pass between Kubeflow's launcher and TFX's executors without either knowing of the other."""

import pytest

from kubeflow.artifacts import ABSENT, Storage, for_executor, for_launcher, with_metadata

TYPE = {"instanceSchema": "title: tfx.Model\ntype: object\n"}


@pytest.mark.parametrize(
    ("storage", "uri", "path"),
    [
        (Storage(), "gs://bucket/a/b", "/gcs/bucket/a/b"),
        (Storage(), "s3://bucket/a", "/s3/bucket/a"),
        (Storage(), "minio://mlpipeline/v2/a", "/minio/mlpipeline/v2/a"),
        (Storage(pod_root="/tmp/pod"), "gs://bucket/a", "/tmp/pod/gcs/bucket/a"),
        (Storage("/mnt/corr"), "minio://mlpipeline/v2/a", "/mnt/corr/mlpipeline/v2/a"),
        (Storage("gs://bucket/corr"), "minio://mlpipeline/v2/a", "gs://bucket/corr/mlpipeline/v2/a"),
        (Storage(), "/mnt/corr/a", "/mnt/corr/a"),
        (Storage(), "ram://a/b", "ram://a/b"),
    ],
)
def test_files_lie_where_the_launcher_has_put_them(storage: Storage, uri: str, path: str) -> None:
    assert storage.path(uri) == path


def test_inputs_get_types_and_names_of_their_own() -> None:
    invocation = {
        "inputs": {
            "parameterValues": {"k": 3},
            "artifacts": {"model": {"artifacts": [{"name": "17", "uri": "gs://b/m", "metadata": {"x": 1.0}}]}},
        },
        "outputs": {
            "artifacts": {"blessing": {"artifacts": [{"name": "blessing", "uri": "gs://b/x", "type": TYPE}]}},
            "outputFile": "/tmp/out.json",
        },
    }
    prepared = for_executor(invocation, {"artifacts": {"model": {"artifactType": TYPE}}}, Storage())
    assert prepared["inputs"]["parameterValues"] == {"k": 3}
    assert prepared["inputs"]["artifacts"]["model"]["artifacts"] == [
        {"name": "gs://b/m", "uri": "/gcs/b/m", "metadata": {"x": 1.0}, "type": TYPE}
    ]
    assert prepared["outputs"]["outputFile"] == "/tmp/out.json"
    assert prepared["outputs"]["artifacts"]["blessing"]["artifacts"] == [
        {"name": "gs://b/x", "uri": "/gcs/b/x", "type": TYPE}
    ]


def test_what_an_upstream_task_did_not_write_is_no_input() -> None:
    absent = {"name": "18", "uri": "gs://b/none", "metadata": {ABSENT: 1.0}}
    prepared = for_executor({"inputs": {"artifacts": {"baseline_model": {"artifacts": [absent]}}}}, {}, Storage())
    assert prepared["inputs"]["artifacts"] == {}


def test_a_drivers_metadata_reaches_the_executor() -> None:
    prepared = for_executor(
        {"outputs": {"artifacts": {"examples": {"artifacts": [{"uri": "gs://b/e", "type": TYPE}]}}}}, {}, Storage()
    )
    driven = with_metadata(prepared, {"artifacts": {"examples": {"artifacts": [{"metadata": {"span": 3.0}}]}}})
    assert driven["outputs"]["artifacts"]["examples"]["artifacts"][0]["metadata"] == {"span": 3.0}
    assert "metadata" not in prepared["outputs"]["artifacts"]["examples"]["artifacts"][0]


def test_the_launcher_is_told_metadata_alone_and_no_nulls() -> None:
    output = {"artifacts": {"model": {"artifacts": [{"uri": "/gcs/b/m", "metadata": {"span": 0.0, "version": None}}]}}}
    assert for_launcher(output) == {"artifacts": {"model": {"artifacts": [{"metadata": {"span": 0.0}}]}}}
