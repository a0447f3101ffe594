"""Workers wait for each other before TensorFlow does, so that one that never comes is named in good time."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator

from modules.training.distributed.tf_config import TaskConfig

_POLL_SECONDS = 0.2


def free_ports(number: int) -> list[int]:
    """Returns TCP ports of this machine that nothing listens on, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in sockets]


def meet(task: TaskConfig, timeout_seconds: float) -> None:
    """Returns when every worker of the cluster listens on its port.

    Args:
      task: the cluster and this process's place in it.
      timeout_seconds: how long to wait.

    Raises:
      TimeoutError: names the workers that did not come.
      ValueError: where this worker's own port is taken.
    """
    missing = [worker for worker in range(len(task.addresses)) if worker != task.worker]
    deadline = time.monotonic() + timeout_seconds
    with _listening(task):
        while missing:
            missing = [worker for worker in missing if not _answers(task.addresses[worker])]
            if missing and time.monotonic() > deadline:
                raise TimeoutError(
                    f"All {len(task.addresses)} workers must come within {timeout_seconds:g} seconds. Missing: "
                    f"{', '.join(map(task.name, missing))}. Look whether they run and whether these addresses can be "
                    "reached, or raise `training.distribution.start_timeout_seconds`."
                )
            if missing:
                time.sleep(_POLL_SECONDS)
    logging.info("All %d workers are there.", len(task.addresses))


@contextlib.contextmanager
def _listening(task: TaskConfig) -> Iterator[None]:
    port = int(task.addresses[task.worker].rpartition(":")[2])
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("", port))
        except OSError as error:
            raise ValueError(
                f"The port of {task.name(task.worker)} in `TF_CONFIG` must be free on its machine. Received: {error}. "
                "An earlier worker may still be running."
            ) from error
        server.listen()
        closed = threading.Event()

        def accept() -> None:
            while not closed.is_set():
                with contextlib.suppress(OSError):
                    server.accept()[0].close()

        server.settimeout(_POLL_SECONDS)
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield
        finally:
            closed.set()
            thread.join()


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=2):
        return True
    return False
