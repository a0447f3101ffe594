"""The models and the server process the tests of the server share."""

import pathlib
import shutil
from collections.abc import Iterator

import grpc
import pytest

from tests.model_server import saved_models, server_process

NO_RETRIES = "--max_num_load_retries=0"
LABELS = """
model_config_list {{
  config {{
    name: "lab"
    base_path: "{models}/lab"
    model_platform: "tensorflow"
    model_version_policy {{ all {{}} }}
    version_labels {{ key: "stable" value: 1 }}
    version_labels {{ key: "canary" value: 2 }}
  }}
}}
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """SavedModels to push from, by name."""
    root = tmp_path_factory.mktemp("library")
    saved_models.save_linear(f"{root}/half_plus_two")
    saved_models.save_linear(f"{root}/half_plus_three", offset=3.0)
    saved_models.save_list(f"{root}/rec")
    saved_models.save_kinds(f"{root}/multi")
    saved_models.save_scann(f"{root}/scann")
    return root


@pytest.fixture(scope="session")
def models(library: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder the shared server serves; tests push models of their own names to it."""
    root = tmp_path_factory.mktemp("models")
    folders = {
        "half_plus_two/00000123": "half_plus_two",
        "hot/1": "half_plus_two",
        "mixed/1": "half_plus_two",
        "lab/1": "half_plus_two",
        "lab/2": "half_plus_three",
        "rec/1": "rec",
        "multi/7": "multi",
        "scann/1": "scann",
    }
    for folder, name in folders.items():
        shutil.copytree(library / name, root / folder)
    (root / "mixed/2").mkdir()
    (root / "mixed/2/saved_model.pb").write_bytes(b"not a SavedModel")
    (root / "mixed/3").mkdir()
    (root / "mixed/latest").mkdir()
    return root


@pytest.fixture(scope="session")
def server(models: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> server_process.Server:
    """A server process without ScaNN's ops, over `models`."""
    folder = tmp_path_factory.mktemp("server")
    config = folder / "models.config"
    config.write_text(LABELS.format(models=models))
    flags = ["--model-base-path", str(models), "--model_config_file", str(config)]
    with server_process.serving(folder / "log", *flags, "--no-load-scann", "--grpc_port", "0", NO_RETRIES) as running:
        yield running


@pytest.fixture
def client(server: server_process.Server) -> server_process.Client:
    """A client of the shared server."""
    return server.client


@pytest.fixture(scope="session")
def channel(server: server_process.Server) -> Iterator[grpc.Channel]:
    """A gRPC connection to the shared server."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as connection:
        yield connection
