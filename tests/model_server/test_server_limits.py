"""Requests that are too long, too many or too slow are refused, and leave the server as it was."""

import contextlib
import gzip
import json
import pathlib
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn

from model_server.calls import Calls
from model_server.limits import Limits
from model_server.metrics import Metrics
from model_server.models import sources
from model_server.models.manager import ModelManager
from model_server.models.version_loader import VersionLoader
from model_server.rest.app import Endpoint, create_app
from model_server.rest.connections import connections_within
from model_server.rest.handlers import RestApi
from tests.model_server.server_process import DEADLINE_SECONDS, Client, read_all, wait_until

ONE = b'{"instances":[1.0]}'
# Turns that no machine gets through before the time-out.
FOR_EVER = 10**15


@contextlib.contextmanager
def serving(models: pathlib.Path, limits: Limits) -> Iterator[Client]:
    """Runs a server in a thread, over HTTP, while the block runs."""

    named = [sources.ModelSource(name, f"{models}/{name}") for name in ("half_plus_two", "multi")]
    loader = VersionLoader(timeout_seconds=limits.timeout_seconds)
    manager = ModelManager(sources.fixed(named), loader)
    manager.start()
    metrics = Metrics()
    endpoint = Endpoint(RestApi(manager, Calls(manager, metrics), metrics), limits)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(endpoint),
            http=connections_within(limits.timeout_seconds),
            log_config=None,
            access_log=False,
        )
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield Client(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()
            endpoint.close()
            manager.close()


@pytest.fixture(scope="module")
def strict(models: pathlib.Path) -> Iterator[Client]:
    """A server that takes little."""
    with serving(models, Limits(body_bytes=1000, threads=2, pending=2)) as client:
        yield client


@pytest.fixture(scope="module")
def hasty(models: pathlib.Path) -> Iterator[Client]:
    """A server that soon loses patience."""
    with serving(models, Limits(threads=1, pending=8, timeout_seconds=0.5)) as client:
        yield client


@pytest.fixture(scope="module")
def few_values(models: pathlib.Path) -> Iterator[Client]:
    """A server that reads little JSON."""
    with serving(models, Limits(json_values=4)) as client:
        yield client


def predict(client: Client, body: bytes, **headers: str) -> tuple[int, dict]:
    reply = client.send("POST", "/v1/models/half_plus_two:predict", body, headers)
    return reply.status, reply.json()


def test_body_may_be_as_long_as_the_limit_and_no_longer(strict: Client):
    assert predict(strict, ONE.ljust(1000)) == (200, {"predictions": [2.5]})
    too_long = {"error": "Request body must be at most 1000 bytes"}
    assert predict(strict, ONE.ljust(1001)) == (413, too_long)
    assert predict(strict, ONE) == (200, {"predictions": [2.5]})


def test_body_of_unknown_length_is_bounded_too(strict: Client):
    def chunks() -> Iterator[bytes]:
        yield ONE
        yield b" " * 1000

    assert strict.send("POST", "/v1/models/half_plus_two:predict", chunks()).status == 413


def test_compressed_body_is_bounded_by_its_true_length(strict: Client):
    headers = {"Content-Encoding": "gzip"}
    assert predict(strict, gzip.compress(ONE), **headers) == (200, {"predictions": [2.5]})
    assert predict(strict, gzip.compress(ONE.ljust(100_000)), **headers)[0] == 413
    for broken in (ONE, gzip.compress(ONE)[:-4]):
        empty = {"error": "JSON Parse error: The document is empty"}
        assert predict(strict, broken, **headers) == (400, empty)


def test_calls_beyond_the_limit_are_refused_until_one_ends(strict: Client):
    held = [strict.begin_call("half_plus_two", ONE) for _ in range(2)]
    refusal = {"error": "2 calls are being served; try again later"}
    assert predict(strict, ONE) == (503, refusal)
    # What does not run a model is answered all the same.
    assert strict.get("half_plus_two").status == 200
    for connection in held:
        with connection:
            connection.sendall(ONE)
            assert read_all(connection).startswith(b"HTTP/1.1 200 ")
    wait_until(lambda: predict(strict, ONE) == (200, {"predictions": [2.5]}))


def test_slow_model_times_out_and_frees_its_thread(hasty: Client):
    reply = hasty.call("multi:predict", signature_name="loop", inputs=FOR_EVER)
    assert reply.status == 504
    assert "imed out" in reply.json()["error"]
    wait_until(lambda: predict(hasty, ONE) == (200, {"predictions": [2.5]}))


def test_slow_client_times_out(hasty: Client):
    with hasty.begin_call("half_plus_two", ONE) as connection:
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 504 ")
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert body == {"error": "Timed out reading the request"}


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n",
        b"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nHost: loc",
        # The first request is answered, the second never ends.
        b"GET /v1/models/half_plus_two HTTP/1.1\r\nHost: localhost\r\n\r\n|GET /v1",
    ],
)
def test_connection_whose_headers_do_not_come_is_closed(sent: bytes, hasty: Client):
    with socket.create_connection(("127.0.0.1", hasty.port), DEADLINE_SECONDS) as connection:
        first, _, second = sent.partition(b"|")
        connection.sendall(first)
        if second:
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
            connection.sendall(second)
        read_all(connection)
    assert predict(hasty, ONE) == (200, {"predictions": [2.5]})


def test_json_of_too_many_values_is_refused_before_it_is_read(few_values: Client):
    four = b'{"instances":[1.0,1.0,1.0,1.0]}'
    assert predict(few_values, four) == (200, {"predictions": [2.5] * 4})
    too_many = {"error": "Request body must have fewer than 4 commas"}
    assert predict(few_values, b'{"instances":[1.0,1.0,1.0,1.0,1.0]}') == (413, too_many)
    assert predict(few_values, four) == (200, {"predictions": [2.5] * 4})


@pytest.mark.parametrize("name", ["body_bytes", "threads", "pending", "timeout_seconds"])
def test_limits_must_be_positive(name: str):
    with pytest.raises(ValueError, match=f"`{name}` must be positive. Received: {name}=0"):
        Limits(**{name: 0})
