"""Versions come, fail, are replaced and go while requests keep coming."""

import concurrent.futures
import os
import pathlib
import shutil
import threading

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from model_server.metrics import Metrics
from tests.model_server import saved_models
from tests.model_server.server_process import Client, Server, serving, wait_until


def test_no_request_fails_while_versions_change(client: Client, models: pathlib.Path, library: pathlib.Path):
    swap = models / "swap"
    saved_models.push(f"{library}/half_plus_two", f"{swap}/1")
    wait_until(lambda: client.states("swap") == {1: "AVAILABLE"})
    answers, stop = [], threading.Event()

    def ask() -> None:
        while not stop.is_set():
            reply = client.call("swap:predict", instances=[1.0])
            answers.append((reply.status, reply.json()))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for version in (2, 3, 4):
            name = "half_plus_two" if version % 2 else "half_plus_three"
            saved_models.push(f"{library}/{name}", f"{swap}/{version}")
            wait_until(lambda version=version: client.states("swap").get(version) == "AVAILABLE")
            seen = len(answers)
            wait_until(lambda seen=seen: len(answers) > seen + 20)
        shutil.rmtree(swap / "4")
        wait_until(lambda: client.states("swap").get(4) == "END")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    # 0.5 * 1 + 2 and 0.5 * 1 + 3.
    two, three = ((200, {"predictions": [value]}) for value in (2.5, 3.5))
    assert {str(answer) for answer in answers} == {str(two), str(three)}
    assert client.states("swap") == {1: "END", 2: "END", 3: "AVAILABLE", 4: "END"}


def test_failed_version_is_neither_served_nor_retried(client: Client, models: pathlib.Path, library: pathlib.Path):
    model = models / "half_copied"
    saved_models.push(f"{library}/half_plus_two", f"{model}/1")
    wait_until(lambda: client.states("half_copied") == {1: "AVAILABLE"})
    # A copy under way: the graph is there, the variables are not.
    (model / "2").mkdir()
    shutil.copy(library / "half_plus_three/saved_model.pb", model / "2/.part")
    os.rename(model / "2/.part", model / "2/saved_model.pb")
    wait_until(lambda: client.states("half_copied").get(2) == "END")
    status = client.get("half_copied/versions/2").json()["model_version_status"][0]["status"]
    assert status["error_code"] != "OK"
    assert status["error_message"]
    assert client.call("half_copied:predict", instances=[1.0]).json() == {"predictions": [2.5]}
    # Made whole, it is left alone; a model that comes later tells that the disk was looked at.
    shutil.copytree(library / "half_plus_three/variables", model / "2/variables")
    saved_models.push(f"{library}/half_plus_two", f"{models}/zz_later/1")
    wait_until(lambda: client.states("zz_later") == {1: "AVAILABLE"})
    assert client.states("half_copied") == {2: "END", 1: "AVAILABLE"}
    assert client.call("half_copied/versions/2:predict", instances=[1.0]).status == 404
    saved_models.push(f"{library}/half_plus_three", f"{model}/3")
    wait_until(lambda: client.states("half_copied") == {3: "AVAILABLE", 2: "END", 1: "END"})
    assert client.call("half_copied:predict", instances=[1.0]).json() == {"predictions": [3.5]}


def test_version_copied_in_place_is_loading_and_then_available(library: pathlib.Path, tmp_path: pathlib.Path):
    shutil.copytree(library / "half_plus_two", tmp_path / "m/1")
    flags = ["--model", f"m={tmp_path}/m", "--load_retry_interval_micros=100000", "--max_num_load_retries=100000"]
    with serving(tmp_path / "log", *flags) as server:
        (tmp_path / "m/2").mkdir()
        shutil.copy(library / "half_plus_three/saved_model.pb", tmp_path / "m/2")
        wait_until(lambda: "m version 2 cannot be loaded, try 2 of 100001, again in 0.1 s" in server.log())
        assert server.client.states("m") == {2: "LOADING", 1: "AVAILABLE"}
        assert server.client.call("m:predict", instances=[1.0]).json() == {"predictions": [2.5]}
        shutil.copytree(library / "half_plus_three/variables", tmp_path / "m/2/variables")
        wait_until(lambda: server.client.states("m") == {2: "AVAILABLE", 1: "END"})
        assert server.client.call("m:predict", instances=[1.0]).json() == {"predictions": [3.5]}


