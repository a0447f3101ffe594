"""Config files and flags: tensorflow_model_server's, and where this server's own meet them."""

import pathlib
import re
import shutil

import grpc
import numpy as np
import pytest

from model_server import flags
from model_server.config_files import DEFAULT_METRICS_PATH, read_batching, read_metrics_path
from model_server.limits import Limits
from model_server.models.batching import Batching
from model_server.models.listed_models import ListedModels
from model_server.models.manager import ModelManager
from model_server.models.retries import Retries
from model_server.models.sources import ModelSource
from tests.model_server import server_process
from tests.model_server.grpc_client import predict
from tests.model_server.server_process import wait_until


def written(folder: pathlib.Path, text: str) -> str:
    file = folder / "config"
    file.write_text(text)
    return str(file)


def test_batching_parameters(tmp_path: pathlib.Path):
    text = """
        max_batch_size { value: 64 }
        batch_timeout_micros { value: 500 }
        max_enqueued_batches { value: 3 }
        num_batch_threads { value: 2 }
        thread_pool_name { value: "batches" }
        allowed_batch_sizes: 8
        allowed_batch_sizes: 64
        pad_variable_length_inputs: true
        enable_large_batch_splitting { value: true }
        max_execution_batch_size { value: 64 }
    """
    assert read_batching(written(tmp_path, text)) == Batching(64, 500, 3, 2, (8, 64))
    assert read_batching(written(tmp_path, "")) == Batching()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch_size: 3", "`batching_parameters_file` must be a text proto of type BatchingParameters. Received: "),
        ("max_batch { value: 3 }", "`batching_parameters_file` must be a text proto"),
        ("max_batch_size { value: 0 }", "`max_batch_size` must be at least 1. Received: max_batch_size=0"),
        ("allowed_batch_sizes: 4", "`allowed_batch_sizes` must be positive, rise, and end in max_batch_size"),
    ],
)
def test_bad_batching_parameters(text: str, message: str, tmp_path: pathlib.Path):
    with pytest.raises(ValueError, match=message):
        read_batching(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("prometheus_config { enable: true }", DEFAULT_METRICS_PATH),
        ('prometheus_config { enable: true, path: "/metrics" }', "/metrics"),
        ('prometheus_config { path: "/metrics" }', None),
        ("", None),
    ],
)
def test_monitoring_config(text: str, path: str | None, tmp_path: pathlib.Path):
    assert read_metrics_path(written(tmp_path, text)) == path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('prometheus_config { enable: true, path: "metrics" }', "`path` of prometheus_config must start with '/'"),
        ("prometheus { }", "`monitoring_config_file` must be a text proto of type MonitoringConfig"),
    ],
)
def test_bad_monitoring_config(text: str, message: str, tmp_path: pathlib.Path):
    with pytest.raises(ValueError, match=message):
        read_metrics_path(written(tmp_path, text))


