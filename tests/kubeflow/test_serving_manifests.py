"""The manifests are what Kubernetes accepts, and serve what the pipeline pushes."""

import copy
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.paths import ROOT
from tfx_pipeline.config import DEFAULT_CONFIG, load_config
from tfx_pipeline.serving.deployment import write_deployment

SERVING = ROOT / "kubeflow" / "serving"
KUBERNETES = "1.32"
CUSTOM = {"kustomize.config.k8s.io/v1beta1", "serving.kserve.io/v1beta1"}

# https://kserve.github.io/website/latest/reference/api/: what v1beta1's PredictorSpec and ModelSpec may hold of ours.
PREDICTOR = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "model"}
MODEL = {"modelFormat", "protocolVersion", "runtimeVersion", "storageUri", "resources"}


def _documents(text: str) -> list[dict]:
    return [document for document in yaml.safe_load_all(text) if document]


def _built(name: str) -> list[dict]:
    if shutil.which("kubectl") is None:
        pytest.skip("building a kustomization needs kubectl")
    done = subprocess.run(["kubectl", "kustomize", str(SERVING / name)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return _documents(done.stdout)


def _files() -> Iterator[Path]:
    for path in sorted(SERVING.rglob("*.yaml")):
        if "$patch" not in path.read_text() and path.name != "kustomization.yaml":
            yield path


def _whole(document: dict) -> dict:
    """A Deployment's file lacks the labels that kustomize adds to it."""
    document = copy.deepcopy(document)
    if document["kind"] == "Deployment":
        labels = {"app.kubernetes.io/name": "corr"}
        document["spec"].setdefault("selector", {"matchLabels": labels})
        document["spec"]["template"]["metadata"].setdefault("labels", labels)
    return document


@pytest.mark.parametrize("path", list(_files()), ids=lambda path: os.path.relpath(path, SERVING))
def test_every_file_is_valid(path: Path) -> None:
    for document in _documents(path.read_text()):
        if document["apiVersion"] not in CUSTOM:
            kubernetes_validate.validate(_whole(document), KUBERNETES, strict=True)


@pytest.mark.parametrize("name", ["base", "overlays/bucket"])
def test_every_kustomization_builds_to_what_is_valid(name: str) -> None:
    documents = _built(name)
    for document in documents:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    kinds = {document["kind"] for document in documents}
    assert kinds >= {"Deployment", "Service", "ConfigMap", "HorizontalPodAutoscaler", "PodDisruptionBudget"}


def _deployment() -> dict:
    return _whole(yaml.safe_load((SERVING / "base" / "deployment.yaml").read_text()))


def test_a_wrong_manifest_is_refused() -> None:
    misspelt = _deployment()
    (container,) = misspelt["spec"]["template"]["spec"]["containers"]
    container["readinessProb"] = container.pop("readinessProbe")
    with pytest.raises(kubernetes_validate.ValidationError, match="readinessProb"):
        kubernetes_validate.validate(misspelt, KUBERNETES, strict=True)


@pytest.mark.parametrize(
    ("key", "value"), [("ports", [{"name": "rest", "containerPort": "8501"}]), ("args", "--port=8500")]
)
def test_a_manifest_of_wrong_types_is_refused(key: str, value: object) -> None:
    wrong = _deployment()
    wrong["spec"]["template"]["spec"]["containers"][0][key] = value
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", ["base", "overlays/bucket"])
def test_parts_refer_to_each_other(name: str) -> None:
    documents = {document["kind"]: document for document in _built(name)}
    deployment, service = documents["Deployment"], documents["Service"]
    pod = deployment["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    (container,) = pod["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == ports
    assert {mount["name"] for mount in container["volumeMounts"]} == {v["name"] for v in pod["spec"]["volumes"]}
    assert documents["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    files = {argument.partition("=/config/")[2] for argument in container["args"] if "=/config/" in argument}
    assert files <= documents["ConfigMap"]["data"].keys()


def test_probes_ask_for_the_model_that_is_served() -> None:
    (container,) = _deployment()["spec"]["template"]["spec"]["containers"]
    name = load_config(DEFAULT_CONFIG).name
    assert container["readinessProbe"]["httpGet"] == {"path": f"/v1/models/{name}", "port": "rest"}
    assert container["startupProbe"]["httpGet"] == container["readinessProbe"]["httpGet"]


def test_the_bucket_takes_the_place_of_the_volume() -> None:
    documents = {document["kind"]: document for document in _built("overlays/bucket")}
    assert 'base_path: "gs://' in documents["ConfigMap"]["data"]["models.config"]
    pod = documents["Deployment"]["spec"]["template"]["spec"]
    assert not any("persistentVolumeClaim" in volume for volume in pod["volumes"])
    assert pod["serviceAccountName"] == documents["ServiceAccount"]["metadata"]["name"]


def test_configuration_files_are_those_of_the_compose_file(tmp_path: Path) -> None:
    config = load_config(DEFAULT_CONFIG)
    write_deployment(config, str(tmp_path))
    for name in ("models.config", "monitoring.config", "batching_parameters.txt"):
        assert (SERVING / "base" / name).read_text() == (tmp_path / name).read_text(), name
    image, tag = config.deployment.image.split(":")
    kustomization = yaml.safe_load((SERVING / "base" / "kustomization.yaml").read_text())
    assert kustomization["images"] == [{"name": image, "newTag": tag}]


def test_the_inference_service_serves_the_same_folder() -> None:
    (service,) = _built("kserve")
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    predictor = service["spec"]["predictor"]
    assert predictor.keys() == PREDICTOR
    assert predictor["model"].keys() == MODEL
    claim = yaml.safe_load((SERVING / "volume-claim.yaml").read_text())["metadata"]["name"]
    assert predictor["model"]["storageUri"] == f"pvc://{claim}/serving_model/{service['metadata']['name']}"
    pod = {"containers": [{"name": "model", "resources": predictor["model"]["resources"]}]}
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "model"}, "spec": pod}
    kubernetes_validate.validate(document, KUBERNETES, strict=True)
