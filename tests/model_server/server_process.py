"""A server in its own process, and a client for it."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.paths import ROOT

# Only a guard: nothing here takes that long unless it fails.
DEADLINE_SECONDS = 120


class Reply(NamedTuple):
    """An answer of the server."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        """Returns the parsed body."""
        return json.loads(self.body)


class Client:
    """Sends requests to a port on this machine, each on its own connection."""

    def __init__(self, port: int) -> None:
        self.port = port

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Returns the answer to a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Reply(response.status, response.headers["content-type"], response.read())

    def get(self, path: str) -> Reply:
        """Returns the answer to a GET below /v1/models/."""
        return self.send("GET", f"/v1/models/{path}")

    def call(self, path: str, **request: Any) -> Reply:
        """Returns the answer to a call, e.g. call("name:predict", instances=[1.0])."""
        return self.send("POST", f"/v1/models/{path}", json.dumps(request).encode())

    def begin_call(self, model: str, body: bytes) -> socket.socket:
        """Returns the connection of a predict call that the server waits for the body of."""
        connection = socket.create_connection(("127.0.0.1", self.port), DEADLINE_SECONDS)
        connection.sendall(
            f"POST /v1/models/{model}:predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        return connection

    def accepted(self) -> bool:
        """Tells whether the server takes connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), DEADLINE_SECONDS).close()
        except ConnectionRefusedError:
            return False
        return True

    def states(self, model: str) -> dict[int, str]:
        """Returns version -> state; empty where the model is unknown."""
        versions = self.get(model).json().get("model_version_status", [])
        return {int(version["version"]): version["state"] for version in versions}


class Server:
    """A running `python -m model_server`.

    Args:
      process: the process.
      log: the file its log goes to.
    """

    def __init__(self, process: subprocess.Popen, log: pathlib.Path) -> None:
        self._process = process
        self._log = log
        wait_until(lambda: self._url() or process.poll() is not None)
        if not self._url():
            raise AssertionError(f"The server ended with {process.returncode}:\n{self.log()}")
        self.client = Client(int(self._url()[1]))

    @property
    def grpc_port(self) -> int:
        """The port of gRPC, where the server was told to have one."""
        return int(re.search(r"Serving gRPC on port (\d+)", self.log())[1])

    def log(self) -> str:
        """Returns the log so far."""
        return self._log.read_text()

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Sends the process a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Returns the exit code once the process has ended."""
        return self._process.wait(DEADLINE_SECONDS)

    def _url(self) -> re.Match | None:
        return re.search(r"Serving at http://127\.0\.0\.1:(\d+) ", self.log())


@contextlib.contextmanager
def serving(log: pathlib.Path, *flags: str) -> Iterator[Server]:
    """Runs a server on a free port while the block runs."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [
        sys.executable,
        "-m",
        "model_server",
        "--port",
        "0",
        "--poll-seconds",
        "0.1",
        *flags,
    ]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield Server(process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def read_all(connection: socket.socket) -> bytes:
    """Returns what comes until the server closes the connection."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def wait_until(condition: Callable[[], Any]) -> None:
    """Returns once the condition holds; raises AssertionError where it never does."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"It never came true: {condition}")
        time.sleep(0.02)