@pytest.mark.parametrize(
    ("argv", "rest", "grpc"),
    [
        ([], 8501, None),
        (["--port", "1"], 1, None),
        (["--port=8500", "--rest_api_port=8501"], 8501, 8500),
        (["--rest-api-port", "1"], 1, None),
        (["--grpc-port", "1"], 8501, 1),
        (["--port", "2", "--grpc_port", "1"], 2, 1),
        (["--port", "0", "--grpc_port", "0"], 0, 0),
    ],
)
def test_ports(argv: list[str], rest: int, grpc: int | None):
    args = flags.parse("", ["--model", "m=/m", *argv])
    assert (args.rest_port, args.grpc_port) == (rest, grpc)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--port=1", "--rest_api_port=1"], "the ports of REST and gRPC must differ. Received: 1 for both"),
        (["--port=1", "--rest_api_port=2", "--grpc_port=3"], "--grpc_port and --port are both gRPC's"),
        (["--batching_parameters_file=x"], "--batching_parameters_file needs --enable_batching"),
        (["--model_name=m"], "--model_name needs --model_base_path"),
        (["--enable_batching=perhaps"], "must be true or false. Received: 'perhaps'"),
    ],
)
def test_flags_that_contradict_each_other(argv: list[str], message: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        flags.parse("", ["--model", "a=/a", *argv])
    assert message in capsys.readouterr().err


def test_version_is_told_in_tf_servings_words(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as ended:
        flags.parse("", ["--version"])
    assert ended.value.code == 0
    assert re.fullmatch(r"TensorFlow ModelServer: 2\.16\.1.*\nTensorFlow Library: 2\..*\n", capsys.readouterr().out)


def test_retries_come_from_the_flags():
    def retries(*argv: str) -> Retries:
        return flags.retries(flags.parse("", ["--model", "m=/m", *argv]))

    assert retries() == Retries(5, 60.0)
    assert retries("--max_num_load_retries=0", "--load_retry_interval_micros=1500000") == Retries(0, 1.5)
    with pytest.raises(ValueError, match="`load_retry_interval_micros` must not be negative. Received: -1"):
        retries("--load_retry_interval_micros=-1")


def test_channel_arguments_are_numbers_or_texts():
    def options(text: str) -> list:
        return flags.channel_options(flags.parse("", ["--model", "m=/m", f"--grpc_channel_arguments={text}"]))

    assert options("") == []
    given = options("grpc.max_connection_age_ms=2000,grpc.primary_user_agent=me")
    assert given == [("grpc.max_connection_age_ms", 2000), ("grpc.primary_user_agent", "me")]
    with pytest.raises(ValueError, match=r"`grpc_channel_arguments` must be NAME=VALUE,\.\.\. Received: 'grpc.x'"):
        options("grpc.x")


def test_grpc_answers_on_a_socket(models: pathlib.Path, tmp_path: pathlib.Path):
    argv = ["--model", f"m={models}/half_plus_two", f"--grpc_socket_path={tmp_path}/s"]
    with (
        server_process.serving(tmp_path / "log", *argv, "--grpc_channel_arguments=grpc.max_metadata_size=9000"),
        grpc.insecure_channel(f"unix:{tmp_path}/s") as channel,
    ):
        assert predict(channel, "m", {"x": np.float32([1.0])})["y"].tolist() == [2.5]


def test_limits_come_from_the_flags():
    def limits(*argv: str) -> Limits:
        args = flags.parse("", ["--model", "m=/m", *argv])
        return flags.limits(args, flags.batching(args))

    given = ("--rest_api_num_threads=3", "--max_pending=7", "--max_body_bytes=9", "--rest_api_timeout_in_ms=1500")
    assert limits(*given) == Limits(9, 3, 7, 1.5)
    # Requests wait in threads to be merged.
    assert limits("--enable_batching").threads == Limits().pending
    assert limits("--enable_batching", "--threads=5").threads == 5
    assert limits("--enable_batching=false").threads < Limits().pending


def test_named_model_is_served_from_the_base_path(models: pathlib.Path):
    args = flags.parse("", ["--model_name", "m", "--model_base_path", f"{models}/half_plus_two"])
    named = flags.all_models(args, flags.listed_models(args))()
    assert named == {"m": ModelSource("m", f"{models}/half_plus_two")}


def test_config_file_is_read_again_when_it_is_time():
    now, in_file = 0.0, [ModelSource("a", "/a")]

    def read() -> list[ModelSource]:
        if isinstance(in_file, str):
            raise ValueError(in_file)
        return list(in_file)

    fixed = ModelSource("f", "/f")
    listed = ListedModels([fixed], read, read_again_seconds=10.0, clock=lambda: now)
    in_file = [ModelSource("b", "/b")]
    now = 9.0
    assert set(listed()) == {"f", "a"}
    now = 10.0
    assert set(listed()) == {"f", "b"}
    # A file that cannot be read, or names a model twice, changes nothing.
    for in_file in ("torn", [fixed]):  # noqa: B007
        now += 10.0
        assert set(listed()) == {"f", "b"}
    # What was listed by request stays until the file changes.
    listed.replace([ModelSource("c", "/c")])
    in_file = [ModelSource("b", "/b")]
    now += 10.0
    assert set(listed()) == {"c"}
    in_file = [ModelSource("d", "/d")]
    now += 10.0
    assert set(listed()) == {"d"}
    with pytest.raises(ValueError, match="Model names must differ"):
        listed.replace([fixed, fixed])
    assert set(listed()) == {"d"}


class Nothing:
    """A version that does nothing."""

    def close(self) -> None:
        pass


def test_manager_follows_the_list(tmp_path: pathlib.Path):
    for folder in ("a/1", "a/2", "b/1"):
        (tmp_path / folder).mkdir(parents=True)
    listed = ListedModels([ModelSource("m", f"{tmp_path}/a"), ModelSource("gone", f"{tmp_path}/a")])
    manager = ModelManager(listed, lambda name, version, path: Nothing())
    manager.poll()
    assert manager.names() == ["gone", "m"]
    listed.replace([ModelSource("m", f"{tmp_path}/a", labels={"newest": 2}), ModelSource("new", f"{tmp_path}/b")])
    manager.poll()
    assert manager.names() == ["m", "new"]
    assert [status.version for status in manager.status("m", label="newest")] == [2]


def test_server_takes_tf_servings_files(models: pathlib.Path, library: pathlib.Path, tmp_path: pathlib.Path):
    config, monitoring = tmp_path / "models.config", tmp_path / "monitoring.config"
    monitoring.write_text('prometheus_config { enable: true, path: "/metrics" }')
    entry = 'config {{ name: "{0}" base_path: "{1}/lab" model_platform: "tensorflow" {2} }}'
    first = entry.format("first", models, "model_version_policy { specific { versions: 1 } }")
    config.write_text(f"model_config_list {{ {first} }}")
    argv = [f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=0.1"]
    with server_process.serving(tmp_path / "log", *argv, f"--monitoring_config_file={monitoring}") as server:
        client = server.client
        assert client.states("first") == {1: "AVAILABLE"}
        assert client.call("first:predict", instances=[1.0]).json() == {"predictions": [2.5]}
        page = client.send("GET", "/metrics").body.decode()
        assert re.search(r'request_count\{model_name="first",status="OK"\} 1\n', page)
        assert client.send("GET", DEFAULT_METRICS_PATH).status == 404
        latest = entry.format("first", models, "model_version_policy { latest { num_versions: 2 } }")
        second = entry.format("second", models, "")
        beside = tmp_path / "beside"
        beside.write_text(f"model_config_list {{ {latest} {second} }}")
        shutil.move(beside, config)
        wait_until(lambda: client.states("first") == {1: "AVAILABLE", 2: "AVAILABLE"})
        wait_until(lambda: client.states("second") == {2: "AVAILABLE"})
        config.write_text("model_config_list { oops")
        wait_until(lambda: "The config file was not taken" in server.log())
        assert client.call("second:predict", instances=[1.0]).json() == {"predictions": [3.5]}
