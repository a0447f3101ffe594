"""The local server in a process of its own, to be put under load."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.load_clients import Target

MODEL = "search"
ROOT = Path(__file__).parents[1]
# Only a guard: nothing here takes that long unless it fails.
_DEADLINE_SECONDS = 120.0


@contextlib.contextmanager
def serving(models: Path, *flags: str) -> Iterator[Target]:
    """Runs a server in a process of its own, on free ports of this machine, while the block runs."""
    log = models / ".log"
    ports = ["--port", "0", "--grpc_port", "0", "--poll_seconds", "0.2"]
    command = [sys.executable, "-m", "model_server", "--model-base-path", str(models), *ports, *flags]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: process.poll() is not None or "Serving at " in log.read_text())
        ports = re.search(r"gRPC on port (\d+)[\s\S]*Serving at http://127\.0\.0\.1:(\d+) ", log.read_text())
        if ports is None:
            raise RuntimeError(f"The server ended with {process.returncode}:\n{log.read_text()}")
        yield Target(MODEL, rest=int(ports[2]), grpc=int(ports[1]))
    finally:
        process.terminate()
        process.wait(_DEADLINE_SECONDS)


def wait_until(condition: Callable[[], bool]) -> None:
    """Returns once the condition holds.

    Raises:
      TimeoutError: where it never does.
    """
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"It must come true within {_DEADLINE_SECONDS:.0f} s. Received: {condition}")
        time.sleep(0.02)
