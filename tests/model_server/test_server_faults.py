"""Bad input and faults, over REST and gRPC: the client's fault is told as such, and no one else notices."""

import concurrent.futures
import contextlib
import json
import pathlib
import shutil
import signal
import socket

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import prediction_service_pb2_grpc

from model_server.errors import Code, ServingError
from model_server.models.saved_model import load
from tests.model_server import saved_models, server_process
from tests.model_server.grpc_client import predict, predict_request, status_of
from tests.model_server.server_process import Client, wait_until

MEGABYTE = 2**20


def post(client: Client, model: str, body: bytes) -> server_process.Reply:
    return client.send("POST", f"/v1/models/{model}:predict", body)


@pytest.mark.parametrize(
    ("model", "body", "fault"),
    [
        ("rec", {"instances": [{"user_id": 1, "history": ["a"]}]}, "is not of expected type: string"),
        ("rec", {"instances": [{"user_id": "u", "history": [1]}]}, "is not of expected type: string"),
        ("rec", {"instances": [{"user_id": "u", "history": None}]}, "is not of expected type: string"),
        ("rec", {"instances": [{"user_id": "u", "history": ["a"]}, {"user_id": "u", "history": []}]}, "tensor size"),
        ("rec", {"instances": [{"user_id": "u", "history": ["a", ["b"]]}]}, "unexpected level"),
        ("rec", {"inputs": {"user_id": ["u"], "history": [["a"], ["b", "c"]]}}, "unexpected size"),
        ("rec", {"inputs": {"user_id": ["u", "v"], "history": [["a"]]}}, ""),
        ("rec", {"instances": [{"user_id": "u"}]}, "keys must be equal to: history,user_id"),
        ("rec", {"instances": [{"user_id": "u", "history": [], "more": 1}]}, "does not have named input: more"),
        ("rec", {"inputs": {"user_id": ["u"]}}, "Missing named input: history"),
        ("rec", {"instances": []}, "No values in 'instances' array"),
        ("rec", {"instances": {}}, "Expecting 'instances' to be an list/array"),
        ("rec", {}, "Missing 'inputs' or 'instances' key"),
        ("multi", {"inputs": {"i": [2**63], "b": [True], "d": [[0, 0]]}}, "is not of expected type: int64"),
        ("multi", {"inputs": {"i": [10**400], "b": [True], "d": [[0, 0]]}}, ""),
        ("half_plus_two", {"instances": [1.0], "signature_name": "nope"}, '"nope" not found in signature def'),
        ("half_plus_two", {"instances": [1.0], "signature_name": 1}, "key must be a string value"),
    ],
)
def test_bad_request_is_a_400_that_says_why(model: str, body: dict, fault: str, client: Client):
    reply = post(client, model, json.dumps(body).encode())
    assert reply.status == 400
    assert fault in reply.json()["error"]


@pytest.mark.parametrize("text", ["1e400", "-1e400", "1" * 400, "1e-400", "1e999999999999", "0." + "1" * 5000])
def test_huge_numbers_are_a_number_or_a_400(text: str, client: Client):
    reply = post(client, "half_plus_two", f'{{"instances":[{text}]}}'.encode())
    assert reply.status in (200, 400)
    if reply.status == 200:
        with np.errstate(over="ignore"):
            expected = np.float32(np.float32(float(text)) * np.float32(0.5) + np.float32(2.0))
        assert np.float32(reply.json()["predictions"][0]) == expected


