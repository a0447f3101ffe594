"""An engine that is not there, or is something else, is found out before anything is computed."""

import contextlib
import http.server
import importlib.metadata
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apache_beam.runners.portability.local_job_service import LocalJobServicer

from tfx_pipeline.beam.config import BeamConfig
from tfx_pipeline.beam.reachable import EngineError, check_engine

POOL = {"type": "external", "address": "localhost:50000"}


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is bound, so that nobody else takes it, but does not listen."""
    with socket.socket() as bound:
        bound.bind(("localhost", 0))
        yield bound.getsockname()[1]


class _Answers(http.server.BaseHTTPRequestHandler):
    """The REST APIs of Flink and Spark, as far as they tell their versions."""

    answers: dict[str, Any]

    def do_GET(self) -> None:
        self.send_response(200 if self.path in self.answers else 404)
        self.end_headers()
        self.wfile.write(json.dumps(self.answers.get(self.path, {})).encode())

    def log_message(self, *arguments: object) -> None:
        """Keeps the test's output clean."""


@contextlib.contextmanager
def _serve(answers: dict[str, Any]) -> Iterator[int]:
    """Serves JSON by path; yields the port."""
    handler = type("Handler", (_Answers,), {"answers": answers})
    server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def web_server() -> Iterator[int]:
    answers = {
        "/v1/config": {"flink-version": "1.18.1", "flink-revision": "abc"},
        "/v1/submissions/status/none": {"serverSparkVersion": "3.5.1", "success": False},
    }
    with _serve(answers) as port:
        yield port


@pytest.fixture
def job_server() -> Iterator[int]:
    servicer = LocalJobServicer()
    yield servicer.start_grpc_server()
    servicer.stop()


def _flink(**settings: Any) -> BeamConfig:
    return BeamConfig(runner="flink", flink={"master": "localhost:1", "environment": POOL, **settings})


def _spark(**settings: Any) -> BeamConfig:
    return BeamConfig(runner="spark", spark={"master": "spark://localhost:1", "environment": POOL, **settings})


def _portable(address: str) -> BeamConfig:
    return BeamConfig(runner="portable", portable={"job_endpoint": address, "environment": POOL})


def _refusal(beam: BeamConfig) -> str:
    with pytest.raises(EngineError) as error:
        check_engine(beam)
    return str(error.value)


def _engines_at(address: str) -> dict[str, BeamConfig]:
    """Returns, by the key that holds the address, every engine that has one."""
    rest = {"submit_uber_jar": True, "rest_url": f"http://{address}"}
    return {
        "beam.portable.job_endpoint": _portable(address),
        "beam.flink.master": _flink(master=address),
        "beam.flink.job_endpoint": _flink(job_endpoint=address),
        "beam.spark.master": _spark(master=f"spark://{address}"),
        "beam.spark.rest_url": _spark(**rest),
        "beam.spark.job_endpoint": _spark(job_endpoint=address),
    }


KEYS = list(_engines_at("localhost:1"))


def test_this_machine_is_always_there() -> None:
    check_engine(BeamConfig())
    check_engine(BeamConfig(workers=2, direct={"mode": "multi_processing"}))


@pytest.mark.parametrize("key", KEYS)
def test_a_closed_port(key: str, closed_port: int) -> None:
    message = _refusal(_engines_at(f"localhost:{closed_port}")[key])
    for part in (f"`{key}` must be", f"localhost:{closed_port}", "refused", "Start it, or correct the key"):
        assert part in message


@pytest.mark.parametrize("key", KEYS)
def test_a_host_that_nobody_knows(key: str) -> None:
    message = _refusal(_engines_at("nowhere.invalid:8099")[key])
    assert f"`{key}` must be" in message
    assert "the host 'nowhere.invalid' is not known" in message


@pytest.mark.parametrize("key", ["beam.portable.job_endpoint", "beam.flink.job_endpoint", "beam.spark.job_endpoint"])
def test_a_web_server_is_no_job_server(key: str, web_server: int) -> None:
    message = _refusal(_engines_at(f"localhost:{web_server}")[key])
    assert f"`{key}` must be the address of a Beam job server" in message
    assert "something else answers there" in message


@pytest.mark.parametrize("key", ["beam.flink.master", "beam.spark.rest_url"])
def test_a_job_server_is_no_rest_api(key: str, job_server: int) -> None:
    message = _refusal(_engines_at(f"localhost:{job_server}")[key])
    assert f"`{key}` must be the" in message
    assert "something else answers there" in message


@pytest.mark.parametrize("answer", [{"version": "9"}, ["flink-version"], None])
def test_a_web_server_without_the_answer_is_no_flink(answer: object) -> None:
    with _serve({"/v1/config": answer}) as port:
        assert "something else answers there" in _refusal(_flink(master=f"localhost:{port}"))


def test_what_is_there_passes(web_server: int, job_server: int) -> None:
    check_engine(_portable(f"localhost:{job_server}"))
    check_engine(_flink(job_endpoint=f"localhost:{job_server}"))
    check_engine(_spark(job_endpoint=f"localhost:{job_server}"))
    check_engine(_flink(master=f"http://localhost:{web_server}", version="1.18"))
    check_engine(_spark(submit_uber_jar=True, rest_url=f"http://localhost:{web_server}"))
    check_engine(_spark(master=f"spark://localhost:{job_server}"))


def test_a_flink_of_another_version(web_server: int) -> None:
    message = _refusal(_flink(master=f"localhost:{web_server}", version="1.19"))
    assert "`beam.flink.version` must be that of the cluster" in message
    assert "1.18.1. Received: '1.19'" in message


@pytest.mark.parametrize("beam", [_flink(master="[local]"), _spark(master="local[2]")], ids=["flink", "spark"])
def test_a_job_server_that_is_to_be_started_needs_java(beam: BeamConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    message = _refusal(beam)
    assert "job_endpoint` must name a job server that stands already" in message
    assert "`java` is not on the PATH" in message


@pytest.mark.parametrize("beam", [_flink(job_server_jar="no.jar"), _spark(job_server_jar="no.jar")])
def test_a_jar_that_is_not_there(beam: BeamConfig) -> None:
    message = _refusal(beam)
    assert f"`beam.{beam.runner}.job_server_jar` must name a file that exists" in message
    assert "'no.jar'" in message


def test_dataflow_without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "no.json"))
    settings = {"project": "shop", "region": "europe-west4", "temp_location": "gs://shop/temp"}
    message = _refusal(BeamConfig(runner="dataflow", sdk_container_image="shop/pipeline:1", dataflow=settings))
    assert "`beam.dataflow.project` must be a project that this process has credentials for" in message
    assert "'shop'" in message
    assert "gcloud auth application-default login" in message


def test_dask_is_refused_as_long_as_beams_runner_for_it_cannot_run_the_components() -> None:
    # The reason is Beam's: with another version it has to be looked at again.
    assert importlib.metadata.version("apache-beam").startswith("2.61.")
    message = _refusal(BeamConfig(runner="dask", dask={"scheduler": "tcp://localhost:8786"}))
    for part in (
        "`beam.runner` must be an engine that can run the components",
        "'tcp://localhost:8786'",
        "side inputs",
    ):
        assert part in message
