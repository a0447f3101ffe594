"""The Job that submits from within the cluster fits its configuration and the servers that follow."""

import kubernetes_validate
import yaml

from kubeflow.cluster import on_cluster
from tests.paths import ROOT
from tfx_pipeline.config import load_config

FOLDER = ROOT / "kubeflow"
JOB = yaml.safe_load((FOLDER / "job" / "job.yaml").read_text())


def test_it_is_a_valid_job() -> None:
    kubernetes_validate.validate(JOB, "1.32", strict=True)


def test_the_example_runs_where_the_job_does() -> None:
    config = on_cluster(load_config(FOLDER / "job" / "pipeline.yaml"))
    assert config.kubeflow is not None
    assert config.kubeflow.volume is not None
    pod = JOB["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == config.kubeflow.image
    assert config.kubeflow.volume.mount_path in {mount["mountPath"] for mount in container["volumeMounts"]}
    claims = {volume.get("persistentVolumeClaim", {}).get("claimName") for volume in pod["volumes"]}
    assert config.kubeflow.volume.claim in claims


def test_the_servers_read_where_the_example_pushes() -> None:
    config = on_cluster(load_config(FOLDER / "job" / "pipeline.yaml"))
    deployment = yaml.safe_load((FOLDER / "serving" / "base" / "deployment.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    (mount,) = (mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "models")
    assert config.kubeflow is not None
    assert config.kubeflow.volume is not None
    assert config.serving_model_dir == f"{config.kubeflow.volume.mount_path}/{mount['subPath']}"
    assert pod["securityContext"]["runAsUser"] == JOB["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
