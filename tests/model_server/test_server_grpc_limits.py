"""gRPC within its bounds, across reloads, and at its end."""

import pathlib
import shutil
import signal
import socket
import threading
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import model_management_pb2, prediction_service_pb2_grpc
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceServicer
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceServicer

from model_server.grpc.server import GrpcAddresses, GrpcServer, error_text
from model_server.limits import Limits
from tests.model_server import grpc_in_process, saved_models, server_process
from tests.model_server.grpc_client import predict, predict_request, status_of
from tests.model_server.grpc_in_process import Running
from tests.model_server.server_process import wait_until

X = {"x": np.float32([1.0])}
ONE = predict_request("half_plus_two", X)
# Turns that no machine gets through before the time-out.
FOR_EVER = predict_request("multi", {"turns": np.int64(10**15)}, signature="loop")


@pytest.fixture(scope="module")
def strict(models: pathlib.Path) -> Iterator[Running]:
    """A server that takes little, and soon loses patience."""
    limits = Limits(body_bytes=1000, threads=1, pending=2, timeout_seconds=1.0)
    with grpc_in_process.serving({name: f"{models}/{name}" for name in ("half_plus_two", "multi")}, limits) as running:
        yield running


def hold(stub: prediction_service_pb2_grpc.PredictionServiceStub, count: int) -> list[grpc.Future]:
    """Returns calls under way, as many as the server allows: one more is refused."""

    def refused() -> bool:
        return status_of(stub.Predict, ONE)[0] == "RESOURCE_EXHAUSTED"

    while True:
        held = [stub.Predict.future(FOR_EVER) for _ in range(count)]
        wait_until(lambda held=held: refused() or any(call.done() for call in held))
        if not any(call.done() for call in held):
            return held
        # One of the questions was itself in the way.
        for call in held:
            call.cancel()


def test_message_that_is_too_long_is_refused(strict: Running):
    long = predict_request("half_plus_two", {"x": np.zeros(1000, np.float32)})
    assert status_of(strict.prediction.Predict, long)[0] == "RESOURCE_EXHAUSTED"
    assert status_of(strict.prediction.Predict, ONE)[0] == "OK"


def test_slow_model_times_out_and_frees_its_thread(strict: Running):
    code, message = status_of(strict.prediction.Predict, FOR_EVER)
    assert code == "DEADLINE_EXCEEDED"
    assert "imed out" in message
    assert status_of(strict.prediction.Predict, ONE)[0] == "OK"


def test_clients_own_deadline_counts(strict: Running):
    assert status_of(strict.prediction.Predict, FOR_EVER, timeout=0.1)[0] == "DEADLINE_EXCEEDED"
    wait_until(lambda: status_of(strict.prediction.Predict, ONE)[0] == "OK")


def test_calls_beyond_the_limit_are_refused_until_one_ends(strict: Running):
    held = hold(strict.prediction, 2)
    assert {call.code() for call in held} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    wait_until(lambda: status_of(strict.prediction.Predict, ONE)[0] == "OK")


def test_reload_replaces_the_models(models: pathlib.Path, library: pathlib.Path, tmp_path: pathlib.Path):
    shutil.copytree(library / "half_plus_three", tmp_path / "b/4")
    with grpc_in_process.serving({"a": f"{models}/half_plus_two"}, Limits()) as running:
        request = model_management_pb2.ReloadConfigRequest()
        request.config.model_config_list.config.add(name="b", base_path=f"{tmp_path}/b", model_platform="tensorflow")
        # One version is loaded; of other metrics nothing is known.
        request.metric_names.extend([attempts := "/tensorflow/cc/saved_model/load_attempt_count", "/other", attempts])
        response = running.models.HandleReloadConfigRequest(request)
        assert response.HasField("status")
        assert response.status.error_code == 0
        increases = {metric.name: metric.int64_value_increase for metric in response.metric}
        assert increases == {attempts: 1, "/other": 0}
        assert predict(running.channel, "b", X)["y"].tolist() == [3.5]
        assert status_of(running.prediction.Predict, predict_request("a", X))[0] == "NOT_FOUND"
        request.config.model_config_list.config.add(name="c", base_path=f"{tmp_path}/missing")
        assert status_of(running.models.HandleReloadConfigRequest, request) == (
            "UNKNOWN",
            "1 servable(s) did not become available: {c}",
        )
        assert predict(running.channel, "b", X)["y"].tolist() == [3.5]


def test_no_call_fails_while_versions_change(models: pathlib.Path, library: pathlib.Path, tmp_path: pathlib.Path):
    saved_models.push(f"{library}/half_plus_two", f"{tmp_path}/m/1")
    with grpc_in_process.serving({"m": f"{tmp_path}/m"}, Limits()) as running:
        seen, stop = [], threading.Event()

        def ask() -> None:
            while not stop.is_set():
                seen.append(predict(running.channel, "m", X)["y"].tolist())

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: len(seen) > 20)
            saved_models.push(f"{library}/half_plus_three", f"{tmp_path}/m/2")
            wait_until(lambda: seen[-1] == [3.5])
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert {tuple(value) for value in seen} == {(2.5,), (3.5,)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_call_under_way_is_answered_before_the_end(number: int, models: pathlib.Path, tmp_path: pathlib.Path):
    flags = ["--model", f"multi={models}/multi", "--grpc_port", "0", "--max_pending", "1", "--timeout_seconds", "2"]
    with (
        server_process.serving(tmp_path / "log", *flags) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        (held,) = hold(stub, 1)
        server.signal(number)
        # The model's own answer, not that of a server going away.
        assert held.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert held.details() != "Deadline Exceeded"
        assert server.wait() == 0
        assert "Traceback" not in server.log()


def test_port_must_be_free():
    with socket.create_server(("127.0.0.1", 0)) as busy:
        flags = Limits(), GrpcAddresses("127.0.0.1", busy.getsockname()[1])
        with pytest.raises(ValueError, match="gRPC's address must be free. Received: '127.0.0.1:"):
            GrpcServer(PredictionServiceServicer(), ModelServiceServicer(), *flags)


def test_error_texts_are_cut_to_what_a_header_holds():
    assert error_text("a" * 1024) == "a" * 1024
    cut = error_text("ü" * 1000)
    assert len(cut.encode()) <= 1024
    assert cut.endswith("ü...TRUNCATED")
    assert error_text("\udcff") == "?"
