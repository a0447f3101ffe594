"""TFX's InfraValidator: wired where there is a platform for it, left out with the reason where there is none."""

import http.server
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import json_format
from tfx import v1 as tfx
from tfx.components.infra_validator import request_builder, serving_bins
from tfx.proto import infra_validator_pb2
from tfx.types import standard_artifacts

from tests.lookup_model import write_examples
from tests.tfx_pipeline.popular_model import save_popular_model
from tests.tfx_pipeline.small_table import write_config, write_table
from tfx_pipeline.components import infra_validation
from tfx_pipeline.config import load_config
from tfx_pipeline.pipeline import create_pipeline

IMAGE = "tensorflow/serving:2.16.1"
DIGEST = "sha256:" + "0" * 64


class _Daemon(http.server.BaseHTTPRequestHandler):
    """The two answers of Docker's Engine API that tell a client that a daemon is there."""

    def do_GET(self) -> None:
        body = b'{"ApiVersion": "1.41"}' if self.path.endswith("/version") else b"OK"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Daemon)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def no_daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")


def _channel(of_type: type) -> tfx.dsl.Channel:
    return tfx.dsl.Channel(type=of_type)


def _validator(choice: str, image: str | None = IMAGE) -> tfx.components.InfraValidator | None:
    model, examples = _channel(standard_artifacts.Model), _channel(standard_artifacts.Examples)
    return infra_validation.infra_validator(model, examples, "corr", choice, image)


def _spec(validator: tfx.components.InfraValidator, key: str, into: object) -> object:
    return json_format.Parse(validator.exec_properties[key], into)


@pytest.mark.usefixtures("daemon")
def test_a_daemon_that_answers_is_taken() -> None:
    assert infra_validation.find_platform() == "docker"
    assert _validator("auto") is not None


@pytest.mark.usefixtures("no_daemon")
def test_a_pod_of_kubeflow_pipelines_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("KUBERNETES_SERVICE_HOST", "KFP_POD_NAME", "KFP_NAMESPACE"):
        assert infra_validation.find_platform() is None
        monkeypatch.setenv(variable, "kubeflow")
    assert infra_validation.find_platform() == "kubernetes"


@pytest.mark.usefixtures("no_daemon")
@pytest.mark.parametrize(
    ("choice", "image", "reason"),
    [
        ("auto", IMAGE, "no Docker daemon answers, and this is no pod of Kubeflow Pipelines"),
        ("off", IMAGE, "deployment.infra_validator is off"),
        ("docker", None, "deployment.scann_image names no model server that links ScaNN's operations"),
    ],
)
def test_left_out_with_the_reason(
    choice: str, image: str | None, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="absl"):
        assert _validator(choice, image) is None
    assert f"corr goes without TFX's InfraValidator: {reason}." in caplog.text


@pytest.mark.usefixtures("no_daemon")
@pytest.mark.parametrize(("choice", "platform"), [("docker", "local_docker"), ("kubernetes", "kubernetes")])
def test_a_platform_that_is_named_is_taken_unseen(choice: str, platform: str) -> None:
    validator = _validator(choice)
    spec = _spec(validator, "serving_spec", infra_validator_pb2.ServingSpec())
    assert spec.WhichOneof("serving_platform") == platform
    assert spec.model_name == "corr"
    (server,) = serving_bins.parse_serving_binaries(spec)
    assert server.image == IMAGE
    requests = _spec(validator, "request_spec", infra_validator_pb2.RequestSpec())
    assert list(requests.tensorflow_serving.signature_names) == ["serve_tf_examples"]
    assert (requests.split_name, requests.num_examples) == ("test", 32)


def test_an_image_may_be_named_by_its_digest() -> None:
    spec = infra_validation.serving_spec("corr", "docker", f"registry:5000/serving@{DIGEST}")
    (server,) = serving_bins.parse_serving_binaries(spec)
    assert server.image == f"registry:5000/serving@{DIGEST}"


def test_tfx_builds_its_requests_from_our_examples_and_signature(tmp_path: Path) -> None:
    model, examples = standard_artifacts.Model(), standard_artifacts.Examples()
    model.uri, examples.uri, examples.split_names = str(tmp_path / "model"), str(tmp_path / "examples"), '["test"]'
    save_popular_model(tmp_path / "model" / "Format-Serving")
    write_examples(tmp_path / "examples" / "Split-test", [{"user_id": f"u{n}", "history": ["a"]} for n in range(3)])
    spec = _spec(_validator("docker"), "request_spec", infra_validator_pb2.RequestSpec())
    requests = request_builder.build_requests("corr", model, examples, spec)
    assert [request.model_spec.signature_name for request in requests] == ["serve_tf_examples"] * 32
    assert all(list(request.inputs) == ["examples"] for request in requests)


def _pipeline(tmp_path: Path, **deployment: str) -> dict[str, object]:
    write_table(tmp_path / "table.csv")
    write_config(
        tmp_path / "config.yaml",
        tmp_path / "table.csv",
        tmp_path / "var",
        deployment=deployment,
        batch_recommendations={"enabled": True, "top_k": 5},
    )
    return {component.id: component for component in create_pipeline(load_config(tmp_path / "config.yaml")).components}


def test_the_pipeline_feeds_its_verdict_to_the_pusher_through_the_serving_check(tmp_path: Path) -> None:
    components = _pipeline(tmp_path, infra_validator="docker")
    validator, gate, check, pusher = (
        components[f"{kind}.small"] for kind in ("InfraValidator", "IndexGate", "ServingCheck", "Pusher")
    )
    assert gate.inputs["validated"] is validator.outputs["blessing"]
    assert check.inputs["validated"] is gate.outputs["blessing"]
    assert pusher.inputs["infra_blessing"] is check.outputs["blessing"]
    assert "InfraValidator.small_scann" not in components
    assert "validated" not in components["IndexGate.small_scann"].inputs


def test_the_scann_export_is_validated_where_an_image_for_it_is_named(tmp_path: Path) -> None:
    components = _pipeline(tmp_path, infra_validator="kubernetes", scann_image="serving-scann:1")
    spec = _spec(components["InfraValidator.small_scann"], "serving_spec", infra_validator_pb2.ServingSpec())
    assert (spec.tensorflow_serving.image_name, list(spec.tensorflow_serving.tags)) == ("serving-scann", ["1"])


@pytest.mark.usefixtures("no_daemon")
def test_the_pipeline_goes_without_where_nothing_can_run_it(tmp_path: Path) -> None:
    components = _pipeline(tmp_path)
    assert not [name for name in components if name.startswith("InfraValidator")]
    recommender = components["BatchRecommender"]
    assert recommender.inputs["model_blessing"] is components["Evaluator.small"].outputs["blessing"]
    assert recommender.exec_properties["top_k"] == 5
