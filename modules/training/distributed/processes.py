"""Starts the processes that train, looks after them, and starts them again where one died."""

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow as tf

import modules
from modules.training.distributed.config import DistributionConfig
from modules.training.distributed.rendezvous import free_ports
from modules.training.distributed.tf_config import TaskConfig, local_cluster, read_tf_config
from modules.training.job import Job, remove_job, write_job
from modules.training.progress import read_history

WRONG, AGAIN = 2, 75
"""A worker's exit codes: what will fail again, and what may go well another time (`EX_TEMPFAIL` of sysexits.h)."""

_POLL_SECONDS, _GRACE_SECONDS = 0.2, 5.0
_LOG_TAIL = 2000
_CLOCKS = ("epoch", "seconds", "cpu_seconds")


class Worker:
    """A process that trains, and its log."""

    def __init__(self, task: TaskConfig, directory: str, log: Path, threads: int) -> None:
        root = str(Path(modules.__file__).parents[1])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        settings = {"TF_CONFIG": task.to_json(), "PYTHONPATH": path}
        defaults = {"TF_NUM_INTRAOP_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
        self.task = task
        self._log = log
        with log.open("ab") as file:
            # Standard input is never written to: it closes with this process, whatever ends it.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "modules.training.worker", "--job", directory, "--with-parent"],
                env={**defaults, **os.environ, **settings},
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
            )

    @property
    def is_replaceable(self) -> bool:
        """Whether the others can go on without it, and with another in its place."""
        return self.task.serves and self.task.task.type == "worker" and self.process.returncode != WRONG

    def stop(self) -> None:
        """Ends the process, gently first."""
        self.process.terminate()
        try:
            self.process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()

    def last_words(self) -> str:
        """Returns how it ended and the end of its log."""
        code = self.process.returncode
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        tail = self._log.read_bytes()[-_LOG_TAIL:].decode(errors="replace").strip()
        return f"{self.task.name(self.task.worker)} {how}. The end of {self._log}:\n{tail}"


def train_in_processes(
    job: Job, directory: str, callbacks: Sequence[tf.keras.callbacks.Callback], model: tf.keras.Model
) -> None:
    """Trains a job in this machine's worker processes, to its end.

    Args:
      job: what to train; it is written to `directory`, where workers on other machines wait for it.
      directory: of checkpoints, the history, and on a local disk the workers' logs.
      callbacks: see the epochs of this run as they end.
      model: what the callbacks see as their model; it is not trained.

    Raises:
      ValueError: on what will fail again: settings, data, `TF_CONFIG`, or a loss that is not finite.
      RuntimeError: when a worker died more often than it is to be started again.
    """
    distribution = job.training.distribution
    _check_own_task(distribution)
    write_job(job, directory)
    logs = Path(tempfile.mkdtemp(prefix="workers-") if "://" in directory else os.path.join(directory, "logs"))
    logs.mkdir(parents=True, exist_ok=True)
    feed = _EpochFeed(callbacks, model, directory)
    restarts = iter(range(distribution.restarts))
    while (failed := _run(_tasks(distribution), directory, logs, feed, restarts)) is not None:
        if failed.process.returncode == WRONG:
            raise ValueError(failed.last_words())
        logging.warning("%s", failed.last_words())
        if next(restarts, None) is None:
            raise RuntimeError(
                f"Training stopped after {distribution.restarts} restarts (`training.distribution.restarts`): "
                f"{failed.last_words()}\nStarted again, it goes on after the last finished epoch."
            )
        logging.warning("The workers are started again, after the last finished epoch.")
    feed.end()
    remove_job(directory)


def _check_own_task(distribution: DistributionConfig) -> None:
    if distribution.local_workers is not None:
        return
    task = read_tf_config()
    task.check(distribution.strategy)
    if distribution.strategy == "parameter_server" and task.task.type != "chief":
        raise ValueError(
            "The Trainer must be the `chief` of a cluster with parameter servers. "
            f"Received: `TF_CONFIG` of {task.name(task.worker)}."
        )


def _tasks(distribution: DistributionConfig) -> list[TaskConfig]:
    if distribution.local_workers is None:
        return [read_tf_config()]
    if distribution.local_servers is None:
        return local_cluster(free_ports(distribution.local_workers))
    # One more is the chief, which takes no steps.
    ports = free_ports(1 + distribution.local_workers + distribution.local_servers)
    return local_cluster(ports[: -distribution.local_servers], ports[-distribution.local_servers :])


def _run(
    tasks: Sequence[TaskConfig], directory: str, logs: Path, feed: "_EpochFeed", restarts: Iterator[int]
) -> Worker | None:
    """Returns the process that failed, or None when all are done; none is left running in any case.

    A worker of a chief is started again while the others go on, at the price of one of the `restarts`.
    """
    threads = max(1, (os.cpu_count() or 1) // len(tasks))
    with contextlib.ExitStack() as stack:

        def start(task: TaskConfig) -> Worker:
            worker = Worker(task, directory, logs / f"worker-{task.worker}.log", threads)
            stack.callback(worker.stop)
            return worker

        workers = [start(task) for task in tasks]
        while True:
            feed.read()
            failed = [worker for worker in workers if worker.process.poll()]
            for worker in list(failed):
                if worker.is_replaceable and next(restarts, None) is not None:
                    logging.warning("%s\nIt is started again; the others go on.", worker.last_words())
                    failed.remove(worker)
                    workers[workers.index(worker)] = start(worker.task)
            if failed:
                # One that was killed comes before those that complain about it.
                return min(failed, key=lambda worker: worker.process.returncode)
            if all(worker.process.poll() == 0 for worker in workers if not worker.task.serves):
                return None
            time.sleep(_POLL_SECONDS)


class _EpochFeed:
    """Tells callbacks of the epochs that other processes write down."""

    def __init__(self, callbacks: Sequence[tf.keras.callbacks.Callback], model: tf.keras.Model, directory: str) -> None:
        self._callbacks = tf.keras.callbacks.CallbackList(list(callbacks), model=model)
        self._directory = directory
        self._seen = len(read_history(directory))
        self._callbacks.on_train_begin()

    def read(self) -> None:
        """Passes on the epochs that have ended since the last call."""
        history = read_history(self._directory)
        for entry in history[self._seen :]:
            epoch = int(entry["epoch"]) - 1
            logging.info("Epoch %d: loss %.4f, %.1f s", epoch + 1, entry["loss"], entry["seconds"])
            self._callbacks.on_epoch_begin(epoch)
            self._callbacks.on_epoch_end(epoch, {name: value for name, value in entry.items() if name not in _CLOCKS})
        self._seen = max(self._seen, len(history))

    def end(self) -> None:
        """Passes on what is left, and that the training is over."""
        self.read()
        self._callbacks.on_train_end()