def test_long_history_and_long_ids_are_answered(client: Client, channel: grpc.Channel):
    history = [f"item {number}" for number in range(10_000)]
    long = "ü" * (MEGABYTE // 2)
    rows = [{"user_id": "u", "history": history}]
    assert client.call("rec:predict", instances=rows).json()["predictions"][0]["item_id"] == [
        "u:item 0",
        "u:item 1",
        "u:item 2",
    ]
    item = client.call("rec:predict", instances=[{"user_id": long, "history": [long]}]).json()["predictions"][0]
    assert item["item_id"][0] == f"{long}:{long}"
    found = predict(channel, "rec", {"user_id": ["u"], "history": [history]})
    assert found["item_id"][0].tolist() == [b"u:item 0", b"u:item 1", b"u:item 2"]


def test_ids_that_are_not_utf8_come_back_as_they_are(client: Client, channel: grpc.Channel):
    reply = post(client, "rec", b'{"instances":[{"user_id":"\xff\xfe","history":["\xc3"]}]}')
    assert reply.status == 200
    assert b'"\xff\xfe:\xc3"' in reply.body
    found = predict(channel, "rec", {"user_id": [b"\xff\xfe"], "history": [[b"\xc3"]]})
    assert found["item_id"][0][0] == b"\xff\xfe:\xc3"


# What TensorFlow's message quotes goes out as it came in, as in TF Serving.
@pytest.mark.parametrize("flags", [(), ("--enable_batching=true",)])
def test_error_that_quotes_bytes_that_are_not_utf8(
    flags: tuple[str, ...], models: pathlib.Path, tmp_path: pathlib.Path
):
    body = b'{"signature_name":"regress_x_to_y","instances":[{"b64":"//4="}]}'
    with server_process.serving(tmp_path / "log", "--model", f"m={models}/half_plus_two", *flags) as server:
        reply = post(server.client, "m", body)
    assert reply.status == 400
    assert b"Could not parse example input, value: '\xff\xfe'" in reply.body
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_table_that_cannot_be_filled_is_told_in_its_own_words(tmp_path: pathlib.Path):
    saved_models.save_twice_filled_table(f"{tmp_path}/1", key=b"\xff")
    with pytest.raises(ServingError) as caught:
        load(f"{tmp_path}/1")
    assert caught.value.code == Code.INVALID_ARGUMENT
    assert "different value for same key. Key \udcff has 1 and trying to add value 2" in caught.value.message


@pytest.mark.parametrize(("name", "form"), [("saved_model.pb", "binary"), ("saved_model.pbtxt", "text")])
def test_saved_model_that_cannot_be_read_is_named(name: str, form: str, tmp_path: pathlib.Path):
    (tmp_path / name).write_bytes(b"\xff torn")
    with pytest.raises(ServingError) as caught:
        load(str(tmp_path))
    assert caught.value.code == Code.DATA_LOSS
    assert caught.value.message == f"Can't parse {tmp_path}/{name} as {form} proto"


def test_variables_that_are_cut_off_are_told_in_the_runtimes_words(library: pathlib.Path, tmp_path: pathlib.Path):
    shutil.copytree(library / "half_plus_two", tmp_path / "1")
    data = tmp_path / "1/variables/variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:3])
    with pytest.raises(ServingError) as caught:
        load(f"{tmp_path}/1")
    # No word of Python's, which would name the lines that made the node.
    assert "[[{{node " in caught.value.message
    assert "Graph execution error" not in caught.value.message
    assert "Detected at" not in caught.value.message


def test_version_deleted_while_it_serves_goes_on_in_memory_until_replaced(
    client: Client, channel: grpc.Channel, models: pathlib.Path, library: pathlib.Path
):
    saved_models.push(f"{library}/half_plus_two", f"{models}/deleted/1")
    wait_until(lambda: client.states("deleted") == {1: "AVAILABLE"})
    # Its files go, its folder stays: a version is in memory whole.
    for file in (models / "deleted/1").rglob("*"):
        if file.is_file():
            file.unlink()
    assert client.call("deleted:predict", instances=[1.0]).json() == {"predictions": [2.5]}
    assert predict(channel, "deleted", {"x": np.float32([1.0])})["y"].tolist() == [2.5]
    saved_models.push(f"{library}/half_plus_three", f"{models}/deleted/2")
    wait_until(lambda: client.states("deleted") == {1: "END", 2: "AVAILABLE"})
    shutil.rmtree(models / "deleted")
    wait_until(lambda: client.states("deleted") == {1: "END", 2: "END"})
    assert client.call("deleted:predict", instances=[1.0]).status == 404
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = predict_request("deleted", {"x": np.float32([1.0])})
    assert status_of(stub.Predict, request) == ("NOT_FOUND", "Servable not found for request: Latest(deleted)")


def test_number_that_failed_is_not_retried_by_either_api(
    client: Client, channel: grpc.Channel, models: pathlib.Path, library: pathlib.Path
):
    saved_models.push(f"{library}/half_plus_two", f"{models}/reused/1")
    (models / ".broken").mkdir()
    (models / ".broken/saved_model.pb").write_bytes(b"torn")
    (models / ".broken").rename(models / "reused/2")
    wait_until(lambda: client.states("reused") == {2: "END", 1: "AVAILABLE"})
    shutil.rmtree(models / "reused/2")
    saved_models.push(f"{library}/half_plus_three", f"{models}/reused/2")
    # Another model that comes later tells that the disk was looked at.
    saved_models.push(f"{library}/half_plus_two", f"{models}/zz_reused_later/1")
    wait_until(lambda: client.states("zz_reused_later") == {1: "AVAILABLE"})
    assert client.states("reused") == {2: "END", 1: "AVAILABLE"}
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = predict_request("reused", {"x": np.float32([1.0])}, version=2)
    assert status_of(stub.Predict, request)[0] == "NOT_FOUND"


def test_two_hundred_clients_at_once_get_their_own_answers(client: Client, channel: grpc.Channel):
    body = b'{"instances":[%d]}'
    with contextlib.ExitStack() as stack:
        # All are connected, and all bodies are outstanding, before the first is sent.
        held = [client.begin_call("half_plus_two", body % number) for number in range(100, 300)]
        for connection in held:
            stack.enter_context(connection)
        for number, connection in enumerate(held, start=100):
            connection.sendall(body % number)
        for number, connection in enumerate(held, start=100):
            answer = server_process.read_all(connection)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"predictions": [number * 0.5 + 2.0]}

    def ask(number: int) -> list[float]:
        return predict(channel, "half_plus_two", {"x": np.float32([number])})["y"].tolist()

    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        assert list(pool.map(ask, range(200))) == [[number * 0.5 + 2.0] for number in range(200)]


def test_clients_that_never_read_are_in_no_ones_way(models: pathlib.Path, tmp_path: pathlib.Path):
    # Their answers, of some megabytes, do not fit into the buffers of a connection.
    body = json.dumps({"instances": [1.0] * 500_000}).encode()
    head = f"POST /v1/models/m:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    flags = ["--model", f"m={models}/half_plus_two", "--threads", "1", "--max_pending", "2", "--timeout_seconds", "1"]
    with server_process.serving(tmp_path / "log", *flags) as server, contextlib.ExitStack() as stack:
        client = server.client
        for _ in range(4):
            # More of them than there are places; each has its answer before the next asks.
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", client.port)))
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            silent.sendall(head + body)
            silent.recv(1)
            assert post(client, "m", b'{"instances":[1.0]}').json() == {"predictions": [2.5]}
        server.signal(signal.SIGTERM)
        assert server.wait() == 0


def test_connections_that_say_nothing_take_no_place(client: Client):
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(socket.create_connection(("127.0.0.1", client.port)))
        assert client.call("half_plus_two:predict", instances=[1.0]).json() == {"predictions": [2.5]}
