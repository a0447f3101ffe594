"""A pipeline is submitted to a server that speaks the API of Kubeflow Pipelines, and an unreachable one is told."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import kfp
import pytest

from kubeflow import submit
from tests.kubeflow.cluster_config import IMAGE
from tfx_pipeline.config import PipelineConfig

PACKAGE = """
pipelineInfo: {name: shop}
schemaVersion: 2.1.0
sdkVersion: tfx-1.16.0
components: {}
deploymentSpec: {}
root: {dag: {tasks: {}}}
"""


class Api(BaseHTTPRequestHandler):
    """The calls that a submission makes, over what the server remembers."""

    server: "Server"

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        url = urlparse(self.path)
        state = self.server
        name = url.path.removeprefix("/apis/v2beta1/")
        if name == "healthz":
            self._answer({"multi_user": False})
        elif name == "pipelines":
            wanted = json.loads(parse_qs(url.query)["filter"][0])["predicates"][0]["stringValue"]
            found = [{"pipeline_id": key, "display_name": value} for key, value in state.pipelines.items()]
            self._answer({"pipelines": [pipeline for pipeline in found if pipeline["display_name"] == wanted]})
        elif name == "experiments":
            self._answer({"experiments": [{"experiment_id": "e1", "display_name": "shop"}]})
        elif name == "recurringruns":
            self._answer({"recurringRuns": list(state.recurring.values())})
        else:
            self._answer({"error": f"unknown: {self.path}"}, 404)

    def do_POST(self) -> None:
        url = urlparse(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        state, query = self.server, parse_qs(url.query)
        name = url.path.removeprefix("/apis/v2beta1/")
        if name == "pipelines/upload":
            state.pipelines["p1"] = query["name"][0]
            self._answer({"pipeline_id": "p1", "display_name": query["name"][0]})
        elif name == "pipelines/upload_version":
            assert b"pipelineInfo" in body
            version = f"v{len(state.versions) + 1}"
            state.versions[version] = query["name"][0]
            self._answer({"pipeline_id": query["pipelineid"][0], "pipeline_version_id": version})
        elif name == "runs":
            state.runs.append(json.loads(body))
            self._answer({"run_id": f"r{len(state.runs)}"})
        elif name == "recurringruns":
            recurring = {**json.loads(body), "recurring_run_id": f"s{next(state.numbers)}"}
            state.recurring[recurring["recurring_run_id"]] = recurring
            self._answer(recurring)
        else:
            self._answer({"error": f"unknown: {self.path}"}, 404)

    def do_DELETE(self) -> None:
        del self.server.recurring[self.path.rpartition("/")[2]]
        self._answer({})

    def _answer(self, body: dict, status: int = 200) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """What Kubeflow Pipelines has been told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Api)
        self.pipelines: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.runs: list[dict] = []
        self.recurring: dict[str, dict] = {}
        self.numbers = iter(range(1, 100))

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    # The client keeps its settings in the home folder.
    monkeypatch.setenv("HOME", str(tmp_path))
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def package(tmp_path: Path) -> str:
    path = tmp_path / "pipeline.yaml"
    path.write_text(PACKAGE)
    return str(path)


def _config(schedule: str | None = None) -> PipelineConfig:
    return PipelineConfig(name="shop", kubeflow={"image": IMAGE, "root": "gs://bucket/shop", "schedule": schedule})


def test_a_first_submission_makes_the_pipeline_and_starts_it(server: Server, package: str) -> None:
    client = kfp.Client(host=server.host)
    submission = submit.submit(client, _config(), package, "one", service_account="runner")
    assert submission == submit.Submission("p1", "v1", run_id="r1")
    assert server.pipelines == {"p1": "shop"}
    assert server.versions == {"v1": "one"}
    (run,) = server.runs
    assert run["pipeline_version_reference"] == {"pipeline_id": "p1", "pipeline_version_id": "v1"}
    assert run["service_account"] == "runner"
    assert server.recurring == {}


def test_a_later_one_is_a_version_of_the_same_pipeline(server: Server, package: str) -> None:
    client = kfp.Client(host=server.host)
    submit.submit(client, _config(), package, "one")
    submission = submit.submit(client, _config(), package, "two")
    assert (submission.pipeline_id, submission.version_id) == ("p1", "v2")
    assert server.pipelines == {"p1": "shop"}
    assert [run["pipeline_version_reference"]["pipeline_version_id"] for run in server.runs] == ["v1", "v2"]


def test_a_schedule_replaces_the_one_before(server: Server, package: str) -> None:
    client = kfp.Client(host=server.host)
    submit.submit(client, _config("0 3 * * *"), package, "one")
    submission = submit.submit(client, _config("30 4 * * mon"), package, "two")
    assert submission.recurring_run_id == "s2"
    (recurring,) = server.recurring.values()
    assert recurring["trigger"]["cron_schedule"]["cron"] == "0 30 4 * * mon"
    assert int(recurring["max_concurrency"]) == 1
    assert server.runs == []


def test_others_schedules_are_left_alone(server: Server, package: str) -> None:
    other = {"recurring_run_id": "s0", "pipeline_version_reference": {"pipeline_id": "p0"}}
    server.recurring["s0"] = other
    submit.submit(kfp.Client(host=server.host), _config("0 3 * * *"), package, "one")
    assert server.recurring.keys() == {"s0", "s1"}


def test_once_leaves_the_schedule(server: Server, package: str) -> None:
    submission = submit.submit(kfp.Client(host=server.host), _config("0 3 * * *"), package, "one", once=True)
    assert submission.run_id == "r1"
    assert server.recurring == {}


def _closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_an_unreachable_host_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    host = f"http://127.0.0.1:{_closed_port()}"
    assert submit.main(["--config", "nowhere.yaml", "--host", host]) == 1
    message = capsys.readouterr().err
    assert f"cannot be reached at {host}" in message
    assert re.search(r"kubectl port-forward .* Nothing was submitted", message)


@pytest.mark.parametrize("host", ["nowhere", "ftp://nowhere"])
def test_what_is_no_address_is_told(host: str) -> None:
    with pytest.raises(submit.SubmitError, match=f"cannot be reached at {host}"):
        submit.check_host(host)


def test_another_server_is_no_kubeflow(server: Server) -> None:
    with pytest.raises(submit.SubmitError, match="answers 404: it is no Kubeflow Pipelines"):
        submit.check_host(f"{server.host}/elsewhere")


def test_a_host_is_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(submit.HOST, raising=False)
    assert submit.main(["--config", "nowhere.yaml"]) == 2
    assert "--host must be the address" in capsys.readouterr().err


def test_a_wrong_configuration_is_told_before_anything_is_submitted(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit.main(["--config", "nowhere.yaml", "--host", server.host]) == 2
    assert "nowhere.yaml cannot be read" in capsys.readouterr().err
    assert server.pipelines == {}
