"""The whole way a newcomer goes: `make run`, once more by the `tfx` command, then `make serve` and a request."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest

from tests.model_server import grpc_client
from tests.tfx_pipeline.small_table import item_name, write_config, write_table
from tfx_pipeline import local_runner
from tfx_pipeline.report import collect
from tfx_pipeline.report.lineage import latest_run

_PATIENCE_SECONDS = 1800


class Runs(NamedTuple):
    """What two runs of the same pipeline left behind.

    Attributes:
      root: of all they wrote.
      first_output: what `make run` printed.
      second_output: what `tfx pipeline create` and `tfx run create` printed.
      versions_after_first: of the portable export.
    """

    root: Path
    first_output: str
    second_output: str
    versions_after_first: list[str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("run")
    table, config, root = folder / "table.csv", folder / "config.yaml", folder / "var"
    write_table(table)
    write_config(config, table, root)
    first = _run([sys.executable, "-m", "tfx_pipeline.run", "--config", str(config)])
    after_first = _versions(root, "small")
    tfx = str(Path(sys.executable).with_name("tfx"))
    # The command finds `pip` by name, and keeps its list of pipelines in a folder of the user's.
    path = os.pathsep.join([os.path.dirname(tfx), os.environ["PATH"]])
    environment = {"PIPELINE_CONFIG": str(config), "LOCAL_HOME": str(folder / "tfx"), "PATH": path}
    second = _run(
        [tfx, "pipeline", "create", "--engine=local", f"--pipeline_path={local_runner.__file__}"], **environment
    ) + _run([tfx, "run", "create", "--engine=local", "--pipeline_name=small"], **environment)
    return Runs(root, first, second, after_first)


def _run(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _versions(root: Path, name: str) -> list[str]:
    return sorted(entry.name for entry in (root / "serving_model" / name).iterdir())


def test_first_run_is_blessed_and_pushes_both_exports(runs: Runs) -> None:
    assert runs.versions_after_first
    assert all(version.isdigit() for version in runs.versions_after_first)
    assert all(version.isdigit() for version in _versions(runs.root, "small_scann"))
    assert "blessed" in runs.first_output
    assert "make serve" in runs.first_output


def test_pushed_versions_carry_requests_to_warm_up_with(runs: Runs) -> None:
    for name in ("small", "small_scann"):
        version = runs.root / "serving_model" / name / _versions(runs.root, name)[0]
        assert (version / "assets.extra" / "tf_serving_warmup_requests").stat().st_size > 0


def test_output_is_quiet(runs: Runs) -> None:
    noise = re.compile(r"Traceback|DeprecationWarning|FutureWarning|cuDNN|cuBLAS|TensorRT")
    assert not noise.search(runs.first_output)
    assert len(runs.first_output.splitlines()) < 120


def test_second_run_reuses_what_has_not_changed_and_pushes_a_new_version(runs: Runs) -> None:
    run = latest_run(str(runs.root / "metadata" / "small" / "metadata.db"), "small")
    cached = {execution.node for execution in run.executions if execution.state == "CACHED"}
    assert {"InteractionExampleGen", "StatisticsGen", "Transform", "Trainer", "ScannIndexer"} <= cached
    assert not {"Pusher.small", "Pusher.small_scann"} & cached
    assert len(_versions(runs.root, "small")) == len(runs.versions_after_first) + 1


def test_a_model_that_is_its_own_baseline_is_reported(runs: Runs) -> None:
    facts = collect(str(runs.root / "metadata" / "small" / "metadata.db"), "small")
    assert facts.notes == []
    assert [(model.name, model.blessed) for model in facts.models] == [("small", True), ("small_scann", True)]


def test_nothing_unfinished_is_left_behind(runs: Runs) -> None:
    assert not list((runs.root / "checkpoints").rglob("*.index"))
    assert not list((runs.root / "serving_model").rglob(".incoming-*"))


def test_report_tells_both_stages(runs: Runs) -> None:
    html = (runs.root / "report" / "small.html").read_text(encoding="utf-8")
    assert "NDCG@10" in html
    assert "user_activity" in html or "user activity" in html.lower()
    assert "<script src=" not in html


class Server(NamedTuple):
    """Where what was pushed is served."""

    rest: str
    grpc: str


@pytest.fixture(scope="module")
def server(runs: Runs) -> Iterator[Server]:
    flags = [f"--model_base_path={runs.root / 'serving_model'}", "--rest_api_port=0", "--port=0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "model_server", *flags],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stderr is not None
    text = ""
    for line in process.stderr:
        text += line
        rest, grpc_port = re.search(r"http://[\d.]+:\d+", text), re.search(r"gRPC on port (\d+)", text)
        if rest and grpc_port:
            break
    else:
        pytest.fail(f"the server ended: {text}")
    yield Server(rest.group(), f"127.0.0.1:{grpc_port.group(1)}")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == 0


@pytest.fixture
def address(server: Server) -> str:
    return server.rest


def _post(url: str, body: dict) -> dict:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS) as answer:
        return json.load(answer)


@pytest.mark.parametrize("name", ["small", "small_scann"])
def test_a_request_chooses_how_many_items_and_leaves_some_out(address: str, name: str) -> None:
    def recommend(k: int, exclude: list[str]) -> list[str]:
        inputs = {"user_id": ["user 0"], "history": [[item_name(3)]], "exclude": [exclude], "k": k}
        body = {"signature_name": "recommend", "inputs": inputs}
        return _post(f"{address}/v1/models/{name}:predict", body)["outputs"]["item_id"][0]

    best = recommend(5, [])
    assert len(set(best)) == 5
    without = recommend(7, best[:2])
    assert without[:3] == best[2:]
    assert len(without) == 7
    assert not set(without) & {*best[:2], item_name(3)}
    with pytest.raises(urllib.error.HTTPError, match="400") as refused:
        recommend(10_000, [])
    assert "`k` must be from 1 to" in refused.value.read().decode()


@pytest.mark.parametrize("name", ["small", "small_scann"])
def test_pushed_models_answer_over_http(address: str, name: str) -> None:
    history = [item_name(3), item_name(4), "never seen"]
    answer = _post(f"{address}/v1/models/{name}:predict", {"instances": [{"user_id": "user 0", "history": history}]})
    (prediction,) = answer["predictions"]
    assert len(prediction["item_id"]) == 10
    assert len(set(prediction["item_id"])) == 10
    assert not set(prediction["item_id"]) & set(history)
    assert set(prediction["item_id"]) <= {item_name(item) for item in range(40)}
    assert prediction["score"] == sorted(prediction["score"], reverse=True)


def test_both_exports_agree_over_rest_and_grpc(server: Server) -> None:
    user, history = "user 1", [item_name(25), item_name(26)]
    body = {"instances": [{"user_id": user, "history": history}]}
    answers = []
    with grpc.insecure_channel(server.grpc) as channel:
        for name in ("small", "small_scann"):
            rest = _post(f"{server.rest}/v1/models/{name}:predict", body)["predictions"][0]
            answers.append((rest["item_id"], rest["score"]))
            outputs = grpc_client.predict(channel, name, {"user_id": [user], "history": [history]})
            answers.append(([item.decode() for item in outputs["item_id"][0]], outputs["score"][0]))
    items, scores = answers[0]
    for other_items, other_scores in answers[1:]:
        assert other_items == items
        assert other_scores == pytest.approx(scores, rel=1e-5)