def test_truncated_variables_do_not_take_over(client: Client, models: pathlib.Path, library: pathlib.Path):
    model = models / "truncated"
    saved_models.push(f"{library}/half_plus_two", f"{model}/1")
    broken = models / ".broken"
    shutil.copytree(library / "half_plus_three", broken)
    data = broken / "variables/variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:3])
    os.rename(broken, model / "2")
    wait_until(lambda: client.states("truncated") == {2: "END", 1: "AVAILABLE"})
    assert client.call("truncated:predict", instances=[1.0]).json() == {"predictions": [2.5]}


def test_model_folder_comes_and_goes(client: Client, models: pathlib.Path, library: pathlib.Path):
    assert client.get("visitor").status == 404
    saved_models.push(f"{library}/half_plus_two", f"{models}/visitor/5")
    wait_until(lambda: client.states("visitor") == {5: "AVAILABLE"})
    shutil.rmtree(models / "visitor")
    wait_until(lambda: client.states("visitor") == {5: "END"})


@pytest.mark.parametrize(("signature", "works"), [("serving_default", True), ("nope", False)])
def test_version_serves_only_after_its_warmup(
    signature: str, works: bool, client: Client, models: pathlib.Path, library: pathlib.Path
):
    name = f"warm_{signature}"
    staged = models / f".{name}/1"
    shutil.copytree(library / "half_plus_two", staged)
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.float32([1.0])))
    (staged / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(f"{staged}/assets.extra/tf_serving_warmup_requests") as writer:
        writer.write(log.SerializeToString())
    os.rename(staged.parent, models / name)
    wait_until(lambda: client.states(name).get(1) in ("AVAILABLE", "END"))
    status = client.get(name).json()["model_version_status"][0]
    assert status["state"] == ("AVAILABLE" if works else "END")
    if not works:
        assert status["status"] == {
            "error_code": "INVALID_ARGUMENT",
            "error_message": 'Serving signature name: "nope" not found in signature def',
        }


def test_labels_name_versions(client: Client):
    def predict(path: str) -> list[float]:
        return client.call(f"{path}:predict", instances=[1.0]).json()["predictions"]

    assert predict("lab/labels/stable") == [2.5]
    assert predict("lab/labels/canary") == predict("lab/versions/2") == predict("lab") == [3.5]
    status = client.get("lab/labels/stable").json()["model_version_status"]
    assert [version["version"] for version in status] == ["1"]
    assert client.get("lab/labels/canary/metadata").json()["model_spec"]["version"] == "2"


def test_log_says_what_became_of_each_version(server: Server):
    log = server.log()
    assert "half_plus_two version 123 available after" in log
    assert "mixed version 2 cannot be served: DATA_LOSS: Can't parse" in log
    assert "curl -d '{\"instances\": [1.0]}' http://127.0.0.1:" in log
    assert "Traceback" not in log


def test_many_clients_get_their_own_answers(client: Client):
    def ask(number: int) -> tuple[int, list[float]]:
        reply = client.call("half_plus_two:predict", instances=[float(number)] * 3)
        return number, reply.json()["predictions"]

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, range(200)))
    assert answers == [(number, [number * 0.5 + 2.0] * 3) for number in range(200)]


def test_metrics_count_calls_under_their_status(client: Client):
    def count(model: str, status: str) -> int:
        line = f':tensorflow:serving:request_count{{model_name="{model}",status="{status}"}} '
        page = client.send("GET", "/monitoring/prometheus/metrics").body.decode()
        found = [row for row in page.splitlines() if row.startswith(line)]
        assert ":tensorflow:serving:request_latency_bucket{" in page
        return int(found[0].split()[-1]) if found else 0

    client.call("rec:predict", inputs={"user_id": ["u"], "history": [[]]})
    before = count("rec", "OK"), count("rec", "INVALID_ARGUMENT"), count("", "NOT_FOUND")
    client.call("rec:predict", inputs={"user_id": ["u"], "history": [[]]})
    client.call("rec:predict", inputs={"user_id": ["u"]})
    client.call("anyone_could_make_this_up:predict", instances=[1.0])
    after = count("rec", "OK"), count("rec", "INVALID_ARGUMENT"), count("", "NOT_FOUND")
    assert after == (before[0] + 1, before[1] + 1, before[2] + 1)


def test_latency_is_that_of_the_calls_that_were_answered():
    metrics = Metrics()
    metrics.record("m", "predict", "REST", "INVALID_ARGUMENT", 1.0)
    assert b"request_latency_count{" not in metrics.text()
    metrics.record("m", "predict", "REST", "OK", 15e-6)
    page = metrics.text().decode()
    labels = 'API="predict",entrypoint="REST"'
    for bound, count in {"10": 0, "18": 1, "32.4": 1, "188.957": 1, "+Inf": 1}.items():
        assert f'_bucket{{{labels},le="{bound}",model_name="m"}} {count}.0\n' in page
