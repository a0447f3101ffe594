"""What is written for a deployment parses as what reads it, and refers to what is there."""

import os
import re
import shlex
from pathlib import Path

import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from model_server.forms import config_protos
from model_server.models import sources
from tests.model_server.server_process import serving
from tests.paths import ROOT
from tests.tfx_pipeline.popular_model import save_popular_model
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.serving.__main__ import main
from tfx_pipeline.serving.deployment import docker_run, write_deployment

IMAGE = "tensorflow/serving:2.16.1"


def _config(tmp_path: Path, **sections: object) -> PipelineConfig:
    return PipelineConfig(name="shop", root=str(tmp_path / "var"), **sections)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return Path(write_deployment(_config(tmp_path)))


def _parse(path: Path, into: object) -> object:
    return text_format.Parse(path.read_text(), into)


@pytest.mark.parametrize(
    ("file", "names"), [("models.config", ["shop"]), ("models_scann.config", ["shop", "shop_scann"])]
)
def test_model_configs_are_what_tf_serving_reads(files: Path, file: str, names: list[str]) -> None:
    config = _parse(files / file, model_server_config_pb2.ModelServerConfig())
    models = config.model_config_list.config
    assert [model.name for model in models] == names
    assert [model.base_path for model in models] == [f"/models/{name}" for name in names]
    assert {model.model_platform for model in models} == {"tensorflow"}
    assert {model.model_version_policy.latest.num_versions for model in models} == {1}
    assert [source.name for source in sources.read_config_file(str(files / file))] == names


def test_batches_hold_at_most_their_largest_allowed_size_and_are_never_padded(files: Path) -> None:
    batching = _parse(files / "batching_parameters.txt", config_protos.batching_parameters())
    sizes = list(batching.allowed_batch_sizes)
    assert sizes == sorted(sizes)
    assert sizes[-1] == batching.max_batch_size.value
    assert batching.pad_variable_length_inputs is False


def test_metrics_are_scraped_from_where_they_are_exposed(files: Path) -> None:
    monitoring = _parse(files / "monitoring.config", config_protos.monitoring_config()).prometheus_config
    assert monitoring.enable
    (job,) = yaml.safe_load((files / "prometheus.yml").read_text())["scrape_configs"]
    assert job["metrics_path"] == monitoring.path
    services = yaml.safe_load((files / "docker-compose.yml").read_text())["services"]
    targets = [target for group in job["static_configs"] for target in group["targets"]]
    assert [target.partition(":")[0] for target in targets] == ["serving", "serving-scann"]
    assert {target.partition(":")[0] for target in targets} < set(services)


def test_servers_write_to_nothing_but_tmp(files: Path) -> None:
    services = yaml.safe_load((files / "docker-compose.yml").read_text())["services"]
    for name in ("serving", "serving-scann"):
        assert services[name]["read_only"]
        assert services[name]["tmpfs"] == ["/tmp"]
        assert services[name]["cap_drop"] == ["ALL"]
    # Not as root.
    assert "USER server" in (files / "Dockerfile.scann").read_text().splitlines()


def test_compose_refers_to_files_that_exist(tmp_path: Path, files: Path) -> None:
    (tmp_path / "var" / "serving_model").mkdir()
    services = yaml.safe_load((files / "docker-compose.yml").read_text())["services"]
    assert services["serving"]["image"] == IMAGE
    for service in services.values():
        for volume in service["volumes"]:
            source, _, target = volume.removesuffix(":ro").partition(":")
            assert source.startswith(".")
            assert os.path.exists(files / source), volume
            if target == "/models":
                assert (files / source).resolve() == tmp_path / "var" / "serving_model"
        for argument in service.get("command", []):
            if inside := re.search(r"/config/(.+)", argument):
                assert (files / inside[1]).is_file(), argument
    context = (files / services["serving-scann"]["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / services["serving-scann"]["build"]["dockerfile"]).resolve() == files / "Dockerfile.scann"


def test_the_recipe_copies_what_the_repository_has(files: Path) -> None:
    lines = (files / "Dockerfile.scann").read_text().splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    assert "model_server" in copied
    assert all((ROOT / name).exists() for name in copied)
    assert any("models_scann.config" in line for line in lines)


def test_without_scann_nothing_speaks_of_it(tmp_path: Path) -> None:
    folder = Path(write_deployment(_config(tmp_path, serving={"scann": False}), str(tmp_path / "files")))
    assert not any("scann" in path.name or "scann" in path.read_text().lower() for path in folder.iterdir())


def test_an_image_that_links_scann_takes_the_place_of_the_recipe(tmp_path: Path) -> None:
    folder = write_deployment(_config(tmp_path, deployment={"scann_image": "serving-scann:1"}))
    service = yaml.safe_load(Path(folder, "docker-compose.yml").read_text())["services"]["serving-scann"]
    assert service["image"] == "serving-scann:1"
    assert "build" not in service
    assert "--model_config_file=/config/models_scann.config" in service["command"]


def test_docker_run_serves_the_portable_model(tmp_path: Path) -> None:
    command = shlex.split(docker_run(_config(tmp_path)))
    assert command[:2] == ["docker", "run"]
    assert command[-1] == IMAGE
    assert command[command.index("-v") + 1] == f"{tmp_path}/var/serving_model/shop:/models/shop:ro"
    assert command[command.index("-e") + 1] == "MODEL_NAME=shop"


def test_our_server_accepts_the_config_too(tmp_path: Path, files: Path) -> None:
    models = tmp_path / "var" / "serving_model"
    save_popular_model(models / "shop" / "7")
    config = tmp_path / "models.config"
    config.write_text((files / "models.config").read_text().replace("/models/", f"{models}/"))
    with serving(tmp_path / "log", "--model_config_file", str(config), "--no-load-scann") as server:
        answer = server.client.call("shop:predict", instances=[{"user_id": "u", "history": ["a"]}])
    assert answer.json()["predictions"][0]["item_id"] == ["b", "c", "d"]


def test_the_command_says_what_to_type(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"name: shop\nroot: {tmp_path / 'var'}\n")
    assert main(["--config", str(config)]) == 0
    printed = capsys.readouterr().out
    assert f"docker compose -f {tmp_path}/var/serving/docker-compose.yml up" in printed
    assert "MODEL_NAME=shop tensorflow/serving:2.16.1" in printed


def test_the_command_refuses_a_wrong_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("deployment: {infra_validator: sometimes}")
    assert main(["--config", str(config)]) == 2
    assert "`deployment.infra_validator`" in capsys.readouterr().err
