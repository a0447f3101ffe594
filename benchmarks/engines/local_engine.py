"""A Beam job server and its Python workers on this machine, each a process of its own.

The job server is Beam's own, written in Python. It is asked by the Job API and drives its workers by the Fn API, the
protocols by which the job servers of Flink and Spark are asked and drive theirs; what crosses process borders here is
what would cross machines there.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc

_START_SECONDS = 120


class LocalEngine(NamedTuple):
    """An engine that is up.

    Attributes:
      job_endpoint: address of the job server.
      worker_pool: address of what starts workers.
      processes: ids of the job server and the pool; the workers are children of the pool.
    """

    job_endpoint: str
    worker_pool: str
    processes: tuple[int, int]

    @property
    def settings(self) -> dict[str, Any]:
        """The section `beam` of a pipeline's configuration that runs on it, with one worker a Beam pipeline."""
        environment = {"type": "external", "address": self.worker_pool}
        return {"runner": "portable", "portable": {"job_endpoint": self.job_endpoint, "environment": environment}}


@contextlib.contextmanager
def local_engine(folder: Path) -> Iterator[LocalEngine]:
    """Starts a job server and a worker pool, and ends them with all workers on the way out.

    Args:
      folder: for what they stage and print.

    Raises:
      RuntimeError: one of them ends at once, or does not answer within two minutes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    job, pool = _free_port(), _free_port()
    portability, worker = "apache_beam.runners.portability", "apache_beam.runners.worker"
    staging = folder / "staging"
    commands = {
        job: [f"{portability}.local_job_service_main", f"--port={job}", f"--staging_dir={staging}"],
        pool: [f"{worker}.worker_pool_main", f"--service_port={pool}"],
    }
    with contextlib.ExitStack() as stack:
        started = {
            port: stack.enter_context(_process(command, folder / f"{command[0].rpartition('.')[2]}.log"))
            for port, command in commands.items()
        }
        for port, process in started.items():
            _await(process, port)
        yield LocalEngine(f"localhost:{job}", f"localhost:{pool}", (started[job].pid, started[pool].pid))


@contextlib.contextmanager
def _process(module: list[str], log: Path) -> Iterator[subprocess.Popen]:
    # The pool starts its workers as `python`, which has to be this one.
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path},
            start_new_session=True,
        )
        try:
            yield process
        finally:
            # The session holds the workers too, which outlive a pool that is killed.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _await(process: subprocess.Popen, port: int) -> None:
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        ready = grpc.channel_ready_future(channel)
        for _ in range(_START_SECONDS):
            with contextlib.suppress(grpc.FutureTimeoutError):
                return ready.result(timeout=1)
            if process.poll() is not None:
                raise RuntimeError(f"{process.args} ended with status {process.returncode}; its log tells why.")
    raise RuntimeError(f"{process.args} does not answer within {_START_SECONDS} s; its log may tell why.")


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("localhost", 0))
        return bound.getsockname()[1]
